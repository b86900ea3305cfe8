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

// GuardConfig lists what a Guard also allows. The zero value allows only programs on this machine.
type GuardConfig struct {
	// AllowHosts are more hosts that requests may name, as "name", "address" or either with ":port". Without a
	// port, every port is allowed. Nil adds none.
	AllowHosts []string
	// AllowOrigins are the web origins whose pages may send requests, as "https://app.example".
	// Only the exact origin matches. Nil adds none.
	AllowOrigins []string
	// ClientKeys means that every request also needs a client key. Then browsers on plain http are allowed,
	// because a page of another site cannot send a key.
	ClientKeys bool
	// NavigatePaths are paths to which a page of another site may lead the browser by a link or a redirect
	// (GET), as at the end of a login. Nil means none.
	NavigatePaths []string
}

// Guard allows programs to use a loopback listener, but refuses web pages. It is safe for
// concurrent use.
type Guard struct {
	hosts         map[string]bool // allowed ones, in lower case; with a port only where the operator gave one
	origins       map[string]bool
	navigatePaths []string
	clientKeys    bool
}

// NewGuard returns a Guard. The error joins one error for every entry that cannot match anything.
func NewGuard(cfg GuardConfig) (*Guard, error) {
	g := &Guard{
		hosts:         make(map[string]bool, len(cfg.AllowHosts)),
		origins:       make(map[string]bool, len(cfg.AllowOrigins)),
		navigatePaths: cfg.NavigatePaths,
		clientKeys:    cfg.ClientKeys,
	}
	var errs []error
	for _, host := range cfg.AllowHosts {
		key, err := allowHostKey(host)
		errs = append(errs, err)
		g.hosts[key] = true
	}
	for _, origin := range cfg.AllowOrigins {
		errs = append(errs, checkOrigin(origin))
		g.origins[strings.ToLower(origin)] = true
	}
	return g, errors.Join(errs...)
}

// allowHostKey returns the form of an allowed host that is compared with cutHost's result or the lower-case
// Host.
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

// Check returns a problem if the header of r is too large, or if r comes from a place that is not allowed. Else nil.
func (g *Guard) Check(r *http.Request) *problem.Problem {
	if size, lines := headerSize(r); size > maxHeader || lines > maxHeaderLines {
		return new(problem.Of(problem.HeadersTooLarge))
	}
	if refused := g.checkHost(r); refused != nil {
		return refused
	}
	return g.checkBrowser(r)
}

func (g *Guard) checkHost(r *http.Request) *problem.Problem {
	if r.Host == "" {
		if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
			return nil // HTTP/1.0 clients may leave it out; browsers never use HTTP/1.0
		}
		return new(problem.OfCase(problem.BadRequest, problem.CaseNoHost))
	}
	if g.allowsHost(r.Host, localAddr(r)) {
		return nil
	}
	return new(problem.Of(problem.HostNotAllowed, "host", boundedText(r.Host, maxShown)))
}

// checkBrowser refuses requests that a browser sends for a page of another site, with every method, because
// here even a GET returns private documents. Programs send neither header. http.CrossOriginProtection is less
// strict by design: it allows safe methods.
func (g *Guard) checkBrowser(r *http.Request) *problem.Problem {
	origins, sites := r.Header["Origin"], r.Header["Sec-Fetch-Site"]
	if len(origins) == 0 && len(sites) == 0 {
		if !g.clientKeys && isUnsignedBrowser(r) {
			return new(problem.OfCase(problem.OriginNotAllowed, problem.CaseBrowser, "host", boundedText(r.Host, maxShown)))
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

// isUnsignedBrowser reports whether r comes from a browser that does not tell which page sent it. Browsers
// leave out Sec-Fetch-Site, and Origin in a GET, if the address is not trustworthy (Secure Contexts, section
// 3.1). Plain http under a name that is not a loopback name is not trustworthy. PowerShell and WinHTTP send a
// Mozilla User-Agent too, but no Accept-Language.
func isUnsignedBrowser(r *http.Request) bool {
	return r.TLS == nil && strings.Contains(r.Header.Get("User-Agent"), "Mozilla/5.0") && r.Header["Accept-Language"] != nil &&
		!isTrustworthy(r.Host)
}

// isTrustworthy reports whether browsers treat host, as it was sent, as this machine, and so tell where
// requests come from. This is stricter than the Host rule: Chromium does not tell it at [::ffff:127.0.0.1], and
// not every browser knows "localhost." with the final dot.
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

// isOwnSite reports whether Sec-Fetch-Site means a page of ours, or the user at the address bar. A page from
// another port of this machine is "same-site", and is foreign.
func isOwnSite(site string) bool { return site == "same-origin" || site == "none" }

// isNavigation reports whether a browser navigates here in its main window, not in a frame, to one of
// NavigatePaths.
func (g *Guard) isNavigation(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" &&
		(dest == "" || dest == "document") && slices.Contains(g.navigatePaths, r.URL.Path)
}

// isOwnOrigin reports whether origin is the address that r was sent to. The Host rule was checked before, so a
// page from there is ours.
func isOwnOrigin(r *http.Request, origin string) bool {
	own, ok := strings.CutPrefix(strings.ToLower(origin), scheme(r)+"://")
	return ok && r.Host != "" && withoutDefaultPort(own, scheme(r)) == withoutDefaultPort(strings.ToLower(r.Host), scheme(r))
}

// withoutDefaultPort turns "localhost:80" into "localhost", as in an origin (RFC 6454 section 6.2).
func withoutDefaultPort(host, scheme string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

func foreignOrigin(r *http.Request) *problem.Problem {
	switch origin := r.Header.Get("Origin"); origin {
	case "null":
		return new(problem.OfCase(problem.OriginNotAllowed, problem.CaseNullOrigin))
	case "":
		return new(problem.OfCase(problem.OriginNotAllowed, problem.CaseNoOrigin))
	default:
		return new(problem.Of(problem.OriginNotAllowed, "origin", boundedText(origin, maxShown)))
	}
}

// maxShown is the longest part of a client's text that answers and the log show, in bytes.
const maxShown = 200

// scheme returns the scheme that r was sent with.
func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// allowsHost reports whether host, which came on a connection to local, is one of ours: a loopback name or address,
// the very address that the client connected to, or one that the operator allowed. Ports are not compared: with
// a container's published port or a port forwarder, the client's port is not ours. A web page can make a browser
// resolve any name to a loopback address (DNS rebinding), so the Host must be a name that nobody else can own.
func (g *Guard) allowsHost(host string, local net.Addr) bool {
	name, ok := cutHost(host)
	if !ok {
		return false
	}
	if isLoopbackName(name) || g.hosts[name] || g.hosts[strings.ToLower(host)] {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && (ip.IsLoopback() || ip == localIP(local))
}

// cutHost returns the name or address in host, in lower case and without port, brackets and the final dot. ok
// is false if host is not exactly a name or address with an optional port.
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
	return name, name != "" && !hasDelimiter(name)
}

// hasDelimiter does the same as strings.ContainsAny, which would cost more than the rest of the guard.
func hasDelimiter(name string) bool {
	for i := range len(name) {
		switch name[i] {
		case ':', '/', '@', '[', ']', '%', '\\', ' ':
			return true
		}
	}
	return false
}

func isPort(s string) bool {
	if s == "" { // RFC 3986 section 3.2.3 allows "host:"
		return true
	}
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil && s[0] != '+'
}

// isLoopbackName reports whether name is localhost, or a name below it, which chooses an account (account.go).
// Browsers and resolvers resolve both to this machine (RFC 6761 section 6.3).
func isLoopbackName(name string) bool {
	label, below := strings.CutSuffix(name, ".localhost")
	if below {
		return tokens.ValidAccount(label)
	}
	switch name {
	case "localhost", "ip6-localhost", "host.docker.internal": // Debian's hosts file; Docker's name of the host
		return true
	}
	return false
}

// cutBrackets returns the IPv6 address in "[...]" in its canonical form, as IPv4 if it is IPv4-mapped. Zones
// are refused: they name an interface of one machine and do not belong in a Host header.
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

// corsOrigin returns the origin of the page that sent r if the operator allowed it, else "". The guard has
// already allowed r.
func (g *Guard) corsOrigin(r *http.Request) string {
	origin := r.Header["Origin"]
	if len(origin) != 1 || !g.origins[strings.ToLower(origin[0])] {
		return ""
	}
	return origin[0]
}

// allowOrigin allows the page at origin to read the answer. Credentials of the browser are never allowed: the
// proxy has its own.
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

// answerOptions answers the OPTIONS requests that are for this proxy and not for the API: preflights, "OPTIONS
// *", and those that must not be forwarded (RFC 9110 section 7.6.2).
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
