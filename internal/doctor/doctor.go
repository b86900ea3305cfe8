// Package doctor checks everything that a proxy with given settings needs, and reports each problem with its
// fix. It continues after a failure. It writes no record and uses no refresh token, unless that is requested.
//
//	report := doctor.Run(ctx, doctor.Input{Config: c, Mistakes: problem.Each(err)})
//	fmt.Print(report)
//
// A check is one line of the table in this file. No check needs the result of another one. The checks after "refresh"
// see the new tokens.
package doctor

import (
	"context"
	"errors"
	"slices"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/admin/client"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

// checkTimeout limits one check, because a person is waiting.
const checkTimeout = 20 * time.Second

// Input is what to check, with the means for it.
type Input struct {
	// Config is the configuration of serve, as far as it could be read, and Mistakes are the errors in it.
	Config   *config.Config
	Mistakes []error
	// File is the configuration file. Empty for none.
	File string
	// Account is the only account to check. Empty means all.
	Account string
	// Proxy is the running proxy. It is nil if none could be reached; then ProxyErr is the reason, or nil if
	// nothing listens on the admin address.
	Proxy    *client.Client
	ProxyErr error
	// Refresh gets new tokens for an account. If it is nil, no refresh token is used.
	Refresh func(ctx context.Context, account string) (admin.Account, error)
}

// check is one check.
type check struct {
	name  string
	about string // what it checks, for docs/doctor.md
	run   func(*examination, context.Context) []Finding
}

// checks returns the checks in the order in which a person would fix problems.
func checks() []check {
	return []check{
		{"configuration", "every setting of flags, environment and file, as `serve` checks them, and the modes of files with secrets", (*examination).configuration},
		{"client", "a client id and a client secret are set, and they are not swapped", (*examination).clientCredentials},
		{"region", "API, token endpoint and consent page belong to the same region", (*examination).region},
		{"redirect URL", "whether a browser that comes back from PandaDoc finds the admin listener", (*examination).redirectURL},
		{"proxy", "whether a proxy runs with these settings, and what it reports about its accounts", (*examination).runningProxy},
		{"listener", "each address is free, or in use by the running proxy", (*examination).listeners},
		{"admin key", "the file with the key of the admin listener, if that requires one", (*examination).adminKey},
		{"store", "whether records can be read, written and locked", (*examination).tokenStore},
		{"record", "whether each stored record can be read", (*examination).records},
		{"files", "the directory for temporary files, and the directories for tokens that the store cannot save", (*examination).files},
		{"forward proxy", "`HTTPS_PROXY` and `NO_PROXY`, and whether that proxy answers", (*examination).forwardProxy},
		{"dns", "the names of PandaDoc's hosts", (*examination).names},
		{"connection", "each host answers a request without credentials", (*examination).connections},
		{"tls", "the certificate of each host", (*examination).certificates},
		{"clock", "this machine's clock against the `Date` of the answer", (*examination).clock},
		{"refresh", "a refresh of each account; only with `--refresh`", (*examination).refresh},
		{"token", "each account's tokens: missing, refused, expired, of another issuer, their age", (*examination).tokens},
		{"api", "`members/current` with each account's token or key: who is signed in, or why it fails; whether a key was given as a token, or a token as a key", (*examination).members},
		{"sandbox key", "whether an API key is a sandbox key, which is limited to 10 requests a minute", (*examination).sandboxKeys},
	}
}

// examination is the shared state of the checks.
type examination struct {
	Input
	overview admin.Overview // of the running proxy

	store    stores.Store // without records if storeErr is set
	storeErr error
	warnings []string  // of the store
	known    []account // see accounts; nil if they are to be read

	reached []*reached // what answered at PandaDoc's addresses; see reach
}

// errNotConfigured replaces the result of a check that needs a setting which cannot be read. The check
// "configuration" names that setting.
var errNotConfigured = errors.New("the setting is wrong: see configuration")

// Run makes all checks, until ctx ends.
func Run(ctx context.Context, in Input) Report {
	x := &examination{Input: in, storeErr: errNotConfigured}
	if in.Proxy != nil {
		_, x.ProxyErr = in.Proxy.Do(ctx, "GET", "/api/v1/status", nil, &x.overview)
	}
	if !in.Config.Store.IsZero() {
		options := in.Config.StoreOptions(func(text string) { x.warnings = append(x.warnings, text) })
		x.store, x.storeErr = in.Config.Store.Open(ctx, options)
	}
	var all []Finding
	for _, c := range checks() {
		all = append(all, x.run(ctx, c)...)
	}
	return newReport(all, x.secrets(ctx))
}

func (x *examination) run(ctx context.Context, c check) []Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	found := c.run(x, ctx)
	for n := range found {
		found[n].Check = c.name
	}
	return found
}

// secrets returns the secrets that no finding may show: those of the configuration and those of the store.
func (x *examination) secrets(ctx context.Context) []tokens.Secret {
	all := slices.Clone(x.Config.Secrets)
	for _, a := range x.accounts(ctx) {
		all = append(all, a.record.AccessToken, a.record.RefreshToken)
	}
	return all
}
