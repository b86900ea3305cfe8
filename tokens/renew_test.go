package tokens_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pandadoc-auth-proxy/tokens"
)

func TestRefusalOfAFormerTokenCostsNothing(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.login(m)
		tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if err != nil || tok.Same(old) {
			t.Errorf("Renew = %v, %v; want the newer token", tok, err)
		}
		w.wantCalls(0, 0, 0)
	})
}

func TestRefusalAdoptsWhatAnotherProcessStored(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		other := w.manager()
		if _, err := other.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if err != nil || !tok.Same(token(t, other)) {
			t.Errorf("Renew = %v, %v; want the other's token", tok, err)
		}
		w.wantCalls(1, 1, 0)
		if w.count(tokens.EventAdopted) == 0 {
			t.Error("the adoption was not told")
		}
	})
}

func TestGoodTokenIsNotRefreshed(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		var probes atomic.Int32
		m := w.signedIn(func(c *tokens.Config) {
			c.Probe = func(ctx context.Context, tok tokens.Token) bool {
				probes.Add(1)
				time.Sleep(time.Second)
				return w.server.accepts(ctx, tok)
			}
		})
		tok := token(t, m)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(tok)); !errors.Is(err, tokens.ErrTokenGood) {
					t.Errorf("Renew = %v, want ErrTokenGood", err)
				}
			})
		}
		wg.Wait()
		if n := probes.Load(); n != 1 {
			t.Errorf("%d probes for 20 concurrent refusals, want 1", n)
		}
		time.Sleep(4 * time.Second)
		_, _ = m.Renew(t.Context(), tokens.DefaultAccount, refused(tok))
		if n := probes.Load(); n != 1 {
			t.Errorf("%d probes within 5 s, want 1", n)
		}
		time.Sleep(2 * time.Second)
		_, _ = m.Renew(t.Context(), tokens.DefaultAccount, refused(tok))
		if n := probes.Load(); n != 2 {
			t.Errorf("%d probes after 5 s, want 2", n)
		}
		w.wantCalls(0, 0, 0)
		wantState(t, m, "ready")
	})
}

// always401 is a route that answers 401 to every token, with the probe turned off: the request is replayed once with
// the token that Renew returns, and is refused again.
func always401(t *testing.T, m *tokens.Manager) error {
	t.Helper()
	second, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(token(t, m)))
	if err != nil {
		return err
	}
	return m.RefusedAgain(tokens.DefaultAccount, refused(second))
}

func TestRefreshThatDidNotHelpIsHeldBack(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.Probe = nil })
		// A client calls the refused route every 5 s. Refreshes follow each other after 30 s, 60 s … 10 min.
		var refreshedAt []time.Duration
		begin := time.Now()
		for calls := 0; time.Since(begin) < 45*time.Minute; time.Sleep(5 * time.Second) {
			if err := always401(t, m); !errors.Is(err, tokens.ErrRefreshDidNotHelp) {
				t.Fatalf("after %s: Renew = %v, want ErrRefreshDidNotHelp", time.Since(begin), err)
			}
			if c, _, _ := w.server.counts(); c > calls {
				calls = c
				refreshedAt = append(refreshedAt, time.Since(begin))
			}
		}
		for i, want := range []time.Duration{30, 60, 120, 240, 480, 600, 600} {
			if got := refreshedAt[i+1] - refreshedAt[i]; got != want*time.Second {
				t.Errorf("pause %d = %s, want %ds", i, got, want)
			}
		}
		// A new generation ends the hold.
		w.login(m)
		if err := always401(t, m); !errors.Is(err, tokens.ErrRefreshDidNotHelp) {
			t.Error(err)
		}
		if c, _, _ := w.server.counts(); c != len(refreshedAt)+1 {
			t.Errorf("%d refreshes after the login, want one more than %d", c, len(refreshedAt))
		}
	})
}

func TestSuccessElsewhereDoesNotEndAHold(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.Probe = nil })
		_ = always401(t, m)
		for range 10 {
			m.Accepted(tokens.DefaultAccount, token(t, m)) // used with success on other routes
			_ = always401(t, m)
		}
		w.wantCalls(1, 1, 0)
	})
}

func TestTokenRevokedLongAfterARefreshIsRefreshedAtOnce(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		first := token(t, m)
		w.server.kill(first)
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(first)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		second := token(t, m)
		w.server.kill(second)
		if tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(second)); err != nil || tok.Same(second) {
			t.Errorf("Renew = %v, %v; want a new token", tok, err)
		}
		w.wantCalls(2, 2, 0)
	})
}

func TestRefusedTokenIsNotHandedOutAgain(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.revoke()
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old)); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("Renew = %v, want ErrLoginRequired", err)
		}
		for range 1000 {
			if _, err := m.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrLoginRequired) {
				t.Fatalf("Token = %v, want ErrLoginRequired", err)
			}
		}
		time.Sleep(time.Hour)
		if _, err := m.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("Token after an hour = %v", err)
		}
		w.wantCalls(1, 0, 1)
		wantState(t, m, "login-required: revoked-or-spent")
		if rec := w.record(); rec.RefreshToken.IsZero() || !rec.IsRejected() {
			t.Error("the refused pair must stay in the record, marked rejected")
		}
		w.login(m)
		wantState(t, m, "ready")
		token(t, m)
		if w.record().Rejected != nil {
			t.Error("the mark of the old generation is still there")
		}
	})
}

func TestRejectedGenerationIsLookedForOnceASecond(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.revoke()
		_, _ = m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		other := w.manager() // signs in elsewhere
		w.login(other)
		time.Sleep(time.Second)
		token(t, m)
	})
}

func TestInvalidGrantAfterAnotherProcessRefreshedIsNoFailure(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		// During our call, a program without our protocol uses the token and stores its pair.
		w.server.next(func(s *authServer, _ http.ResponseWriter, _ *http.Request) bool {
			p := s.pair()
			s.mu.Lock()
			for refresh := range s.live {
				if refresh != p.RefreshToken.Reveal() {
					delete(s.live, refresh)
				}
			}
			s.mu.Unlock()
			w.put(func(rec *tokens.Record) {
				rec.Generation++
				rec.AccessToken, rec.RefreshToken, rec.Pending = p.AccessToken, p.RefreshToken, nil
			})
			return false
		})
		tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if err != nil || tok.Generation != 2 {
			t.Errorf("Renew = %v, %v; want generation 2", tok, err)
		}
		wantState(t, m, "ready")
		synctest.Wait()
	})
}
