package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

// lookTimeout bounds one check: somebody sits in front of it.
const lookTimeout = 20 * time.Second

// doctorCommand looks at everything that a proxy with these settings needs. It goes on after a failure.
// It writes no record and spends no refresh token, unless --refresh asks for that.
type doctorCommand struct {
	Account string `placeholder:"NAME" help:"Look at this account only."`
	Refresh bool   `default:"false" help:"Also get new tokens, to prove that it works. Without this flag no token is spent."`
	JSON    bool   `name:"json" default:"false" help:"Print JSON."`

	config.Settings `embed:""`
}

// inspection is one thing that a doctor looks at. What it finds does not depend on the others.
type inspection struct {
	name  string
	about string // what it looks at, for docs/doctor.md
	look  func(*examination, context.Context) []finding
}

// inspections are in the order in which a person mends things.
func inspections() []inspection {
	return []inspection{
		{"configuration", "every setting of flags, environment and file, as `serve` checks them", (*examination).configuration},
		{"client", "a client id and a secret, and not one in the place of the other", (*examination).clientCredentials},
		{"region", "API, token endpoint and consent page that belong together", (*examination).region},
		{"redirect URL", "whether a browser that comes back from PandaDoc finds the admin listener", (*examination).redirectURL},
		{"proxy", "whether a proxy runs, with these settings, and what it says of its accounts", (*examination).runningProxy},
		{"listener", "each address: free, or the running proxy's own", (*examination).listeners},
		{"store", "whether records can be read, written and locked", (*examination).tokenStore},
		{"record", "whether each stored record is understood", (*examination).records},
		{"forward proxy", "`HTTPS_PROXY` and `NO_PROXY`, and whether that proxy answers", (*examination).forwardProxy},
		{"dns", "the names of PandaDoc's hosts", (*examination).names},
		{"connection", "an answer of each host, without credentials", (*examination).connections},
		{"tls", "the certificate of each host", (*examination).certificates},
		{"clock", "this machine's clock against the `Date` of the answer", (*examination).clock},
		{"refresh", "a refresh of each account; only with `--refresh`", (*examination).refresh},
		{"token", "each account's tokens: there, refused, expired, how old", (*examination).tokens},
		{"api", "`members/current` with each account's token or key: who that is, or why not; a key given as a token, and the reverse", (*examination).members},
		{"sandbox key", "whether an API key is a sandbox key, with its limit of 10 requests a minute", (*examination).sandboxKeys},
	}
}

// examination is what the checks look at, and with what.
type examination struct {
	*program
	command *doctorCommand
	config  *config.Config

	mistakes []error // in the configuration
	// proxy is the running one. Nil if there is none; proxyErr then says why.
	proxy    *adminClient
	overview admin.Overview // of the running proxy
	proxyErr error

	store    stores.Store // without records if storeErr is set
	storeErr error
	warnings []string // of the store

	reached []*reached // what was met at PandaDoc's addresses; see reach
}

// Run prints what was found, and ends with 0, 1 if something failed, or 3 if an account needs a login.
func (c *doctorCommand) Run(ctx context.Context, p *program) error {
	if err := tokens.CheckAccount(cmp.Or(c.Account, tokens.DefaultAccount)); err != nil {
		return withStatus(err, exitUsage)
	}
	x := c.examine(ctx, p)
	defer x.close()
	var all []finding
	for _, one := range inspections() {
		all = append(all, x.run(ctx, one)...)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r := newDiagnosis(all, x.secrets(ctx))
	if err := r.print(p.Stdout, c.JSON); err != nil {
		return err
	}
	return withStatus(nil, r.exitStatus())
}

func (x *examination) run(ctx context.Context, i inspection) []finding {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	found := i.look(x, ctx)
	for n := range found {
		found[n].Check = i.name
	}
	return found
}

// examine reads the settings, and opens what a proxy would open. Nothing that fails here ends it.
func (c *doctorCommand) examine(ctx context.Context, p *program) *examination {
	settings, err := p.settings.Serve(&c.Settings)
	x := &examination{program: p, command: c, config: settings, mistakes: problem.Each(err)}
	at := settings.Admin
	if at != nil && at.Path == "" && at.Port == 0 {
		at = nil // a proxy with these settings would be anywhere
	}
	x.proxy, x.proxyErr = dialAdmin(ctx, at)
	if x.proxy != nil {
		_, x.proxyErr = x.proxy.do(ctx, "GET", "/api/v1/status", nil, &x.overview)
	}
	if settings.Store.IsZero() {
		x.storeErr = errNotConfigured
		return x
	}
	x.store, x.storeErr = settings.Store.Open(ctx, settings.StoreOptions(p.Environ, func(text string) { x.warnings = append(x.warnings, text) }))
	return x
}

// errNotConfigured stands where a setting is needed that cannot be read. The configuration check tells.
var errNotConfigured = errors.New("the setting is wrong: see configuration")

func (x *examination) close() {
	if x.proxy != nil {
		x.proxy.close()
	}
	for _, r := range x.reached {
		r.close()
	}
}

// secrets are what no finding may show: those of the configuration, and those of the store.
func (x *examination) secrets(ctx context.Context) []tokens.Secret {
	all := slices.Clone(x.config.Secrets)
	for _, p := range x.patients(ctx) {
		all = append(all, p.record.AccessToken, p.record.RefreshToken)
	}
	return all
}
