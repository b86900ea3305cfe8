package hazards

import (
	"strings"
	"testing"
)

// attempt is a request that must be refused, or must reach the API.
type attempt struct {
	name string // begins with the hazard's row
	wire string
	code string // code of the refusal; empty if the request must reach the API, once
}

// byNetHTTP marks requests that the server of the standard library refuses before the proxy sees them.
const byNetHTTP = "net/http"

// run sends every attempt on a new connection.
func run(t *testing.T, at string, api *recorder, attempts []attempt) {
	t.Helper()
	for _, a := range attempts {
		t.Run(a.name, func(t *testing.T) {
			requests, wire := len(api.arrived()), len(api.bytesOnTheWire())
			got := raw(t, at, a.wire)
			if got == nil {
				t.Fatal("no answer")
			}
			reached := len(api.arrived()) - requests
			switch {
			case a.code == "" && (reached != 1 || got.StatusCode != 200):
				t.Errorf("answer %d %s, %d requests at the API; want 200 and 1", got.StatusCode, got.body, reached)
			case a.code == byNetHTTP && (got.StatusCode < 400 || got.StatusCode >= 600 || got.code != ""):
				t.Errorf("answer %d %s, want a refusal by the server itself", got.StatusCode, got.body)
			case a.code != "" && a.code != byNetHTTP && got.code != a.code:
				t.Errorf("answer %d %q %s, want %s", got.StatusCode, got.code, got.body, a.code)
			}
			if n := len(api.bytesOnTheWire()) - wire; a.code != "" && (reached != 0 || n != 0) {
				t.Errorf("%d requests and %d bytes reached the API", reached, n)
			}
			if strings.Contains(got.body, accessToken) {
				t.Error("the answer shows the token")
			}
		})
	}
}

// hostAttempts are for both listeners: a page can rebind its name to either of them.
func hostAttempts(path string) []attempt {
	from := func(name, host, code string) attempt {
		return attempt{name + " " + host, call("GET", path, host), code}
	}
	return []attempt{
		from("A1 foreign Host", "evil.example", "host-not-allowed"),
		from("A1 rebound name", "rebind.test:8080", "host-not-allowed"),
		from("A2 look-alike", "localhost.evil.com", "host-not-allowed"),
		from("A2 look-alike", "127.0.0.1.nip.io", "host-not-allowed"),
		from("A2 look-alike", "evil-localhost", "host-not-allowed"),
		from("A2 look-alike", "127a0b0c1", "host-not-allowed"),
		from("A2 look-alike", "localhost:99999", "host-not-allowed"),
		from("A2 look-alike", "localhost:80@evil", byNetHTTP),
		from("A4 wildcard address", "0.0.0.0:8080", "host-not-allowed"),
		{"A5 empty Host", "GET " + path + " HTTP/1.1\r\nHost:\r\n\r\n", "bad-request"},
		{"A5 no Host in HTTP/1.1", "GET " + path + " HTTP/1.1\r\n\r\n", byNetHTTP},
		{"A5 two Hosts", call("GET", path, "localhost", "Host: evil.example"), byNetHTTP},
	}
}

// pageAttempts are requests that a page of another origin can make a browser send, with any method.
func pageAttempts(path string) []attempt {
	refused := func(name, method string, header ...string) attempt {
		return attempt{name, call(method, path, "localhost", header...), "origin-not-allowed"}
	}
	return []attempt{
		refused("A7 simple POST", "POST", "Origin: http://evil.example", "Content-Type: text/plain", "Content-Length: 0"),
		refused("A7 form", "POST", "Origin: http://evil.example", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 0"),
		refused("A7 DELETE", "DELETE", "Origin: http://evil.example"),
		refused("A8 image", "GET", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"),
		refused("A8 page on another port", "GET", "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors"),
		refused("A9 Origin null", "GET", "Origin: null"),
		refused("A11 preflight", "OPTIONS", "Origin: http://evil", "Access-Control-Request-Method: DELETE"),
		refused("A13 WebSocket", "GET", "Origin: http://evil.example", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL)
	attempts := append(hostAttempts("/public/v1/documents"), pageAttempts("/public/v1/documents")...)
	for _, host := range []string{"localhost", "LOCALHOST", "localhost.", "127.0.0.1", "[::1]", addr(p.URL)} {
		attempts = append(attempts, attempt{"A3 own name " + host, call("GET", "/a", host), ""})
	}
	run(t, addr(p.URL), api, append(attempts,
		attempt{"A5 HTTP/1.0 without a Host is a legacy client", "GET /a HTTP/1.0\r\n\r\n", ""},
		attempt{"A10 plain client", get("/a"), ""},
		attempt{"L3 User-Agent of a probe, foreign Host", call("GET", "/ping", "evil.example", "User-Agent: kube-probe/1.30"), "host-not-allowed"},
		attempt{"L3 User-Agent of a probe", get("/ping", "User-Agent: GoogleHC/1.0"), ""},
		attempt{"A13 Upgrade of a program is ignored", get("/a", "Connection: Upgrade", "Upgrade: websocket"), ""},
	))
}

func TestTargets(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL)
	attempts := []attempt{
		{"B5 expvar is not served here", get("/debug/vars"), ""},
		{"B5 pprof is not served here", get("/debug/pprof/heap"), ""},
		{"C1 absolute-form", "GET http://evil.example/steal HTTP/1.1\r\nHost: localhost\r\n\r\n", "bad-request"},
		{"C2 absolute-form with https", "GET https://evil.example/steal HTTP/1.1\r\nHost: localhost\r\n\r\n", "bad-request"},
		{"C2 absolute-form with userinfo", "GET http://localhost@evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "bad-request"},
		{"C4 CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", "method-not-allowed"},
		{"C5 TRACE", call("TRACE", "/a", "localhost"), "method-not-allowed"},
		{"C5 TRACK", call("TRACK", "/a", "localhost"), "method-not-allowed"},
		{"C6 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad-request"},
		{"C7 GET *", get("*"), "bad-request"},
		{"C8 authority in the path", get("//evil.example/x"), ""},
		{"C14 unknown method", call("FOO-BAR", "/a", "localhost"), "method-not-allowed"},
		{"C14 lower case", call("get", "/a", "localhost"), "method-not-allowed"},
		{"E7 token in the query", get("/a?access_token=x"), "bad-request"},
		{"F1 grant request", call("POST", "/oauth2/access_token", "localhost", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 24") + "grant_type=refresh_token", "token-endpoint-refused"},
		{"F4 fragment", get("/a#b"), "bad-request"},
		{"F4 NUL", get("/a%00b"), "bad-request"},
		{"F4 line break", get("/a%0d%0ab"), "bad-request"},
		{"F8 path parameters do not lead to local routes", get("/public/..;/-/metrics"), "bad-request"},
		{"F8 nothing of ours lies below the API's paths", get("/metrics"), ""},
		{"H7 long target", get("/" + strings.Repeat("a", 64<<10)), "target-too-long"},
		{"H7 large header", get("/a", "X-A: "+strings.Repeat("a", 60<<10)), "headers-too-large"},
		{"H7 header of a megabyte", get("/a", "X-A: "+strings.Repeat("a", 1<<20)), byNetHTTP},
		{"H9 header in five thousand lines", get("/a", strings.Repeat("X-A: 01\r\n", 5000)+"X-B: b"), "headers-too-large"},
		{"H9 many parameters", get("/a?" + strings.Repeat("p&", 7000)), ""},
	}
	for target, code := range map[string]string{
		"/public/v1/../../oauth2/access_token": "bad-request", "/%2e%2e/oauth2/access_token": "bad-request",
		"/public%2fv1%2f..%2f..%2foauth2": "bad-request", "/./oauth2/access_token": "bad-request", "/%252e%252e/oauth2": "bad-request",
		"//oauth2//access_token": "token-endpoint-refused", "/oauth2;x=1/access_token": "token-endpoint-refused",
		"/OAuth2/access_token": "token-endpoint-refused", "/oauth2%2faccess_token": "token-endpoint-refused",
		"/oauth2/access_token/": "token-endpoint-refused", "/%6f%61uth2/access_token": "token-endpoint-refused",
		"/@default/oauth2/access_token": "token-endpoint-refused", `/\oauth2\access_token`: "token-endpoint-refused",
	} {
		attempts = append(attempts, attempt{"F2 " + target, get(target), code})
	}
	run(t, addr(p.URL), api, attempts)
	for _, seen := range api.arrived() {
		if seen.Header.Get("Authorization") != "Bearer "+accessToken || seen.Host != addr(api.URL) {
			t.Errorf("C10: %s came for %s with %q", seen.Target, seen.Host, seen.Header.Get("Authorization"))
		}
	}
}

// The admin listener has the same guard, and sends nothing to the API.
func TestGuardOfTheAdminListener(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL)
	for _, path := range []string{"/api/v1/status", "/oauth2/callback?code=x&state=y", "/connect/default"} {
		t.Run("K7 "+path, func(t *testing.T) {
			run(t, addr(p.Admin), api, append(hostAttempts(path), pageAttempts(path)...))
		})
	}
	t.Run("A18 change by GET", func(t *testing.T) {
		for _, path := range []string{"/api/v1/accounts/default/refresh", "/api/v1/accounts/default/logout"} {
			if got := raw(t, addr(p.Admin), get(path)); got.StatusCode != 405 || got.Header.Get("Allow") != "POST" {
				t.Errorf("GET %s: %d, Allow %q; want 405 and POST", path, got.StatusCode, got.Header.Get("Allow"))
			}
		}
	})
	t.Run("A18 change by a browser without the header", func(t *testing.T) {
		for _, header := range []string{"User-Agent: Mozilla/4.0 (compatible; MSIE 6.0)", "Accept-Language: en", "Referer: http://evil.example/"} {
			if got := raw(t, addr(p.Admin), call("POST", "/api/v1/accounts/default/logout", "localhost", "Content-Length: 0", header)); got.StatusCode != 403 {
				t.Errorf("%s: answer %d, want 403", header, got.StatusCode)
			}
		}
	})
	if n, sent := api.connections(), api.bytesOnTheWire(); n > 1 || len(sent) > 0 { // one connection is opened in advance
		t.Errorf("%d connections to the API, with %q", n, sent)
	}
}
