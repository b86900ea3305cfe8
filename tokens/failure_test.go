package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// Each row has the answers of the token endpoint to the attempts of the first flight, for an account whose access
// token is known to be invalid.
func TestFailedRefresh(t *testing.T) {
	type script = func(*authServer, http.ResponseWriter, *http.Request) bool
	times := func(n int, s script) (all []script) {
		for range n {
			all = append(all, s)
		}
		return all
	}
	html := http.Header{"Content-Type": {"text/html"}}
	for _, row := range []struct {
		name        string
		script      []script
		want        error
		state       string
		calls       int
		unconfirmed bool
	}{
		{"5xx three times", times(3, answers(503, html, "<h1>down</h1>")), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 3, true},
		{"5xx once", times(1, answers(502, html, "")), nil, "ready", 2, false},
		{"429 with a short Retry-After", times(1, answers(429, http.Header{"Retry-After": {"3"}}, "")), nil, "ready", 2, false},
		{"429 with a long Retry-After", times(1, answers(429, http.Header{"Retry-After": {"40"}}, "")), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, false},
		{"429 without Retry-After", times(1, answers(429, nil, "")), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, false},
		{"403 in HTML", times(1, answers(403, html, "<title>Access denied</title>")), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, false},
		{"a redirect", times(1, answers(307, http.Header{"Location": {"http://evil.example/"}}, "")), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, true},
		{"invalid_request", times(1, answers(400, nil, `{"error":"invalid_request"}`)), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, false},
		{"invalid_client", times(1, answers(400, nil, `{"error":"invalid_client"}`)), tokens.ErrClientRefused, "unavailable: client-refused", 1, false},
		{"401 without a word", times(1, answers(401, nil, "")), tokens.ErrClientRefused, "unavailable: client-refused", 1, false},
		{"invalid_grant", times(1, answers(400, nil, `{"error":"invalid_grant"}`)), tokens.ErrLoginRequired, "login-required: revoked-or-spent", 1, false},
		{"empty 200", times(1, answers(200, nil, "")), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, true},
		{"HTML 200", times(1, answers(200, html, "<html>")), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, true},
		{"200 with invalid_grant", times(1, answers(200, nil, `{"error":"invalid_grant"}`)), tokens.ErrLoginRequired, "login-required: revoked-or-spent", 1, false},
		{"200 with bad_refresh_token", times(1, answers(200, nil, `{"error":"bad_refresh_token"}`)), tokens.ErrLoginRequired, "login-required: revoked-or-spent", 1, false},
		{"200 with another error", times(1, answers(200, nil, `{"error":"server_error"}`)), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, true},
		{"400 bad_refresh_token", times(1, answers(400, nil, `{"error":"bad_refresh_token"}`)), tokens.ErrLoginRequired, "login-required: revoked-or-spent", 1, false},
		{"400 token_revoked", times(1, answers(400, nil, `{"error":"token_revoked"}`)), tokens.ErrLoginRequired, "login-required: revoked-or-spent", 1, false},
		{"a pair cut between its tokens", times(1, answers(200, nil, `{"access_token":"a",`)), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, true},
		{"503 with a long Retry-After", times(1, answers(503, http.Header{"Retry-After": {"40"}}, "")), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, true},
		{"a cut connection", times(1, cuts), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, true},
		{"silence", times(1, silent), tokens.ErrRefreshUnavailable, "unavailable: refresh-failing", 1, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				m := w.signedIn(func(c *tokens.Config) { c.RefreshTimeout = 3 * time.Minute; c.RefreshBefore = 0 })
				old := token(t, m)
				w.server.kill(old)
				w.server.next(row.script...)
				_, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
				if !errors.Is(err, row.want) {
					t.Errorf("Renew = %v, want %v", err, row.want)
				}
				if calls, _, _ := w.server.counts(); calls != row.calls {
					t.Errorf("%d calls, want %d", calls, row.calls)
				}
				wantState(t, m, row.state)
				rec := w.record()
				if rec.Pending != nil {
					t.Error("the marker still stands")
				}
				if got := !rec.UnconfirmedSince.IsZero(); got != row.unconfirmed {
					t.Errorf("unconfirmed = %v, want %v", got, row.unconfirmed)
				}
				if rec.AccessToken.IsZero() || rec.RefreshToken.IsZero() {
					t.Error("a failure blanked a token")
				}
			})
		})
	}
}

func TestUnreachableEndpointIsTriedThreeTimesAndLeavesNoDoubt(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		w.setDown(true)
		_, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		var u *tokens.UnavailableError
		if !errors.Is(err, tokens.ErrRefreshUnavailable) || !errors.As(err, &u) || u.RetryAfter <= 0 {
			t.Errorf("Renew = %v, want ErrRefreshUnavailable with a time", err)
		}
		if !w.record().UnconfirmedSince.IsZero() {
			t.Error("nothing was sent, so there is nothing to doubt")
		}
		for range 1000 { // fails fast
			if _, err := m.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrRefreshUnavailable) {
				t.Fatal(err)
			}
		}
		w.setDown(false)
		time.Sleep(time.Minute)
		token(t, m)
		w.wantCalls(1, 1, 0)
		wantState(t, m, "ready")
	})
}

func TestAFailingRefreshIsNotRepeatedTooOften(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		w.server.mu.Lock()
		for range 1000 {
			w.server.script = append(w.server.script, answers(403, nil, ""))
		}
		w.server.mu.Unlock()
		_, _ = m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		for begin := time.Now(); time.Since(begin) < 10*time.Minute; time.Sleep(100 * time.Millisecond) {
			_, _ = m.Token(t.Context(), tokens.DefaultAccount)
		}
		if calls, _, _ := w.server.counts(); calls > 20 {
			t.Errorf("%d calls in ten minutes of 10 requests a second", calls)
		}
	})
}

func TestAFailingRefreshKeepsAWorkingToken(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.server.life = 3600
		m := w.signedIn()
		tok := token(t, m)
		w.setDown(true)
		for begin := time.Now(); time.Since(begin) < time.Hour; time.Sleep(time.Minute) {
			if got := token(t, m); !got.Same(tok) {
				t.Fatal("another token came from nowhere")
			}
		}
		wantState(t, m, "degraded: refresh-failing")
		time.Sleep(30 * time.Second) // past its expiry, within the minute
		token(t, m)
		time.Sleep(time.Minute)
		if _, err := m.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrRefreshUnavailable) {
			t.Errorf("Token of a dead token = %v, want ErrRefreshUnavailable", err)
		}
		wantState(t, m, "unavailable: refresh-failing")
		w.setDown(false)
		time.Sleep(61 * time.Second) // recovers without a request
		wantState(t, m, "ready")
		w.wantCalls(1, 1, 0)
	})
}

func TestClientWithoutSecretIsRefusedAndRecovers(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.Endpoint.ClientSecret = tokens.NewSecret("wrong") })
		old := token(t, m)
		w.server.kill(old)
		_, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if !errors.Is(err, tokens.ErrClientRefused) {
			t.Errorf("Renew = %v, want ErrClientRefused", err)
		}
		if w.record().IsRejected() {
			t.Error("the generation was marked although its refresh token was never judged")
		}
		right := w.manager()
		if tok, err := right.Renew(t.Context(), tokens.DefaultAccount, refused(old)); err != nil || tok.Same(old) {
			t.Errorf("Renew with the right secret = %v, %v", tok, err)
		}
	})
}

func TestErrorsShowNoSecret(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		echo := func(s *authServer, rw http.ResponseWriter, r *http.Request) bool {
			return answers(500, nil, "debug: "+r.PostForm.Encode())(s, rw, r)
		}
		w.server.next(echo, echo, echo)
		_, err := m.Renew(context.Background(), tokens.DefaultAccount, refused(old))
		rec := w.record()
		for _, secret := range []string{rec.RefreshToken.Reveal(), rec.AccessToken.Reveal(), "secret"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows a secret: %v", err)
			}
			for _, e := range w.events {
				if strings.Contains(e.Detail, secret) || strings.Contains(e.Status.Detail, secret) {
					t.Errorf("event %s shows a secret", e.Kind)
				}
			}
		}
	})
}

// If a server's refusal contains the token, the refusal is understood, and its text is not repeated.
func TestRefusalThatNamesTheTokenIsNotRepeated(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		name := func(s *authServer, rw http.ResponseWriter, r *http.Request) bool {
			told := strings.Repeat(".", 150) + r.PostForm.Encode()
			return answers(400, nil, `{"error":"invalid_grant","error_description":"`+told+`"}`)(s, rw, r)
		}
		w.server.next(name)
		_, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("Renew = %v, want ErrLoginRequired", err)
		}
		for _, e := range w.events {
			for _, text := range []string{e.Detail, e.Status.Detail, fmt.Sprint(e.Err)} {
				if strings.Contains(text, "secret") || strings.Contains(text, "refresh_token=") {
					t.Errorf("event %s repeats the request: %s", e.Kind, text)
				}
			}
		}
	})
}

func TestWithoutAClientIDNothingIsSent(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.Endpoint.ClientID = "" })
		old := token(t, m)
		w.server.kill(old)
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old)); !errors.Is(err, tokens.ErrClientNotConfigured) {
			t.Errorf("Renew = %v, want ErrClientNotConfigured", err)
		}
		wantState(t, m, "unavailable: client-not-configured")
		w.wantCalls(0, 0, 0)
	})
}

// After a save conflict and a failed load, a record without a generation replaced the rejected record in memory. Until
// the store answered again, nobody remembered that the account was signed in, and the spent seed of the
// configuration was sent to the API.
func TestRejectedRecordSurvivesAConflictAndAFailedLoad(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		seed := w.server.pair()
		m := w.manager(seeded(seed.RefreshToken, seed.AccessToken))
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		old := token(t, m)
		w.server.revoke()
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old)); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Fatalf("Renew = %v, want ErrLoginRequired", err)
		}
		before := w.record()
		w.put(func(rec *tokens.Record) { rec.Issuer.TokenURL = "" }) // so that the record is completed and saved

		away := errors.New("the store is away")
		w.store.setOnSave(func(tokens.Record) error {
			w.store.fail(away, nil)
			return tokens.ErrConflict
		})
		time.Sleep(time.Minute) // the record is read again
		if tok, err := m.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrStoreUnavailable) {
			t.Errorf("Token = %v, %v, want ErrStoreUnavailable", tok, err)
		}
		if s, err := m.AccountStatus(t.Context(), tokens.DefaultAccount); err != nil || s.Generation != before.Generation {
			t.Errorf("in memory is generation %d, want %d (%v)", s.Generation, before.Generation, err)
		}

		w.store.fail(nil, nil)
		w.store.setOnSave(nil)
		time.Sleep(time.Minute)
		wantState(t, m, "login-required: revoked-or-spent")
		if got := w.record(); got.Issuer != before.Issuer || !got.IsRejected() {
			t.Errorf("the store holds issuer %v, rejected %v; want the issuer completed and the generation rejected", got.Issuer, got.IsRejected())
		}
	})
}
