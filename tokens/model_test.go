// Problems that internal/e2e/chaos/model found, repeated with the real code.
package tokens_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// A harmless write of another process (here it notes its seed) must not end the lease of a running owner. It did:
// renew got a conflict and gave up. After a lease, another process sent the refresh token of the request in
// progress.
func TestHarmlessWriteDoesNotEndALease(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		a := w.signedIn(func(c *tokens.Config) { c.Probe = nil })
		b := w.manager(func(c *tokens.Config) { c.Probe = nil; c.RefreshTimeout = 5 * time.Minute })
		old := token(t, a)
		w.server.kill(old)
		w.server.next(takes(100 * time.Second))
		go func() { _, _ = a.Renew(t.Context(), tokens.DefaultAccount, refused(old)) }()
		time.Sleep(5 * time.Second)
		w.manager(func(c *tokens.Config) {
			c.Accounts = map[string]tokens.AccountConfig{tokens.DefaultAccount: {RefreshToken: tokens.NewSecret("an old seed")}}
		})
		if tok, err := b.Renew(t.Context(), tokens.DefaultAccount, refused(old)); err != nil || tok.Same(old) {
			t.Errorf("Renew of the waiter = %v, %v", tok, err)
		}
		time.Sleep(5 * time.Minute)
		w.wantCalls(1, 1, 0)
		if n := w.count(tokens.EventTakeover); n != 0 {
			t.Errorf("%d takeovers from a living owner", n)
		}
	})
}

// The same after a renewal that was written, although the store returned an error.
func TestRenewalThatWasWrittenDespiteAnErrorDoesNotEndALease(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		a := w.signedIn(func(c *tokens.Config) { c.Probe = nil })
		b := w.manager(func(c *tokens.Config) { c.Probe = nil; c.RefreshTimeout = 5 * time.Minute })
		old := token(t, a)
		w.server.kill(old)
		w.server.next(takes(100 * time.Second))
		go func() { _, _ = a.Renew(t.Context(), tokens.DefaultAccount, refused(old)) }()
		time.Sleep(5 * time.Second)
		torn := false
		w.store.mu.Lock()
		w.store.onSave = func(rec tokens.Record) error {
			if torn || rec.Pending == nil {
				return nil
			}
			torn = true
			_, _ = w.store.Memory.Save(t.Context(), tokens.DefaultAccount, rec)
			return errors.New("the connection broke after the write")
		}
		w.store.mu.Unlock()
		if tok, err := b.Renew(t.Context(), tokens.DefaultAccount, refused(old)); err != nil || tok.Same(old) {
			t.Errorf("Renew of the waiter = %v, %v", tok, err)
		}
		time.Sleep(5 * time.Minute)
		w.wantCalls(1, 1, 0)
	})
}

// An owner was paused for longer than its lease. Another process took over, lost its answer and released. The first
// owner must not remove what the other has left in the record: unconfirmed_since, and the mark of a rejection.
func TestReleaseKeepsWhatAnotherOwnerLeft(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.Probe = nil })
		lost := time.Now().Add(-time.Second).UTC()
		w.server.next(func(s *authServer, rw http.ResponseWriter, r *http.Request) bool {
			w.put(func(rec *tokens.Record) { // taken over, lost, released, tried again, refused
				rec.Pending = nil
				rec.UnconfirmedSince = lost
				rec.Rejected = &tokens.Rejected{Generation: rec.Generation, At: lost, Cause: problem.LostInTransit, Code: "invalid_grant"}
			})
			return answers(403, nil, `{"error": "slow_down"}`)(s, rw, r)
		})
		_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		synctest.Wait()
		rec := w.record()
		if !rec.UnconfirmedSince.Equal(lost) {
			t.Errorf("unconfirmed_since = %v, want %v", rec.UnconfirmedSince, lost)
		}
		if !rec.IsRejected() {
			t.Error("the mark of the rejection is gone")
		}
	})
}

// A login whose save failed is kept in memory. It must not be lost if another process has refreshed the old pair
// in the meantime.
func TestLoginKeptInMemoryWinsOverARefreshElsewhere(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		a := w.signedIn()
		w.store.fail(errors.New("the store is away"), errors.New("the store is away"))
		login := w.server.pair()
		if _, err := a.Login(t.Context(), tokens.DefaultAccount, login); err == nil {
			t.Fatal("Login said nothing of the failed save")
		}
		w.put(func(rec *tokens.Record) { // another process, which reaches the store, refreshes the old pair
			p := w.server.pair()
			rec.Generation++
			rec.AccessToken, rec.RefreshToken = p.AccessToken, p.RefreshToken
			rec.ObtainedAt = time.Now().UTC()
			rec.ProvenAt = rec.ObtainedAt
		})
		w.store.fail(nil, nil)
		time.Sleep(time.Minute)
		if got := w.record(); !got.RefreshToken.Equal(login.RefreshToken) {
			t.Errorf("the store holds %v, which is not the login's pair", got)
		}
		if got := token(t, a); !got.Access.Equal(login.AccessToken) {
			t.Errorf("the process that signed in uses %v, not the login's token", got)
		}
	})
}

// During the hold of a generation, another process stores a newer one. The store must be checked before the hold:
// otherwise clients got 401 until the next re-read, for up to 29 s.
func TestHeldGenerationStillAdoptsWhatAnotherProcessStored(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		renewed, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if err != nil {
			t.Fatal(err)
		}
		w.server.kill(renewed) // refused right after the refresh
		if err := m.RefusedAgain(tokens.DefaultAccount, refused(renewed)); !errors.Is(err, tokens.ErrRefreshDidNotHelp) {
			t.Fatalf("RefusedAgain = %v, want the hold", err)
		}
		other := w.manager()
		if _, err := other.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		got, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(token(t, m)))
		if err != nil || got.Generation != 3 {
			t.Errorf("Renew = %v, %v, want the pair that the other process stored", got, err)
		}
	})
}
