package proxy

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
)

const (
	// maxTarget and maxHeader are our limits. net/http's own limit is above them (maxHeaderBytes), so that
	// clients get an answer that they can read.
	maxTarget = 16 << 10
	maxHeader = 32 << 10
	// maxHeaderLines limits the memory of a request: every line takes much more memory than its bytes.
	maxHeaderLines = 100

	allowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
)

// checkForm checks the method of r, and the form and length of its target.
func (g *Guard) checkForm(r *http.Request) *problem.Problem {
	switch {
	case r.Method == "PRI" || r.ProtoMajor > 1 && r.TLS == nil:
		return new(problem.OfCase(problem.BadRequest, problem.CaseHTTP2))
	case !methodAllowed(r.Method):
		return new(problem.Of(problem.MethodNotAllowed))
	case len(r.RequestURI) > maxTarget:
		return new(problem.Of(problem.TargetTooLong))
	}
	return g.checkTargetForm(r)
}

func methodAllowed(method string) bool { return methodOf(method) != otherMethod }

// otherMethod stands for every method that is not one of the API's.
const otherMethod = "other"

// methodOf returns method as a constant: that of a request shares its memory with the whole request line.
func methodOf(method string) string {
	for _, known := range [...]string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	} {
		if method == known {
			return known
		}
	}
	return otherMethod
}

func headerSize(r *http.Request) (size, lines int) {
	size, lines = len(r.Host), 1
	for name, values := range r.Header {
		lines += len(values)
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size, lines
}

// headerCost returns about how much memory the header and target of r take while r is in flight.
func headerCost(r *http.Request) int64 {
	const perLine = 400 // in the forms of net/http, besides the bytes
	size, lines := headerSize(r)
	return int64(len(r.RequestURI) + size + perLine*lines)
}

// checkTargetForm allows origin-form, "OPTIONS *", and absolute-form with our own name (RFC 9112 section 3.2).
// Any other absolute-form target comes from a client that uses us as a forward proxy, or is an attempt to send
// the token elsewhere.
func (g *Guard) checkTargetForm(r *http.Request) *problem.Problem {
	switch {
	case strings.Contains(r.RequestURI, "#"):
		return new(problem.OfCase(problem.BadRequest, problem.CaseFragment))
	case strings.HasPrefix(r.RequestURI, "/"),
		r.RequestURI == "*" && r.Method == http.MethodOptions,
		strings.EqualFold(r.URL.Scheme, scheme(r)) && r.URL.User == nil && g.allowsHost(r.URL.Host, localAddr(r)):
		return nil
	}
	return new(problem.OfCase(problem.BadRequest, problem.CaseTarget))
}

// rawPath returns the path of r's target exactly as it came.
func rawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if strings.HasPrefix(path, "/") {
		return path
	}
	_, path, _ = strings.Cut(path, "://")
	slash := strings.IndexByte(path, '/')
	if slash < 0 {
		return "/"
	}
	return path[slash:]
}

const (
	// maxEncodings is how often a path may be percent-encoded. Nobody needs more than twice; without a limit, a
	// long path could cost quadratic time.
	maxEncodings = 8
	// maxPolicySegments is how many leading segments of a path the rules look at.
	maxPolicySegments = 8
)

// pathRules refuse paths. They check everything that a path can mean to a server behind us: decoded any number
// of times, with both kinds of slash, with and without parameters. If one reading is a refused path, the
// request is refused. The path itself is forwarded unchanged.
type pathRules struct {
	refused [][]string // leading segments, lower case
}

// newPathRules returns rules that refuse the token endpoint: it is on the API's own host, and its answers
// contain tokens that clients must not see.
func newPathRules(api, tokenURL *url.URL) pathRules {
	rules := pathRules{refused: [][]string{{"oauth2"}}}
	if tokenURL == nil || !sameOrigin(api, tokenURL) {
		return rules
	}
	path := strings.TrimPrefix(tokenURL.EscapedPath(), basePath(api))
	segments, n := leadingSegments(strings.ToLower(path))
	if n > 0 {
		rules.refused = append(rules.refused, segments[:n])
	}
	return rules
}

// check returns why a request for path and query must not be forwarded, or nil.
func (rules pathRules) check(path, query string) *problem.Problem {
	if hasAccessToken(query) {
		return new(problem.OfCase(problem.BadRequest, problem.CaseAccessToken))
	}
	for range maxEncodings {
		if refused := rules.checkDecoded(path); refused != nil {
			return refused
		}
		decoded := decodePercent(path)
		if decoded == path {
			return nil
		}
		path = decoded
	}
	return new(problem.OfCase(problem.BadRequest, problem.CaseEncoding))
}

// checkDecoded checks one reading of a path.
func (rules pathRules) checkDecoded(path string) *problem.Problem {
	if strings.IndexByte(path, 0) >= 0 || strings.IndexByte(path, '\r') >= 0 || strings.IndexByte(path, '\n') >= 0 {
		return new(problem.OfCase(problem.BadRequest, problem.CaseControl))
	}
	if hasDotSegment(path) {
		return new(problem.OfCase(problem.BadRequest, problem.CaseDots))
	}
	segments, n := leadingSegments(path)
	if rules.refuses(segments[:n]) || n > 0 && segments[0][0] == '@' && rules.refuses(segments[1:n]) {
		return new(problem.Of(problem.TokenEndpointRefused))
	}
	return nil
}

func (rules pathRules) refuses(segments []string) bool {
	for _, refused := range rules.refused {
		if len(segments) >= len(refused) && slices.EqualFunc(segments[:len(refused)], refused, strings.EqualFold) {
			return true
		}
	}
	return false
}

// hasDotSegment reports whether a segment is "." or "..", also with parameters after it ("..;x=1").
func hasDotSegment(path string) bool {
	for path != "" {
		var segment string
		segment, path = cutSegment(path)
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// leadingSegments returns the first segments of path that are not empty. The array keeps it from
// allocating on every request.
func leadingSegments(path string) (segments [maxPolicySegments]string, n int) {
	for path != "" && n < len(segments) {
		if segments[n], path = cutSegment(path); segments[n] != "" {
			n++
		}
	}
	return segments, n
}

// cutSegment splits path at its first slash of either kind, and drops the part of the segment from a ';', '?'
// or '#' on. Servers disagree about path parameters, and if a server decodes a path before it looks for the
// end, the path ends at an encoded '?' or '#'.
func cutSegment(path string) (segment, rest string) {
	end := len(path) // of the segment, without what it drops
	for i := range len(path) {
		switch path[i] {
		case '/', '\\':
			return path[:min(i, end)], path[i+1:]
		case ';', '?', '#':
			end = min(i, end)
		}
	}
	return path[:end], ""
}

// decodePercent decodes every valid percent-encoding in s once and leaves the rest as it is.
func decodePercent(s string) string {
	first := strings.IndexByte(s, '%')
	if first < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			out = append(out, fromHex(s[i+1])<<4|fromHex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func fromHex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// hasAccessToken reports whether query contains a credential (RFC 6750 section 2.3). It considers both
// separators and every encoding that some server accepts.
func hasAccessToken(query string) bool {
	for query != "" {
		pair := query
		if i := strings.IndexAny(query, "&;"); i >= 0 {
			pair, query = query[:i], query[i+1:]
		} else {
			query = ""
		}
		key, _, _ := strings.Cut(pair, "=")
		if strings.EqualFold(decodePercent(key), "access_token") {
			return true
		}
	}
	return false
}

// sameOrigin compares scheme, host and port (RFC 6454 section 4).
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}

// policy limits the requests to the API. The zero value allows everything.
type policy struct {
	readOnly bool
	routes   []Route // none: all
}

// Route allows some methods on some paths. ParseRoute makes it; the zero value allows nothing.
type Route struct {
	text    string // as it was written
	methods []string
	path    *regexp.Regexp
}

// String returns the route as it was written.
func (r Route) String() string { return r.text }

// ParseRoute reads "GET /public/v1/documents*". Several methods are separated by commas, and * stands for
// all of them. In the path, a * at the end matches anything, and elsewhere it matches one segment.
func ParseRoute(text string) (Route, error) {
	methods, path, _ := strings.Cut(strings.TrimSpace(text), " ")
	path = strings.TrimSpace(path)
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t?#%\\") {
		return Route{}, fmt.Errorf(`allowed route %q: want methods and a path without percent-encoding, like "GET /public/v1/documents*"`, text)
	}
	rule := Route{text: text, methods: strings.Split(methods, ",")}
	if methods == "*" {
		rule.methods = strings.Split(allowedMethods, ", ")
	}
	for _, m := range rule.methods {
		if !methodAllowed(m) {
			return Route{}, fmt.Errorf("allowed route %q: %q is not a method of the API; they are %s", text, m, allowedMethods)
		}
	}
	if slices.Contains(rule.methods, http.MethodGet) {
		rule.methods = append(rule.methods, http.MethodHead) // the same, without the body
	}
	rest := ""
	if strings.HasSuffix(path, "*") {
		path, rest = strings.TrimSuffix(path, "*"), ".*"
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(path), `\*`, `[^/\\]+`) + rest
	rule.path = regexp.MustCompile(`(?s)\A` + pattern + `\z`) // quoted, so it compiles
	return rule, nil
}

// narrows reports whether p refuses anything.
func (p policy) narrows() bool { return p.readOnly || len(p.routes) > 0 }

// check applies the policy to path after every possible number of decodings. The path itself is forwarded
// unchanged.
func (p policy) check(method, path string) *problem.Problem {
	if p.readOnly && !isRead(method) {
		return new(problem.OfCase(problem.RouteNotAllowed, problem.CaseReadOnly, "method", method))
	}
	if len(p.routes) == 0 {
		return nil
	}
	if path == "" {
		path = "/"
	}
	for {
		decoded := decodePercent(path)
		if !p.allows(method, decoded) || !p.allows(method, cutEnd(decoded)) {
			return new(problem.Of(problem.RouteNotAllowed, "method", method, "path", routeOf(path)))
		}
		if decoded == path {
			return nil
		}
		path = decoded
	}
}

// cutEnd returns path up to the first "?" or "#". In a decoded path these were encoded. If a server decodes a
// path before it looks for the end, the path ends there.
func cutEnd(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		return path[:i]
	}
	return path
}

func (p policy) allows(method, path string) bool {
	return slices.ContainsFunc(p.routes, func(r Route) bool {
		return slices.Contains(r.methods, method) && r.path.MatchString(path) // a zero Route has no methods
	})
}

func isRead(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// dropOverrides removes the headers with which some servers change the method of a request, because they would
// bypass a policy about methods.
func dropOverrides(h http.Header) {
	for name := range h {
		switch unfold(name) {
		case "X-Http-Method-Override", "X-Http-Method", "X-Method-Override":
			delete(h, name)
		}
	}
}

// maxRouteSegments limits the segments of a route; the API's own paths have at most seven.
const maxRouteSegments = 8

// routeOf returns path with every segment replaced by * that is not a word of PandaDoc's API. The rest names
// the operation, and ids of documents and people stay out of logs and metrics.
func routeOf(path string) string {
	if path == "" || path == "/" || isRoute(path) {
		return path
	}
	var b strings.Builder
	b.Grow(len("/public/v1/content-library-items/*/details") + 16)
	for n := 0; path != ""; n++ {
		if n == maxRouteSegments {
			b.WriteString("/...")
			break
		}
		segment := ""
		segment, path, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
		b.WriteByte('/')
		b.WriteString(routeWord(segment))
	}
	return b.String()
}

// isRoute reports whether routeOf has nothing to replace in path. This is the most frequent case, and needs no
// allocation.
func isRoute(path string) bool {
	if path[0] != '/' || strings.HasSuffix(path, "/") || strings.Count(path, "/") > maxRouteSegments {
		return false
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if routeWord(segment) != segment {
			return false
		}
	}
	return true
}

// routeWord returns segment if it is a word of the API, else "*".
func routeWord(segment string) string {
	switch segment {
	case "", "public", "v1", "v2", "beta",
		"add-named-items", "ai-metadata", "api-keys", "append-content-library-item", "attachments",
		"audit-trail", "auto-reminders", "contacts", "content", "content-library-items", "current",
		"deactivate", "details", "documents", "docx-export-tasks", "download", "download-protected",
		"draft", "dsv", "duplicate", "editing-sessions", "esign-disclosure", "fields", "folders", "forms",
		"items", "linked-objects", "logs", "members", "move-to-folder", "notaries", "notarization-requests",
		"notary", "ownership", "path", "product-catalog", "quotes", "reassign", "recipient", "recipients",
		"role", "search", "sections", "send", "send-reminder", "session", "settings", "shared-key",
		"sms-opt-outs", "status", "summary", "templates", "token", "uploads", "users",
		"webhook-events", "webhook-subscriptions", "workspaces":
		return segment
	}
	return "*"
}
