package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/problem"
)

type serveCommand struct {
	config.Settings `embed:""`
}

// Help implements kong.HelpProvider.
func (*serveCommand) Help() string { return secretsHelp }

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, p *program) error {
	a, err := p.serving(ctx, &c.Settings)
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// serving checks the settings and returns an app with an open store.
func (p *program) serving(ctx context.Context, s *config.Settings) (*app, error) {
	settings, err := p.settings.Serve(s)
	if err != nil {
		p.warnOfVariables()
		return nil, withStatus(err, exitUsage)
	}
	a := p.app(settings)
	if p.exposed != nil {
		a.logger.WithError(p.exposed).Warn("other processes of the same user can read the memory of this process")
	}
	if a.store, err = settings.Store.Open(ctx, settings.StoreOptions(func(text string) { a.logger.Warn(text) })); err != nil {
		return nil, err
	}
	logProblem(a.logger, logrus.ErrorLevel, "the token store does not work fully", a.store.Limited)
	logProblem(a.logger, logrus.WarnLevel, "a login can be lost", settings.SpentSeed(a.store))
	return a, nil
}

// app returns an app with a log, but without a store. It logs the warnings of the configuration.
func (p *program) app(c *config.Config) *app {
	secrets := redactor{c.Secrets}
	a := &app{
		program: p, Config: c,
		logger: newLogger(p.log, c.LogLevel, c.LogFormat, secrets), accessLog: newAccessLog(p.log, c.LogLevel, c.LogFormat, secrets),
	}
	for _, w := range c.Warnings {
		logProblem(a.logger, logrus.WarnLevel, "", w)
	}
	return a
}

// logProblem logs an error, if there is one, together with its hint.
func logProblem(logger *logrus.Logger, level logrus.Level, text string, err error) {
	if err == nil {
		return
	}
	entry := logger.WithFields(logrus.Fields{})
	if hint := problem.HintOf(err); hint != "" {
		entry = entry.WithField("hint", hint)
	}
	if text == "" {
		entry.Log(level, err.Error())
		return
	}
	entry.WithError(err).Log(level, text)
}

// Exit statuses that shells use for a command that could not be run, was not found, or was ended by a signal.
const (
	exitCannotRun = 126
	exitNotFound  = 127
	exitSignal    = 128 // and its number
)

type runCommand struct {
	Command []string `arg:"" optional:"" passthrough:"" placeholder:"COMMAND" help:"The program to run, with its arguments, after --."`

	config.Settings `embed:""`
}

// Help implements kong.HelpProvider.
func (*runCommand) Help() string {
	return `The proxy listens on a free port and gives the program its URL in PANDADOC_BASE_URL. When the program
ends, the proxy ends too. Signals go to the program, and its exit status is the exit status of this command. The
settings are those of serve, but with other defaults: --listen 127.0.0.1:0, --admin-listen none, --log-level warning.`
}

// runDefaults sets the defaults of run that are not those of serve.
func runDefaults(k *kong.Kong) error {
	run := k.Model.Children[slices.Index(commandNames(k.Model), "run")]
	for _, flag := range run.Flags {
		switch flag.Name {
		case "listen":
			flag.Default = "127.0.0.1:0"
		case "admin-listen":
			flag.Default = "none"
		case "log-level":
			flag.Default = "warning"
		}
	}
	return nil
}

// Run runs a proxy and one program that uses it.
func (c *runCommand) Run(ctx context.Context, p *program, k *kong.Context) error {
	words, path, err := c.find(k)
	if err != nil {
		return err
	}
	a, err := p.serving(ctx, &c.Settings)
	if err != nil {
		return err
	}
	base := make(chan string, 1)
	a.quiet, a.ready = true, func(bases []string) { base <- firstURL(bases) }
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- a.run(ctx) }()
	select {
	case url := <-base:
		// The program could not find a proxy that listens on Unix sockets only.
		status := withStatus(problem.Mistake("the proxy listens on a unix socket only, and PANDADOC_BASE_URL cannot name one",
			"add --listen 127.0.0.1:0, or start the proxy with serve and tell the program the path of the socket"), exitUsage)
		if url != "" {
			status = p.child(path, words, url, served)
		}
		stop()
		return errors.Join(<-served, status)
	case err := <-served:
		return err
	}
}

// find returns the words of the command, and the path of the program.
func (c *runCommand) find(k *kong.Context) (words []string, path string, err error) {
	words = c.Command
	switch {
	case len(words) > 0 && words[0] == "--":
		words = words[1:]
	case len(words) > 0 && strings.HasPrefix(words[0], "-"): // kong takes what it does not know for the program
		return nil, "", withStatus(unknownFlag(k.Selected(), words[0]), exitUsage)
	}
	if len(words) == 0 {
		return nil, "", withStatus(problem.Mistake("there is no program to run", "run: "+programName+" run -- COMMAND"), exitUsage)
	}
	path, err = exec.LookPath(words[0])
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		err = withStatus(problem.WithHint(err, "name a program in PATH, or by its path"), exitNotFound)
	case err != nil:
		err = withStatus(problem.WithHint(err, "name a file that this user may execute"), exitCannotRun)
	}
	return words, path, err
}

// firstURL returns the first address that is an http or https URL, or "".
func firstURL(bases []string) string {
	for _, base := range bases {
		if !strings.HasPrefix(base, "unix:") {
			return base
		}
	}
	return ""
}

// await waits until the program ends, and passes signals to it.
func (p *program) await(command *exec.Cmd, signals chan os.Signal, served chan error) error {
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case s := <-signals:
			if !terminalSends(s) {
				command.Process.Signal(s)
			}
		case broken := <-served:
			served <- broken
			stopProcess(command.Process)
			served = nil // once is enough
		}
	}
}

// child runs the program until it ends, and returns its exit status as an error. If the proxy ends first, child
// asks the program to end.
func (p *program) child(path string, words []string, url string, served chan error) error {
	command := exec.Command(path, words[1:]...)
	command.Args[0] = words[0]
	command.Stdin, command.Stdout, command.Stderr = p.own.Stdin, p.own.Stdout, p.own.Stderr
	command.Env = append(withoutOurs(p.Environ), config.BaseURL+"="+url)
	signals := make(chan os.Signal, 8) // a signal may come before Start has returned
	p.ending.forward(func(s os.Signal) {
		select {
		case signals <- s:
		default: // the program has not read the earlier signals yet
		}
	})
	defer p.ending.forward(nil)
	if err := command.Start(); err != nil {
		return withStatus(err, exitCannotRun)
	}
	err := p.await(command, signals, served)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Exited():
		return withStatus(nil, exit.ExitCode())
	case errors.As(err, &exit):
		return withStatus(nil, exitSignal+signalOf(exit.ProcessState))
	case err != nil:
		return fmt.Errorf("%s: %w", words[0], err)
	}
	return nil
}
