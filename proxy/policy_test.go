package proxy

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// status serves one request without a connection.
func status(h http.Handler, method, target string) int {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost"
	h.ServeHTTP(w, r)
	return w.Code
}

func mustRoutes(texts ...string) []Route {
	var routes []Route
	for _, text := range texts {
		route, err := ParseRoute(text)
		if err != nil {
			panic(err)
		}
		routes = append(routes, route)
	}
	return routes
}

func TestInvalidRoutesAreMistakes(t *testing.T) {
	for _, text := range []string{"", "GET", "get /a", "FETCH /a", "GET a", "GET /a?b", "GET /%61"} {
		if route, err := ParseRoute(text); err == nil || !strings.Contains(err.Error(), strconv.Quote(text)) || route.methods != nil {
			t.Errorf("%q: got the route %+v and the error %v, want an error that repeats it", text, route, err)
		}
	}
}

func TestAllowedRoutes(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) {
		c.AllowRoutes = mustRoutes("GET /public/v1/documents*", "POST,PATCH /public/v1/documents/*/send", "* /public/v1/contacts")
	}})
	row := func(method, target, code string) guardCase {
		return guardCase{method + " " + target, request(method, target, "localhost", "Content-Length: 0"), code}
	}
	const no = "route-not-allowed"
	runGuardCases(t, g, []guardCase{
		row("GET", "/public/v1/documents", ""),
		row("GET", "/public/v1/documents/x/details?a=b", ""),
		row("POST", "/public/v1/documents/x/send", ""),
		row("PATCH", "/public/v1/documents/x%20y/send", ""),
		row("DELETE", "/public/v1/contacts", ""),
		row("GET", "/@acme/public/v1/documents", ""),
		row("GET", "/public/v1/%64ocuments", ""), // the same path, spelled otherwise
		row("POST", "/public/v1/documents", no),
		row("GET", "/public/v1/contacts/x", no),
		row("GET", "/public/v1/templates", no),
		row("POST", "/public/v1/documents//send", no),
		row("POST", "/public/v1/documents/x/y/send", no),
		row("POST", "/public/v1/documents/x%2Fy/send", no),
		row("POST", `/public/v1/documents/x\y/send`, no),
		row("POST", "/public/v1/documents/x%255cy/send", no),
		row("POST", "/public/v1/documents/x%3F/send", no),   // U8: for a server behind the proxy, the path may end at the "?"
		row("POST", "/public/v1/documents/x%253F/send", no), // also after another decoding
		row("POST", "/public/v1/documents/x%23/send", no),
		row("GET", "/public/v1/documents/x%3F/details", ""), // allowed up to the "?", and as a whole
		row("GET", "/Public/v1/documents", no),
		row("GET", "//public/v1/documents", no),
		row("GET", "/x?/public/v1/documents", no), // F7: a query is not a path
		row("GET", "/public/v1/documents/../contacts", "bad-request"),
		row("GET", "/public/v1/documents/%2e%2e/contacts", "bad-request"),
	})
	t.Run("HEAD where GET is allowed", func(t *testing.T) {
		if res, _ := g.do("HEAD", "/public/v1/documents", nil); res.StatusCode != 200 {
			t.Errorf("status %d, want 200", res.StatusCode)
		}
	})
}

func TestAnAllowedRouteIsForwardedUnchanged(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) { c.AllowRoutes = mustRoutes("GET /public/v1/documents/*") }})
	g.raw(get("/public/v1/%64ocuments/a%7Cb?x=%zz"))
	if got := g.upstream.seen(); len(got) != 1 || got[0].Target != "/public/v1/%64ocuments/a%7Cb?x=%zz" {
		t.Errorf("upstream got %+v", got)
	}
}

func TestReadOnly(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) { c.ReadOnly = true }})
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 200, "POST": 403, "PUT": 403, "PATCH": 403, "DELETE": 403} {
		res, _ := g.do(method, "/public/v1/documents", nil)
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", method, res.StatusCode, want)
		}
	}
	for _, seen := range g.upstream.seen() {
		if !isRead(seen.Method) {
			t.Errorf("%s reached the upstream", seen.Method)
		}
	}
}

// C15: a GET with a header that makes it a DELETE would bypass rules for methods.
func TestMethodOverridesAreDroppedUnderAPolicy(t *testing.T) {
	for _, readOnly := range []bool{true, false} {
		g := newRig(t, rigOptions{configure: func(c *Config) { c.ReadOnly = readOnly }})
		g.raw(get("/a", "X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X_Method_Override: DELETE"))
		seen := g.upstream.seen()[0].Header
		if got := seen["X-Http-Method-Override"] != nil || seen["X-Http-Method"] != nil || seen["X_method_override"] != nil; got == readOnly {
			t.Errorf("read-only %v: the upstream got %v", readOnly, seen)
		}
	}
}

// FuzzPolicy compares the rule with a simple form of it: no decoding of an allowed path may be outside of the one
// allowed directory.
func FuzzPolicy(f *testing.F) {
	p := policy{routes: mustRoutes("GET /ok/*")}
	for _, seed := range []string{"/ok/x", "/ok", "/%6fk/", "/ok%2f", "/no/ok/", "/%256fk/x", "//ok/", "/ok/%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if p.check("GET", path) != nil {
			return
		}
		for decoded := range 6 {
			if decoded > 0 || decodePercent(path) == path {
				if len(path) < 4 || path[:4] != "/ok/" {
					t.Fatalf("allowed although it can mean %q", path)
				}
			}
			path = decodePercent(path)
		}
	})
}

func TestListenerChoosesTheAccount(t *testing.T) {
	g := newRig(t, rigOptions{})
	tests := []struct {
		path string
		want int
	}{{"/a", 200}, {"/@acme/a", 200}, {"/@default/a", 400}}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", tt.path, nil)
		r.Host = "localhost"
		r = r.WithContext(WithAccount(r.Context(), "acme"))
		w := httptest.NewRecorder()
		g.proxy.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.path, w.Code, w.Body, tt.want)
		}
	}
	for _, seen := range g.upstream.seen() {
		if got := seen.Header.Get("Authorization"); got != "Bearer acme-1" {
			t.Errorf("the API saw %q", got)
		}
	}
}
