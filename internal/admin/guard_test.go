package admin

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pandadoc-auth-proxy/tokens"
)

func TestEveryAnswerIsHardened(t *testing.T) {
	x := newTester(t, account("default", tokens.Ready, ""))
	for _, target := range []string{"/livez", "/api/v1/status", "/nowhere", "/connect/default", "/oauth2/callback", "/connect/Bad"} {
		h := x.send(http.MethodGet, target, "").header
		check(t, target+" Cache-Control", h.Get("Cache-Control"), "no-store")
		check(t, target+" Referrer-Policy", h.Get("Referrer-Policy"), "no-referrer")
		check(t, target+" X-Content-Type-Options", h.Get("X-Content-Type-Options"), "nosniff")
		check(t, target+" X-Frame-Options", h.Get("X-Frame-Options"), "DENY")
		if csp := h.Get("Content-Security-Policy"); len(csp) < 18 || csp[:18] != "default-src 'none'" {
			t.Errorf("%s: got policy %q, want one that allows nothing", target, csp)
		}
	}
}

func TestChangesOfBrowsersNeedTheHeader(t *testing.T) {
	x := newTester(t, account("default", tokens.Ready, ""))
	for _, verb := range []string{"refresh", "logout", "login", "code"} {
		target := "/api/v1/accounts/default/" + verb
		for _, browser := range [][]string{
			{"Sec-Fetch-Site", "same-origin"},
			{"Referer", ""},
			{"Cookie", "a=b"},
			{"Accept-Language", "en"},
			{"User-Agent", "Mozilla/4.0 (compatible; MSIE 6.0)"},
		} {
			r := x.send(http.MethodPost, target, "{}", browser...)
			check(t, verb+" "+browser[0], r.status, http.StatusForbidden)
			check(t, verb+" "+browser[0], r.code(t), "admin-header-required")
		}
	}
	check(t, "calls", x.accounts.calls, nil)
}

// curl -X POST localhost:8081/api/v1/accounts/default/refresh is what people type.
func TestChangesOfProgramsNeedNoHeader(t *testing.T) {
	x := newTester(t, account("default", tokens.Ready, ""))
	for _, agent := range []string{"", "curl/8.5.0", "python-requests/2.31"} {
		r := x.send(http.MethodPost, "/api/v1/accounts/default/refresh", "", "User-Agent", agent)
		check(t, agent, r.status, http.StatusOK)
	}
	check(t, "calls", len(x.accounts.calls), 3)
}

func TestOtherMethodsAreRefusedWithAllow(t *testing.T) {
	x := newTester(t, account("default", tokens.Ready, ""))
	for _, row := range []struct{ method, target, allow string }{
		{http.MethodGet, "/api/v1/accounts/default/refresh", "POST"},
		{http.MethodGet, "/api/v1/accounts/default/logout", "POST"},
		{http.MethodPost, "/api/v1/status", "GET, HEAD"},
		{http.MethodDelete, "/connect/default", "GET, HEAD"},
	} {
		r := x.send(row.method, row.target, "", RequestHeader, "1")
		check(t, row.target, r.status, http.StatusMethodNotAllowed)
		check(t, row.target, r.header.Get("Allow"), row.allow)
		check(t, row.target, r.code(t), "wrong-method")
	}
	check(t, "calls", x.accounts.calls, nil)
}

func TestBeyondLoopbackOnlyProbesAreServed(t *testing.T) {
	x := newTester(t, account("default", tokens.Ready, ""))
	for _, row := range []struct {
		name   string
		local  net.Addr
		target string
		want   int
	}{
		{"probe from afar", &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, "/readyz", http.StatusOK},
		{"liveness from afar", &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, "/livez", http.StatusOK},
		{"status from afar", &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, "/api/v1/status", http.StatusForbidden},
		{"login from afar", &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, "/connect/default", http.StatusForbidden},
		{"nothing from afar", &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, "/nowhere", http.StatusForbidden},
		{"status from here", &net.TCPAddr{IP: net.IPv6loopback}, "/api/v1/status", http.StatusOK},
		{"status by socket", &net.UnixAddr{Name: "/s"}, "/api/v1/status", http.StatusOK},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, row.target, nil)
			r.Host = "localhost"
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, row.local))
			w := httptest.NewRecorder()
			x.handler.ServeHTTP(w, r)
			check(t, "status", w.Code, row.want)
		})
	}
}

// HAZARDS U1: metrics and readiness could be read by a page whose name was made to point here.
func TestAnUnknownHostGetsNothingButOK(t *testing.T) {
	x := newTester(t, account("acme", tokens.Ready, ""))
	send := func(target, host string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Host = host
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8081}))
		w := httptest.NewRecorder()
		x.handler.ServeHTTP(w, r)
		return w
	}
	alive := send("/livez", "rebound.example")
	check(t, "status of /livez", alive.Code, http.StatusOK)
	check(t, "body of /livez", alive.Body.String(), "ok\n")
	for _, target := range []string{"/readyz", "/metrics", "/api/v1/status", "/", "/nowhere"} {
		w := send(target, "rebound.example")
		check(t, target, w.Code, http.StatusForbidden)
		if strings.Contains(w.Body.String(), "acme") {
			t.Errorf("%s shows the accounts: %s", target, w.Body)
		}
	}
	for _, target := range []string{"/livez", "/readyz", "/metrics"} {
		check(t, target+" by the pod's address", send(target, "10.0.0.1:8081").Code, http.StatusOK)
	}
}

// /livez is answered under every name, because probes use any. For everything else that the guard refuses, it answered
// "ok" too.
func TestLivenessIsNoWayAroundTheGuard(t *testing.T) {
	for name, row := range map[string]struct {
		method, host, header, value string
		want                        int
	}{
		"a probe":                             {"GET", "127.0.0.1", "Accept", "*/*", http.StatusOK},
		"a probe under an unknown name":       {"GET", "rebound.example", "Accept", "*/*", http.StatusOK},
		"a page of another site":              {"GET", "127.0.0.1", "Origin", "https://evil.example", http.StatusForbidden},
		"a change under an unknown name":      {"POST", "rebound.example", "Accept", "*/*", http.StatusForbidden},
		"a header that is too large":          {"GET", "127.0.0.1", "X-Large", strings.Repeat("x", 33<<10), http.StatusRequestHeaderFieldsTooLarge},
		"a header with too many lines":        {"GET", "127.0.0.1", "X-Many", "", http.StatusRequestHeaderFieldsTooLarge},
		"one that is too large, unknown name": {"GET", "rebound.example", "X-Large", strings.Repeat("x", 33<<10), http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTester(t)
			r := httptest.NewRequest(row.method, "/livez", nil)
			r.Host = row.host
			r.Header.Set(row.header, row.value)
			for row.value == "" && len(r.Header[row.header]) < 101 {
				r.Header.Add(row.header, row.value)
			}
			w := httptest.NewRecorder()
			x.handler.ServeHTTP(w, r)
			check(t, "status", w.Code, row.want)
		})
	}
}
