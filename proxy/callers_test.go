package proxy

import (
	"encoding/base64"
	"strings"
	"sync/atomic"
	"testing"

	"pandadoc-auth-proxy/tokens"
)

const (
	anyKey  = "key-for-any-account-1234"
	acmeKey = "key-for-acme-only-567890"
)

func withKeys(c *Config) {
	c.ClientKeys = []ClientKey{
		{Name: "reports", Key: tokens.NewSecret(anyKey)},
		{Name: "acme", Key: tokens.NewSecret(acmeKey), Account: "acme"},
	}
}

// A key from a file was read only at the start.
func TestAClientKeyIsReplacedWithoutARestart(t *testing.T) {
	var key atomic.Pointer[tokens.Secret]
	set := func(text string) {
		s := tokens.NewSecret(text)
		key.Store(&s)
	}
	set(anyKey)
	g := newRig(t, rigOptions{configure: func(c *Config) {
		withKeys(c)
		c.ClientKeys[0].Current = func() tokens.Secret { return *key.Load() }
	}})
	status := func(key string) int {
		res, _, _ := g.raw(get("/a", KeyHeader+": "+key))
		return res.StatusCode
	}
	const next = "the-next-key-for-any-account"
	if got := status(anyKey); got != 200 {
		t.Errorf("the first key: %d, want 200", got)
	}
	set(next)
	if old, now := status(anyKey), status(next); old != 401 || now != 200 {
		t.Errorf("the former key: %d, the new one: %d; want 401 and 200", old, now)
	}
}

func TestClientKeys(t *testing.T) {
	basic := func(pair string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
	}
	g := newRig(t, rigOptions{configure: func(c *Config) { withKeys(c); c.AllowOrigins = []string{"https://app.example"} }})
	tests := []struct {
		name   string
		path   string
		header []string
		token  string // that the API sees; empty: the request is refused
		code   string
	}{
		{"own header", "/a", []string{KeyHeader + ": " + anyKey}, "default-1", ""},
		{"own header beside a library's credential", "/a", []string{KeyHeader + ": " + anyKey, "Authorization: API-Key library"}, "default-1", ""},
		{"Bearer", "/a", []string{"Authorization: Bearer " + anyKey}, "default-1", ""},
		{"scheme in lower case", "/a", []string{"Authorization: bearer " + anyKey}, "default-1", ""},
		{"API-Key", "/a", []string{"Authorization: API-Key " + anyKey}, "default-1", ""},
		{"password of Basic", "/a", []string{basic("anybody:" + anyKey)}, "default-1", ""},
		{"any account by the path", "/@acme/a", []string{KeyHeader + ": " + anyKey}, "acme-1", ""},
		{"the key's account", "/a", []string{KeyHeader + ": " + acmeKey}, "acme-1", ""},
		{"the key's account, said twice", "/@acme/a", []string{KeyHeader + ": " + acmeKey}, "acme-1", ""},
		{"another account than the key's", "/@default/a", []string{KeyHeader + ": " + acmeKey}, "", "bad-request"},
		{"none", "/a", nil, "", "client-key-required"},
		{"B2 wrong key", "/a", []string{KeyHeader + ": " + strings.ToUpper(anyKey)}, "", "client-key-required"},
		{"B2 beginning of a key", "/a", []string{KeyHeader + ": " + anyKey[:16]}, "", "client-key-required"},
		{"empty", "/a", []string{KeyHeader + ":"}, "", "client-key-required"},
		{"twice", "/a", []string{KeyHeader + ": " + anyKey, KeyHeader + ": " + anyKey}, "", "client-key-required"},
		{"wrong in its own header, right elsewhere", "/a", []string{KeyHeader + ": x", "Authorization: Bearer " + anyKey}, "", "client-key-required"},
		{"user of Basic", "/a", []string{basic(anyKey + ":")}, "", "client-key-required"},
		{"Basic that is none", "/a", []string{"Authorization: Basic %%%"}, "", "client-key-required"},
		{"another scheme", "/a", []string{"Authorization: Digest " + anyKey}, "", "client-key-required"},
		{"two Authorization headers", "/a", []string{"Authorization: Bearer " + anyKey, "Authorization: Bearer x"}, "", "client-key-required"},
		{"page of an allowed origin without a key", "/a", []string{"Origin: https://app.example"}, "", "client-key-required"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(g.upstream.seen())
			res, body, _ := g.raw(get(tt.path, tt.header...))
			reached := g.upstream.seen()[before:]
			if tt.code != "" {
				if got := problemIn(t, res, body); got != tt.code || len(reached) != 0 {
					t.Errorf("code %s, %d requests upstream; want %s and none", got, len(reached), tt.code)
				}
				if tt.code == "client-key-required" && (res.StatusCode != 401 || len(res.Header["Www-Authenticate"]) != 2) {
					t.Errorf("status %d, WWW-Authenticate %q", res.StatusCode, res.Header["Www-Authenticate"])
				}
				return
			}
			if len(reached) != 1 || reached[0].Header.Get("Authorization") != "Bearer "+tt.token || reached[0].Header.Get(KeyHeader) != "" {
				t.Fatalf("answer %d %s, upstream got %+v, want one request with %s", res.StatusCode, body, reached, tt.token)
			}
		})
	}
	t.Run("preflight without a key", func(t *testing.T) {
		res, _, _ := g.raw(request("OPTIONS", "/a", "localhost", "Origin: https://app.example", "Access-Control-Request-Method: GET"))
		if res.StatusCode != 204 {
			t.Errorf("status %d, want 204", res.StatusCode)
		}
	})
	g.exchange(len(tests)) // all lines are written
	if log := g.log.String(); strings.Contains(log, anyKey) || strings.Contains(log, acmeKey) || !strings.Contains(log, "client=reports") {
		t.Errorf("B3: the log shows a key, or does not tell keys apart: %s", log)
	}
}

func TestRequestsOfTheProgramItselfNeedNoKey(t *testing.T) {
	g := newRig(t, rigOptions{configure: withKeys})
	for _, tt := range []struct {
		name    string
		handler func(*Proxy) int
		want    int
	}{
		{"from inside", func(p *Proxy) int { return status(p.Inside(), "GET", "/a") }, 200},
		{"from a listener", func(p *Proxy) int { return status(p, "GET", "/a") }, 401},
	} {
		if got := tt.handler(g.proxy); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestRequiredHeader(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) {
		c.RequireHeader = RequiredHeader{Name: "x-from-app", Value: tokens.NewSecret("yes, it is me")}
	}})
	runGuardCases(t, g, []guardCase{
		{"without it", get("/a"), "header-required"},
		{"another value", get("/a", "X-From-App: yes"), "header-required"},
		{"no value", get("/a", "X-From-App:"), "header-required"},
		{"twice", get("/a", "X-From-App: yes, it is me", "X-From-App: yes, it is me"), "header-required"},
		{"with it", get("/a", "X-From-App: yes, it is me"), ""},
	})
	for _, seen := range g.upstream.seen() {
		if seen.Header.Get("X-From-App") != "" {
			t.Error("the header reached the upstream")
		}
	}
}

func TestCallerMistakesAreReportedTogether(t *testing.T) {
	cfg := DefaultConfig()
	cfg.API, cfg.Tokens = mustURL("https://api.example"), newFakeTokens()
	cfg.ClientKeys = []ClientKey{
		{Key: tokens.NewSecret(anyKey)}, {Name: "empty"}, {Name: "same", Key: tokens.NewSecret(anyKey)},
		{Name: "odd", Key: tokens.NewSecret(acmeKey), Account: "No!"},
	}
	cfg.RequireHeader = RequiredHeader{Name: "Host", Value: tokens.NewSecret("x")}
	_, err := New(cfg)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"has no name", `"empty" is empty`, `"same" are the same`, `"No!"`, "required header Host"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %s: %v", want, err)
		}
	}
}
