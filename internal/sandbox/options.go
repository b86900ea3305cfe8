package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// DefaultTokenTTL is how long PandaDoc says that an access token lives: a year less a second.
const DefaultTokenTTL = 31535999 * time.Second

// Options say how an Emulator behaves. The zero value is the default behaviour with a random seed.
type Options struct {
	// Listen and ManageListen are the addresses of Start, loopback only. Empty means 127.0.0.1:0.
	Listen       string
	ManageListen string
	// TokenTTL is the life of an access token, in whole seconds. Zero means DefaultTokenTTL.
	TokenTTL time.Duration
	// Calm turns misbehaviour off; Chaos adds what a client must see. They exclude each other.
	Calm  bool
	Chaos bool
	// Seed fixes credentials and misbehaviour. Zero means a random one, told by Info.
	Seed uint64
	// RedirectURLs are the registered redirect URLs, compared whole. Empty accepts every http URL of
	// localhost, 127.0.0.1 and [::1] whose path is /oauth2/callback.
	RedirectURLs []string
	// MaxBody replaces the service's limits on uploads (50 and 100 MB), in bytes. Zero keeps them.
	MaxBody int64
}

// Validate reports every mistake at once.
func (o Options) Validate() error {
	var errs []error
	if o.Calm && o.Chaos {
		errs = append(errs, errors.New("sandbox: calm and chaos exclude each other"))
	}
	if o.TokenTTL < 0 || o.TokenTTL%time.Second != 0 {
		errs = append(errs, fmt.Errorf("sandbox: token life %s: use whole seconds, at least one", o.TokenTTL))
	}
	if o.MaxBody < 0 {
		errs = append(errs, errors.New("sandbox: the body limit must not be negative"))
	}
	for _, raw := range o.RedirectURLs {
		if u, err := url.Parse(raw); err != nil || u.Scheme == "" || u.Host == "" || u.Fragment != "" {
			errs = append(errs, fmt.Errorf("sandbox: redirect URL %q: use an absolute URL without fragment", raw))
		}
	}
	return errors.Join(append(errs, checkLoopback(o.Listen), checkLoopback(o.ManageListen))...)
}

func (o Options) tokenTTL() time.Duration {
	if o.TokenTTL == 0 {
		return DefaultTokenTTL
	}
	return o.TokenTTL
}

// checkLoopback refuses an address that others could reach: who finds an emulator where a service
// was expected would trust made-up documents.
func checkLoopback(address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("sandbox: listen address %q: use HOST:PORT", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("sandbox: listen address %q: the port must be a number", address)
	}
	if !isLoopback(host) {
		return fmt.Errorf("sandbox: listen address %q is not loopback, and the emulator listens nowhere else", address)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// acceptsRedirect reports whether redirectURL is registered. The inferred server compares the whole
// string, so there is no prefix and no pattern among configured URLs.
func (o Options) acceptsRedirect(redirectURL string) bool {
	for _, registered := range o.RedirectURLs {
		if registered == redirectURL {
			return true
		}
	}
	if len(o.RedirectURLs) > 0 {
		return false
	}
	u, err := url.Parse(redirectURL)
	return err == nil && u.Scheme == "http" && u.User == nil && isLoopback(u.Hostname()) &&
		u.EscapedPath() == "/oauth2/callback" && u.RawQuery == "" && u.Fragment == ""
}
