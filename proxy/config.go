package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/tokens"
)

// Config is what a Proxy is made of. DefaultConfig gives the values that the command line documents.
type Config struct {
	// API is where requests go: scheme, host and, for an API behind a gateway, a base path. Required.
	API *url.URL
	// TokenURL is the token endpoint. If it lies on the API's origin its path is never forwarded.
	// Nil adds nothing to what is always refused: /oauth2 and all below it.
	TokenURL *url.URL
	// Tokens signs requests in. Required.
	Tokens TokenSource

	// AllowHosts and AllowOrigins widen the guard, see GuardConfig. Nil adds nothing.
	AllowHosts   []string
	AllowOrigins []string

	// ClientKeys, if there are any, are asked for: a request without one of them is refused. Nil asks for none.
	ClientKeys []ClientKey
	// RequireHeader must come with every request. The zero value asks for none.
	RequireHeader RequiredHeader

	// AllowRoutes are all that is forwarded, as "GET /public/v1/documents*": methods, separated by commas
	// or * for all, and a decoded path in which * stands for the rest at the end, and elsewhere for what
	// lies between two slashes. Nil allows every route.
	AllowRoutes []string
	// ReadOnly refuses every method but GET, HEAD and OPTIONS.
	ReadOnly bool

	// ReplayMemory is how much of one request's body is kept in memory, in bytes. Zero keeps it all on disk.
	ReplayMemory int64
	// ReplayDisk is the longest body that is kept with the help of a temporary file, in bytes. Zero
	// means that nothing is written to disk; with ReplayMemory zero as well no body is kept, and a
	// request with a body is never repeated.
	ReplayDisk int64
	// ReplayTotal bounds the copies of all requests together, in bytes. Zero means that no body is kept.
	ReplayTotal int64
	// TempDir takes the temporary files. Empty means the system's directory.
	TempDir string

	// MaxInFlight is how many requests are forwarded at once. It must be at least one.
	MaxInFlight int
	// HeaderTimeout is how long a client may take to send the header of a request, and to open TLS. It
	// must be more than zero.
	HeaderTimeout time.Duration
	// BodyTimeout is how long one waits for a client's body to make progress. It must be more than zero.
	BodyTimeout time.Duration

	// Transport carries requests to the API. It must neither follow redirects nor unpack bodies. Nil
	// means NewUpstream(Upstream).
	Transport http.RoundTripper
	// Upstream configures the transport that New makes. It is not looked at if Transport is set.
	Upstream TransportOptions

	// Log takes the access log at level info. Nil means no log.
	Log *logrus.Logger
	// Observe is told of every finished exchange, in the request's own goroutine: it must not block
	// and must be safe for concurrent use. Nil is allowed.
	Observe func(Exchange)
}

// DefaultConfig returns the documented defaults; API and Tokens are still to be set.
func DefaultConfig() Config {
	return Config{
		ReplayMemory:  64 << 10,
		ReplayDisk:    128 << 20,
		ReplayTotal:   1 << 30,
		MaxInFlight:   1024,
		HeaderTimeout: 10 * time.Second,
		BodyTimeout:   60 * time.Second,
		Upstream:      TransportOptions{HeaderTimeout: 120 * time.Second},
	}
}

// check reports every mistake in plain values. What is compiled is checked by New.
func (c Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("proxy: "+format, args...)) }
	if c.Tokens == nil {
		bad("no token source")
	}
	if err := checkAPI(c.API); err != nil {
		bad("%w", err)
	}
	if c.ReplayMemory < 0 || c.ReplayDisk < 0 || c.ReplayTotal < 0 {
		bad("replay limits must not be negative")
	}
	if c.MaxInFlight < 1 {
		bad("at least one request must be allowed in flight")
	}
	if c.HeaderTimeout <= 0 {
		bad("the time for a header must be more than zero")
	}
	if c.BodyTimeout <= 0 {
		bad("the time a body may stand still must be more than zero")
	}
	if c.Upstream.HeaderTimeout < 0 {
		bad("the upstream header time-out must not be negative")
	}
	return errors.Join(errs...)
}

func checkAPI(u *url.URL) error {
	switch {
	case u == nil:
		return errors.New("no API URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("API URL %q: the scheme must be http or https", u.Redacted())
	case u.Hostname() == "":
		return fmt.Errorf("API URL %q: no host", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return fmt.Errorf("API URL %q: only scheme, host and path are allowed", u.Redacted())
	}
	return nil
}

// TokenSource is what the traffic side needs of tokens. *tokens.Manager is one.
type TokenSource interface {
	// Token returns the current token of account. It does not block on the network while a usable
	// token is known.
	Token(ctx context.Context, account string) (tokens.Token, error)
	// Renew reports that the API refused a request. It returns a different token, or an error that
	// says why there is none: tokens.ErrTokenGood, ErrAPIKey and ErrRefreshDidNotHelp mean that
	// the API's 401 stands.
	Renew(ctx context.Context, account string, refusal tokens.Refusal) (tokens.Token, error)
	// Accepted reports that the API answered a request with token by anything but a 401. It must be
	// called before that answer is passed on; it is cheap unless the token was renewed after a 401.
	Accepted(ctx context.Context, account string, token tokens.Token)
	// RefusedAgain reports that the request which was repeated with a token from Renew was refused as
	// well. It returns tokens.ErrRefreshDidNotHelp if that token came from a refresh, else nil.
	RefusedAgain(ctx context.Context, account string, refusal tokens.Refusal) error
}
