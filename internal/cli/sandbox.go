package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/sandbox"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

type sandboxCommand struct {
	EmulatorListen string        `default:"127.0.0.1:0" placeholder:"ADDRESS" help:"Where the emulator listens; loopback only."`
	EmulatorOnly   bool          `default:"false" help:"Run the emulator alone, for another program or a proxy started with serve."`
	TokenTTL       time.Duration `name:"token-ttl" default:"8759h59m59s" placeholder:"TIME" help:"How long access tokens live, like 60s; no fractions of a second."`
	Accounts       int           `default:"1" placeholder:"N" help:"How many accounts are signed in: default, account-2 and so on."`
	Calm           bool          `default:"false" help:"Turn off all misbehaviour."`
	Chaos          bool          `default:"false" help:"Add misbehaviour that the proxy cannot hide from clients: 429, slow and cut answers, HTML errors."`
	Seed           uint64        `type:"seed" placeholder:"N" help:"Repeat the credentials and the misbehaviour of an earlier run. Each run prints its seed."`

	config.SandboxSettings `embed:""`
}

// maxEmulated is how many accounts the emulator signs in at most. All of them are in its memory.
const maxEmulated = 100_000

// Run serves the emulator, and a proxy signed in to it, until ctx ends.
func (c *sandboxCommand) Run(ctx context.Context, p *program) error {
	settings, err := p.settings.Sandbox(&c.SandboxSettings)
	options := c.options(settings.Login.RedirectURL)
	if err == nil && c.TokenTTL == 0 { // the emulator would take zero for its default
		err = problem.Mistake("--token-ttl: with 0s, no token would ever be valid", "give whole seconds, like 60s")
	}
	if c.Accounts > maxEmulated {
		err = errors.Join(err, problem.Mistake(fmt.Sprintf("--accounts: %d is too many", c.Accounts), fmt.Sprintf("give at most %d", maxEmulated)))
	}
	if err := errors.Join(err, options.Validate()); err != nil {
		p.warnOfVariables()
		return withStatus(err, exitUsage)
	}
	a := p.app(settings)
	emulator, err := sandbox.Start(context.WithoutCancel(ctx), options) // it outlives the requests that are still served
	if err != nil {
		return problem.WithHint(err, "choose another address with --emulator-listen")
	}
	defer emulator.Close()
	fmt.Fprintln(p.Stderr, emulator.Banner())
	if c.EmulatorOnly {
		if err := json.NewEncoder(p.Stdout).Encode(emulator.Info()); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	return c.serve(ctx, p, a, emulator)
}

// serve runs the proxy, and prints how to use it when it is ready.
func (c *sandboxCommand) serve(ctx context.Context, p *program, a *app, emulator *sandbox.Server) error {
	info := emulator.Info()
	if err := c.signIn(a, info); err != nil {
		return err
	}
	// Every account has a grant of its own. The one in info is for the program that reads it.
	for n := 1; n <= c.Accounts; n++ {
		name := tokens.DefaultAccount
		if n > 1 {
			name = fmt.Sprintf("account-%d", n)
		}
		a.Tokens.Accounts[name] = tokens.AccountConfig{RefreshToken: tokens.NewSecret(emulator.Grant())}
	}
	a.ready = func(bases []string) {
		p.log.Flush(logTimeout) // if both go to one terminal, the addresses come first
		if err := json.NewEncoder(p.Stdout).Encode(info); err != nil {
			a.logger.WithError(err).Warn("the JSON line for other programs could not be written")
		}
		fmt.Fprint(p.Stderr, tryLines(bases[0], c.TLSCert, a.CallerHeaders()))
	}
	return a.run(ctx)
}

func (c *sandboxCommand) options(redirect *url.URL) sandbox.Options {
	o := sandbox.Options{
		Listen: c.EmulatorListen, TokenTTL: c.TokenTTL, Calm: c.Calm, Chaos: c.Chaos, Seed: c.Seed,
	}
	if redirect != nil {
		o.RedirectURLs = []string{redirect.String()}
	}
	return o
}

// signIn configures the app to use the emulator, with tokens in memory only.
func (c *sandboxCommand) signIn(a *app, info sandbox.Info) error {
	a.store = stores.Store{Records: tokens.NewMemory(), Name: "memory:"}
	a.emulated = true
	a.Tokens.Endpoint = tokens.Endpoint{URL: info.TokenURL, ClientID: info.ClientID, ClientSecret: tokens.NewSecret(info.ClientSecret)}
	a.Tokens.Accounts = map[string]tokens.AccountConfig{}
	for text, to := range map[string]**url.URL{
		info.API: &a.Upstream.API, info.AuthorizeURL: &a.Upstream.Authorize, info.TokenURL: &a.Upstream.Token,
	} {
		u, err := url.Parse(text)
		if err != nil {
			return err
		}
		*to = u
	}
	a.Proxy.API, a.Proxy.TokenURL = a.Upstream.API, a.Upstream.Token
	return nil
}

// tryLines returns the first commands for a new user to paste, with the names of the headers that the proxy requires.
func tryLines(base, certificate string, headers []string) string {
	words := []string{"curl"}
	for _, name := range headers {
		words = append(words, "-H", name+": VALUE")
	}
	if path, ok := strings.CutPrefix(base, "unix:"); ok {
		words, base = append(words, "--unix-socket", path), "http://localhost"
	} else if certificate != "" {
		words = append(words, "--cacert", certificate)
	}
	return fmt.Sprintf("\nTry it:\n  %[1]s/public/v1/members/current\n  %[1]s/public/v1/documents\n  %[1]s/public/v1/templates\n",
		problem.Quote(append(words, base)...))
}
