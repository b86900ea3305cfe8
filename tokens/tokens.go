// Package tokens keeps PandaDoc access tokens fresh. A proxy asks the package for the current token of an
// account. The package gets tokens from an OAuth 2.0 token endpoint, in pairs of an access token and a refresh
// token. Each refresh token can be used once:
//
//	m, err := tokens.New(config)      // a Store, an Endpoint, the accounts of the configuration
//	err = m.Start(ctx)
//	t, err := m.Token(ctx, "default") // no network while a usable token is known
//	m.Accepted("default", t)          // the API answered a request with t
//	t, err = m.Renew(ctx, "default", tokens.Refusal{Token: t, Method: "GET", Path: "/x"}) // the API refused it
//
// # The life of a pair
//
// A refresh replaces both tokens, and the old ones stop working at once. If the answer is lost, a person must
// log in again. So a refresh is noted in the store before it is sent: a compare-and-swap writes a marker
// ([Pending]) into the account's record. Of all processes that share the store, only the one that wins this
// write calls the token endpoint. It saves the new pair before it uses it. The marker is a lock and also the
// evidence of a crash: a process that finds the marker of a dead owner knows that the refresh token may be
// spent (refresh.go, exchange.go).
//
// # Which record counts
//
// The store is authoritative and memory is a cache. [Record.Compare] defines which record is newer: every
// login, logout, import and seed (the first use of a token in the configuration) begins a lineage; the record
// with the younger lineage is newer, and within a lineage the one with the higher generation. A newer record in
// the store is adopted; an older one is replaced by ours.
//
// # Where tokens may go
//
// A record contains its [Issuer]: the API, the token endpoint and the client id that the tokens belong to. The access
// token is sent only to this API. The refresh token is sent only to this token endpoint, with this client id. The
// current configuration does not change this.
//
// # Failures
//
// A failure only adds information: it never deletes or blanks a token. While the old access token works, it is
// used. Once it is known not to work, Token waits for a refresh. After a refresh has failed, Token fails at once
// until the cool-down ends. If a refresh did not help against a 401, all processes delay the next refresh
// ([Hold]). A pair that the store cannot save goes to an emergency file before it is used.
//
// # Secrets
//
// Tokens have the type [Secret], which prints as "[redacted]". Errors and events never contain the body of an
// answer.
package tokens

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

// The two schemes of the Authorization header that PandaDoc's API knows.
const (
	Bearer = "Bearer"
	APIKey = "API-Key"
)

// Token is the credential of a request to the API. It is a value: copies are independent, and it never prints its
// secret.
type Token struct {
	// Account is whose token this is.
	Account string
	// Generation counts the pairs of the account. Zero for an API key, which is never renewed.
	Generation uint64
	// Scheme is Bearer or APIKey. Empty means Bearer.
	Scheme string
	// Access is the credential itself.
	Access Secret
	// ExpiresAt is when it expires, by the wall clock. Zero means unknown: only a 401 will tell.
	ExpiresAt time.Time
}

// Authorization returns the value of the Authorization header.
func (t Token) Authorization() string {
	return cmp.Or(t.Scheme, Bearer) + " " + t.Access.Reveal()
}

// Same reports whether t and other carry the same credential.
func (t Token) Same(other Token) bool { return t.Access.Equal(other.Access) }

// Format serves every verb of fmt.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// String names the token without showing it.
func (t Token) String() string {
	return fmt.Sprintf("token of %q, generation %d, %s", t.Account, t.Generation, t.Access)
}

// redacted is what every attempt to print a secret shows.
const redacted = "[redacted]"

// Secret is a string that cannot be printed: fmt with every verb, JSON, YAML and slog show "[redacted]". Only
// Reveal returns the value. The zero value is the empty secret.
//
// The value is behind a pointer, because fmt prints unexported fields of structs without calling their methods.
// Such a struct shows an address, and never the value. Compare with Equal; == compares addresses.
type Secret struct{ value *string }

// NewSecret wraps value. An empty value gives the zero Secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// Reveal returns the value itself, for the wire and for the store's own file, and for nothing else.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal compares in a time that does not depend on where the values differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Fingerprint returns a short one-way hash of kind and value, so that a value can be recognised
// again without being kept. The fingerprint of the empty secret is "".
func (s Secret) Fingerprint(kind string) string {
	if s.IsZero() {
		return ""
	}
	sum := sha256.Sum256([]byte(kind + "\x00" + s.Reveal()))
	return hex.EncodeToString(sum[:12])
}

// Format serves every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// String returns "[redacted]", or "" for the empty secret, so that logs still show whether one is set.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// MarshalText serves JSON, YAML, slog and everything else that writes text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Config is the configuration of a Manager. DefaultConfig returns the defaults that the command line documents.
type Config struct {
	// Store keeps the records. Required.
	Store Store
	// StoreName names the store in emergency files, which only processes with the same store adopt. It contains
	// no password.
	StoreName string
	// Codec encrypts and decrypts emergency files, like the records of the store. Nil means no encryption.
	Codec *Codec
	// EmergencyDirs are the directories for pairs that the store could not save, the best one first. Other
	// users may be able to write to them. If there is none, such a pair is in memory only.
	EmergencyDirs []string

	// SaveTimeout is how long Close waits for the store to take a pair that is also in an emergency file. Zero means
	// as long as its context lasts.
	SaveTimeout time.Duration

	// API is the URL of the API. Access tokens are bound to its origin. Empty matches every origin.
	API string
	// Endpoint is the token endpoint, with our credentials for it. Without a client id nothing can be
	// refreshed, and an account whose token expires returns ErrClientNotConfigured.
	Endpoint Endpoint
	// Accounts are the accounts of the configuration. Others exist if the store has a record of them. A login
	// to DefaultAccount is always possible.
	Accounts map[string]AccountConfig
	// Secrets returns the secrets that may change while the program runs. Nil means that the secrets above
	// never change.
	Secrets SecretSource

	// RefreshBefore is how long before its expiry a token is refreshed in the background, but never
	// more than a tenth of its life. Zero turns the background refresh off.
	RefreshBefore time.Duration
	// RefreshTimeout limits how long one caller waits for a refresh. It does not limit the refresh itself.
	RefreshTimeout time.Duration
	// Probe asks the API if it still accepts t. It returns true only if the answer proves that. Nil turns the
	// probe off. It may be called concurrently for different accounts.
	Probe func(ctx context.Context, t Token) bool
	// MaxAccounts limits the accounts kept in memory. An evicted one is loaded again when it is asked for.
	MaxAccounts int
	// Observe is called with the events of accounts, for logs and metrics. It must not block and may be
	// called concurrently. Nil is allowed.
	Observe func(Event)
	// StoreFailed is called with "load" or "save" if this operation of the store failed. It must not block and
	// may be called concurrently. Nil is allowed.
	StoreFailed func(op string)
}

// Endpoint is a token endpoint (RFC 6749 section 3.2) and the client's credentials for it.
type Endpoint struct {
	URL      string
	ClientID string
	// ClientSecret is the initial client secret; see Config.Secrets.
	ClientSecret Secret
	// Transport returns a new transport for one call. Nil means a transport with the system's roots and the proxy from
	// the environment.
	Transport func() *http.Transport `json:"-"`
}

// AccountConfig is the configuration of one account: either an API key, or tokens.
type AccountConfig struct {
	RefreshToken Secret // a seed: used at most once ever
	AccessToken  Secret // a seed
	APIKey       Secret // never stored, never refreshed; see Config.Secrets
}

// SecretSource returns the current secrets from files. If a file cannot be read, the old secret is returned.
// The empty secret means that the one in the configuration is used. The methods may read a file, must not block
// for long, and may be called concurrently.
type SecretSource interface {
	// ClientSecret is called before each token call, and again when the token endpoint has refused the client.
	ClientSecret() Secret
	// APIKey is called every few seconds for each account with an API key.
	APIKey(account string) Secret
}

// clientSecret returns the current secret.
func (c Config) clientSecret() Secret {
	if c.Secrets != nil {
		if s := c.Secrets.ClientSecret(); !s.IsZero() {
			return s
		}
	}
	return c.Endpoint.ClientSecret
}

// DefaultConfig returns the documented defaults; Store and Endpoint must still be set.
func DefaultConfig() Config {
	return Config{
		RefreshBefore:  24 * time.Hour,
		RefreshTimeout: 20 * time.Second,
		MaxAccounts:    10_000,
	}
}

// Validate returns all mistakes together.
func (c Config) Validate() error {
	var errs []error
	for _, rule := range []struct {
		broken  bool
		mistake string
	}{
		{c.Store == nil, "no store"},
		{c.Endpoint.URL == "", "no token endpoint"},
		{c.RefreshTimeout <= 0, "the refresh time-out must be more than zero"},
		{c.RefreshBefore < 0, "refresh-before must not be negative"},
		{c.MaxAccounts < 1, "at least one account must fit in memory"},
		{len(c.EmergencyDirs) > 0 && c.StoreName == "", "emergency files need the name of their store"},
	} {
		if rule.broken {
			errs = append(errs, errors.New("tokens: "+rule.mistake))
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
			errs = append(errs, problem.Mistake(fmt.Sprintf("accounts %q and %q have the same refresh token, which works only once", owner, name),
				"remove it from one of them, and sign in to that account: run "+problem.LoginCommand("NAME")))
		}
		owners[print] = name
	}
	return errs
}
