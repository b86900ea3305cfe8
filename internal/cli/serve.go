package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
)

type serveCommand struct {
	settings `embed:""`
}

// Run serves until ctx ends.
func (c *serveCommand) Run(ctx context.Context, p *program) error {
	a, store, level, err := c.check(p)
	if err != nil {
		return withStatus(err, exitUsage)
	}
	a.logger = newLogger(p.Stderr, level, c.LogFormat, newRedactor(a.secrets.all()))
	a.stderr, a.ending = p.Stderr, p.ending
	p.warnStrangers(a.logger)
	if p.exposed != nil {
		a.logger.WithError(p.exposed).Warn("the system does not keep the memory of this process from others of the same user")
	}
	warnSecrets(a.logger, a.secrets)
	if a.store, err = store.Open(ctx, storeOptions(p.Environ, func(text string) { a.logger.Warn(text) })); err != nil {
		return err
	}
	if a.store.Limited != nil {
		logProblem(a.logger, "the token store cannot be written: no token will be refreshed", a.store.Limited)
	}
	return a.run(ctx)
}

// check makes an app of the settings, or says everything that is wrong with them.
func (c *serveCommand) check(p *program) (*app, stores.Spec, logrus.Level, error) {
	v := p.validator()
	known, err := readSecrets(p.layers, &c.secretSettings)
	a := &app{
		listen: v.listen(&c.listenSettings, len(known.clientKeys) > 0), admin: v.admin(&c.adminSettings), upstream: v.upstream(&c.upstreamSettings),
		redirect: v.redirect(&c.loginSettings), scope: c.Scope, secrets: known,
		guard: c.listenSettings, tokens: c.tokenSettings, traffic: c.trafficSettings,
		certificate: v.certificate(&c.listenSettings), pprof: c.Pprof.On,
	}
	a.secrets.requireHeader = v.requiredHeader(&c.listenSettings)
	v.listeners(addressesOf(a.listen), a.admin)
	v.loops(a.upstream, addressesOf(a.listen), a.admin)
	v.tokens(&c.tokenSettings)
	v.traffic(&c.trafficSettings)
	store, level := v.store(&c.storeSettings), v.log(&c.logSettings)
	return a, store, level, errors.Join(v.err(), err)
}

// warnStrangers names variables that look like settings. They are no error, because Kubernetes makes
// such names for every service that begins with pandadoc.
func (p *program) warnStrangers(logger *logrus.Logger) {
	if len(p.strangers) > 0 {
		logger.WithField("names", strings.Join(p.strangers, " ")).
			Warn("these variables in the environment are no settings and are ignored (addresses of Kubernetes services are harmless)")
	}
}

// warnSecrets tells what will not work for lack of another secret.
func warnSecrets(logger *logrus.Logger, s secrets) {
	for name, a := range s.accounts {
		if s.clientID.IsZero() && !a.RefreshToken.IsZero() {
			logger.WithField("account", name).
				Warn("there is a refresh token but no client id: set PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET, or it cannot be used")
		}
	}
}

// logProblem logs an error together with its hint.
func logProblem(logger *logrus.Logger, text string, err error) {
	entry := logger.WithError(err)
	if hint := problem.HintOf(err); hint != "" {
		entry = entry.WithField("hint", hint)
	}
	entry.Error(text)
}
