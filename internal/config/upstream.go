package config

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// Region is one of PandaDoc's regions, with its URLs.
type Region struct{ Name, API, Authorize, Token string }

// Regions returns PandaDoc's regions, the default first.
func Regions() []Region {
	return []Region{
		{"global", "https://api.pandadoc.com", "https://app.pandadoc.com/oauth2/authorize", "https://api.pandadoc.com/oauth2/access_token"},
		{"eu", "https://api.pandadoc.eu", "https://app.pandadoc.eu/oauth2/authorize", "https://api.pandadoc.eu/oauth2/access_token"},
	}
}

// Upstream has PandaDoc's URLs. A URL that could not be read is empty, never nil.
type Upstream struct {
	Region    string
	API       *url.URL // scheme and host, and a base path if there is a gateway in front of the API
	Authorize *url.URL
	Token     *url.URL
	// Roots returns the authorities that are trusted now. Nil means the system's.
	Roots func() *x509.CertPool
	// ConnectTo maps the HOST:PORT of the API to the HOST:PORT to connect to instead. Nil changes nothing.
	ConnectTo map[string]string
}

func (c *checker) upstream(s *UpstreamSettings) {
	var region Region
	for _, r := range Regions() {
		if r.Name == s.Region {
			region = r
		}
	}
	if region.Name == "" {
		c.fail("region", fmt.Sprintf("%q is not a region", s.Region), "write global or eu")
	}
	c.Upstream = Upstream{
		Region:    region.Name,
		API:       c.url(s, "api-url", s.APIURL, region.API),
		Authorize: c.url(s, "authorize-url", s.AuthorizeURL, region.Authorize),
		Token:     c.url(s, "token-url", s.TokenURL, region.Token),
		Roots:     c.roots(s.CAFile),
	}
	c.connectTo(s.APIAddress)
	c.forwardProxy()
	api := c.Upstream.API
	if api.RawQuery != "" || api.ForceQuery {
		c.fail("api-url", "it must not have a query", "write it like https://api.pandadoc.com")
	}
	if api.Path == "/" {
		api.Path = ""
	}
	c.Proxy.API, c.Proxy.TokenURL = api, c.Upstream.Token
	c.Tokens.API, c.Tokens.Endpoint.URL = c.Upstream.API.String(), c.Upstream.Token.String()
}

// url reads the URL of a flag, or else the region's. The result is never nil.
func (c *checker) url(s *UpstreamSettings, flag, text, otherwise string) *url.URL {
	text = cmp.Or(text, otherwise)
	u, err := url.Parse(text)
	switch {
	case text == "":
		return &url.URL{} // the region is unknown, which was reported
	case err != nil || !isWeb(u) || u.User != nil || u.Fragment != "":
		c.fail(flag, "not an http or https URL without user and fragment", "write it like "+Regions()[0].API)
		return &url.URL{}
	case !s.AllowInsecureUpstream && u.Scheme == "http" && !listen.IsLoopbackHost(u.Hostname()):
		c.fail(flag, "plain http would send credentials unencrypted to "+u.Host, "use https, or set --allow-insecure-upstream")
	}
	return u
}

// connectTo reads --api-address. It replaces the address of the API's name, also for the token endpoint if that
// has the same name.
func (c *checker) connectTo(address string) {
	if address == "" {
		return
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || !isPort(port) {
		c.fail("api-address", fmt.Sprintf("%q is not of the form HOST:PORT", address), "write it like 203.0.113.7:443")
		return
	}
	api := c.Upstream.API
	c.Upstream.ConnectTo = map[string]string{net.JoinHostPort(api.Hostname(), listen.PortOf(api)): address}
}

// forwardProxy refuses an HTTPS_PROXY that net/http would silently ignore. Its value may contain a password.
func (c *checker) forwardProxy() {
	text := cmp.Or(c.environ.Get("HTTPS_PROXY"), c.environ.Get("https_proxy")) // as net/http reads it
	if text == "" {
		return
	}
	if !strings.Contains(text, "://") { // net/http takes HOST:PORT too
		text = "http://" + text
	}
	if u, err := url.Parse(text); err != nil || !UsableProxy(u) {
		c.mistake("HTTPS_PROXY: not a valid address of a forward proxy", "write HTTPS_PROXY like http://proxy.example.com:3128")
	}
}

// UsableProxy reports whether net/http can use u as a forward proxy. Many wrong texts can be parsed as URLs.
func UsableProxy(u *url.URL) bool {
	return slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) && hasHost(u)
}

func isWeb(u *url.URL) bool { return (u.Scheme == "http" || u.Scheme == "https") && hasHost(u) }

func hasHost(u *url.URL) bool { return u.Hostname() != "" && (u.Port() == "" || isPort(u.Port())) }

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// roots returns a function that returns the authorities trusted now: those of --ca-file too. Nil means the system's.
func (c *checker) roots(path string) func() *x509.CertPool {
	if path == "" {
		return nil
	}
	pool, err := readRoots(path)
	if err != nil {
		c.fail("ca-file", err.Error(), cmp.Or(problem.HintOf(err), "name a file with -----BEGIN CERTIFICATE----- in it"))
		return nil
	}
	return newWatchedFile(c.Files, path, pool, func() (*x509.CertPool, error) { return readRoots(path) }).current
}

func readCertificates(path string) ([]byte, error) { return readFile(path, "certificates", maxFile) }

// readRoots returns the authorities of the file beside those of the system.
func readRoots(path string) (*x509.CertPool, error) {
	pem, err := readCertificates(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without system roots: only the file is used
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, problem.Mistake(path+" contains no certificate", "name a file with -----BEGIN CERTIFICATE----- in it")
	}
	return pool, nil
}

func (c *checker) login(s *LoginSettings) {
	c.Login.Scope = s.Scope
	if s.RedirectURL == "" {
		return
	}
	u, err := url.Parse(s.RedirectURL)
	if err != nil || !isWeb(u) || u.Path == "" || u.Path == "/" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		c.fail("redirect-url", "not an http or https URL with a path and without query", "write it exactly as it is registered at PandaDoc, like http://localhost:8081/oauth2/callback")
		return
	}
	c.Login.RedirectURL = u
}

// Transport returns a transport for the API. It also serves the token endpoint, whose caller limits the wait
// for an answer itself.
func (u Upstream) Transport(headerTimeout time.Duration) *http.Transport {
	return proxy.NewTransport(u.Options(headerTimeout))
}

// Get sends a GET with a token to the API, and to nobody else, because a transport follows no redirects.
func (u Upstream) Get(ctx context.Context, transport http.RoundTripper, t tokens.Token, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(u.API.String(), "/")+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", t.Authorization())
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", problem.Program)
	return transport.RoundTrip(r)
}

// Options returns the options that all transports to PandaDoc's hosts share.
func (u Upstream) Options(headerTimeout time.Duration) proxy.TransportOptions {
	return proxy.TransportOptions{
		HeaderTimeout: headerTimeout, Roots: u.Roots, Proxy: http.ProxyFromEnvironment, ConnectTo: u.ConnectTo,
	}
}
