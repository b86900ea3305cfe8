package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"pandadoc-auth-proxy/internal/sandbox/workspace"
)

// operations is the whole table: PandaDoc's 127 operations, and the emulator's own routes at the end (see
// instruments.go).
func operations() []operation {
	list := []operation{
		{Operation: workspace.Operation{Number: tokenOperation, Method: "POST", Path: "/oauth2/access_token", Summary: "exchange a code or refresh a token"}, stream: (*Emulator).serveToken, open: true},
		{Operation: workspace.Operation{Method: "GET", Path: "/oauth2/access_token", Summary: "refused: the token endpoint takes POST only"}, stream: (*Emulator).serveToken, open: true},
		{Operation: workspace.Operation{Method: "GET", Path: "/oauth2/authorize", Summary: "the consent page"}, stream: (*Emulator).serveAuthorize, open: true, consent: true},
		{Operation: workspace.Operation{Method: "POST", Path: "/oauth2/authorize/confirm", Summary: "the answer of the consent page"}, stream: (*Emulator).serveConsent, open: true, consent: true},
	}
	for _, o := range workspace.Operations() {
		list = append(list, operation{Operation: o})
	}
	list = append(list,
		operation{Operation: workspace.Operation{Method: "GET", Path: "/", Summary: "a description of the emulator"}, stream: (*Emulator).serveRoot, open: true},
		operation{Operation: workspace.Operation{Method: "GET", Path: "/emulator/stream", Summary: "a download: ?bytes= &chunked &pause="}, stream: (*Emulator).serveStream},
		operation{Operation: workspace.Operation{Method: "GET", Path: "/emulator/events", Summary: "an event stream: ?count= &interval="}, stream: (*Emulator).serveEvents},
	)
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		list = append(list, operation{Operation: workspace.Operation{Method: method, Path: "/emulator/echo", Summary: "what arrived: target, headers, size and hash of the body"}, stream: (*Emulator).serveEcho})
	}
	return list
}

// tokenOperation is the number of the token endpoint in PandaDoc's list.
const tokenOperation = 1

// operation is a route: an operation of the workspace, or one that the emulator itself serves.
type operation struct {
	workspace.Operation

	// stream serves the emulator's own routes. It reads the body and writes the answer itself.
	stream  func(*Emulator, *exchange)
	open    bool // needs no credentials
	consent bool // belongs to the consent page

	segments []string // of the path, set by newRouter
	key      string   // "upload" of "?upload"
}

// router finds the operation of a request. It neither cleans paths nor redirects: for the service too, a path
// with two slashes in a row is another path.
type router struct{ operations []operation }

func newRouter(operations []operation) *router {
	for i := range operations {
		o := &operations[i]
		path, key, _ := strings.Cut(o.Path, "?")
		o.segments, o.key = strings.Split(strings.Trim(path, "/"), "/"), key
	}
	// Prefer rows with more literal segments: /documents/folders is not a document. Among equals, prefer a row with
	// a query key.
	slices.SortStableFunc(operations, func(a, b operation) int { return b.weight() - a.weight() })
	return &router{operations}
}

func (o *operation) weight() int {
	n := 0
	for _, s := range o.segments {
		if !strings.HasPrefix(s, "{") {
			n += 2
		}
	}
	if o.key != "" {
		n++
	}
	return n
}

// find returns the operation and the path's variables. If there is no match, allowed lists the methods for the
// path.
func (t *router) find(method string, u *url.URL) (o *operation, vars map[string]string, allowed []string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path, ok := strings.CutPrefix(u.EscapedPath(), "/")
	if !ok {
		return nil, nil, nil
	}
	// Ignore one trailing slash: PandaDoc's own samples have both forms.
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for i := range t.operations {
		o := &t.operations[i]
		vars, ok := o.match(segments)
		switch {
		case !ok || !hasKey(u.RawQuery, o.key):
		case o.Method == method:
			return o, vars, nil
		case !slices.Contains(allowed, o.Method):
			allowed = append(allowed, o.Method)
		}
	}
	return nil, nil, allowed
}

func (o *operation) match(segments []string) (map[string]string, bool) {
	if len(segments) != len(o.segments) {
		return nil, false
	}
	var vars map[string]string
	for i, want := range o.segments {
		got, err := url.PathUnescape(segments[i])
		if err != nil {
			return nil, false
		}
		if name, ok := strings.CutPrefix(want, "{"); ok && got != "" {
			if vars == nil {
				vars = map[string]string{}
			}
			vars[strings.TrimSuffix(name, "}")] = got
		} else if got != want {
			return nil, false
		}
	}
	return vars, true
}

// hasKey reports whether the raw query has key, with or without "=". It is true for an empty key.
func hasKey(rawQuery, key string) bool {
	if key == "" {
		return true
	}
	for part := range strings.SplitSeq(rawQuery, "&") {
		if name, _, _ := strings.Cut(part, "="); name == key {
			return true
		}
	}
	return false
}
