package cli

import (
	"cmp"
	"context"
	"errors"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/tokens"
)

// lookTimeout bounds one check: somebody sits in front of it.
const lookTimeout = 20 * time.Second

// doctorCommand looks at everything that a proxy with these settings needs. It goes on after a failure.
// It writes no record and spends no refresh token, unless --refresh asks for that.
type doctorCommand struct {
	Account string `placeholder:"NAME" help:"Look at this account only."`
	Refresh toggle `default:"false" help:"Also get new tokens, to prove that it works. Without this flag no token is spent."`
	JSON    toggle `name:"json" default:"false" help:"Print JSON."`

	settings `embed:""`
}

// inspection is one thing that a doctor looks at. What it finds does not depend on the others.
type inspection struct {
	name string
	look func(*examination, context.Context) []finding
}

// inspections are in the order in which a person mends things.
func inspections() []inspection {
	return []inspection{
		{"configuration", (*examination).configuration},
		{"client", (*examination).clientCredentials},
		{"region", (*examination).region},
		{"redirect URL", (*examination).redirectURL},
		{"proxy", (*examination).runningProxy},
		{"listener", (*examination).listeners},
		{"store", (*examination).tokenStore},
		{"record", (*examination).records},
		{"forward proxy", (*examination).forwardProxy},
		{"dns", (*examination).names},
		{"connection", (*examination).connections},
		{"tls", (*examination).certificates},
		{"clock", (*examination).clock},
		{"refresh", (*examination).refresh},
		{"token", (*examination).tokens},
		{"api", (*examination).members},
		{"sandbox key", (*examination).sandboxKeys},
	}
}

// examination is what the checks look at, and with what.
type examination struct {
	*program
	command *doctorCommand
	app     *app

	mistakes []error // in the configuration
	// proxy is the running one. Nil if there is none; proxyErr then says why.
	proxy    *adminClient
	overview admin.Overview // of the running proxy
	proxyErr error

	store    openStore // without records if storeErr is set
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
	if err := r.print(p.Stdout, c.JSON.On); err != nil {
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
	serve := serveCommand{c.settings}
	a, spec, _, err := serve.check(p)
	x := &examination{program: p, command: c, app: a, mistakes: leaves(err)}
	at := a.admin
	if at != nil && at.path == "" && at.port == 0 {
		at = nil // a proxy with these settings would be anywhere
	}
	x.proxy, x.proxyErr = dialAdmin(ctx, at)
	if x.proxy != nil {
		_, x.proxyErr = x.proxy.do(ctx, "GET", "/api/v1/status", nil, &x.overview)
	}
	if v := (&validator{layers: p.layers}); v.store(&c.storeSettings) != spec || v.err() != nil {
		x.storeErr = errNotConfigured
		return x
	}
	x.store, x.storeErr = spec.open(ctx, p.Environ, func(text string) { x.warnings = append(x.warnings, text) })
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
	all := x.app.secrets.all()
	for _, p := range x.patients(ctx) {
		all = append(all, p.record.AccessToken, p.record.RefreshToken)
	}
	return all
}
