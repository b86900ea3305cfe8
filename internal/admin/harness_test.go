package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeAccounts stands for the Manager.
type fakeAccounts struct {
	unsavable error      // the error of Savable
	mu        sync.Mutex // guards the fields below
	all       []tokens.Status
	err       error             // of every method that can fail
	codes     []string          // as exchanged
	redirect  string            // as exchanged
	logins    map[string]string // account to access token
	calls     []string
}

func (f *fakeAccounts) Status() []tokens.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

func (f *fakeAccounts) find(call, account string) (tokens.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call+" "+account)
	if f.err != nil {
		return tokens.Status{}, f.err
	}
	for _, s := range f.all {
		if s.Account == account {
			return s, nil
		}
	}
	return tokens.Status{}, tokens.ErrUnknownAccount
}

func (f *fakeAccounts) AccountStatus(_ context.Context, account string) (tokens.Status, error) {
	return f.find("status", account)
}

func (f *fakeAccounts) Savable(string) error { return f.unsavable }

func (f *fakeAccounts) Refresh(_ context.Context, account string) (tokens.Status, error) {
	return f.find("refresh", account)
}

func (f *fakeAccounts) Forget(ctx context.Context, account string) (tokens.Status, error) {
	return f.Logout(ctx, account)
}

func (f *fakeAccounts) Logout(_ context.Context, account string) (tokens.Status, error) {
	return f.find("logout", account)
}

func (f *fakeAccounts) SignIn(_ context.Context, account, code, redirectURL string) (tokens.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.codes, f.redirect = append(f.codes, code), redirectURL
	if f.err != nil {
		return tokens.Status{}, f.err
	}
	f.logins[account] = "token-for-" + code
	return tokens.Status{Account: account, State: tokens.Ready}, nil
}

func (f *fakeAccounts) exchanged() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.codes)
}

// tester serves a Handler over loopback.
type tester struct {
	*testing.T
	accounts *fakeAccounts
	handler  *Handler
	server   *httptest.Server
	browser  *http.Client // keeps cookies, follows nothing
}

func newTester(t *testing.T, all ...tokens.Status) *tester {
	return newTesterWith(t, func(*Config) {}, all...)
}

func newTesterWith(t *testing.T, change func(*Config), all ...tokens.Status) *tester {
	x := &tester{T: t, accounts: &fakeAccounts{all: all, logins: map[string]string{}}}
	x.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { x.handler.ServeHTTP(w, r) }))
	t.Cleanup(x.server.Close)
	redirect, err := url.Parse(x.server.URL + "/oauth2/callback")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Manager: x.accounts,
		Login:   LoginConfig{ClientID: "the-client", AuthorizeURL: "https://app.example/oauth2/authorize", RedirectURL: redirect, Scope: "read+write"},
		Info:    Info{Version: "v1", Listeners: []string{"http://127.0.0.1:8080"}, Upstream: "https://api.example", Store: "memory:"},
	}
	change(&c)
	if x.handler, err = New(c); err != nil {
		t.Fatal(err)
	}
	x.browser = newBrowser()
	t.Cleanup(x.browser.CloseIdleConnections)
	return x
}

func newBrowser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err)
	}
	return &http.Client{
		Jar: jar, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reply is an answer that was read.
type reply struct {
	status int
	header http.Header
	body   string
}

func (x *tester) send(method, target, body string, header ...string) reply {
	x.Helper()
	return x.sendAs(x.browser, method, target, body, header...)
}

func (x *tester) sendAs(c *http.Client, method, target, body string, header ...string) reply {
	x.Helper()
	if strings.HasPrefix(target, "/") {
		target = x.server.URL + target
	}
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		x.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := c.Do(r)
	if err != nil {
		x.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		x.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, string(data)}
}

func (r reply) decode(t *testing.T, out any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), out); err != nil {
		t.Fatalf("%v in %q", err, r.body)
	}
}

// code returns the code of a problem.
func (r reply) code(t *testing.T) string {
	t.Helper()
	if got, want := r.header.Get("Content-Type"), "application/problem+json"; got != want {
		t.Fatalf("content type: got %q, want %q: %s", got, want, r.body)
	}
	var p problem.Problem
	r.decode(t, &p)
	if p.Status != r.status || p.Title == "" || p.Detail == "" {
		t.Errorf("got an incomplete problem %+v with status %d", p, r.status)
	}
	return string(p.Code)
}

func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

func wantText(t *testing.T, r reply, part string) {
	t.Helper()
	if !strings.Contains(r.body, part) {
		t.Errorf("got %q, want it to contain %q", r.body, part)
	}
}
