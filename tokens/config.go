package tokens

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Config is what a Manager is made of. DefaultConfig gives the values that the command line documents.
type Config struct {
	// Store keeps the records. Required.
	Store Store
	// Endpoint is the token endpoint and who we are to it. Without a client id nothing can be
	// refreshed, and an account whose token ends answers ErrClientRefused.
	Endpoint Endpoint
	// Accounts are the accounts that configuration knows. Others exist if the store has a record of
	// them. DefaultAccount always exists.
	Accounts map[string]AccountConfig
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
	// Codec encrypts the tokens of an emergency file as the store does. Nil keeps them in clear.
	Codec *Codec
	// EmergencyPrefix begins the path of the file that takes a rotation which could not be saved before
	// the end of the process; the account's name and ".json" follow. It must name the store as well as
	// a directory, because such a file is adopted when the account is next loaded. Empty turns this off.
	EmergencyPrefix string
	// Observe is told what happens to accounts, for logs and metrics. It must not block and may be
	// called concurrently. Nil is allowed.
	Observe func(Event)
}

// Endpoint is a token endpoint (RFC 6749 section 3.2) and the client's credentials for it.
type Endpoint struct {
	URL          string
	ClientID     string
	ClientSecret Secret
	// Transport carries the call. It must neither follow redirects nor repeat requests; connections
	// are not reused. Nil means one with the system's roots and the environment's proxy.
	Transport http.RoundTripper
}

// AccountConfig is what configuration knows of one account. An API key excludes the rest.
type AccountConfig struct {
	RefreshToken Secret // a seed: used at most once ever
	AccessToken  Secret // a seed
	APIKey       Secret // never stored, never refreshed
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
	if c.Store == nil {
		errs = append(errs, errors.New("tokens: no store"))
	}
	if c.Endpoint.URL == "" {
		errs = append(errs, errors.New("tokens: no token endpoint"))
	}
	if c.RefreshTimeout <= 0 {
		errs = append(errs, errors.New("tokens: the refresh time-out must be more than zero"))
	}
	if c.RefreshBefore < 0 {
		errs = append(errs, errors.New("tokens: refresh-before must not be negative"))
	}
	if c.MaxAccounts < 1 {
		errs = append(errs, errors.New("tokens: at least one account must fit in memory"))
	}
	for name, a := range c.Accounts {
		errs = append(errs, CheckAccount(name))
		if !a.APIKey.IsZero() && (!a.RefreshToken.IsZero() || !a.AccessToken.IsZero()) {
			errs = append(errs, fmt.Errorf("account %q has an API key and a token: give one of them", name))
		}
	}
	return errors.Join(errs...)
}

// DefaultAccount serves requests that choose no account.
const DefaultAccount = "default"

var accountName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ValidAccount says whether name can be the name of an account: a DNS label in lower case, so that
// it can also be a host name and a file name.
func ValidAccount(name string) bool { return accountName.MatchString(name) }

// CheckAccount returns an error that tells a person what a name must look like.
func CheckAccount(name string) error {
	if ValidAccount(name) {
		return nil
	}
	return fmt.Errorf("account name %q: use 1 to 63 of a-z, 0-9 and -, with no - at either end", name)
}

// NewIssuer returns the issuer for the URLs of the API and of the token endpoint. Both are brought to one
// form: lower-case host, no default port, no trailing slash; of the API only the origin counts.
func NewIssuer(apiURL, tokenURL, clientID string) Issuer {
	api, _ := normalURL(apiURL)
	endpoint, path := normalURL(tokenURL)
	return Issuer{API: api, TokenURL: endpoint + path, ClientID: clientID}
}

// normalURL returns the origin and the path of a URL in the form that issuers are compared in.
func normalURL(text string) (origin, path string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text, ""
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return scheme + "://" + host, strings.TrimRight(u.EscapedPath(), "/")
}
