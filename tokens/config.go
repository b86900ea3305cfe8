// Package tokens keeps PandaDoc access tokens fresh. It stands between a proxy that wants "the token of
// this account, now" and an OAuth 2.0 token endpoint that gives out pairs, each of which may be used once:
//
//	m, err := tokens.New(config)      // a Store, an Endpoint, the accounts of the configuration
//	err = m.Start(ctx)
//	t, err := m.Token(ctx, "default") // no network while a usable token is known
//	m.Accepted(ctx, "default", t)     // the API answered a request with t
//	t, err = m.Renew(ctx, "default", tokens.Refusal{Token: t, Method: "GET", Path: "/x"}) // the API refused it
//
// # The life of a pair
//
// A refresh replaces both tokens and kills the old ones at once, so an answer that is lost costs a
// person a login. A refresh is therefore written down before it is sent: the record of the account
// gets a marker ([Pending]) by compare-and-swap, and whoever wins that write is the only one to call
// the token endpoint, among all processes that share the store. The new pair is saved before it is
// used. The marker is at once lock and crash evidence: a process that finds the marker of a dead
// owner knows that the refresh token may be spent, and treats it accordingly (refresh.go, exchange.go).
//
// # Which record counts
//
// The store is the truth and memory is a cache. [Record.Compare] is the one order of records: every login,
// logout and seed begins a lineage, the younger lineage is newer, and within a lineage the higher
// generation. What is newer in the store is adopted, what is older there is replaced by ours.
//
// # Where tokens may go
//
// A record tells its [Issuer]. The access token goes to that API only, the refresh token to that token
// endpoint on behalf of that client only, whatever is configured now.
//
// # What failure does
//
// A failure only adds information: it never deletes or blanks a token. While the old access token works it
// keeps being used; once it is known dead, Token fails at once, without asking the token endpoint more
// often than the cool-down allows. A 401 that a refresh did not help against holds the next refresh
// back, in all processes ([Hold]). A pair that the store does not take goes to an emergency file before
// it is used.
//
// # Secrets
//
// Tokens are of type [Secret], which cannot be printed. Errors and events carry no body of any answer.
package tokens

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

// Config is what a Manager is made of. DefaultConfig gives the values that the command line documents.
type Config struct {
	// Store keeps the records. Required.
	Store Store
	// StoreName names the store in emergency files, which only processes with the same store adopt. It
	// holds no password.
	StoreName string
	// Codec writes and reads emergency files, as it does the records of the store. Nil keeps tokens in clear.
	Codec *Codec
	// EmergencyDirs are the places for pairs that the store did not take, the best one first. They may be
	// directories that other users write to. Without any, such a pair is in memory only.
	EmergencyDirs []string

	// API is the URL of the API. Access tokens are bound to its origin. Empty matches every origin.
	API string
	// Endpoint is the token endpoint and who we are to it. Without a client id nothing can be
	// refreshed, and an account whose token ends answers ErrClientNotConfigured.
	Endpoint Endpoint
	// Accounts are the accounts that configuration knows. Others exist if the store has a record of
	// them. DefaultAccount can always be signed in to.
	Accounts map[string]AccountConfig
	// Secrets gives the secrets that may be replaced while the program runs. Nil means that those above
	// stay as they are.
	Secrets SecretSource

	// RefreshBefore is how long before its expiry a token is refreshed in the background, but never
	// more than a tenth of its life. Zero turns the background refresh off.
	RefreshBefore time.Duration
	// RefreshTimeout bounds how long one caller waits for a refresh. It does not bound the refresh.
	RefreshTimeout time.Duration
	// Probe asks the API whether it still accepts t: true only for an answer that proves it. Nil
	// turns the probe off. It may be called concurrently for different accounts.
	Probe func(ctx context.Context, t Token) bool
	// MaxAccounts bounds the accounts kept in memory. An evicted one is loaded again when it is asked for.
	MaxAccounts int
	// Observe is told what happens to accounts, for logs and metrics. It must not block and may be
	// called concurrently. Nil is allowed.
	Observe func(Event)
	// StoreFailed is called with "load" or "save" when the store could not do that. It must not block and may
	// be called concurrently. Nil is allowed.
	StoreFailed func(op string)
}

// Endpoint is a token endpoint (RFC 6749 section 3.2) and the client's credentials for it.
type Endpoint struct {
	URL      string
	ClientID string
	// Roots gives the authorities that Transport trusts now. Nil leaves it its own.
	Roots func() *x509.CertPool
	// ClientSecret is the secret at the start; see Config.Secrets.
	ClientSecret Secret
	// Transport carries the call. It must neither follow redirects nor repeat requests; connections
	// are not reused. Nil means one with the system's roots and the environment's proxy.
	Transport http.RoundTripper
}

// AccountConfig is what configuration knows of one account. An API key excludes the rest.
type AccountConfig struct {
	RefreshToken Secret // a seed: used at most once ever
	AccessToken  Secret // a seed
	APIKey       Secret // never stored, never refreshed; see Config.Secrets
}

// SecretSource gives secrets that stand in files as they are now. What cannot be read stays as it was; the
// empty secret means that the one of the configuration counts. The methods may read a file, must not
// block for long, and may be called concurrently.
type SecretSource interface {
	// ClientSecret is called before each token call, and again when the token endpoint has refused the client.
	ClientSecret() Secret
	// APIKey is called every few seconds for each account with an API key.
	APIKey(account string) Secret
}

// clientSecret returns the secret as it is now.
func (c Config) clientSecret() Secret {
	if c.Secrets != nil {
		if s := c.Secrets.ClientSecret(); !s.IsZero() {
			return s
		}
	}
	return c.Endpoint.ClientSecret
}

// DefaultConfig returns the documented defaults; Store and Endpoint are still to be set.
func DefaultConfig() Config {
	return Config{
		RefreshBefore:  24 * time.Hour,
		RefreshTimeout: 20 * time.Second,
		MaxAccounts:    10_000,
	}
}

// Validate reports every mistake at once.
func (c Config) Validate() error {
	var errs []error
	for mistake, made := range map[string]bool{
		"no store":          c.Store == nil,
		"no token endpoint": c.Endpoint.URL == "",
		"the refresh time-out must be more than zero":  c.RefreshTimeout <= 0,
		"refresh-before must not be negative":          c.RefreshBefore < 0,
		"at least one account must fit in memory":      c.MaxAccounts < 1,
		"emergency files need the name of their store": len(c.EmergencyDirs) > 0 && c.StoreName == "",
	} {
		if made {
			errs = append(errs, errors.New("tokens: "+mistake))
		}
	}
	return errors.Join(append(errs, CheckAccounts(c.Accounts)...)...)
}

// CheckAccounts returns the mistakes in what is configured for accounts.
func CheckAccounts(accounts map[string]AccountConfig) (errs []error) {
	owners := map[string]string{} // of refresh tokens, by fingerprint
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		a := accounts[name]
		if err := CheckAccount(name); err != nil {
			errs = append(errs, err)
		}
		if !a.APIKey.IsZero() && (!a.RefreshToken.IsZero() || !a.AccessToken.IsZero()) {
			errs = append(errs, problem.Mistake(fmt.Sprintf("account %q has an API key and a token", name),
				"keep one of them: a key is used as it is and never refreshed"))
		}
		if a.RefreshToken.IsZero() {
			continue
		}
		print := a.RefreshToken.Fingerprint(seedRefresh)
		if owner, taken := owners[print]; taken {
			errs = append(errs, problem.Mistake(fmt.Sprintf("accounts %q and %q have the same refresh token, which works once", owner, name),
				"keep it for one of them, and sign the other in with a token of its own"))
		}
		owners[print] = name
	}
	return errs
}
