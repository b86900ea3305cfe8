package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// noListener turns the admin listener off.
const noListener = "none"

// region is where a PandaDoc account lives.
type region struct{ api, authorize, token string }

func regions() map[string]region {
	return map[string]region{
		"global": {
			api:       "https://api.pandadoc.com",
			authorize: "https://app.pandadoc.com/oauth2/authorize",
			token:     "https://api.pandadoc.com/oauth2/access_token",
		},
		"eu": {
			api:       "https://api.pandadoc.eu",
			authorize: "https://app.pandadoc.eu/oauth2/authorize",
			token:     "https://api.pandadoc.eu/oauth2/access_token",
		},
	}
}

// upstream is where PandaDoc is.
type upstream struct {
	api       *url.URL // scheme and host, and a base path where a gateway stands before the API
	authorize *url.URL
	token     *url.URL
	roots     *x509.CertPool // nil means the system's
}

// validator reads settings and collects what is wrong with them.
type validator struct {
	layers *layers
	errs   []error
}

// fail notes a mistake in a flag, named as it was written: as a flag, a variable or a line of the file.
func (v *validator) fail(flag, what, fix string) {
	v.errs = append(v.errs, problem.WithHint(fmt.Errorf("%s: %s", v.layers.source(flag), what), fix))
}

func (v *validator) err() error { return errors.Join(v.errs...) }

// listen needs to know whether clients are asked for keys.
func (v *validator) listen(s *listenSettings, keys bool) []place {
	var all []place
	for _, text := range s.Listen {
		p, err := parsePlace(text)
		switch {
		case err != nil:
			v.fail("listen", fmt.Sprintf("%q: %v", text, err), "write localhost:8080, 127.0.0.1:0, unix:/path, or one of them after ACCOUNT=")
		case !p.Loopback() && !keys && !s.AllowUnauthenticated.On:
			v.fail("listen", fmt.Sprintf("%q is reachable from other machines, and whoever reaches it uses the accounts", text),
				"listen on localhost:8080, or configure client-keys:, or set --allow-unauthenticated where something else keeps strangers out")
		case slices.Contains(addressesOf(all), p.Address) && (p.Port != 0 || p.Path != ""):
			v.fail("listen", fmt.Sprintf("%q is given twice", text), "keep one of them")
		default:
			all = append(all, p)
		}
	}
	if len(s.Listen) == 0 {
		v.fail("listen", "no address is given", "write localhost:8080, 127.0.0.1:0 or unix:/path")
	}
	v.hosts(s)
	v.routes(s)
	return all
}

func (v *validator) routes(s *listenSettings) {
	for _, route := range s.AllowRoute {
		if err := proxy.CheckRoute(route); err != nil {
			v.fail("allow-route", err.Error(), "write it like 'GET /public/v1/documents*', with the path decoded")
		}
	}
}

// requiredHeader asks the proxy itself what it can work with.
func (v *validator) requiredHeader(s *listenSettings) proxy.RequiredHeader {
	name, value, _ := strings.Cut(s.RequireHeader, ":")
	h := proxy.RequiredHeader{Name: strings.TrimSpace(name), Value: tokens.NewSecret(strings.TrimSpace(value))}
	if s.RequireHeader == "" {
		return proxy.RequiredHeader{}
	}
	if err := h.Check(); err != nil {
		v.fail("require-header", err.Error(), "write it like X-From-App: a value that only the application knows")
	}
	return h
}

// certificate returns nil if no TLS is wanted.
func (v *validator) certificate(s *listenSettings) *listen.Certificate {
	switch {
	case s.TLSCert == "" && s.TLSKey == "":
		return nil
	case s.TLSKey == "":
		v.fail("tls-cert", "there is no key for the certificate", "name its file with --tls-key")
		return nil
	case s.TLSCert == "":
		v.fail("tls-key", "there is no certificate for the key", "name its file with --tls-cert")
		return nil
	}
	c := &listen.Certificate{CertFile: s.TLSCert, KeyFile: s.TLSKey}
	if err := c.Load(); err != nil {
		v.fail("tls-cert", err.Error(), "name two PEM files that belong together and that this user can read")
	}
	return c
}

// hosts asks the guard itself what it can work with.
func (v *validator) hosts(s *listenSettings) {
	for _, host := range s.AllowHost {
		if _, err := proxy.NewGuard(proxy.GuardConfig{AllowHosts: []string{host}}); err != nil {
			v.fail("allow-host", err.Error(), "write the name alone, like proxy.example.com, or with a port")
		}
	}
	for _, origin := range s.AllowOrigin {
		if _, err := proxy.NewGuard(proxy.GuardConfig{AllowOrigins: []string{origin}}); err != nil {
			v.fail("allow-origin", err.Error(), "write it like https://app.example.com, without a path")
		}
	}
}

// admin returns nil if there is to be no admin listener.
func (v *validator) admin(s *adminSettings) *listen.Address {
	if s.AdminListen == noListener {
		return nil
	}
	a, err := listen.Parse(s.AdminListen)
	if err != nil {
		v.fail("admin-listen", fmt.Sprintf("%q: %v", s.AdminListen, err), "write localhost:8081, unix:/path, or none")
		return nil
	}
	return &a
}

// listeners checks what concerns both listeners.
func (v *validator) listeners(listen []listen.Address, admin *listen.Address) {
	if admin == nil || admin.Path == "" && admin.Port == 0 {
		return
	}
	for _, a := range listen {
		if a == *admin || a.Path == "" && a.Reaches(admin.Host, fmt.Sprint(admin.Port)) {
			v.fail("admin-listen", fmt.Sprintf("%s is taken by --listen", admin), "choose another port, or none")
		}
	}
}

func (v *validator) upstream(s *upstreamSettings) upstream {
	r, ok := regions()[s.Region]
	if !ok {
		v.fail("region", fmt.Sprintf("%q is not a region", s.Region), "write global or eu")
	}
	secure := !s.AllowInsecureUpstream.On
	u := upstream{
		api:       v.url("api-url", s.APIURL, r.api, secure),
		authorize: v.url("authorize-url", s.AuthorizeURL, r.authorize, secure),
		token:     v.url("token-url", s.TokenURL, r.token, secure),
		roots:     v.roots(s.CAFile),
	}
	if u.api.RawQuery != "" || u.api.ForceQuery {
		v.fail("api-url", "a query has no place in it", "write it like https://api.pandadoc.com")
	}
	if u.api.Path == "/" {
		u.api.Path = ""
	}
	return u
}

// url reads the URL of a flag, or else the region's. The result is never nil.
func (v *validator) url(flag, text, otherwise string, secure bool) *url.URL {
	if text == "" {
		text = otherwise
	}
	u, err := url.Parse(text)
	switch {
	case text == "":
		return &url.URL{} // the region is unknown, which was said
	case err != nil || !isWeb(u) || u.User != nil || u.Fragment != "":
		v.fail(flag, "not an http or https URL without user and fragment", "write it like "+regions()["global"].api)
		return &url.URL{}
	case secure && u.Scheme == "http" && !listen.IsLoopbackHost(u.Hostname()):
		v.fail(flag, "plain http would send credentials in clear to "+u.Host, "use https, or set --allow-insecure-upstream")
	}
	return u
}

func isWeb(u *url.URL) bool { return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" }

func (v *validator) roots(path string) *x509.CertPool {
	if path == "" {
		return nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		v.fail("ca-file", err.Error(), "name a readable PEM file")
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without system roots: the file alone counts
	}
	if !pool.AppendCertsFromPEM(pem) {
		v.fail("ca-file", path+" holds no certificate", "name a file with -----BEGIN CERTIFICATE----- in it")
	}
	return pool
}

// loops refuses an upstream that is one of our own listeners: every request would come back for ever.
func (v *validator) loops(u upstream, listen []listen.Address, admin *listen.Address) {
	if admin != nil {
		listen = append(slices.Clone(listen), *admin)
	}
	for flag, target := range map[string]*url.URL{"api-url": u.api, "token-url": u.token} {
		for _, a := range listen {
			if target.Host != "" && a.Port != 0 && a.Reaches(target.Hostname(), portOf(target)) {
				v.fail(flag, target.Host+" is this proxy's own listener "+a.String(), "give the URL of the API, or listen on another port")
			}
		}
	}
}

// portOf returns the port of u, also if it is the scheme's own.
func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// redirect returns nil if the redirect URL is to follow from the admin listener.
func (v *validator) redirect(s *loginSettings) *url.URL {
	if s.RedirectURL == "" {
		return nil
	}
	u, err := url.Parse(s.RedirectURL)
	if err != nil || !isWeb(u) || u.Path == "" || u.Path == "/" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		v.fail("redirect-url", "not an http or https URL with a path and without query", "write it exactly as it is registered at PandaDoc, like http://localhost:8081/oauth2/callback")
		return nil
	}
	return u
}

func (v *validator) tokens(s *tokenSettings) {
	if s.RefreshTimeout.err == nil && s.RefreshTimeout.Duration == 0 {
		v.fail("refresh-timeout", "no request could wait for a refresh", "give more than 0s, like 20s")
	}
	if p := s.ProbePath; p != "" && (!strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//")) {
		v.fail("probe-path", fmt.Sprintf("%q is not a path of the API", p), "begin it with a single /, or give an empty text to turn the probe off")
	}
}

func (v *validator) traffic(s *trafficSettings) {
	if s.UpstreamHeaderTimeout.err == nil && s.UpstreamHeaderTimeout.Duration == 0 {
		v.fail("upstream-header-timeout", "the API could never answer in time", "give more than 0s, like 120s")
	}
	for flag, d := range map[string]duration{"client-header-timeout": s.ClientHeaderTimeout, "client-body-timeout": s.ClientBodyTimeout} {
		if d.err == nil && d.Duration == 0 {
			v.fail(flag, "no request could come in time", "give more than 0s, like 60s")
		}
	}
	if s.TempDir == "" {
		return
	}
	if info, err := os.Stat(s.TempDir); err != nil {
		v.fail("temp-dir", err.Error(), "name a directory that exists")
	} else if !info.IsDir() {
		v.fail("temp-dir", s.TempDir+" is not a directory", "name a directory")
	}
}

func (v *validator) log(s *logSettings) logrus.Level {
	if s.LogFormat != "text" && s.LogFormat != "json" {
		v.fail("log-format", fmt.Sprintf("%q is not a format", s.LogFormat), "write text or json")
	}
	level, err := logrus.ParseLevel(s.LogLevel)
	if err != nil || level < logrus.ErrorLevel {
		v.fail("log-level", fmt.Sprintf("%q is not a level", s.LogLevel), "write error, warning, info, debug or trace")
	}
	return level
}
