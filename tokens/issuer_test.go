package tokens_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// One start with another region, token URL or client id sent both tokens there, and the account stayed
// login-required with the right settings.
func TestTokensStayWithTheirIssuer(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*tokens.Config)
		works  bool // the access token stays in use
		state  string
	}{
		{"another API", func(c *tokens.Config) { c.API = "https://api.elsewhere.example" }, false, "login-required: other-issuer"},
		{"another region", func(c *tokens.Config) {
			c.API, c.Endpoint.URL = "https://api.elsewhere.example", "http://elsewhere.example/oauth2/access_token"
		}, false, "login-required: other-issuer"},
		{"another token endpoint", func(c *tokens.Config) { c.Endpoint.URL = "http://elsewhere.example/oauth2/access_token" }, true, "degraded: other-issuer"},
		{"another client", func(c *tokens.Config) { c.Endpoint.ClientID = "another" }, true, "degraded: other-issuer"},
		{"no client", func(c *tokens.Config) { c.Endpoint.ClientID = "" }, true, "ready"},
		{"the same in another spelling", func(c *tokens.Config) {
			c.API, c.Endpoint.URL = "HTTPS://API.Example:443/", "HTTP://Auth.Example:80/oauth2/access_token/"
		}, true, "ready"},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				w.server.life = 3600
				seed := w.server.pair()
				m := w.manager(seeded(seed.RefreshToken, seed.AccessToken))
				if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
					t.Fatal(err)
				}
				mine := token(t, m)
				_ = closeNow(m)
				before := w.record()

				other := w.manager(seeded(seed.RefreshToken, seed.AccessToken), row.change)
				got, err := other.Token(t.Context(), tokens.DefaultAccount)
				if row.works && (err != nil || !got.Same(mine)) || !row.works && !errors.Is(err, tokens.ErrLoginRequired) {
					t.Errorf("Token = %v, %v", got, err)
				}
				wantState(t, other, row.state)
				if row.state != "ready" {
					s, _ := other.AccountStatus(t.Context(), tokens.DefaultAccount)
					if s.StoredIssuer == "" || s.ConfiguredIssuer == "" || s.StoredIssuer == s.ConfiguredIssuer {
						t.Errorf("the status names %q and %q, want both issuers", s.StoredIssuer, s.ConfiguredIssuer)
					}
					_, err := other.Refresh(t.Context(), tokens.DefaultAccount)
					var cause *tokens.CauseError
					if !errors.Is(err, tokens.ErrLoginRequired) || !errors.As(err, &cause) || cause.Code != problem.OtherIssuer {
						t.Errorf("Refresh = %v, want other-issuer", err)
					}
					time.Sleep(2 * time.Hour) // the access token expires, and still nothing is sent
					if _, err := other.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrLoginRequired) {
						t.Errorf("Token after expiry = %v, want ErrLoginRequired", err)
					}
					w.wantCalls(1, 1, 0)
					if got := w.record(); got.Version != before.Version {
						t.Errorf("the record was changed to %v", got)
					}
				}
				_ = closeNow(other)

				back := w.manager(seeded(seed.RefreshToken, seed.AccessToken))
				if _, err := back.Token(t.Context(), tokens.DefaultAccount); err != nil {
					t.Error("Token with the right settings again:", err)
				}
				wantState(t, back, "ready")
			})
		})
	}
}

func TestForeignRecordEndsWithALoginOrANewSeed(t *testing.T) {
	elsewhere := func(c *tokens.Config) { c.API = "https://api.elsewhere.example" }
	for name, begin := range map[string]func(w *testbed) *tokens.Manager{
		"a login": func(w *testbed) *tokens.Manager { m := w.manager(elsewhere); w.login(m); return m },
		"a new seed": func(w *testbed) *tokens.Manager {
			p := w.server.pair()
			return w.manager(elsewhere, seeded(p.RefreshToken, p.AccessToken))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				_ = closeNow(w.signedIn())
				old := w.record()
				m := begin(w)
				token(t, m)
				wantState(t, m, "ready")
				if got := w.record(); got.Compare(old) <= 0 || !strings.Contains(got.Issuer.API, "elsewhere") {
					t.Errorf("the store holds %v of %+v, want a younger lineage of the new issuer", got, got.Issuer)
				}
			})
		})
	}
}

// A first start with the wrong region must not use up the seed.
func TestASeedRefusedByTheWrongEndpointWorksAtTheRightOne(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		p := w.server.pair()
		w.server.next(answers(400, nil, `{"error":"invalid_grant"}`)) // the wrong endpoint does not know the seed
		wrong := w.manager(seeded(p.RefreshToken, tokens.Secret{}), func(c *tokens.Config) { c.API = "https://api.elsewhere.example" })
		if _, err := wrong.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Fatalf("Token = %v, want ErrLoginRequired", err)
		}
		_ = closeNow(wrong)
		right := w.manager(seeded(p.RefreshToken, tokens.Secret{}))
		token(t, right)
		wantState(t, right, "ready")
	})
}

// status showed "other-issuer" with the detail "the token endpoint refused the refresh token (invalid_grant)".
func TestARefusalIsNoDetailOfAnotherIssuer(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		w.server.next(answers(400, nil, `{"error":"invalid_grant"}`))
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Fatalf("Refresh = %v, want ErrLoginRequired", err)
		}
		_ = closeNow(m)
		other := w.manager(func(c *tokens.Config) { c.API = "https://api.elsewhere.example" })
		s, err := other.AccountStatus(t.Context(), tokens.DefaultAccount)
		if err != nil || s.Cause != problem.OtherIssuer || s.Detail != "" {
			t.Errorf("cause %q with detail %q, %v; want other-issuer without a detail", s.Cause, s.Detail, err)
		}
		for _, text := range []string{s.StoredIssuer, s.ConfiguredIssuer} { // they are parts of longer sentences
			if !strings.Contains(text, " (") || !strings.HasSuffix(text, ")") {
				t.Errorf("issuer %q, want the API, and the rest in brackets", text)
			}
		}
	})
}
