package proxy

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// guardCase is a raw request, and the code with which it is refused. No code means that it must reach the upstream.
type guardCase struct {
	name string
	wire string
	code string
}

// byNetHTTP is for requests that net/http refuses before any handler.
const byNetHTTP = "net/http"

func get(target string, header ...string) string {
	return request("GET", target, "localhost", header...)
}

func request(method, target, host string, header ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(append(header, ""), "\r\n") + "\r\n"
}

func runGuardCases(t *testing.T, g *rig, cases []guardCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := len(g.upstream.seen())
			res, body, _ := g.raw(c.wire)
			reached := len(g.upstream.seen()) - before
			if c.code == "" {
				if res.StatusCode != 200 || reached != 1 {
					t.Errorf("answer %d %s, %d requests upstream; want 200 and 1", res.StatusCode, body, reached)
				}
				return
			}
			if c.code == byNetHTTP {
				if res.StatusCode != 400 {
					t.Errorf("answer %d %s, want 400", res.StatusCode, body)
				}
			} else if got := problemIn(t, res, body); got != c.code {
				t.Errorf("code %q, want %q", got, c.code)
			}
			if reached != 0 {
				t.Errorf("%d requests reached the upstream", reached)
			}
		})
	}
}

func TestHostRule(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) {
		c.AllowHosts = []string{"Proxy.Internal", "named.port:8080", "192.0.2.7", "2001:db8::7"}
	}})
	var cases []guardCase
	host := func(row, host, code string) {
		cases = append(cases, guardCase{row + " " + host, request("GET", "/a", host), code})
	}
	host("A1 foreign host", "evil.example", "host-not-allowed")
	for _, h := range []string{"localhost.evil.com", "127.0.0.1.nip.io", "evil-localhost", "127a0b0c1",
		"localhost:99999", "localhost:-1", "localhost:x", "127.1", "0x7f.0.0.1", "2130706433", "[::1", "::1", "[127.0.0.1]",
		"[::1%25lo]", "a.b.localhost", "_.localhost", ".localhost", "localhost.."} {
		host("A2 look-alike", h, "host-not-allowed")
	}
	host("A2 look-alike", "localhost:80@evil", byNetHTTP)
	host("A2 look-alike", "localhost/x", byNetHTTP)
	for _, h := range []string{"localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"} {
		host("A3 own name", h, "")
		host("A3 own name", h+":8080", "")
	}
	host("A3 name that chooses an account", "acme.localhost:8080", "")
	host("A4 wildcard address", "0.0.0.0:8080", "host-not-allowed")
	host("A4 wildcard address", "[::]:8080", "host-not-allowed")
	host("allowed by the operator", "proxy.internal", "")
	host("allowed by the operator", "PROXY.internal.:99", "")
	host("allowed with a port only", "named.port:8080", "")
	host("allowed with a port only", "named.port:8081", "host-not-allowed")
	host("allowed address", "192.0.2.7:80", "")
	host("allowed address", "[2001:db8::7]:80", "")
	host("address of nobody", "192.0.2.8", "host-not-allowed")
	cases = append(cases,
		guardCase{"A5 empty Host", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", "bad-request"},
		guardCase{"A5 HTTP/1.0 without Host", "GET /a HTTP/1.0\r\n\r\n", ""},
	)
	runGuardCases(t, g, cases)
}

// The address at which a connection arrived is always a name of ours.
func TestHostRuleKnowsTheLocalAddress(t *testing.T) {
	local := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	tests := []struct {
		name, host string
		local      net.Addr
		want       bool
	}{
		{"the address itself", "10.1.2.3:8080", local("10.1.2.3:8080"), true},
		{"another address", "10.1.2.4:8080", local("10.1.2.3:8080"), false},
		{"IPv6", "[2001:db8::1]:8080", local("[2001:db8::1]:8080"), true},
		{"IPv4 on an IPv6 listener", "10.1.2.3", local("[::ffff:10.1.2.3]:8080"), true},
		{"a wildcard is no address", "0.0.0.0", local("0.0.0.0:8080"), false},
		{"a unix socket has none", "10.1.2.3", &net.UnixAddr{Name: "/run/x", Net: "unix"}, false},
		{"no connection", "10.1.2.3", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := new(Guard).allowsHost(tt.host, tt.local); got != tt.want {
				t.Errorf("allows(%q) = %v, want %v", tt.host, got, tt.want)
			}
		})
	}
}

func TestTargetForms(t *testing.T) {
	g := newRig(t, rigOptions{})
	runGuardCases(t, g, []guardCase{
		{"C1 absolute-form of another host", "GET http://evil.example/steal HTTP/1.1\r\nHost: localhost\r\n\r\n", "bad-request"},
		{"C2 absolute-form with https", "GET https://localhost/a HTTP/1.1\r\nHost: localhost\r\n\r\n", "bad-request"},
		{"C2 absolute-form with ftp", "GET ftp://localhost/a HTTP/1.1\r\nHost: localhost\r\n\r\n", "bad-request"},
		{"C2 absolute-form with userinfo", "GET http://u:p@localhost/a HTTP/1.1\r\nHost: localhost\r\n\r\n", "bad-request"},
		{"absolute-form of ourselves", "GET http://localhost:8080/a HTTP/1.1\r\nHost: localhost\r\n\r\n", ""},
		{"absolute-form without a path", "GET http://localhost:8080 HTTP/1.1\r\nHost: localhost\r\n\r\n", ""},
		{"C4 CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", "method-not-allowed"},
		{"C5 TRACE", request("TRACE", "/a", "localhost"), "method-not-allowed"},
		{"C5 TRACK", request("TRACK", "/a", "localhost"), "method-not-allowed"},
		{"C6 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad-request"},
		{"C7 GET *", get("*"), "bad-request"},
		{"C8 path that looks like an authority", get("//evil.example/x"), ""},
		{"C8 path with a backslash", get(`/\evil`), ""},
		{"C14 unknown method", request("FOO-BAR", "/a", "localhost"), "method-not-allowed"},
		{"C14 lower case", request("get", "/a", "localhost"), "method-not-allowed"},
		{"E7 token in the query", get("/a?access_token=x"), "bad-request"},
		{"E7 token in the query, encoded", get("/a?x=1;%61ccess_TOKEN=x"), "bad-request"},
		{"E7 another word", get("/a?my_access_token=x&access_tokens=y"), ""},
		{"F4 fragment", get("/a#b"), "bad-request"},
		{"F4 fragment in the query", get("/a?x#b"), "bad-request"},
		{"F4 encoded fragment sign", get("/a%23b"), ""},
		{"F4 NUL", get("/a%00b"), "bad-request"},
		{"F4 CR", get("/a%0Db"), "bad-request"},
		{"F4 LF", get("/a%0ab"), "bad-request"},
		{"F4 LF encoded twice", get("/a%250ab"), "bad-request"},
		{"H7 long target", get("/" + strings.Repeat("a", 64<<10)), "target-too-long"},
		{"H7 longest target", get("/" + strings.Repeat("a", maxTarget-1)), ""},
		{"H7 large header", get("/a", "X-A: "+strings.Repeat("a", 33<<10)), "headers-too-large"},
		{"H7 large header in few lines", get("/a", strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 40)+"X-B: b"), "headers-too-large"},
		{"H9 many lines", get("/a", strings.Repeat("X-A: 0\r\n", 100)+"X-B: b"), "headers-too-large"},
		{"as many lines as are allowed", get("/a", strings.Repeat("X-A: 0\r\n", 90)+"X-B: b"), ""},
	})
}

func TestOptionsForTheServerIsAnsweredByTheProxy(t *testing.T) {
	g := newRig(t, rigOptions{})
	for name, wire := range map[string]string{
		"C7 OPTIONS *":      request("OPTIONS", "*", "localhost"),
		"S3 Max-Forwards 0": request("OPTIONS", "/a", "localhost", "Max-Forwards: 0"),
	} {
		t.Run(name, func(t *testing.T) {
			res, _, _ := g.raw(wire)
			if res.StatusCode != 204 || res.Header.Get("Allow") != allowedMethods || len(g.upstream.seen()) != 0 {
				t.Errorf("answer %d, Allow %q, %d requests upstream", res.StatusCode, res.Header.Get("Allow"), len(g.upstream.seen()))
			}
		})
	}
	res, body, _ := g.raw(request("OPTIONS", "*", "evil.example"))
	if got := problemIn(t, res, body); got != "host-not-allowed" {
		t.Errorf("OPTIONS * for another host: %q, want host-not-allowed", got)
	}
}

func TestTokenEndpointIsNeverForwarded(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) {
		c.TokenURL = c.API.JoinPath("/custom/token")
	}})
	cases := []guardCase{
		{"F1 POST", request("POST", "/oauth2/access_token", "localhost", "Content-Length: 0"), "token-endpoint-refused"},
		{"a word that begins the same", get("/oauth2x/access_token"), ""},
		{"the word elsewhere", get("/public/oauth2/x"), ""},
	}
	dots := map[string]bool{}
	for _, target := range []string{"/public/v1/../../oauth2/access_token", "/%2e%2e/oauth2/access_token", "/public%2fv1%2f..%2f..%2foauth2",
		"/./oauth2/access_token", "/%252e%252e/oauth2", `/public/..\oauth2`, "/public/..;/oauth2", "/public/%2e%2e;x=1/oauth2", "/a/.", "/a/..", "/..", "/%2E", "/a/%252e%252e%252fb"} {
		dots[target] = true
	}
	for _, target := range []string{"//oauth2//access_token", "/oauth2;x=1/access_token", "/OAuth2/access_token", "/oauth2%2faccess_token", "/oauth2/access_token/", "/oauth2",
		"/%6f%61uth2/access_token", "/%256f%2561uth2/access_token", `/\oauth2\access_token`, "/;x/oauth2/access_token", "/@acme/oauth2/access_token", "/@acme//oauth2", "/%40acme/oauth2/access_token", "/oauth2?x=/public/",
		"/oauth2%3F/x", "/oauth2%23", "/oauth2%253Fx/access_token", "/custom/token", "/CUSTOM//token/", "/custom/token/x", "/@acme/custom/token"} {
		dots[target] = false
	}
	for target, isDots := range dots {
		code := "token-endpoint-refused"
		if isDots {
			code = "bad-request"
		}
		cases = append(cases, guardCase{"F2 " + target, get(target), code})
	}
	cases = append(cases,
		guardCase{"encoded without end", get("/%" + strings.Repeat("25", 40) + "41"), "bad-request"},
		guardCase{"beside the token URL", get("/custom/tokens"), ""},
	)
	runGuardCases(t, g, cases)
}

func TestRefusalOfHead(t *testing.T) {
	g := newRig(t, rigOptions{})
	res, body := g.do("HEAD", "/oauth2/access_token", nil)
	if res.StatusCode != 403 || body != "" || res.Header.Get("Proxy-Status") == "" {
		t.Errorf("answer %d %q, Proxy-Status %q", res.StatusCode, body, res.Header.Get("Proxy-Status"))
	}
}

func TestMethodNotAllowedNamesTheAllowed(t *testing.T) {
	g := newRig(t, rigOptions{})
	res, _, _ := g.raw(request("TRACE", "/a", "localhost"))
	if got := res.Header.Get("Allow"); got != allowedMethods {
		t.Errorf("Allow %q, want %q", got, allowedMethods)
	}
}

func TestFraming(t *testing.T) {
	g := newRig(t, rigOptions{})
	post := func(header ...string) string { return request("POST", "/a", "localhost", header...) }
	tests := []struct {
		name, wire string
		status     int
		reached    int // requests that came to the upstream whole
		closed     bool
	}{
		{"D1 Content-Length and chunked", post("Content-Length: 4", "Transfer-Encoding: chunked") + "0\r\n\r\n" + get("/evil"), 200, 1, true},
		{"D1 chunked alone", post("Transfer-Encoding: chunked") + "1\r\na\r\n0\r\n\r\n" + get("/evil"), 200, 1, true},
		{"D2 unknown coding", post("Transfer-Encoding: xchunked") + "0\r\n\r\n", 501, 0, true},
		{"D2 two codings", post("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n", 501, 0, true},
		{"D2 vertical tab", post("Transfer-Encoding: \x0bchunked") + "0\r\n\r\n", 400, 0, true},
		{"D2 space before the colon", post("Transfer-Encoding : chunked") + "0\r\n\r\n", 400, 0, true},
		{"D5 two lengths", post("Content-Length: 3", "Content-Length: 4") + "abcd", 400, 0, true},
		{"D5 plus sign", post("Content-Length: +3") + "abc", 400, 0, true},
		{"D5 hexadecimal", post("Content-Length: 0x3") + "abc", 400, 0, true},
		{"D6 negative chunk", post("Transfer-Encoding: chunked") + "-1\r\na\r\n0\r\n\r\n", 400, 0, true},
		{"D6 hexadecimal prefix", post("Transfer-Encoding: chunked") + "0x3\r\nabc\r\n0\r\n\r\n", 400, 0, true},
		{"D6 spill-over", post("Transfer-Encoding: chunked") + "3\r\nabcd\r\n0\r\n\r\n", 400, 0, true},
		{"D6 65-bit length", post("Transfer-Encoding: chunked") + "10000000000000000\r\na\r\n0\r\n\r\n", 400, 0, true},
		{"D7 NUL in a header", post("X-A: a\x00b", "Content-Length: 0"), 400, 0, true},
		{"D7 no colon", post("X-A", "Content-Length: 0"), 400, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(whole(g.upstream.seen()))
			res, body, closed := g.raw(tt.wire)
			if res.StatusCode != tt.status || closed != tt.closed {
				t.Errorf("answer %d %q, closed %v; want %d, %v", res.StatusCode, body, closed, tt.status, tt.closed)
			}
			if got := len(whole(g.upstream.seen())) - before; got != tt.reached {
				t.Errorf("%d whole requests upstream, want %d", got, tt.reached)
			}
		})
	}
}

func whole(all []seen) (ok []seen) {
	for _, s := range all {
		if s.BodyErr == nil {
			ok = append(ok, s)
		}
	}
	return ok
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.RequestURI)) }})
	conn := g.dial()
	defer conn.Close()
	conn.Write([]byte(request("GET", "/one", "localhost", "Content-Length: 3") + "abc" + get("/two", "Connection: close")))
	all := readAll(t, conn)
	one, two := strings.Index(all, "\r\n\r\n/one"), strings.Index(all, "\r\n\r\n/two")
	if one < 0 || two < one {
		t.Errorf("D9 D10: the answers are %q", all)
	}
}

// The admin listener uses Guard too, with other rules.
func TestGuardForAnotherListener(t *testing.T) {
	guard, err := NewGuard(GuardConfig{NavigatePaths: []string{"/oauth2/callback"}})
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused := guard.Check(r); refused != nil {
			refused.Write(w)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	navigation := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	tests := []struct {
		name, method, host, path string
		header                   []string
		want                     int
	}{
		{"own host", "GET", "localhost:8081", "/", nil, 204},
		{"foreign host", "GET", "evil.example", "/", nil, 403},
		{"redirect back from the consent page", "GET", "localhost:8081", "/oauth2/callback", navigation, 204},
		{"a form posted from elsewhere", "POST", "localhost:8081", "/oauth2/callback", navigation, 403},
		{"a frame", "GET", "localhost:8081", "/oauth2/callback", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		{"navigation to another path", "GET", "localhost:8081", "/x", navigation, 403},
		{"own page's script", "POST", "localhost:8081", "/x", []string{"Origin", "http://localhost:8081", "Sec-Fetch-Site", "same-origin"}, 204},
		{"a page on another port", "POST", "localhost:8081", "/x", []string{"Origin", "http://localhost:8082"}, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, nil)
			r.Host = tt.host
			for i := 0; i < len(tt.header); i += 2 {
				r.Header.Set(tt.header[i], tt.header[i+1])
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status %d, want %d", w.Code, tt.want)
			}
		})
	}
}

func TestConfigMistakesAreReportedTogether(t *testing.T) {
	cfg := Config{
		API: mustURL("ftp://api.example/?x"), AllowHosts: []string{"*.example", "a b"}, AllowOrigins: []string{"app.example", "https://app.example/"},
		ReplayDisk: -1,
	}
	_, err := New(cfg)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"token source", "scheme", "replay limits", "in flight", "stand still", `"*.example"`, `"a b"`, `"app.example"`, `"https://app.example/"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %s: %v", want, err)
		}
	}
}
