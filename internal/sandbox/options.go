package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// DefaultTokenTTL is the lifetime of an access token that PandaDoc documents: a year less a second.
const DefaultTokenTTL = 31535999 * time.Second

// Options configure an Emulator. The zero value means the default behaviour with a random seed.
type Options struct {
	// Listen and ManageListen are the addresses of Start, loopback only. Empty means 127.0.0.1:0.
	Listen       string
	ManageListen string
	// TokenTTL is the lifetime of an access token, in whole seconds. Zero means DefaultTokenTTL.
	TokenTTL time.Duration
	// Calm turns all misbehaviour off; Chaos adds misbehaviour that clients can see. At most one of them is set.
	Calm  bool
	Chaos bool
	// Seed determines credentials and misbehaviour. Zero means a random one, which Banner shows.
	Seed uint64
	// RedirectURLs are the registered redirect URLs, which must match exactly. Empty accepts every http URL of
	// localhost, 127.0.0.1 and [::1] whose path is /oauth2/callback.
	RedirectURLs []string
	// MaxBody replaces the service's limits on uploads (50 and 100 MB), in bytes. Zero keeps them.
	MaxBody int64
}

// Validate returns all mistakes together.
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

// checkLoopback refuses an address that other machines can reach: their users could mistake the emulator for the
// service and trust invented documents.
func checkLoopback(address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("sandbox: listen address %q: use HOST:PORT", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
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

// redirect parses a redirect URL, and reports whether it is registered. PandaDoc probably compares whole strings, so
// configured URLs cannot be prefixes or patterns.
func (o Options) redirect(redirectURL string) (u *url.URL, registered bool) {
	u, err := url.Parse(redirectURL)
	if err != nil {
		return nil, false
	}
	if len(o.RedirectURLs) > 0 {
		return u, slices.Contains(o.RedirectURLs, redirectURL)
	}
	return u, u.Scheme == "http" && u.User == nil && isLoopback(u.Hostname()) &&
		u.EscapedPath() == "/oauth2/callback" && u.RawQuery == "" && u.Fragment == ""
}
