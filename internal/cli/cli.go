// Package cli is the command line. Related commands share a file. The package also connects the packages that a
// command runs. Package config reads the settings; nothing here calls os.Getenv.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/logqueue"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
)

const programName = problem.Program

// Env is the environment that a program runs in.
type Env struct {
	Args    []string // without the program's name
	Environ config.Environ
	Stdin   io.Reader
	Stdout  io.Writer // results
	Stderr  io.Writer // logs and messages to the user
	// Version is the version of a release. Empty means the version that the Go toolchain put into the program.
	Version string
	// Signals delivers the signals that the function Signals lists. Nil delivers none.
	Signals <-chan os.Signal
	// Stores are the kinds of store. Nil means those of the program.
	Stores stores.Table
}

// logTimeout is how long the program waits at its end for the log to be written. A slower reader loses lines.
const logTimeout = time.Second

// Run runs one command until it is done, or asked to end by ctx or a signal, and returns the exit status: 0
// done, 1 failed, 2 wrong use or configuration, 3 login required. After a third signal it returns although the
// command still runs.
func Run(ctx context.Context, env Env) int {
	log := logqueue.New(env.Stderr)
	defer log.Close(logTimeout)
	defer captureStandardLog(newLogger(log, logrus.WarnLevel, "text", redactor{}))()
	end, stop := newEnding(ctx, env.Signals)
	p := newProgram(env, log, end)
	status := make(chan int, 1)
	go func() {
		defer stop()
		err := p.run()
		if end.drain.Err() != nil && errors.Is(err, context.Canceled) {
			err = errors.New("interrupted")
		}
		var text strings.Builder
		report(&text, "error", err)
		io.WriteString(p.Stderr, p.withTyped(text.String()))
		status <- exitStatus(err)
	}()
	select {
	case s := <-status:
		return s
	case <-end.now:
		return exitFailed
	}
}

// program has what every command needs.
type program struct {
	// Env is the environment. Control characters are removed from text for Stdout and Stderr; text for Stderr
	// goes through log.
	Env
	// own is the environment as it was given, for the program that the command run starts.
	own      Env
	log      *logqueue.Queue
	ending   *ending
	settings *config.Reader
	// typed are the settings that were given as flags; see withTyped.
	typed []typedFlag
	// exposed is the reason why other processes of the same user can read this process's memory. Nil if they
	// cannot.
	exposed error
}

func newProgram(env Env, log *logqueue.Queue, end *ending) *program {
	kinds := env.Stores
	if kinds == nil {
		kinds = stores.Known()
	}
	p := &program{Env: env, own: env, log: log, ending: end, settings: config.NewReader(env.Environ, kinds), exposed: harden()}
	p.Stdout, p.Stderr = plainWriter{env.Stdout}, plainWriter{log}
	return p
}

// plainWriter removes control characters from texts of servers and files, so that a terminal does not obey
// them.
type plainWriter struct{ io.Writer }

func (w plainWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, problem.Plain(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (p *program) run() error {
	helped := false
	parser, err := kong.New(&commandLine{}, options(p, func(int) { helped = true })...)
	if err != nil {
		return err
	}
	command, err := parser.Parse(p.Args)
	switch {
	case notWritten(err):
		return err
	case helped:
		return nil
	case err != nil:
		return usageError(err, parser.Model, p.Args)
	}
	report(p.Stderr, "warning", givenTwice(command))
	p.typed = typedSettings(command)
	p.settings.Parsed(command)
	switch command.Selected().Name {
	case "serve", "run", "sandbox", "doctor": // they have it in their log or report
	case "version", "help", "completion", "healthcheck": // no settings, or every few seconds
	default:
		p.warnOfVariables()
	}
	command.BindTo(p.ending.drain, (*context.Context)(nil))
	return command.Run(p)
}

// warnOfVariables tells the user about environment variables that were probably meant as settings.
func (p *program) warnOfVariables() { report(p.Stderr, "warning", p.settings.UnknownVariables) }

// notWritten reports whether err is a failed write of the output, as to a pipe whose reader has ended. Then the command
// line has no mistake.
func notWritten(err error) bool {
	var file *fs.PathError
	return errors.As(err, &file) && file.Op == "write"
}

func options(p *program, exit func(int)) []kong.Option {
	return append(p.settings.Options(),
		kong.Name(programName),
		kong.Bind(p),
		kong.Description(description),
		kong.Writers(p.Stdout, p.Stderr),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Help(printHelp),
		kong.ValueFormatter(helpWithDefault),
		kong.PostBuild(func(k *kong.Kong) error {
			k.Model.HelpFlag.Help = "Show this help."
			return nil
		}),
		kong.PostBuild(runDefaults),
	)
}

// commandLine is what kong parses. Without a command, it means serve.
type commandLine struct {
	Version versionFlag `help:"Print the version."`

	Serve   serveCommand   `cmd:"" group:"Run" default:"withargs" help:"Run the proxy. This is the default."`
	Run     runCommand     `cmd:"" group:"Run" help:"Run a program together with its own proxy: run -- COMMAND."`
	Sandbox sandboxCommand `cmd:"" group:"Run" help:"Run the proxy against a built-in emulator of PandaDoc. Needs no account."`

	Login   loginCommand   `cmd:"" group:"Accounts" help:"Sign in to an account, in the browser or with --paste."`
	Status  statusCommand  `cmd:"" group:"Accounts" help:"Show the accounts. Exit status 3 means that one needs a login."`
	Refresh refreshCommand `cmd:"" group:"Accounts" help:"Get new tokens now."`
	Logout  logoutCommand  `cmd:"" group:"Accounts" help:"Delete the tokens of an account."`
	Import  importCommand  `cmd:"" group:"Accounts" help:"Import tokens from a file, standard input or another store."`

	ClientKey   clientKeyCommand   `cmd:"" group:"Operate" help:"Create a key for a client, and print the lines for the configuration file."`
	Healthcheck healthcheckCommand `cmd:"" group:"Operate" help:"Check that the proxy is alive, or with --ready that it is usable."`
	Console     consoleCommand     `cmd:"" group:"Operate" help:"Open the web console of the running proxy, with a one-time link if it requires the admin key."`
	Wait        waitCommand        `cmd:"" group:"Operate" help:"Wait until the proxy is alive, or with --ready until it is usable."`

	Doctor  doctorCommand  `cmd:"" group:"Find out" help:"Find problems and their fixes. Exit status 3 means that an account needs a login."`
	Explain explainCommand `cmd:"" group:"Find out" help:"Show what happened to a request."`

	Completion completionCommand `cmd:"" group:"Find out" help:"Print a completion script for bash, zsh or fish."`
	Help       helpCommand       `cmd:"" group:"Find out" help:"Show the flags of a command: help COMMAND."`
	VersionCmd versionCommand    `cmd:"" name:"version" group:"Find out" help:"Print the version."`
}

// Exit status, as documented.
const (
	exitOK            = 0
	exitFailed        = 1
	exitUsage         = 2 // wrong use or configuration
	exitLoginRequired = 3
)

// statusError adds the exit status to an error.
type statusError struct {
	err    error // nil if the message was already printed
	status int
}

func (e statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e statusError) Unwrap() error { return e.err }

func withStatus(err error, status int) error {
	if err == nil && status == exitOK {
		return nil
	}
	return statusError{err, status}
}

// exitStatus returns the exit status for err.
func exitStatus(err error) int {
	var s statusError
	var setting stores.SettingError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &s):
		return s.status
	case errors.As(err, &setting):
		return exitUsage
	}
	return exitFailed
}

// report prints err: "error: …" (or another kind) and "hint: …" for each of the joined errors, each on one line, so
// that no foreign text can imitate a line of ours.
func report(w io.Writer, kind string, err error) {
	for _, e := range problem.Each(err) {
		if s, ok := e.(statusError); ok {
			report(w, kind, s.err)
			continue
		}
		fmt.Fprintf(w, "%s: %s\n", kind, problem.Line(e.Error()))
		if hint := problem.HintOf(e); hint != "" {
			fmt.Fprintf(w, "hint: %s\n", problem.Line(hint))
		}
	}
}
