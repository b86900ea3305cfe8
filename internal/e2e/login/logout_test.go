package login

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
)

func TestLogoutThroughTheProxyTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve(s.seed())
	p.Want(documents, 200)
	s.begin("logout").want(0, "account default is logged out")
	wantCode(t, p, 502, "login-required")
}

// seed is the refresh token that the emulator prints at its start.
func (s *site) seed() string { return "PANDADOC_REFRESH_TOKEN=" + s.emulator.Info["refresh_token"] }

// newSeed signs in to the emulator like another program, and returns the refresh token.
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
