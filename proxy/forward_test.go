package proxy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// targets returns paths and queries that Go, or a router, could change.
func targets() []string {
	pieces := []string{"%20", "%2B", "%C3%A9", "%5C", "~", ":", "@", "!", "$", "&", "'", "(", ")", "*", "+", ",", ";", "=", "%2F", "%2f",
		"é", "|", "{", "}", `"`, "^", "<", ">", "`", "[", "]", "%7C", "%3b", "%25", "a", "Z", "0", "-", "_", ".", "..a", "%E2%82%AC", "\xff", "%ff", "//", "/", `\`}
	queries := []string{"", "?", "?flag", "?upload", "?a=1&a=2", "?x=1;y=2", "?x=%zz&ok=1", "?b=2;z&a=1", "?a=b?c=d", "?é", `?"|{}`, "?%", "?a=+b%20c", "??", "?&&=", "?a[]=1"}
	all := []string{"/", "//", "//public//v1/documents", "/public/v1/documents/?upload", "/a?" + strings.Repeat("p&", 5000), "/@acme/x", "/@acme//x", "/@acme", "///", "//%C3%A9", "//é"}
	for _, p := range pieces {
		all = append(all, "/"+p, "/x/"+p+"/y", "/x"+p+"y?"+"flag")
	}
	for _, q := range queries {
		all = append(all, "/public/v1/documents"+q, "/é"+q, "/@acme/x"+q)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for len(all) < 1500 {
		var b strings.Builder
		for range 1 + rnd.IntN(6) {
			b.WriteByte('/')
			for range rnd.IntN(4) {
				b.WriteString(pieces[rnd.IntN(len(pieces))])
			}
		}
		all = append(all, b.String()+queries[rnd.IntN(len(queries))])
	}
	return all
}

// wantTarget is the target that the API must get, or the code of the rule that refuses it.
func wantTarget(target string) (want, code string) {
	path, query, _ := strings.Cut(target, "?")
	if segmentsMatch(path, func(s string) bool { return s == "." || s == ".." }) {
		return "", "bad-request"
	}
	if !strings.HasPrefix(target, "/@") {
		if u, err := url.ParseRequestURI(target); err == nil && strings.HasPrefix(path, "//") && u.EscapedPath() != path {
			return "", "bad-request" // Opaque cannot carry it
		}
		return target, ""
	}
	account, rest, slash := strings.Cut(path[2:], "/")
	if account != "acme" {
		return "", "unknown-account"
	}
	want = strings.TrimPrefix(target, "/@"+account)
	if u, err := url.ParseRequestURI("/" + rest); err == nil && strings.HasPrefix(rest, "/") && u.EscapedPath() != "/"+rest {
		return "", "bad-request"
	}
	if !slash {
		want = "/" + want
	}
	_ = query
	return want, ""
}

func segmentsMatch(path string, match func(string) bool) bool {
	decoded := path
	for range 4 {
		if u, err := url.PathUnescape(decoded); err == nil {
			decoded = u
		}
	}
	return slices.ContainsFunc(strings.FieldsFunc(decoded, func(r rune) bool { return r == '/' || r == '\\' }), func(s string) bool {
		s, _, _ = strings.Cut(s, ";")
		return match(s)
	})
}

// F3 F6: every target arrives unchanged, or is refused with the code of a rule.
func TestTargetsArriveByteForByte(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", h2), func(t *testing.T) {
			g := newRig(t, rigOptions{http2: h2})
			same, refused := 0, map[string]int{}
			for i, target := range targets() {
				want, code := wantTarget(target)
				before := len(g.upstream.seen())
				res, body, _ := g.raw(get(target, "Connection: close"))
				reached := g.upstream.seen()[before:]
				switch {
				case res.StatusCode == 400 && !strings.HasPrefix(body, "{"):
					refused["net/http"]++ // not a target at all
					if _, err := url.ParseRequestURI(target); err == nil {
						t.Errorf("%d %q: refused by net/http although it parses", i, target)
					}
				case code != "":
					refused[code]++
					if got := problemIn(t, res, body); got != code || len(reached) != 0 {
						t.Errorf("%d %q: code %s, %d requests upstream; want %s and none", i, target, got, len(reached), code)
					}
				case len(reached) != 1 || reached[0].Target != want:
					t.Errorf("%d %q: answer %d %s, upstream got %+v, want %q", i, target, res.StatusCode, body, reached, want)
				default:
					same++
				}
			}
			t.Logf("%d identical, refused: %v", same, refused)
			if same < 1000 {
				t.Errorf("only %d targets arrived", same)
			}
		})
	}
}

func TestBasePathOfTheAPI(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) { c.API = c.API.JoinPath("/gw/pd") }})
	for target, want := range map[string]string{"/x": "/gw/pd/x", "/": "/gw/pd/", "//x": "/gw/pd//x", "/é?y": "/gw/pd/é?y", "/@acme/x": "/gw/pd/x"} {
		before := len(g.upstream.seen())
		res, body, _ := g.raw(get(target))
		if got := g.upstream.seen()[before:]; len(got) != 1 || got[0].Target != want {
			t.Errorf("%s: answer %d %s, upstream got %+v, want %s", target, res.StatusCode, body, got, want)
		}
	}
}

func TestRequestHeaders(t *testing.T) {
	g := newRig(t, rigOptions{})
	tests := []struct {
		name   string
		header []string
		want   map[string]string // canonical name to values joined by "|"; empty means absent
	}{
		{"C9 routing headers", []string{"X-Forwarded-Host: a", "X-Forwarded-Proto: b", "X-Forwarded-Uri: c", "X-Original-URL: /oauth2", "X-Rewrite-URL: /x", "Forwarded: for=1", "X-Real-Ip: 1.1.1.1"},
			map[string]string{"X-Forwarded-Host": "", "X-Forwarded-Proto": "", "X-Forwarded-Uri": "", "X-Original-Url": "", "X-Rewrite-Url": "", "Forwarded": "", "X-Real-Ip": ""}},
		{"D8 names with underscores", []string{"X_Forwarded_For: 1", "authorization_: x", "Authorization_: y", "proxy_authorization: z", "cookie_: a", "my_header: kept"},
			map[string]string{"X_forwarded_for": "", "Authorization_": "", "Proxy_authorization": "", "Cookie_": "", "My_header": "kept"}},
		{"D17 Upgrade to h2c", []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"},
			map[string]string{"Connection": "", "Upgrade": "", "Http2-Settings": ""}},
		{"A13 Upgrade of a program", []string{"Connection: Upgrade", "Upgrade: websocket"}, map[string]string{"Connection": "", "Upgrade": ""}},
		{"Upgrade that is no protocol", []string{"Connection: Upgrade", "Upgrade: \xff"}, map[string]string{"Connection": "", "Upgrade": ""}},
		{"E1 Connection names Authorization", []string{"Connection: close, Authorization"}, map[string]string{"Authorization": "Bearer default-1"}},
		{"E1 in a second line", []string{"Connection:", "Connection: Authorization"}, map[string]string{"Authorization": "Bearer default-1"}},
		{"E2 one credential of the client", []string{"Authorization: API-Key x"}, map[string]string{"Authorization": "Bearer default-1"}},
		{"E2 two of them", []string{"Authorization: API-Key x", "authorization: Bearer y"}, map[string]string{"Authorization": "Bearer default-1"}},
		{"E3 Proxy-Authorization", []string{"Proxy-Authorization: Basic x", "Proxy-Connection: close"}, map[string]string{"Proxy-Authorization": "", "Proxy-Connection": ""}},
		{"E4 cookies of other applications", []string{"Cookie: s=1"}, map[string]string{"Cookie": ""}},
		{"E5 Referer", []string{"Referer: http://localhost:3000/secret"}, map[string]string{"Referer": ""}},
		{"E6 client addresses", []string{"X-Forwarded-For: 10.0.0.1"}, map[string]string{"X-Forwarded-For": ""}},
		{"E10 hop by hop", []string{"TE: trailers, deflate", "Keep-Alive: 5", "Connection: X-Hop", "X-Hop: 1"}, map[string]string{"Te": "trailers", "Keep-Alive": "", "X-Hop": ""}},
		{"E11 no encoding is asked for", nil, map[string]string{"Accept-Encoding": ""}},
		{"E11 the client's encoding is kept", []string{"Accept-Encoding: br"}, map[string]string{"Accept-Encoding": "br"}},
		{"E12 no User-Agent is invented", nil, map[string]string{"User-Agent": ""}},
		{"E12 the client's User-Agent is kept", []string{"User-Agent: legacy/1"}, map[string]string{"User-Agent": "legacy/1"}},
		{"S2 no Via", []string{"Via: 1.1 x"}, map[string]string{"Via": ""}},
		{"everything else", []string{"X-Custom: a", "X-Custom: b", "Idempotency-Key: k"}, map[string]string{"X-Custom": "a|b", "Idempotency-Key": "k"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(g.upstream.seen())
			res, body, _ := g.raw(get("/a", tt.header...))
			got := g.upstream.seen()[before:]
			if res.StatusCode != 200 || len(got) != 1 {
				t.Fatalf("answer %d %s, %d requests upstream", res.StatusCode, body, len(got))
			}
			for name, want := range tt.want {
				if have := strings.Join(got[0].Header[name], "|"); have != want {
					t.Errorf("%s: upstream got %q, want %q", name, have, want)
				}
			}
			if want := strings.TrimPrefix(g.upstream.URL, "http://"); got[0].Host != want {
				t.Errorf("C10: Host %q, want %q", got[0].Host, want)
			}
		})
	}
}

func TestRequestTrailersAreDropped(t *testing.T) {
	g := newRig(t, rigOptions{})
	g.raw(request("POST", "/a", "localhost", "Transfer-Encoding: chunked", "Trailer: Authorization, X-T") + "1\r\na\r\n0\r\nAuthorization: x\r\nX-T: y\r\n\r\n")
	got := g.upstream.seen()
	if len(got) != 1 || len(got[0].Trailer) != 0 || got[0].Header.Get("Trailer") != "" || got[0].Bytes != 1 {
		t.Errorf("D11: upstream got %+v, want one byte and no trailer", got)
	}
}

func TestResponseHeaders(t *testing.T) {
	g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, name := range []string{"Set-Cookie", "Clear-Site-Data", "Service-Worker-Allowed", "Strict-Transport-Security", "Alt-Svc",
			"Access-Control-Allow-Origin", "Access-Control-Allow-Private-Network", "X-Secret"} {
			h.Set(name, "x")
		}
		h.Set("Connection", "X-Secret")
		h.Set("Retry-After", "7")
		h.Set("X-RateLimit-Limit", "10")
		h.Set("X-Request-Id", "api-id")
		h.Set("ETag", `"e"`)
		h["Content-Type"] = nil
		h.Set("Content-Encoding", "")
		w.WriteHeader(429)
		io.WriteString(w, "<script>alert(1)</script>")
	}})
	res, body := g.do("GET", "/a", nil)
	if res.StatusCode != 429 || body != "<script>alert(1)</script>" {
		t.Errorf("answer %d %q", res.StatusCode, body)
	}
	want := map[string]string{
		"Set-Cookie": "", "Clear-Site-Data": "", "Service-Worker-Allowed": "", "Strict-Transport-Security": "", "Alt-Svc": "", // A15
		"Access-Control-Allow-Origin": "", "Access-Control-Allow-Private-Network": "", // A12
		"X-Secret":    "",                                            // G5
		"Retry-After": "7", "X-Ratelimit-Limit": "10", "Etag": `"e"`, // G9
		"Content-Type": "", "X-Content-Type-Options": "nosniff", // A14 G11
		"Cross-Origin-Resource-Policy": "same-origin",
		"X-Request-Id":                 "api-id", "Proxy-Status": "",
	}
	for name, value := range want {
		if got := strings.Join(res.Header[name], "|"); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if res.Header.Get("Date") == "" {
		t.Error("G12: no Date")
	}
	if got := g.tokens.count(); got != 0 {
		t.Errorf("G9: %d renewals after a 429", got)
	}
	if got := g.exchange(0).RequestID; got != "api-id" {
		t.Errorf("logged request id %q, want the API's", got)
	}
}

func TestLocation(t *testing.T) {
	var location string
	g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(302)
	}})
	api := g.upstream.URL
	tests := []struct{ name, path, location, want string }{
		{"G2 another origin", "/a", "https://s3.example/x?sig=%2F", "https://s3.example/x?sig=%2F"},
		{"G3 the API's origin", "/a", api + "/b?c#d", "http://localhost:99/b?c#d"},
		{"in odd bytes", "/a", api + "/é%2F|?c", "http://localhost:99/é%2F|?c"},
		{"without a path", "/a", api, "http://localhost:99"},
		{"with an account", "/@acme/a", api + "/b", "http://localhost:99/@acme/b"},
		{"a path stays one", "/@acme/a", "/b", "/@acme/b"},
		{"a relative path", "/@acme/a", "b/c", "b/c"},
		{"a network path to the API", "/a", strings.TrimPrefix(api, "http:") + "/b", "http://localhost:99/b"},
		{"a network path elsewhere", "/a", "//s3.example/b", "//s3.example/b"},
		{"another port", "/a", "http://127.0.0.1:1/b", "http://127.0.0.1:1/b"},
		{"another scheme", "/a", strings.Replace(api, "http:", "https:", 1) + "/b", strings.Replace(api, "http:", "https:", 1) + "/b"},
		{"userinfo", "/a", strings.Replace(api, "//", "//u@", 1) + "/b", strings.Replace(api, "//", "//u@", 1) + "/b"},
		{"no URL", "/a", "http://%zz", "http://%zz"},
		{"another kind of URL", "/a", "mailto:x@y.example", "mailto:x@y.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			location = tt.location
			res, _, _ := g.raw(request("GET", tt.path, "localhost:99"))
			if got := res.Header.Get("Location"); got != tt.want {
				t.Errorf("Location %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAccounts(t *testing.T) {
	g := newRig(t, rigOptions{})
	tests := []struct{ name, host, path, wantToken, wantTarget, code string }{
		{"none named", "localhost", "/a", "default-1", "/a", ""},
		{"by the host", "acme.localhost:80", "/a", "acme-1", "/a", ""},
		{"by the host in capitals", "ACME.LocalHost", "/a", "acme-1", "/a", ""},
		{"by the path", "localhost", "/@acme/a", "acme-1", "/a", ""},
		{"by both, the same", "acme.localhost", "/@acme/a", "acme-1", "/a", ""},
		{"by both, not the same", "acme.localhost", "/@other/a", "", "", "bad-request"},
		{"the default one by name", "default.localhost", "/@default/a", "default-1", "/a", ""},
		{"unknown by the host", "nobody.localhost", "/a", "", "", "unknown-account"},
		{"unknown by the path", "localhost", "/@nobody/a", "", "", "unknown-account"},
		{"no name", "localhost", "/@/a", "", "", "unknown-account"},
		{"no name and no path", "localhost", "/@", "", "", "unknown-account"},
		{"not a name", "localhost", "/@ACME/a", "", "", "unknown-account"},
		{"encoded at sign is no prefix", "localhost", "/%40acme/a", "default-1", "/%40acme/a", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(g.upstream.seen())
			res, body, _ := g.raw(request("GET", tt.path, tt.host, "X-Account: acme"))
			got := g.upstream.seen()[before:]
			if tt.code != "" {
				if code := problemIn(t, res, body); code != tt.code || len(got) != 0 {
					t.Errorf("code %s, %d requests upstream; want %s and none", code, len(got), tt.code)
				}
				return
			}
			if len(got) != 1 || got[0].Target != tt.wantTarget || got[0].Header.Get("Authorization") != "Bearer "+tt.wantToken {
				t.Errorf("upstream got %+v, want %s with %s", got, tt.wantTarget, tt.wantToken)
			}
		})
	}
}

// The hint for /@ACME was "run: … login --account ACME", which login refuses. A client could put a command of its
// choice into a text that people paste: /@x;reboot.
func TestANameThatNoAccountCanHaveIsInNoCommand(t *testing.T) {
	g := newRig(t, rigOptions{})
	for _, name := range []string{"ACME", "x;reboot", "$(reboot)", ""} {
		res, body, _ := g.raw(request("GET", "/@"+name+"/a", "localhost"))
		if code := problemIn(t, res, body); code != "unknown-account" {
			t.Errorf("%q: code %s, want unknown-account", name, code)
		}
		if strings.Contains(string(body), "login") || !strings.Contains(string(body), "cannot have the name") {
			t.Errorf("%q: got %s, want the rule for names and no command", name, body)
		}
	}
}

func TestRoutesNameNoDocument(t *testing.T) {
	tests := []struct{ path, want string }{
		{"/public/v1/documents", "/public/v1/documents"},
		{"/public/v1/documents/hryJY9mqYZHjQCYQuSjRQg/send", "/public/v1/documents/*/send"},
		{"/public/v1/contacts/jane@example.com", "/public/v1/contacts/*"},
		{"/", "/"},
		{"/%6Fdd/\x1b[31m", "/*/*"},
		{"/a/b/c/d/e/f/g/h/i/j", "/*/*/*/*/*/*/*/*/..."},
		{"//public", "//public"},
	}
	for _, tt := range tests {
		if got := routeOf(tt.path); got != tt.want {
			t.Errorf("routeOf(%q) = %q, want %q", tt.path, got, tt.want)
		}
	}
}
