package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// GuardConfig widens what a Guard lets in. The zero value lets in programs on this machine only.
type GuardConfig struct {
	// AllowHosts are further hosts that requests may name, as "name", "address" or either with
	// ":port". Without a port every port is allowed. Nil adds none.
	AllowHosts []string
	// AllowOrigins are the web origins whose pages may send requests, as "https://app.example".
	// Nothing but the exact origin matches. Nil adds none.
	AllowOrigins []string
	// ClientKeys reports that every request needs a client key besides. Then browsers on plain http are let
	// in, because a page of another site cannot send a key.
	ClientKeys bool
	// NavigatePaths are paths to which a page elsewhere may lead the browser (a link or a redirect, by
	// GET), as the end of a login does. Nil means none.
	NavigatePaths []string
}

// Guard tells programs that are meant to use a loopback listener from web pages that are not. It is
// safe for concurrent use.
type Guard struct {
	hosts    hostRule
	origins  map[string]bool
	navigate []string
	keyed    bool
}

// NewGuard returns a Guard. The error joins every entry that cannot match anything.
func NewGuard(cfg GuardConfig) (*Guard, error) {
	g := &Guard{
		hosts:    hostRule{allowed: make(map[string]bool, len(cfg.AllowHosts))},
		origins:  make(map[string]bool, len(cfg.AllowOrigins)),
		navigate: cfg.NavigatePaths,
		keyed:    cfg.ClientKeys,
	}
	var errs []error
	for _, host := range cfg.AllowHosts {
		key, err := allowHostKey(host)
		errs = append(errs, err)
		g.hosts.allowed[key] = true
	}
	for _, origin := range cfg.AllowOrigins {
		errs = append(errs, checkOrigin(origin))
		g.origins[strings.ToLower(origin)] = true
	}
	return g, errors.Join(errs...)
}

// allowHostKey returns what cutHost or the lower-cased Host will be compared with.
func allowHostKey(host string) (string, error) {
	name, ok := cutHost(host)
	if !ok && strings.Count(host, ":") > 1 { // an IPv6 address that somebody wrote without brackets
		name, ok = cutHost("[" + host + "]")
		host = name
	}
	if !ok || strings.Contains(name, "*") {
		return "", fmt.Errorf("allowed host %q: want a name or an address, with or without a port, and no *", host)
	}
	if strings.HasSuffix(host, "]") || !strings.Contains(host, ":") || host == name {
		return name, nil
	}
	return strings.ToLower(host), nil
}

func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || origin != u.Scheme+"://"+u.Host || !slices.Contains([]string{"http", "https"}, u.Scheme) {
		return fmt.Errorf("allowed origin %q: want scheme, host and port only, like https://app.example", origin)
	}
	return nil
}

// Check returns what is wrong with where r comes from, or nil.
func (g *Guard) Check(r *http.Request) *problem.Problem {
	if refused := g.checkHost(r); refused != nil {
		return refused
	}
	return g.checkBrowser(r)
}

// Wrap returns a handler that passes on to next what g lets in and answers the rest.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused := g.Check(r); refused != nil {
			refused.Write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Guard) checkHost(r *http.Request) *problem.Problem {
	if r.Host == "" {
		if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
			return nil // clients of HTTP/1.0 need not send one; no browser is among them
		}
		return refusalCase(problem.BadRequest, problem.CaseNoHost)
	}
	if g.hosts.allows(r.Host, localAddr(r)) {
		return nil
	}
	return refusal(problem.HostNotAllowed, "host", boundedText(r.Host, maxShown))
}

// checkBrowser refuses what a page elsewhere has a browser send, whatever the method: here even a GET
// returns private documents. Programs send neither header. http.CrossOriginProtection is laxer by
// design: it lets safe methods through.
func (g *Guard) checkBrowser(r *http.Request) *problem.Problem {
	origins, sites := r.Header["Origin"], r.Header["Sec-Fetch-Site"]
	if len(origins) == 0 && len(sites) == 0 {
		if !g.keyed && isUnsignedBrowser(r) {
			return refusalCase(problem.OriginNotAllowed, problem.CaseBrowser, "host", boundedText(r.Host, maxShown))
		}
		return nil
	}
	if len(origins) == 1 && g.origins[strings.ToLower(origins[0])] {
		return nil
	}
	if len(origins) > 0 && !(len(origins) == 1 && isOwnOrigin(r, origins[0])) {
		return foreignOrigin(r)
	}
	if len(sites) > 0 && !(len(sites) == 1 && isOwnSite(sites[0])) && !g.isNavigation(r) {
		return foreignOrigin(r)
	}
	return nil
}

// isUnsignedBrowser reports whether r comes from a browser that does not say which page sent it: browsers
// leave out Sec-Fetch-Site, and Origin of a GET, where the address is not trustworthy (Secure Contexts,
// section 3.1), which plain http under a name other than a loopback one is not. PowerShell and WinHTTP send
// a Mozilla User-Agent too, but no Accept-Language.
func isUnsignedBrowser(r *http.Request) bool {
	return r.TLS == nil && strings.Contains(r.Header.Get("User-Agent"), "Mozilla/5.0") && r.Header["Accept-Language"] != nil &&
		!isTrustworthy(r.Host)
}

// isTrustworthy reports whether browsers take host, as it was sent, for this machine and so say where requests
// come from. That is stricter than what the Host rule lets in: Chromium says nothing at [::ffff:127.0.0.1], and
// not every browser knows localhost with the root's dot.
func isTrustworthy(host string) bool {
	name, ok := cutHost(host)
	if !ok {
		return false
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.IsLoopback() && ip.Is4() != strings.HasPrefix(host, "[")
	}
	bare, _, _ := strings.Cut(host, ":")
	return !strings.HasSuffix(bare, ".") && (name == "localhost" || strings.HasSuffix(name, ".localhost"))
}

// isOwnSite reads Sec-Fetch-Site: a page of ours, or the person at the address bar. A page from
// another port of this machine is "same-site" and foreign.
func isOwnSite(site string) bool { return site == "same-origin" || site == "none" }

// isNavigation reports whether a browser was led here in its address bar, and not in a frame, to a path
// that allows it.
func (g *Guard) isNavigation(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" &&
		(dest == "" || dest == "document") && slices.Contains(g.navigate, r.URL.Path)
}

// isOwnOrigin reports whether origin is where r itself went. The Host rule has been passed by then, so a
// page from there is ours.
func isOwnOrigin(r *http.Request, origin string) bool {
	own, ok := strings.CutPrefix(strings.ToLower(origin), scheme(r)+"://")
	return ok && r.Host != "" && withoutDefaultPort(own, scheme(r)) == withoutDefaultPort(strings.ToLower(r.Host), scheme(r))
}

// withoutDefaultPort makes "localhost:80" the origin's "localhost" (RFC 6454 section 6.2).
func withoutDefaultPort(host, scheme string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

func foreignOrigin(r *http.Request) *problem.Problem {
	switch origin := r.Header.Get("Origin"); origin {
	case "null":
		return refusalCase(problem.OriginNotAllowed, problem.CaseNullOrigin)
	case "":
		return refusal(problem.OriginNotAllowed, "origin", "another site")
	default:
		return refusal(problem.OriginNotAllowed, "origin", boundedText(origin, maxShown))
	}
}

// maxShown is how much of a name that a client sent is shown to it and in the log.
const maxShown = 200

// refusal returns the row of the table for code as a reason to refuse a request.
func refusal(code problem.Code, values ...string) *problem.Problem {
	return refusalCase(code, "", values...)
}

// refusalCase is refusal for a row that has a case.
func refusalCase(code problem.Code, name string, values ...string) *problem.Problem {
	p := problem.OfCase(code, name, values...)
	return &p
}

// scheme returns the scheme that r came by.
func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func validLabel(label string) bool { return tokens.ValidAccount(label) }

// hostRule decides about the Host of a request. A web page can make a browser resolve any name to a
// loopback address (DNS rebinding), so the name that the browser believes to talk to must be one that
// no stranger can own.
type hostRule struct {
	allowed map[string]bool // lower case; with a port only where the operator gave one
}

// allows reports whether host, which came on a connection to local, is one of ours: a loopback name or
// address, the very address that the client connected to, or one that the operator allowed. Ports are
// not compared: a container's published port or a port forwarder makes the client's differ from ours.
func (h hostRule) allows(host string, local net.Addr) bool {
	name, ok := cutHost(host)
	if !ok {
		return false
	}
	if isLoopbackName(name) || h.allowed[name] || h.allowed[strings.ToLower(host)] {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && (ip.IsLoopback() || ip == localIP(local))
}

// cutHost returns the name or address in host, in lower case and without port, brackets and the
// root's dot. It is not ok if host is not exactly a name or address with an optional port.
func cutHost(host string) (name string, ok bool) {
	name = host
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && !strings.HasSuffix(host, "]") {
		if !isPort(host[colon+1:]) {
			return "", false
		}
		name = host[:colon]
	}
	if strings.HasPrefix(name, "[") {
		return cutBrackets(name)
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name, name != "" && !strings.ContainsAny(name, ":/@[]%\\ ")
}

func isPort(s string) bool {
	if s == "" { // RFC 3986 section 3.2.3 allows "host:"
		return true
	}
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil && s[0] != '+'
}

// isLoopbackName knows the names of this machine, and those below localhost that choose an account (account.go).
// Browsers and resolvers keep both on this machine (RFC 6761 section 6.3).
func isLoopbackName(name string) bool {
	label, below := strings.CutSuffix(name, ".localhost")
	if below {
		return validLabel(label)
	}
	switch name {
	case "localhost", "ip6-localhost", "host.docker.internal": // Debian's hosts file; Docker's name of the host
		return true
	}
	return false
}

// cutBrackets returns the IPv6 address in "[...]" in its one spelling, as IPv4 if it is that. Zones are
// refused: they name an interface of one machine and have no place in a Host header.
func cutBrackets(s string) (name string, ok bool) {
	inner, closed := strings.CutSuffix(s[1:], "]")
	ip, err := netip.ParseAddr(inner)
	if !closed || err != nil || !ip.Is6() || ip.Zone() != "" {
		return "", false
	}
	return ip.Unmap().String(), true
}

func localIP(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	if ip.IsUnspecified() {
		return netip.Addr{}
	}
	return ip
}

func localAddr(r *http.Request) net.Addr {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return addr
}

// corsOrigin returns the origin of the page behind r if the operator allowed it, else "". The guard
// has let r in already.
func (g *Guard) corsOrigin(r *http.Request) string {
	origin := r.Header["Origin"]
	if len(origin) != 1 || !g.origins[strings.ToLower(origin[0])] {
		return ""
	}
	return origin[0]
}

// allowOrigin lets the page at origin read the answer. Credentials of the browser are never allowed:
// the proxy has its own.
func allowOrigin(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "*")
	h.Add("Vary", "Origin")
}

// isPreflight reports whether a browser asks for permission to send a request (Fetch standard, "CORS-preflight").
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != ""
}

// answerOptions answers those OPTIONS requests that are about this proxy and not about the API:
// preflights, "OPTIONS *", and those that may not travel further (RFC 9110 section 7.6.2).
func answerOptions(c *call) bool {
	r := c.req
	if r.Method != http.MethodOptions {
		return false
	}
	switch {
	case isPreflight(r):
		answerPreflight(c.Header(), r)
	case r.RequestURI == "*", r.Header.Get("Max-Forwards") == "0":
		c.Header().Set("Allow", allowedMethods)
	default:
		return false
	}
	c.answered = true
	c.WriteHeader(http.StatusNoContent)
	return true
}

func answerPreflight(h http.Header, r *http.Request) {
	h.Set("Access-Control-Allow-Methods", allowedMethods)
	h.Set("Access-Control-Max-Age", "600")
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		h.Set("Access-Control-Allow-Headers", wanted)
	}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
}
