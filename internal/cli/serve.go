package cli

import (
	"context"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/logqueue"
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

// serving checks the settings and makes an app of them that has its store.
func (p *program) serving(ctx context.Context, s *config.Settings) (*app, error) {
	settings, err := p.settings.Serve(s)
	if err != nil {
		return nil, withStatus(err, exitUsage)
	}
	a := p.app(settings)
	if p.exposed != nil {
		a.logger.WithError(p.exposed).Warn("the system does not keep the memory of this process from others of the same user")
	}
	if a.store, err = settings.Store.Open(ctx, settings.StoreOptions(p.Environ, func(text string) { a.logger.Warn(text) })); err != nil {
		return nil, err
	}
	logProblem(a.logger, logrus.ErrorLevel, "the token store cannot be used in full", a.store.Limited)
	logProblem(a.logger, logrus.WarnLevel, "a login can be lost", settings.SpentSeed(a.store))
	return a, nil
}

// app returns one that has a log and no store yet. What a person should look at is logged.
func (p *program) app(c *config.Config) *app {
	a := &app{
		Config: c, stderr: p.Stderr, environ: p.Environ, version: buildVersion(p.Version).version, ending: p.ending,
		logger: newLogger(p.log, c.LogLevel, c.LogFormat, newRedactor(c.Secrets)),
	}
	if queue, ok := p.log.(*logqueue.Queue); ok {
		a.dropped = queue.Dropped
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
