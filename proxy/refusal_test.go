package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

func TestRefusals(t *testing.T) {
	unavailable := func(err error) error { return &tokens.UnavailableError{Err: err, RetryAfter: 1500 * time.Millisecond} }
	tests := []struct {
		name       string
		tokens     func(*fakeTokens)
		status     int
		code       string
		retryAfter string
		reached    int
	}{
		{"no account", func(f *fakeTokens) { f.tokenErr = tokens.ErrUnknownAccount }, 404, "unknown-account", "", 0},
		{"no login", func(f *fakeTokens) { f.tokenErr = fmt.Errorf("account: %w", tokens.ErrLoginRequired) }, 502, "login-required", "", 0},
		{"client not configured", func(f *fakeTokens) { f.tokenErr = tokens.ErrClientNotConfigured }, 502, "client-not-configured", "", 0},
		{"client refused", func(f *fakeTokens) { f.tokenErr = tokens.ErrClientRefused }, 502, "client-refused", "", 0},
		{"refresh unavailable", func(f *fakeTokens) { f.tokenErr = unavailable(tokens.ErrRefreshUnavailable) }, 503, "refresh-unavailable", "2", 0},
		{"store unavailable, no time known", func(f *fakeTokens) { f.tokenErr = &tokens.UnavailableError{Err: tokens.ErrStoreUnavailable} }, 503, "store-unavailable", "5", 0},
		{"after a 401: login", func(f *fakeTokens) { f.renewErr = []error{tokens.ErrLoginRequired} }, 502, "login-required", "", 1},
		{"after a 401: client", func(f *fakeTokens) { f.renewErr = []error{tokens.ErrClientRefused} }, 502, "client-refused", "", 1},
		{"after a 401: refresh", func(f *fakeTokens) { f.renewErr = []error{unavailable(tokens.ErrRefreshUnavailable)} }, 503, "refresh-unavailable", "2", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source := newFakeTokens()
			tt.tokens(source)
			g := newRig(t, rigOptions{tokens: source, valid: "nothing", configure: func(c *Config) {
			}})
			res, body := g.do("POST", "/a", strings.NewReader("body"))
			if got := problemIn(t, res, body); res.StatusCode != tt.status || got != tt.code || res.Header.Get("Retry-After") != tt.retryAfter {
				t.Errorf("answer %d %s, Retry-After %q; want %d %s %q", res.StatusCode, got, res.Header.Get("Retry-After"), tt.status, tt.code, tt.retryAfter)
			}
			if got := len(g.upstream.seen()); got != tt.reached {
				t.Errorf("%d requests upstream, want %d", got, tt.reached)
			}
			if tt.code == "login-required" && !strings.Contains(body, "run: pandadoc-auth-proxy login") {
				t.Errorf("no login hint in %s", body)
			}
		})
	}
}

// The client gets the API's 401, with the reason why it was not retried.
func TestA401ThatIsNotRetriedGoesToTheClient(t *testing.T) {
	tests := []struct {
		name               string
		errs               []error
		attempts, renewals int
		replay, reason     string
	}{
		{"token good", []error{tokens.ErrTokenGood}, 1, 1, ReplayNone, ReasonTokenGood},
		{"API key", []error{tokens.ErrAPIKey}, 1, 1, ReplayNone, ReasonAPIKey},
		{"refresh held back", []error{tokens.ErrRefreshDidNotHelp}, 1, 1, ReplayNone, ReasonRefreshDidNotHelp},
		{"I3 I6 second 401", []error{nil, tokens.ErrRefreshDidNotHelp}, 2, 1, ReplayRefused, ReasonRefreshDidNotHelp},
		{"second 401 of another process's token", []error{nil, nil}, 2, 1, ReplayRefused, ""},
	}
	for _, tt := range tests {
		for _, body := range []string{"", "body"} {
			t.Run(fmt.Sprintf("%s, body %q", tt.name, body), func(t *testing.T) {
				source := newFakeTokens()
				source.renewErr = tt.errs
				g := newRig(t, rigOptions{tokens: source, valid: "nothing"})
				res, answer := g.do("POST", "/a", strings.NewReader(body))
				if res.StatusCode != 401 || !strings.Contains(answer, "authentication_error") {
					t.Errorf("answer %d %s, want the API's 401", res.StatusCode, answer)
				}
				want := ""
				if tt.reason != "" {
					want = problem.Program + `; details="not-retried: ` + tt.reason + `"`
				}
				if got := res.Header.Get("Proxy-Status"); got != want {
					t.Errorf("Proxy-Status %q, want %q", got, want)
				}
				if got := len(g.upstream.seen()); got != tt.attempts || source.count() != tt.renewals {
					t.Errorf("%d attempts and %d renewals, want %d and %d", got, source.count(), tt.attempts, tt.renewals)
				}
				if x := g.exchange(0); x.Replay != tt.replay || x.Reason != tt.reason || x.Attempts != tt.attempts {
					t.Errorf("told %+v", x)
				}
			})
		}
	}
}

// I5: only a 401 is a reason to refresh.
func TestOtherStatusesAreNotRetried(t *testing.T) {
	var status int
	g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }})
	for _, status = range []int{400, 403, 404, 407, 409, 429, 500, 502, 503} {
		if res, _ := g.do("GET", "/a", nil); res.StatusCode != status || res.Header.Get("Proxy-Status") != "" {
			t.Errorf("answer %d with Proxy-Status %q, want %d without", res.StatusCode, res.Header.Get("Proxy-Status"), status)
		}
	}
	if got := g.tokens.count(); got != 0 {
		t.Errorf("%d renewals, want none", got)
	}
}

// The transport adds no token for another address, even if an earlier check has failed.
func TestTokenStaysAtTheAPIsOrigin(t *testing.T) {
	transport := &authTransport{tokens: newFakeTokens(), api: mustURL("https://api.example"), next: roundTripFunc(func(*http.Request) (*http.Response, error) {
		t.Error("a request went out")
		return nil, io.EOF
	})}
	for _, target := range []string{"https://evil.example/", "http://api.example/", "https://api.example:444/"} {
		req := httptest.NewRequest("GET", target, nil)
		if _, err := transport.RoundTrip(req); err != errForeignOrigin {
			t.Errorf("%s: error %v, want %v", target, err, errForeignOrigin)
		}
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestForwardProxyIsForHTTPSOnly(t *testing.T) {
	forward := mustURL("http://forward.example")
	transport := NewTransport(TransportOptions{Proxy: func(*http.Request) (*url.URL, error) { return forward, nil }})
	for target, want := range map[string]*url.URL{"https://api.example/": forward, "http://localhost:1/": nil} {
		got, err := transport.Proxy(httptest.NewRequest("GET", target, nil))
		if err != nil || got != want {
			t.Errorf("B12 %s: proxy %v, %v; want %v", target, got, err, want)
		}
	}
	if got := transport.TLSClientConfig.MinVersion; got != tls.VersionTLS12 {
		t.Errorf("C12: TLS from %x on", got)
	}
}

// I9: this request cannot be repeated, but the client's next one works.
func TestBodyThatWasNotKept(t *testing.T) {
	source := newFakeTokens()
	source.renewed = make(chan struct{}, 1)
	g := newRig(t, rigOptions{tokens: source, valid: "default-2", configure: func(c *Config) { c.ReplayMemory, c.ReplayDisk = 4, 8 }})
	res, _ := g.do("POST", "/a", strings.NewReader("123456789"))
	if got, want := res.Header.Get("Proxy-Status"), problem.Program+`; details="not-retried: body-not-kept"`; res.StatusCode != 401 || got != want {
		t.Errorf("answer %d, Proxy-Status %q; want 401, %q", res.StatusCode, got, want)
	}
	<-source.renewed
	if res, _ := g.do("POST", "/a", strings.NewReader("123456789")); res.StatusCode != 200 {
		t.Errorf("next try: %d, want 200", res.StatusCode)
	}
	if got := source.count(); got != 1 {
		t.Errorf("%d renewals, want 1", got)
	}
}

// A background renewal ends when the proxy is closed.
func TestCloseEndsBackgroundRenewals(t *testing.T) {
	source := newFakeTokens()
	began := make(chan struct{})
	source.during = func(ctx context.Context, _ string) {
		close(began)
		<-ctx.Done()
	}
	g := newRig(t, rigOptions{tokens: source, valid: "nothing", configure: func(c *Config) { c.ReplayMemory, c.ReplayDisk = 0, 0 }})
	g.do("POST", "/a", bytes.NewReader([]byte("x")))
	<-began
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.proxy.Close(ctx); err != context.Canceled {
		t.Errorf("close: %v, want %v", err, context.Canceled)
	}
}

func TestOverload(t *testing.T) {
	release := make(chan struct{})
	began := make(chan struct{}, 2)
	g := newRig(t, rigOptions{configure: func(c *Config) { c.MaxInFlight = 2 }, handler: func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		<-release
	}})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { g.client.Get(g.url + "/slow") })
		<-began
	}
	res, body := g.do("GET", "/a", nil)
	if got := problemIn(t, res, body); got != "overloaded" || res.StatusCode != 503 {
		t.Errorf("answer %d %s, want 503 overloaded", res.StatusCode, got)
	}
	close(release)
	wg.Wait()
	if res, _ := g.do("GET", "/a", nil); res.StatusCode != 200 {
		t.Errorf("after the load: %d, want 200", res.StatusCode)
	}
	for i := range 4 {
		g.exchange(i)
	}
	if got := g.proxy.InFlight(); got != 0 {
		t.Errorf("%d in flight at the end", got)
	}
}
