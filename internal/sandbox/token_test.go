package sandbox

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTokenEndpointRefusesInTheServersOrder(t *testing.T) {
	s := start(t, Options{Calm: true})
	for _, tt := range []struct {
		name string
		form map[string]string
		want string
	}{
		{"no grant type, whatever else is wrong", map[string]string{"grant_type": "", "client_id": "x", "refresh_token": "x"}, "invalid_request"},
		{"unknown grant type comes before the client", map[string]string{"grant_type": "client_credentials", "client_id": "x"}, "unsupported_grant_type"},
		{"empty grant type is an unknown one", map[string]string{"grant_type": " "}, "unsupported_grant_type"},
		{"wrong client id comes before the token", map[string]string{"client_id": "x", "refresh_token": ""}, "invalid_client"},
		{"wrong client secret", map[string]string{"client_secret": "x"}, "invalid_client"},
		{"no client secret", map[string]string{"client_secret": ""}, "invalid_client"},
		{"no refresh token", map[string]string{"refresh_token": ""}, "invalid_request"},
		{"no code", map[string]string{"grant_type": "authorization_code"}, "invalid_request"},
		{"unknown refresh token", map[string]string{"refresh_token": strings.Repeat("0", 40)}, "invalid_grant"},
		{"unknown code", map[string]string{"grant_type": "authorization_code", "code": "x"}, "invalid_grant"},
		{"unknown scope", map[string]string{"scope": "openid"}, "invalid_scope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.token(tt.form)
			if got := a.want(t, 400).object(t)["error"]; got != tt.want {
				t.Errorf("error: got %v, want %v", got, tt.want)
			}
			if got := s.last().Outcome; got != tt.want {
				t.Errorf("outcome in the history: got %q, want %q", got, tt.want)
			}
		})
	}
	s.renew() // none of these calls has used up the refresh token
}

func TestTokenEndpointAcceptsOnlyAPostedForm(t *testing.T) {
	s := start(t, Options{Calm: true})
	good := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {s.info.ClientID}, "client_secret": {s.info.ClientSecret}, "refresh_token": {s.refresh},
	}
	object, err := json.Marshal(map[string]string{"grant_type": "refresh_token", "refresh_token": s.refresh})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, method, target, kind, body string }{
		{"JSON body", "POST", s.info.TokenURL, "application/json", string(object)},
		{"no content type", "POST", s.info.TokenURL, "", good.Encode()},
		{"query instead of body", "POST", s.info.TokenURL + "?" + good.Encode(), "application/x-www-form-urlencoded", ""},
		{"GET", "GET", s.info.TokenURL + "?" + good.Encode(), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := s.try(tt.method, tt.target, tt.kind, strings.NewReader(tt.body), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := a.want(t, 400).object(t)["error"]; got != "invalid_request" {
				t.Errorf("error: got %v, want invalid_request", got)
			}
			if e := s.last(); strings.Contains(e.Target, "secret") {
				t.Errorf("the history shows the query: %q", e.Target)
			}
		})
	}
}

func TestRefreshRotatesBothTokensAtOnce(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	s.get("/public/v1/members/current").want(t, 200)
	oldAccess, oldRefresh := s.access, s.refresh

	a := s.token(nil).want(t, 200)
	pair := a.object(t)
	hex40 := regexp.MustCompile(`^[0-9a-f]{40}$`)
	for _, name := range []string{"access_token", "refresh_token"} {
		if v, _ := pair[name].(string); !hex40.MatchString(v) || v == oldAccess || v == oldRefresh {
			t.Errorf("%s: got %q, want 40 new hexadecimal digits", name, v)
		}
	}
	if got, want := pair["expires_in"], 31535999.0; got != want {
		t.Errorf("expires_in: got %v, want %v", got, want)
	}
	if pair["token_type"] != "Bearer" || pair["scope"] != "read+write" {
		t.Errorf("got type %v and scope %v", pair["token_type"], pair["scope"])
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: got %q", got)
	}

	s.get("/public/v1/members/current").want(t, 401) // the old access token
	if got := s.token(nil).want(t, 400).object(t)["error"]; got != "invalid_grant" {
		t.Errorf("spent refresh token: got %v, want invalid_grant", got)
	}
	if stats := s.Stats(); stats.SpentTokens != 1 || stats.TokenCalls["invalid_grant"] != 1 || stats.TokenCalls["refreshes"] != 2 {
		t.Errorf("counters: got %+v", stats)
	}
	// The second use of the old token has not affected the new pair.
	s.access, s.refresh = pair["access_token"].(string), pair["refresh_token"].(string)
	s.get("/public/v1/members/current").want(t, 200)
	s.renew()
}

func TestGrantsAreIndependent(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	mine := s.refresh
	s.refresh = s.Grant()
	s.renew()
	other := s.access
	if got := s.Info().RefreshToken; got != mine {
		t.Errorf("the first grant's refresh token: got %q, want %q", got, mine)
	}
	s.refresh = mine
	s.renew()
	s.access = other
	s.get("/public/v1/members/current").want(t, 200)
	s.Revoke()
	s.get("/public/v1/members/current").want(t, 401)
}

func TestTokenURLWorksWithATrailingSlash(t *testing.T) {
	s := start(t, Options{Calm: true})
	s.info.TokenURL += "/"
	s.renew()
}

func TestConcurrentRefreshesWithOneTokenGiveOnePair(t *testing.T) {
	s := start(t, Options{Calm: true})
	statuses := make(chan int, 16)
	var calls sync.WaitGroup
	for range cap(statuses) {
		calls.Go(func() { statuses <- s.token(nil).StatusCode })
	}
	calls.Wait()
	close(statuses)
	good := 0
	for status := range statuses {
		if status == 200 {
			good++
		}
	}
	if good != 1 {
		t.Errorf("successful refreshes: got %d, want 1", good)
	}
}

func TestCodesWorkOnceWithinTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Options{Calm: true, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		exchange := func(code string) int {
			body := url.Values{
				"grant_type": {"authorization_code"}, "client_id": {e.client.id}, "client_secret": {e.client.secret}, "code": {code},
			}
			r := httptest.NewRequest("POST", "/oauth2/access_token", strings.NewReader(body.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			e.API().ServeHTTP(w, r)
			return w.Code
		}
		code := e.grants.codes.put(defaultScope, time.Now())
		late := e.grants.codes.put(defaultScope, time.Now())
		time.Sleep(10*time.Minute - time.Second)
		if got := exchange(code); got != 200 {
			t.Errorf("just in time: got %d, want 200", got)
		}
		if got := exchange(code); got != 400 {
			t.Errorf("second use: got %d, want 400", got)
		}
		time.Sleep(time.Second)
		if got := exchange(late); got != 400 {
			t.Errorf("after ten minutes: got %d, want 400", got)
		}
	})
}

func TestAnAccessTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Options{Calm: true, Seed: 1, TokenTTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		get := func() int {
			r := httptest.NewRequest("GET", "/public/v1/members/current", nil)
			r.Header.Set("Authorization", "Bearer "+e.grants.pairs[0].access)
			w := httptest.NewRecorder()
			e.API().ServeHTTP(w, r)
			return w.Code
		}
		time.Sleep(time.Minute - time.Second)
		if got := get(); got != 200 {
			t.Errorf("a second before the end: got %d, want 200", got)
		}
		time.Sleep(time.Second)
		if got := get(); got != 401 {
			t.Errorf("at the end: got %d, want 401", got)
		}
	})
}

func TestTheAPIRequiresAValidCredential(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	for _, tt := range []struct {
		name, authorization, path string
		status                    int
		body                      string
	}{
		{"none, version 1", "", "/public/v1/documents", 401, `{"detail":"Authentication credentials were not provided.","type":"authentication_error"}`},
		{"none, version 2", "", "/public/v2/logs", 401, `{"code":"unauthorized","details":[]}`},
		{"wrong key", "API-Key 0000", "/public/v1/documents", 401, `{"detail":"Invalid key.","type":"authentication_error"}`},
		{"right key", "API-Key " + s.APIKey(), "/public/v1/documents", 200, ""},
		{"wrong token", "Bearer 0000", "/public/v1/documents", 401, ""},
		{"refresh token as access token", "Bearer " + s.refresh, "/public/v1/documents", 401, ""},
		{"another scheme", "Basic eDp5", "/public/v1/documents", 401, ""},
		{"scheme in lower case", "bearer " + s.access, "/public/v1/documents", 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := s.try("GET", s.info.API+tt.path, "", nil, map[string]string{"Authorization": tt.authorization})
			if err != nil {
				t.Fatal(err)
			}
			a.want(t, tt.status)
			if tt.body != "" && string(a.body) != tt.body {
				t.Errorf("body: got %s, want %s", a.body, tt.body)
			}
			if got := a.Header.Get("WWW-Authenticate"); got != "" {
				t.Errorf("WWW-Authenticate: got %q, the service sends none", got)
			}
		})
	}
}

func TestSeedRepeatsCredentials(t *testing.T) {
	made := func(seed uint64) Info {
		e, err := New(Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return (&Server{Emulator: e}).Info()
	}
	if first, second := made(7), made(7); first != second {
		t.Error("one seed gave two sets of credentials")
	}
	if first, second := made(7), made(8); first.ClientSecret == second.ClientSecret {
		t.Error("two seeds gave one set of credentials")
	}
	if first, second := made(0), made(0); first.ClientSecret == second.ClientSecret {
		t.Error("two random seeds gave one set of credentials")
	}
}

func TestInfoIsTheLineThatProgramsRead(t *testing.T) {
	s := start(t, Options{})
	line, err := json.Marshal(s.Info())
	if err != nil {
		t.Fatal(err)
	}
	want := `^\{"api":"http://127\.0\.0\.1:\d+","authorize_url":"http://127\.0\.0\.1:\d+/oauth2/authorize",` +
		`"token_url":"http://127\.0\.0\.1:\d+/oauth2/access_token","manage":"http://127\.0\.0\.1:\d+",` +
		`"client_id":"[0-9a-f]{20}","client_secret":"[0-9a-f]{40}","refresh_token":"[0-9a-f]{40}"\}$`
	if !regexp.MustCompile(want).Match(line) {
		t.Errorf("got %s, want %s", line, want)
	}
}

func TestEveryAnswerSaysThatItIsAnEmulator(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	for _, target := range []string{
		"/", "/public/v1/documents", "/public/v1/nothing", "/oauth2/authorize", s.info.TokenURL, s.info.Manage + "/history", s.info.Manage + "/nothing",
	} {
		if got := s.get(target).Header.Get(EmulatorHeader); got == "" {
			t.Errorf("%s: no %s header", target, EmulatorHeader)
		}
	}
	if !strings.Contains(string(s.get("/").body), "EMULATOR") || !strings.Contains(s.Banner(), "seed 1") {
		t.Errorf("banner: got %q", s.Banner())
	}
	a := s.get("/public/v1/documents")
	if a.Header.Get("X-Request-Id") != s.last().RequestID || len(a.Header["Set-Cookie"]) != 1 {
		t.Errorf("request id and CDN cookie: got %v", http.Header(a.Header))
	}
}
