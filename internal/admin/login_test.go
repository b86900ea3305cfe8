package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// connect begins a login in the browser and returns the query of the authorization request.
func (x *tester) connect(account string) url.Values {
	x.Helper()
	r := x.send(http.MethodGet, "/connect/"+account, "")
	check(x.T, "status", r.status, http.StatusFound)
	u, err := url.Parse(r.header.Get("Location"))
	if err != nil {
		x.Fatal(err)
	}
	return u.Query()
}

func (x *tester) back(query string) reply {
	x.Helper()
	return x.send(http.MethodGet, "/oauth2/callback?"+query, "")
}

func (x *tester) lastLogin(account string) *LoginResult {
	x.Helper()
	var got LastLogin
	x.send(http.MethodGet, "/api/v1/accounts/"+account+"/login-result", "").decode(x.T, &got)
	return got.LastLogin
}

func TestLoginInTheBrowser(t *testing.T) {
	x := newTester(t)
	r := x.send(http.MethodGet, "/connect/acme", "")
	where := r.header.Get("Location")
	if prefix := "https://app.example/oauth2/authorize?"; !strings.HasPrefix(where, prefix) {
		t.Fatalf("got %q, want it to begin with %q", where, prefix)
	}
	if !strings.Contains(where, "scope=read+write&") {
		t.Errorf("got %q, want the scope as PandaDoc's examples write it", where)
	}
	u, _ := url.Parse(where)
	check(t, "client", u.Query().Get("client_id"), "the-client")
	check(t, "type", u.Query().Get("response_type"), "code")
	check(t, "redirect", u.Query().Get("redirect_uri"), x.server.URL+"/oauth2/callback")
	cookie := r.header.Get("Set-Cookie")
	for _, part := range []string{"HttpOnly", "SameSite=Lax", "Path=/oauth2/callback", "Max-Age=600"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("got cookie %q, want %s in it", cookie, part)
		}
	}
	state := u.Query().Get("state")
	if len(state) < 26 { // of base 32: 128 bits and more
		t.Errorf("got a state of %d characters, want at least 26", len(state))
	}
	page := x.back("code=abc&state=" + state)
	check(t, "status", page.status, http.StatusOK)
	wantText(t, page, "Signed in")
	check(t, "stored", x.accounts.logins, map[string]string{"acme": "token-for-abc"})
	check(t, "redirect URL of the exchange", x.accounts.redirect, x.server.URL+"/oauth2/callback")
	check(t, "result", x.lastLogin("acme").Result, LoginDone)
	if strings.Contains(page.body, "abc") || strings.Contains(page.body, state) {
		t.Errorf("the page shows the code or the state: %s", page.body)
	}
}

func TestWhatEndsNoLogin(t *testing.T) {
	for _, row := range []struct {
		name  string
		query func(state string) string
		other bool // browser
		text  string
	}{
		{"wrong state", func(string) string { return "code=x&state=AAAAAAAAAAAAAAAAAAAAAAAAAA" }, false, "not known here"},
		{"no state", func(string) string { return "code=x" }, false, "not known here"},
		{"forged error without a state", func(string) string { return "error=access_denied" }, false, "not known here"},
		{"part of the state", func(s string) string { return "code=x&state=" + s[:25] }, false, "not known here"},
		{"another browser", func(s string) string { return "code=x&state=" + s }, true, "in another browser"},
		{"an error from another browser", func(s string) string { return "error=access_denied&state=" + s }, true, "in another browser"},
	} {
		t.Run(row.name, func(t *testing.T) {
			x := newTester(t)
			state := x.connect("acme").Get("state")
			client := x.browser
			if row.other {
				client = newBrowser()
				defer client.CloseIdleConnections()
			}
			r := x.sendAs(client, http.MethodGet, "/oauth2/callback?"+row.query(state), "")
			check(t, "status", r.status, http.StatusBadRequest)
			wantText(t, r, row.text)
			check(t, "exchanged", x.accounts.exchanged(), nil)
			// The login that was meant goes on.
			check(t, "status of the real callback", x.back("code=good&state="+state).status, http.StatusOK)
			check(t, "exchanged", x.accounts.exchanged(), []string{"good"})
		})
	}
}

func TestALoginIsUsedOnce(t *testing.T) {
	x := newTester(t)
	state := x.connect("acme").Get("state")
	x.back("code=one&state=" + state)
	r := x.back("code=two&state=" + state)
	check(t, "status", r.status, http.StatusBadRequest)
	wantText(t, r, "has ended already")
	check(t, "exchanged", x.accounts.exchanged(), []string{"one"})
}

// The second login took the cookie of the first, which was then refused as begun in another browser.
func TestLoginsInTwoTabsDoNotEndEachOther(t *testing.T) {
	x := newTester(t)
	first, second := x.connect("one").Get("state"), x.connect("two").Get("state")
	check(t, "first", x.back("code=a&state="+first).status, http.StatusOK)
	check(t, "second", x.back("code=b&state="+second).status, http.StatusOK)
	check(t, "stored", x.accounts.logins, map[string]string{"one": "token-for-a", "two": "token-for-b"})
}

func TestHeadDoesNotUseTheCodeUp(t *testing.T) {
	x := newTester(t)
	state := x.connect("acme").Get("state")
	x.send(http.MethodHead, "/oauth2/callback?code=one&state="+state, "")
	check(t, "exchanged", x.accounts.exchanged(), nil)
	check(t, "status", x.back("code=one&state="+state).status, http.StatusOK)
}

func TestARefusalEndsTheLogin(t *testing.T) {
	x := newTester(t)
	state := x.connect("acme").Get("state")
	r := x.back("error=" + url.QueryEscape("<script>alert(1)</script>\x1b[2J") + "&state=" + state)
	check(t, "status", r.status, http.StatusBadRequest)
	wantText(t, r, "&lt;script&gt;")
	if strings.ContainsAny(r.body, "\x1b") {
		t.Errorf("the page holds a control character")
	}
	check(t, "result", x.lastLogin("acme").Result, LoginDenied)
	check(t, "exchanged", x.accounts.exchanged(), nil)
	wantText(t, x.back("code=x&state="+state), "has ended already")
}

// A page that says what failed was the end of the road.
func TestPagesOfFailedLoginsLeadOn(t *testing.T) {
	again, console := `<a href="/connect/acme">Try again</a>`, `<a href="/#/setup">Go to the console</a>`
	begun := func(query string) func(*tester) reply {
		return func(x *tester) reply { return x.back(query + "&state=" + x.connect("acme").Get("state")) }
	}
	elsewhere := func(c *Config) { c.Login.RedirectURL.Host = "proxy.example:8081" }
	for _, row := range []struct {
		name   string
		change func(*Config)
		fail   func(*tester) reply
		ways   []string
	}{
		{"declined", nil, begun("error=access_denied"), []string{again, console}},
		{"no code", nil, begun("x=y"), []string{again, console}},
		{"used", nil, func(x *tester) reply {
			query := "code=x&state=" + x.connect("acme").Get("state")
			x.back(query)
			return x.back(query)
		}, []string{again, console}},
		{"unknown", nil, func(x *tester) reply { return x.back("code=x&state=AAAA") }, []string{console}},
		{"no client id", func(c *Config) { c.Login.ClientID = "" }, func(x *tester) reply { return x.send(http.MethodGet, "/connect/acme", "") }, []string{console}},
		{"no account's name", nil, func(x *tester) reply { return x.send(http.MethodGet, "/connect/Bad_Name", "") }, []string{console}},
		{"opened elsewhere", elsewhere, func(x *tester) reply { return x.send(http.MethodGet, "/connect/acme?moved=1", "") }, []string{console}},
		{"without a link", func(c *Config) { c.Key = NewKey() }, func(x *tester) reply { return x.send(http.MethodGet, "/connect/acme", "") }, []string{console}},
		{"declined, without a console", func(c *Config) { c.Proxy = nil }, begun("error=access_denied"), []string{again}},
	} {
		t.Run(row.name, func(t *testing.T) {
			x := newTesterWith(t, func(c *Config) {
				c.Proxy = fakeProxy{}
				if row.change != nil {
					row.change(c)
				}
			})
			r := row.fail(x)
			if r.status < 400 {
				t.Errorf("got status %d, want an error", r.status)
			}
			check(t, "ways", regexp.MustCompile(`<a .*?</a>`).FindAllString(r.body, -1), row.ways)
		})
	}
}

func TestARefusedCodeIsToldAndKeptForTheCommand(t *testing.T) {
	x := newTester(t)
	x.accounts.err = &tokens.UnavailableError{Err: tokens.ErrClientRefused, Cause: errors.New("400 invalid_client")}
	state := x.connect("acme").Get("state")
	r := x.back("code=x&state=" + state)
	check(t, "status", r.status, http.StatusBadGateway)
	wantText(t, r, "PANDADOC_CLIENT_SECRET")
	check(t, "result", x.lastLogin("acme").Result, LoginFailed)
	check(t, "stored", len(x.accounts.logins), 0)
}

func TestLoginByHand(t *testing.T) {
	x := newTester(t)
	var begun BegunLogin
	x.send(http.MethodPost, "/api/v1/accounts/acme/login", "", RequestHeader, "1").decode(t, &begun)
	if !strings.Contains(begun.AuthorizeURL, "state="+begun.State) {
		t.Fatalf("got %+v, want the state in the address", begun)
	}
	// The browser arrives here, if it runs on this machine; the code belongs to the command.
	wantText(t, x.back("code=abc&state="+begun.State), "paste the address of this page there")
	check(t, "exchanged", x.accounts.exchanged(), nil)

	body, _ := json.Marshal(EndLogin{State: begun.State, Code: "abc"})
	other := x.send(http.MethodPost, "/api/v1/accounts/other/code", string(body), RequestHeader, "1")
	check(t, "for another account", other.code(t), "login-refused")
	check(t, "exchanged", x.accounts.exchanged(), nil)

	r := x.send(http.MethodPost, "/api/v1/accounts/acme/code", string(body), RequestHeader, "1")
	check(t, "status", r.status, http.StatusOK)
	check(t, "stored", x.accounts.logins, map[string]string{"acme": "token-for-abc"})

	again := x.send(http.MethodPost, "/api/v1/accounts/acme/code", string(body), RequestHeader, "1")
	check(t, "second use", again.code(t), "login-refused")
	check(t, "exchanged", x.accounts.exchanged(), []string{"abc"})
}

func TestALoginOfABrowserCannotBeEndedByHand(t *testing.T) {
	x := newTester(t)
	state := x.connect("acme").Get("state")
	r := x.send(http.MethodPost, "/api/v1/accounts/acme/code", `{"state":"`+state+`","code":"x"}`, RequestHeader, "1")
	check(t, "code", r.code(t), "login-refused")
	check(t, "exchanged", x.accounts.exchanged(), nil)
}

func TestConnectMovesToTheHostOfTheRedirectURL(t *testing.T) {
	x := newTester(t)
	local := strings.Replace(x.server.URL, "127.0.0.1", "localhost", 1)
	r := x.send(http.MethodGet, local+"/connect/acme", "")
	check(t, "status", r.status, http.StatusFound)
	check(t, "location", r.header.Get("Location"), x.server.URL+"/connect/acme?moved=1")
	check(t, "cookie", r.header.Get("Set-Cookie"), "")
	// Never in a circle.
	check(t, "status", x.send(http.MethodGet, local+"/connect/acme?moved=1", "").status, http.StatusBadRequest)
}

func TestNoLoginWithoutAClientOrForAKey(t *testing.T) {
	x := newTesterWith(t, func(c *Config) { c.Login.ClientID = "" })
	r := x.send(http.MethodGet, "/connect/acme", "")
	check(t, "status", r.status, http.StatusConflict)
	wantText(t, r, "PANDADOC_CLIENT_ID")
	// The command waits for a result. It used to wait for five minutes here.
	check(t, "result", x.send(http.MethodGet, "/api/v1/accounts/acme/login-result", "").code(t), "login-impossible")

	key := newTester(t, tokens.Status{Account: "acme", State: tokens.Ready, Scheme: tokens.APIKey})
	check(t, "status", key.send(http.MethodGet, "/connect/acme", "").status, http.StatusConflict)
	check(t, "status", key.send(http.MethodGet, "/connect/Bad_Name", "").status, http.StatusNotFound)
}

// People were sent to the consent page although the record could not be read: they signed in for nothing.
func TestNoLoginBeginsWhenTheStoreCannotBeRead(t *testing.T) {
	x := newTester(t)
	cause := problem.Mistake("read default.json: not a valid record", "restore the file")
	x.accounts.unsavable = &tokens.UnavailableError{Err: tokens.ErrStoreUnavailable, Cause: cause}
	for _, r := range []reply{
		x.send(http.MethodGet, "/connect/acme", ""),
		x.send(http.MethodPost, "/api/v1/accounts/acme/login", ""),
		x.send(http.MethodPost, "/api/v1/links", `{"account":"acme"}`),
	} {
		check(t, "status", r.status, http.StatusServiceUnavailable)
		if !strings.Contains(r.body, "restore the file") {
			t.Errorf("got %s, want the hint of the store", r.body)
		}
	}
	x.accounts.unsavable = nil
	x.connect("acme")
}

func TestTheCallbackIsServedOnTheRegisteredPath(t *testing.T) {
	x := newTesterWith(t, func(c *Config) { c.Login.RedirectURL.Path = "/integrations/pandadoc/callback" })
	state := x.connect("acme").Get("state")
	r := x.send(http.MethodGet, "/integrations/pandadoc/callback?code=abc&state="+state, "")
	check(t, "status", r.status, http.StatusOK)
}

func TestALoginExpiresAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			after time.Duration
			text  string
		}{
			{10 * time.Minute, "Signed in"},
			{10*time.Minute + time.Second, "has expired"},
			{61 * time.Minute, "has expired"}, // remembered until the next login begins
		} {
			accounts := &fakeAccounts{logins: map[string]string{}}
			h, err := New(Config{
				Manager: accounts,
				Login:   LoginConfig{ClientID: "c", AuthorizeURL: "https://a.example", RedirectURL: &url.URL{Scheme: "http", Host: "example.com", Path: "/back"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			begun := httptest.NewRecorder()
			h.ServeHTTP(begun, httptest.NewRequest(http.MethodGet, "/connect/acme", nil))
			u, _ := url.Parse(begun.Header().Get("Location"))
			time.Sleep(row.after)
			r := httptest.NewRequest(http.MethodGet, "/back?code=x&state="+u.Query().Get("state"), nil)
			r.AddCookie(begun.Result().Cookies()[0])
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if !strings.Contains(w.Body.String(), row.text) {
				t.Errorf("after %s: got %q, want %q in it", row.after, w.Body.String(), row.text)
			}
			check(t, "exchanged", len(accounts.exchanged()) > 0, row.text == "Signed in")
		}
	})
}

func TestRememberedLoginsAreBounded(t *testing.T) {
	l := newLogins()
	first := l.begin("a", "")
	for range maxLogins {
		l.begin("a", "")
	}
	_, err := l.claim(first.state, "", "a")
	check(t, "oldest", err, errUnknownLogin)
	check(t, "remembered", len(l.attempts), maxLogins)
}
