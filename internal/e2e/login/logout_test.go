package login

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

func TestLogoutThroughTheProxyTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve(s.seed())
	p.Want(documents, 200)
	s.begin("logout").want(0, "account default is logged out")
	wantCode(t, p, 502, "login-required")
}

// A command that cannot reach the proxy writes to the store. The proxy looks there every 30 s.
func TestLogoutInTheStoreTakesEffectWithin30s(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve(s.seed())
	p.Want(documents, 200)
	at := time.Now()
	s.begin("logout", "--admin-listen", "none").want(0, "account default is logged out")
	took := s.awaitLogout(p, at)
	t.Logf("requests failed %s after the logout", took.Round(time.Millisecond))
	if took > 30*time.Second+500*time.Millisecond { // what a poll and a busy machine add
		t.Errorf("it took %s, want at most 30 s", took)
	}
	s.wantNoResurrection(p)
}

// awaitLogout sends requests until one fails with login-required, and returns how long that took.
func (s *site) awaitLogout(p *program.Process, since time.Time) time.Duration {
	s.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		status, body := p.Get(documents)
		took := time.Since(since)
		switch {
		case status == http.StatusBadGateway && codeOf(body) == "login-required":
			return took
		case status != http.StatusOK || took > 2*waitLimit:
			s.Fatalf("after %s: %d %s", took, status, body)
		}
	}
	return 0
}

// wantNoResurrection tries what might bring an account back, then what must.
func (s *site) wantNoResurrection(p *program.Process) {
	s.Helper()
	refreshes, _ := s.emulator.TokenCalls()
	s.emulator.Expire()
	wantCode(s.T, p, 502, "login-required")
	s.begin("refresh").want(3, "error: account default was logged out")
	p.Kill()
	p = s.serve(s.seed()) // the seed of before, which the tombstone remembers
	wantCode(s.T, p, 502, "login-required")
	s.begin("status").want(3, "account default: login-required (logged-out)")
	if now, invalid := s.emulator.TokenCalls(); now != refreshes || invalid != 0 {
		s.Errorf("got %d refreshes and %d invalid_grant since the logout, want none", now-refreshes, invalid)
	}
	s.login(newPlain(s.T))
	p.Want(documents, 200)

	s.begin("logout").want(0, "account default is logged out")
	p.Kill()
	s.serve("PANDADOC_REFRESH_TOKEN="+s.newSeed()).Want(documents, 200)
}

// seed is the refresh token that the emulator hands out at its start.
func (s *site) seed() string { return "PANDADOC_REFRESH_TOKEN=" + s.emulator.Info["refresh_token"] }

// newSeed signs in at the emulator as another program would, and returns the refresh token.
func (s *site) newSeed() string {
	s.Helper()
	info := s.emulator.Info
	back := newPlain(s.T).answer(info["authorize_url"]+"?"+url.Values{
		"response_type": {"code"}, "client_id": {info["client_id"]}, "redirect_uri": {"http://localhost:1/oauth2/callback"},
	}.Encode(), "allow")
	resp, err := http.PostForm(info["token_url"], url.Values{
		"grant_type": {"authorization_code"}, "code": {queryOf(s.T, back).Get("code")},
		"client_id": {info["client_id"]}, "client_secret": {info["client_secret"]},
	})
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	var pair struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&pair); err != nil || pair.RefreshToken == "" {
		s.Fatalf("no pair: %d %v", resp.StatusCode, err)
	}
	return pair.RefreshToken
}
