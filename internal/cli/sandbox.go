package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/sandbox"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

type sandboxCommand struct {
	EmulatorListen string   `default:"127.0.0.1:0" placeholder:"ADDRESS" help:"Where the emulator serves, on loopback."`
	EmulatorOnly   toggle   `default:"false" help:"Run the emulator alone, for another program or a proxy started with serve."`
	TokenTTL       duration `name:"token-ttl" default:"8759h59m59s" placeholder:"TIME" help:"How long access tokens live, in whole seconds."`
	Calm           toggle   `default:"false" help:"No misbehaviour at all."`
	Chaos          toggle   `default:"false" help:"Also what a client must see: 429, slow and cut answers, HTML errors."`
	Seed           seed     `placeholder:"N" help:"Repeat the credentials and the misbehaviour of an earlier run, which printed its seed."`

	sandboxSettings `embed:""`
}

// Run serves the emulator, and a proxy signed in to it, until ctx ends.
func (c *sandboxCommand) Run(ctx context.Context, p *program) error {
	a, options, err := c.check(p)
	if err != nil {
		return withStatus(err, exitUsage)
	}
	emulator, err := sandbox.Start(context.WithoutCancel(ctx), options) // it outlives the requests that are still served
	if err != nil {
		return problem.WithHint(err, "choose another address with --emulator-listen")
	}
	defer emulator.Close()
	p.warnReal(a.logger)
	fmt.Fprintln(p.Stderr, emulator.Banner())
	if c.EmulatorOnly.On {
		if err := json.NewEncoder(p.Stdout).Encode(emulator.Info()); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	return c.serve(ctx, p, a, emulator.Info())
}

// check makes an app of the settings that is not signed in yet, or says everything that is wrong.
func (c *sandboxCommand) check(p *program) (*app, sandbox.Options, error) {
	v := p.validator()
	a := &app{
		listen: v.listen(&c.listenSettings, false), admin: v.admin(&c.adminSettings),
		redirect: v.redirect(&c.loginSettings), scope: c.Scope,
		guard: c.listenSettings, tokens: c.tokenSettings, traffic: c.trafficSettings,
		stderr: p.Stderr, ending: p.ending, certificate: v.certificate(&c.listenSettings), pprof: c.Pprof.On,
	}
	a.secrets.requireHeader = v.requiredHeader(&c.listenSettings)
	v.listeners(addressesOf(a.listen), a.admin)
	v.tokens(&c.tokenSettings)
	v.traffic(&c.trafficSettings)
	a.logger = newLogger(p.Stderr, v.log(&c.logSettings), c.LogFormat, newRedactor(a.secrets.all()))
	options := c.options(a.redirect)
	return a, options, errors.Join(v.err(), options.Validate())
}

// serve runs the proxy, and says how to use it once it is ready.
func (c *sandboxCommand) serve(ctx context.Context, p *program, a *app, info sandbox.Info) error {
	if err := c.signIn(a, info); err != nil {
		return err
	}
	a.ready = func(base string) {
		if err := json.NewEncoder(p.Stdout).Encode(info); err != nil {
			a.logger.WithError(err).Warn("the line for other programs could not be written")
		}
		fmt.Fprint(p.Stderr, tryLines(base, c.TLSCert))
	}
	return a.run(ctx)
}

func (c *sandboxCommand) options(redirect *url.URL) sandbox.Options {
	o := sandbox.Options{
		Listen: c.EmulatorListen, TokenTTL: c.TokenTTL.Duration, Calm: c.Calm.On, Chaos: c.Chaos.On, Seed: c.Seed.N,
	}
	if redirect != nil {
		o.RedirectURLs = []string{redirect.String()}
	}
	return o
}

// signIn makes the app one that uses the emulator and keeps nothing.
func (c *sandboxCommand) signIn(a *app, info sandbox.Info) error {
	a.store = stores.Store{Records: tokens.NewMemory(), Name: "memory:"}
	a.secrets = secrets{
		clientID: tokens.NewSecret(info.ClientID), clientSecret: tokens.NewSecret(info.ClientSecret),
		accounts: map[string]tokens.AccountConfig{
			tokens.DefaultAccount: {RefreshToken: tokens.NewSecret(info.RefreshToken)},
		},
		requireHeader: a.secrets.requireHeader,
	}
	for text, to := range map[string]**url.URL{
		info.API: &a.upstream.api, info.AuthorizeURL: &a.upstream.authorize, info.TokenURL: &a.upstream.token,
	} {
		u, err := url.Parse(text)
		if err != nil {
			return err
		}
		*to = u
	}
	return nil
}

// warnReal says that what belongs to a real account is not used here, for those who have it in their
// environment all the time. The names are shown, never the values.
func (p *program) warnReal(logger *logrus.Logger) {
	var found []string
	for _, name := range []string{
		"client-id", "client-secret", "refresh-token", "access-token", "api-key", "config", "store",
		"region", "api-url", "authorize-url", "token-url",
	} {
		for _, variable := range []string{envName(name), envName(name + "-file")} {
			if p.layers.env[variable] != "" {
				found = append(found, variable)
			}
		}
	}
	if len(found) > 0 {
		logger.WithField("names", strings.Join(found, " ")).
			Warn("the sandbox uses no real account: these variables in the environment are ignored")
	}
}

// tryLines are what a newcomer pastes first.
func tryLines(base, certificate string) string {
	curl := "curl "
	if certificate != "" {
		curl = "curl --cacert " + certificate + " "
	}
	if path, ok := strings.CutPrefix(base, "unix:"); ok {
		curl, base = "curl --unix-socket "+path+" ", "http://localhost"
	}
	return strings.Join([]string{
		"",
		"Try it:",
		"  " + curl + base + "/public/v1/members/current",
		"  " + curl + base + "/public/v1/documents",
		"  " + curl + base + "/public/v1/templates",
		"",
	}, "\n")
}
