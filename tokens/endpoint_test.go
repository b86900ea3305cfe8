package tokens_test

import (
	"net/http"
	"strings"
	"testing"

	"pandadoc-auth-proxy/tokens"
)

func TestEveryTokenCallHasAConnectionOfItsOwn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		for range 3 {
			if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
				t.Fatal(err)
			}
		}
		if w.dials != 3 {
			t.Errorf("%d connections for 3 calls", w.dials)
		}
	})
}

func TestRefreshTokenStaysIfTheAnswerHasNone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		before := w.record().RefreshToken
		w.server.next(answers(200, nil, `{"access_token":"lonely"}`))
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		if rec := w.record(); rec.AccessToken.Reveal() != "lonely" || !rec.RefreshToken.Equal(before) {
			t.Error("the refresh token did not stay")
		}
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Error("the kept refresh token:", err)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTokenRequest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var seen *http.Request
		m := w.signedIn(func(c *tokens.Config) {
			inner := c.Endpoint.Transport
			c.Endpoint.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				seen = r
				return inner.RoundTrip(r)
			})
		})
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		if seen.GetBody != nil {
			t.Error("a transport could send the request twice")
		}
		if seen.Header.Get("Authorization") != "" || strings.Contains(seen.URL.String(), "secret") {
			t.Error("the credentials belong into the body alone")
		}
	})
}

func TestExchange(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.manager()
		w.server.codes["code"] = true
		p, err := m.Exchange(t.Context(), "code", "http://localhost:8081/oauth2/callback")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Login(t.Context(), tokens.DefaultAccount, p); err != nil {
			t.Fatal(err)
		}
		token(t, m)
		if _, err := m.Exchange(t.Context(), "code", "http://localhost:8081/oauth2/callback"); err == nil {
			t.Error("a code was traded twice")
		}
	})
}
