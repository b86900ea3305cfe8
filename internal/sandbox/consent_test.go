package sandbox

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const callback = "http://localhost:8081/oauth2/callback"

// ask opens the consent page; over replaces parameters, an empty value removes one.
func (s *service) ask(over map[string]string) answer {
	s.t.Helper()
	q := url.Values{
		"client_id": {s.info.ClientID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"read+write"}, "state": {"s t&te"},
		"code_challenge": {"ignored"}, "code_challenge_method": {"S256"}, // PandaDoc seems to tolerate PKCE
	}
	for name, value := range over {
		q.Set(name, value)
		if value == "" {
			q.Del(name)
		}
	}
	return s.get(s.info.AuthorizeURL + "?" + q.Encode())
}

func (s *service) consent(ticket, choice string, header map[string]string) answer {
	s.t.Helper()
	body := url.Values{"ticket": {ticket}, "answer": {choice}}.Encode()
	a, err := s.try("POST", s.info.API+"/oauth2/authorize/confirm", "application/x-www-form-urlencoded", strings.NewReader(body), header)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func ticketOf(t *testing.T, a answer) string {
	t.Helper()
	found := regexp.MustCompile(`name="ticket" value="([0-9a-f]{40})"`).FindSubmatch(a.want(t, 200).body)
	if found == nil {
		t.Fatalf("no ticket in %s", a.body)
	}
	return string(found[1])
}

func sentTo(t *testing.T, a answer) url.Values {
	t.Helper()
	a.want(t, 302)
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(u.String(), callback+"?") {
		t.Fatalf("Location: got %q", a.Header.Get("Location"))
	}
	return u.Query()
}

func TestConsentGivesACodeAndTheCodeAPair(t *testing.T) {
	s := start(t, Options{Calm: true})
	page := s.ask(nil)
	if !strings.Contains(string(page.body), "emulator") || !strings.Contains(page.Header.Get("Content-Security-Policy"), "form-action 'self' http://localhost:8081") {
		t.Errorf("page: got %q\n%s", page.Header.Get("Content-Security-Policy"), page.body)
	}
	back := sentTo(t, s.consent(ticketOf(t, page), "allow", nil))
	if got := back.Get("state"); got != "s t&te" {
		t.Errorf("state: got %q", got)
	}
	code := map[string]string{"grant_type": "authorization_code", "code": back.Get("code"), "redirect_uri": callback}
	pair := s.token(code).want(t, 200).object(t)
	s.access, s.refresh = pair["access_token"].(string), pair["refresh_token"].(string)
	s.get("/public/v1/members/current").want(t, 200)
	s.renew()
	if got := s.token(code).want(t, 400).object(t)["error"]; got != "invalid_grant" {
		t.Errorf("second use of a code: got %v", got)
	}
	// Pairs are independent: the one that the emulator started with is still valid.
	s.refresh = s.info.RefreshToken
	s.renew()
}

func TestDenyReturnsTheState(t *testing.T) {
	s := start(t, Options{Calm: true})
	back := sentTo(t, s.consent(ticketOf(t, s.ask(nil)), "deny", nil))
	if back.Get("error") != "access_denied" || back.Get("state") != "s t&te" || back.Has("code") {
		t.Errorf("got %v", back)
	}
}

func TestStateIsEmptyIfNoneWasSent(t *testing.T) {
	s := start(t, Options{Calm: true})
	back := sentTo(t, s.consent(ticketOf(t, s.ask(map[string]string{"state": ""})), "allow", nil))
	if !back.Has("state") || back.Get("state") != "" {
		t.Errorf("got %v", back)
	}
}

func TestWrongAuthorizeRequests(t *testing.T) {
	s := start(t, Options{Calm: true})
	for _, tt := range []struct {
		name string
		over map[string]string
		back string // error sent to the client; empty if the page does not redirect
	}{
		{"unknown client", map[string]string{"client_id": "x"}, ""},
		{"no client", map[string]string{"client_id": ""}, ""},
		{"foreign redirect URL", map[string]string{"redirect_uri": "https://evil.example/oauth2/callback"}, ""},
		{"loopback with another path", map[string]string{"redirect_uri": "http://localhost:8081/other"}, ""},
		{"loopback look-alike", map[string]string{"redirect_uri": "http://localhost.evil.example/oauth2/callback"}, ""},
		{"user before the host", map[string]string{"redirect_uri": "http://localhost@evil.example/oauth2/callback"}, ""},
		{"query on the redirect URL", map[string]string{"redirect_uri": callback + "?a=b"}, ""},
		{"no redirect URL", map[string]string{"redirect_uri": ""}, ""},
		{"implicit grant", map[string]string{"response_type": "token"}, "unsupported_response_type"},
		{"unknown scope", map[string]string{"scope": "openid"}, "invalid_scope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.ask(tt.over)
			if tt.back == "" {
				if a.want(t, 400).Header.Get("Location") != "" {
					t.Errorf("redirects to %q", a.Header.Get("Location"))
				}
				return
			}
			if got := sentTo(t, a).Get("error"); got != tt.back {
				t.Errorf("error: got %q, want %q", got, tt.back)
			}
		})
	}
}

func TestRegisteredRedirectURLsAreComparedWhole(t *testing.T) {
	registered := "https://app.example/done?x=1"
	s := start(t, Options{Calm: true, RedirectURLs: []string{registered}})
	s.ask(map[string]string{"redirect_uri": registered}).want(t, 200)
	s.ask(map[string]string{"redirect_uri": ""}).want(t, 200) // there is only one
	for _, other := range []string{callback, registered + "2", "https://app.example/done", "HTTPS://app.example/done?x=1"} {
		s.ask(map[string]string{"redirect_uri": other}).want(t, 400)
	}
	a := s.consent(ticketOf(t, s.ask(map[string]string{"redirect_uri": registered})), "allow", nil)
	if got := a.want(t, 302).Header.Get("Location"); !strings.HasPrefix(got, "https://app.example/done?code=") || !strings.Contains(got, "&x=1") {
		t.Errorf("Location: got %q", got)
	}
}

func TestConsentCannotBeForged(t *testing.T) {
	s := start(t, Options{Calm: true})
	s.consent("", "allow", nil).want(t, 400)
	s.consent(strings.Repeat("0", 40), "allow", nil).want(t, 400)
	ticket := ticketOf(t, s.ask(nil))
	s.consent(ticket, "allow", map[string]string{"Sec-Fetch-Site": "cross-site"}).want(t, 400)
	s.consent(ticket, "allow", map[string]string{"Origin": "https://evil.example"}).want(t, 400)
	s.consent(ticket, "allow", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "null"}).want(t, 302)
	s.consent(ticket, "allow", nil).want(t, 400) // once
}

func TestConsentPageExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, Options{Calm: true})
		ticket := ticketOf(t, s.ask(nil))
		time.Sleep(oneTimeLife)
		s.consent(ticket, "allow", nil).want(t, 400)
	})
}

func TestOpenConsentPagesAreLimited(t *testing.T) {
	c := oneTime[consentRequest]{random: newRandom(1, "test")}
	for range 3 * maxOneTime {
		c.put(consentRequest{}, time.Now())
	}
	if got := len(c.waiting); got > maxOneTime {
		t.Errorf("tickets kept: got %d, want at most %d", got, maxOneTime)
	}
}
