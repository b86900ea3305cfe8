// Package cli is the command line: one file for each command or for a few that belong together, and the
// wiring of the packages that a command runs. Settings are read by package config; nothing here reads the
// environment of the process.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kong"
	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/logqueue"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
)

const programName = "pandadoc-auth-proxy"

// Env is what a program is given by its surroundings.
type Env struct {
	Args    []string // without the program's name
	Environ []string // as of os.Environ
	Stdin   io.Reader
	Stdout  io.Writer // results
	Stderr  io.Writer // logs and everything else for people
	// Version is that of a release. Empty means what the Go toolchain put into the program.
	Version string
	// Signals delivers what Signals lists. Nil delivers none.
	Signals <-chan os.Signal
}

// lastLines is how long the log may take at the end. A reader that is slower loses lines.
const lastLines = time.Second

// Run runs one command until it is done, or asked to end by ctx or a signal, and returns the exit status:
// 0 done, 1 failed, 2 wrong use or configuration, 3 login required. After a third signal it returns while
// the command still runs.
func Run(ctx context.Context, env Env) int {
	log := logqueue.New(env.Stderr)
	defer log.Close(lastLines)
	env.Stderr = log
	defer captureStandardLog(newLogger(log, logrus.WarnLevel, "text", newRedactor(nil)))()
	end, stop := newEnding(ctx, env.Signals)
	status := make(chan int, 1)
	go func() {
		defer stop()
		err := run(end, env)
		if end.drain.Err() != nil && errors.Is(err, context.Canceled) {
			err = errors.New("interrupted")
		}
		report(env.Stderr, err)
		status <- exitStatus(err)
	}()
	select {
	case s := <-status:
		return s
	case <-end.now:
		return exitFailed
	}
}

func run(end *ending, env Env) error {
	p := &program{Env: env, ending: end, settings: config.NewReader(env.Environ, stores.Known()), exposed: harden()}
	helped := false
	parser, err := kong.New(&commandLine{}, options(p, func(int) { helped = true })...)
	if err != nil {
		return err
	}
	command, err := parser.Parse(env.Args)
	switch {
	case helped:
		return nil
	case err != nil:
		return withStatus(problem.WithHint(err, "\""+programName+" --help\" lists commands and flags"), exitUsage)
	}
	p.settings.Parsed(command)
	command.BindTo(end.drain, (*context.Context)(nil))
	return command.Run(p)
}

func options(p *program, exit func(int)) []kong.Option {
	return append(p.settings.Options(),
		kong.Name(programName),
		kong.Description(description),
		kong.Writers(p.Stdout, p.Stderr),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Help(printHelp),
		kong.ValueFormatter(helpWithDefault),
	)
}

// commandLine is what kong parses. serve is meant where no command is given.
type commandLine struct {
	Serve       serveCommand       `cmd:"" default:"withargs" help:"Run the proxy. This is the default."`
	Sandbox     sandboxCommand     `cmd:"" help:"Run the proxy against a built-in emulator of PandaDoc. Needs no account."`
	Login       loginCommand       `cmd:"" help:"Sign an account in, in the browser or by hand."`
	Status      statusCommand      `cmd:"" help:"Show how the accounts stand (exit 0, 1, or 3 if a login is required)."`
	Refresh     refreshCommand     `cmd:"" help:"Get new tokens now."`
	Logout      logoutCommand      `cmd:"" help:"Forget the tokens of an account."`
	Doctor      doctorCommand      `cmd:"" help:"Find out what is wrong, with the fix (exit 0, 1, or 3 if a login is required)."`
	Explain     explainCommand     `cmd:"" help:"Tell what happened to a request."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask a running proxy whether it is ready (exit 0, 1, or 3 if a login is required)."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

// program is what every command works with.
type program struct {
	Env
	ending   *ending
	settings *config.Reader
	// exposed is why the system does not keep this process's memory from others of the same user. Nil if it does.
	exposed error
}
