package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sirupsen/logrus"
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
	// BodyTimeout is how long one waits for a client's body to make progress. It must be more than zero.
	BodyTimeout time.Duration

	// Transport carries requests to the API. It must neither follow redirects nor unpack bodies. Nil
	// means NewTransport(Upstream).
	Transport http.RoundTripper
	// Upstream configures the transport that New makes. It is not looked at if Transport is set.
	Upstream TransportOptions

	// Log takes the access log at level info. Nil means no log.
	Log *logrus.Logger
	// Observe is told of every finished exchange, in the request's own goroutine: it must not block
	// and must be safe for concurrent use. Nil is allowed.
	Observe func(Exchange)
	// LoginHint returns the command that signs account in, for the hint of login-required. Nil means
	// a general sentence.
	LoginHint func(account string) string
}

// DefaultConfig returns the documented defaults; API and Tokens are still to be set.
func DefaultConfig() Config {
	return Config{
		ReplayMemory: 64 << 10,
		ReplayDisk:   128 << 20,
		ReplayTotal:  1 << 30,
		MaxInFlight:  1024,
		BodyTimeout:  60 * time.Second,
		Upstream:     TransportOptions{HeaderTimeout: 120 * time.Second},
	}
}

// Validate reports every mistake at once.
func (c Config) Validate() error {
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
	if c.BodyTimeout <= 0 {
		bad("the time a body may stand still must be more than zero")
	}
	if c.Upstream.HeaderTimeout < 0 {
		bad("the upstream header time-out must not be negative")
	}
	_, err := NewGuard(GuardConfig{AllowHosts: c.AllowHosts, AllowOrigins: c.AllowOrigins})
	return errors.Join(append(errs, err)...)
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
