package proxy

import (
	"net/url"
	"strings"
)

const (
	// maxEncodings is how often a path may be percent-encoded. Nobody needs more than twice; looking
	// without an end would let a long path cost quadratic time.
	maxEncodings = 8
	// maxPolicySegments is how many leading segments of a path can decide about it.
	maxPolicySegments = 8
)

// pathRules decide about paths. They look at what a path can come to mean behind us - decoded any
// number of times, with either slash, with and without parameters - while the path itself is
// forwarded as it came; what could mean a refused path is refused.
type pathRules struct {
	refused [][]string // leading segments, lower case
}

// newPathRules refuses the token endpoint: it lies on the API's own host, and its answers hold the
// tokens that clients must not see.
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
func (rules pathRules) check(path, query string) *Problem {
	if hasAccessToken(query) {
		return badRequest.problem("The query has an access_token.",
			"leave it out: the proxy signs requests in")
	}
	for range maxEncodings {
		if problem := rules.checkDecoded(path); problem != nil {
			return problem
		}
		decoded := decodePercent(path)
		if decoded == path {
			return nil
		}
		path = decoded
	}
	return badRequest.problem("The path is percent-encoded too many times.", "")
}

// checkDecoded looks at one reading of a path.
func (rules pathRules) checkDecoded(path string) *Problem {
	if strings.ContainsAny(path, "\x00\r\n") {
		return badRequest.problem("The path holds an encoded NUL or line break.", "")
	}
	if hasDotSegment(path) {
		return badRequest.problem("The path holds a dot segment.", "send the path without . and .. segments")
	}
	segments, n := leadingSegments(path)
	if rules.refuses(segments[:n]) || n > 0 && segments[0][0] == '@' && rules.refuses(segments[1:n]) {
		return tokenEndpointRefused.problem("The token endpoint is not reachable through the proxy.",
			"leave signing in to the proxy")
	}
	return nil
}

func (rules pathRules) refuses(segments []string) bool {
	for _, refused := range rules.refused {
		if hasPrefixFold(segments, refused) {
			return true
		}
	}
	return false
}

func hasPrefixFold(segments, prefix []string) bool {
	if len(segments) < len(prefix) {
		return false
	}
	for i, want := range prefix {
		if !strings.EqualFold(segments[i], want) {
			return false
		}
	}
	return true
}

// hasDotSegment says whether a segment is "." or "..", also with parameters behind it ("..;x=1").
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

// cutSegment splits path at its first slash of either kind, and drops what follows a ';' in the
// segment: servers disagree about whether path parameters belong to it.
func cutSegment(path string) (segment, rest string) {
	segment = path
	if i := strings.IndexAny(path, `/\`); i >= 0 {
		segment, rest = path[:i], path[i+1:]
	}
	if i := strings.IndexByte(segment, ';'); i >= 0 {
		segment = segment[:i]
	}
	return segment, rest
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

// hasAccessToken says whether query carries a credential of its own (RFC 6750 section 2.3). It reads
// both separators and every encoding that some server reads.
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
