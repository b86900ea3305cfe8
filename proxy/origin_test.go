package proxy

import (
	"strings"
	"testing"

	"pandadoc-auth-proxy/tokens"
)

func TestBrowserRule(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) { c.AllowOrigins = []string{"https://app.example"} }})
	var cases []guardCase
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if method == "HEAD" {
			continue // the answer has no body; TestRefusalOfHead checks it
		}
		cases = append(cases,
			guardCase{"A7 foreign Origin " + method, request(method, "/a", "localhost", "Origin: http://evil.example"), "origin-not-allowed"},
			guardCase{"A8 cross-site " + method, request(method, "/a", "localhost", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"), "origin-not-allowed"},
			guardCase{"A8 same-site " + method, request(method, "/a", "localhost", "Sec-Fetch-Site: same-site"), "origin-not-allowed"},
		)
	}
	cases = append(cases,
		guardCase{"A7 simple POST", request("POST", "/a", "localhost", "Origin: http://evil.example", "Content-Type: text/plain", "Content-Length: 0"), "origin-not-allowed"},
		guardCase{"A9 Origin null", get("/a", "Origin: null"), "origin-not-allowed"},
		guardCase{"A9 Origin empty", get("/a", "Origin:"), "origin-not-allowed"},
		guardCase{"A10 no Origin and no Sec-Fetch", get("/a"), ""},
		guardCase{"A11 preflight from elsewhere", request("OPTIONS", "/a", "localhost", "Origin: http://evil", "Access-Control-Request-Method: DELETE"), "origin-not-allowed"},
		guardCase{"A13 WebSocket from a page", get("/a", "Connection: Upgrade", "Upgrade: websocket", "Origin: http://evil.example"), "origin-not-allowed"},
		guardCase{"navigation from elsewhere", get("/a", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"), "origin-not-allowed"},
		guardCase{"two origins, one of them allowed", get("/a", "Origin: https://app.example", "Origin: http://evil"), "origin-not-allowed"},
		guardCase{"two sites", get("/a", "Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"), "origin-not-allowed"},
		guardCase{"allowed origin with another port", get("/a", "Origin: https://app.example:444"), "origin-not-allowed"},
		guardCase{"allowed origin with another scheme", get("/a", "Origin: http://app.example"), "origin-not-allowed"},
		guardCase{"name that ends like the allowed one", get("/a", "Origin: https://evilapp.example"), "origin-not-allowed"},
		guardCase{"own origin but a foreign site", get("/a", "Origin: http://localhost", "Sec-Fetch-Site: cross-site"), "origin-not-allowed"},
		guardCase{"allowed origin", get("/a", "Origin: https://app.example", "Sec-Fetch-Site: cross-site"), ""},
		guardCase{"own origin", get("/a", "Origin: http://localhost", "Sec-Fetch-Site: same-origin"), ""},
		guardCase{"address bar", get("/a", "Sec-Fetch-Site: none"), ""},
	)
	runGuardCases(t, g, cases)
}

func TestPreflightOfAnAllowedOriginIsAnsweredByTheProxy(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) { c.AllowOrigins = []string{"https://app.example"} }})
	res, _, _ := g.raw(request("OPTIONS", "/a", "localhost", "Origin: https://app.example", "Access-Control-Request-Method: DELETE",
		"Access-Control-Request-Headers: content-type", "Access-Control-Request-Private-Network: true"))
	want := map[string]string{
		"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Headers": "content-type",
		"Access-Control-Allow-Methods": allowedMethods, "Access-Control-Allow-Private-Network": "true", "Vary": "Origin",
		"Access-Control-Allow-Credentials": "",
	}
	for name, value := range want {
		if got := res.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if res.StatusCode != 204 || len(g.upstream.seen()) != 0 {
		t.Errorf("status %d, %d requests upstream; want 204 and 0", res.StatusCode, len(g.upstream.seen()))
	}
}

// The hint said "allow it with --allow-origin another site" for a request that does not name its site.
func TestTheHintNamesTheOriginIfThereIsOne(t *testing.T) {
	g := newRig(t, rigOptions{})
	for header, want := range map[string]string{
		"Origin: https://app.example": "--allow-origin https://app.example",
		"Sec-Fetch-Site: cross-site":  "its origin on the proxied port (--listen) with --allow-origin",
		"Origin: null":                "or serve the page from a web server",
	} {
		if _, body, _ := g.raw(get("/a", header)); !strings.Contains(body, want) {
			t.Errorf("%s: %s, want a hint with %q", header, body, want)
		}
	}
}

// A page that may send requests must also be able to read why one was refused.
func TestAllowedOriginCanReadEveryAnswer(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) { c.AllowOrigins = []string{"https://app.example"} }})
	for _, target := range []string{"/a", "/oauth2/access_token", "/@nobody/a"} {
		res, _, _ := g.raw(get(target, "Origin: https://app.example"))
		if got, want := res.Header.Get("Access-Control-Allow-Origin"), "https://app.example"; got != want {
			t.Errorf("%s: Access-Control-Allow-Origin %q, want %q", target, got, want)
		}
	}
}

// Over plain http with a name that is not a loopback name, browsers send no Sec-Fetch-Site, and no Origin with a GET:
// every page in the network could reach the API with img, script and iframe.
func TestABrowserThatDoesNotSendThePageIsRefused(t *testing.T) {
	const no = "origin-not-allowed"
	browser := []string{"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Accept-Language: en"}
	g := newRig(t, rigOptions{configure: func(c *Config) { c.AllowHosts = []string{"proxy.lan", "192.168.1.5"} }})
	runGuardCases(t, g, []guardCase{
		{"U5 a browser under a LAN name", request("GET", "/a", "proxy.lan", browser...), no},
		{"U5 a browser under an address", request("GET", "/a", "192.168.1.5:8080", browser...), no},
		{"U5 a POST", request("POST", "/a", "proxy.lan", append(browser, "Content-Length: 0")...), no},
		{"a browser on localhost", request("GET", "/a", "localhost", browser...), ""},
		{"a browser under an account's name", request("GET", "/a", "acme.localhost", browser...), ""},
		{"a browser on 127.0.0.1", request("GET", "/a", "127.0.0.1:8080", browser...), ""},
		{"a browser on ::1", request("GET", "/a", "[::1]:8080", browser...), ""},
		{"U5 a browser on IPv6's form of 127.0.0.1", request("GET", "/a", "[::ffff:127.0.0.1]:8080", browser...), no},
		{"U5 another spelling of it", request("GET", "/a", "[0:0:0:0:0:ffff:7f00:1]", browser...), no},
		{"a program at it", request("GET", "/a", "[::ffff:127.0.0.1]:8080"), ""},
		{"U5 localhost with the root's dot", request("GET", "/a", "localhost.:8080", browser...), no},
		{"a program at it", request("GET", "/a", "localhost."), ""},
		{"U5 a name that only Docker's hosts file knows", request("GET", "/a", "host.docker.internal", browser...), no},
		{"a program there", request("GET", "/a", "host.docker.internal"), ""},
		{"a program under ip6-localhost", request("GET", "/a", "ip6-localhost:8080"), ""},
		{"PowerShell", request("GET", "/a", "proxy.lan", "User-Agent: Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1"), ""},
		{"curl", request("GET", "/a", "proxy.lan", "User-Agent: curl/8.5.0"), ""},
		{"a program with a language", request("GET", "/a", "proxy.lan", "User-Agent: app/1", "Accept-Language: en"), ""},
		{"the origin's default port", request("GET", "/a", "localhost:80", "Origin: http://localhost"), ""},
		{"the host's default port", request("GET", "/a", "localhost", "Origin: http://localhost:80"), ""},
		{"another port", request("GET", "/a", "localhost:8080", "Origin: http://localhost"), no},
		{"A9 a null origin", request("GET", "/a", "localhost", "Origin: null"), no},
	})
	keyed := newRig(t, rigOptions{configure: func(c *Config) {
		c.AllowHosts = []string{"proxy.lan"}
		c.ClientKeys = []ClientKey{{Name: "team", Key: tokens.NewSecret("0123456789abcdef")}}
	}})
	runGuardCases(t, keyed, []guardCase{
		{"a browser with a key", request("GET", "/a", "proxy.lan", append(browser, "X-Proxy-Key: 0123456789abcdef")...), ""},
		{"a browser without one", request("GET", "/a", "proxy.lan", browser...), "client-key-required"},
	})
}
