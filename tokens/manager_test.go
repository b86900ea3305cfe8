package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pandadoc-auth-proxy/tokens"
)

func TestUsableTokenNeedsNoNetwork(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		w.setDown(true)
		w.store.fail(errors.New("store down"), errors.New("store down"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.Token(ctx, tokens.DefaultAccount); err != nil {
			t.Error("Token:", err)
		}
		w.wantCalls(0, 0, 0)
	})
}

func TestExpiredTokenIsRefreshedOnceForAll(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.server.life = 3600
		m := w.signedIn(func(c *tokens.Config) { c.RefreshBefore = 0 })
		old := token(t, m)
		time.Sleep(time.Hour + time.Second)
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				tok, err := m.Token(t.Context(), tokens.DefaultAccount)
				if err != nil || tok.Same(old) || tok.Generation != old.Generation+1 {
					t.Errorf("Token = %v, %v; want generation %d", tok, err, old.Generation+1)
				}
			})
		}
		wg.Wait()
		w.wantCalls(1, 1, 0)
		wantState(t, m, "ready")
	})
}

func TestStaggeredRefusalsRefreshOnce(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		w.server.next(takes(time.Second))
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 50 * time.Millisecond)
				tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
				if err != nil || tok.Same(old) {
					t.Errorf("Renew = %v, %v; want another token", tok, err)
				}
			})
		}
		wg.Wait()
		w.wantCalls(1, 1, 0)
	})
}

func TestNewPairIsSavedBeforeItIsUsed(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		// While the pair is being saved, nobody may see it.
		w.store.onSave = func(rec tokens.Record) error {
			if rec.Generation == old.Generation+1 {
				if tok, err := m.Token(canceled(), tokens.DefaultAccount); err == nil && !tok.Same(old) {
					t.Error("the new token is in use before it is saved")
				}
			}
			return nil
		}
		tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if err != nil {
			t.Fatal(err)
		}
		rec := w.record()
		if !rec.AccessToken.Equal(tok.Access) || rec.Generation != old.Generation+1 || rec.Pending != nil || !rec.UnconfirmedSince.IsZero() {
			t.Errorf("stored %v pending=%v, want the new pair and no marker", rec, rec.Pending)
		}
		if rec.Previous == nil || rec.Previous.Generation != old.Generation || rec.ProvenAt.IsZero() {
			t.Errorf("previous = %+v, proven at %s; want both noted", rec.Previous, rec.ProvenAt)
		}
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestTheMarkerIsSavedBeforeTheTokenCall(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		w.server.next(func(*authServer, http.ResponseWriter, *http.Request) bool {
			if rec := w.record(); rec.Pending == nil || rec.Generation != 1 {
				t.Errorf("the token endpoint is called with %v, pending %v; want our marker on generation 1", rec, rec.Pending)
			}
			return false
		})
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Error(err)
		}
		w.wantCalls(1, 1, 0)
	})
}

func TestNoMarkerNoRefresh(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		w.store.fail(nil, errors.New("read-only file system"))
		_, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if !errors.Is(err, tokens.ErrStoreUnavailable) {
			t.Errorf("Renew = %v, want ErrStoreUnavailable", err)
		}
		w.wantCalls(0, 0, 0)
		wantState(t, m, "unavailable: store-unavailable")
	})
}

func TestAWaiterCanLeaveAndTheRefreshContinues(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		w.server.next(takes(10 * time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.Renew(ctx, tokens.DefaultAccount, refused(old)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Renew of the one that left = %v", err)
		}
		if tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old)); err != nil || tok.Same(old) {
			t.Errorf("Renew of the one that stayed = %v, %v", tok, err)
		}
		w.wantCalls(1, 1, 0)
	})
}

func TestALateAnswerIsUsed(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		w.server.next(takes(119 * time.Second))
		begin := time.Now()
		_, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if !errors.Is(err, tokens.ErrRefreshUnavailable) {
			t.Errorf("Renew = %v, want ErrRefreshUnavailable", err)
		}
		if waited := time.Since(begin); waited != 20*time.Second {
			t.Errorf("waited %s, want the refresh time-out", waited)
		}
		time.Sleep(100 * time.Second)
		if tok := token(t, m); tok.Same(old) {
			t.Error("the late pair was lost")
		}
		w.wantCalls(1, 1, 0)
	})
}

func TestNoTakeoverWhileALeaseIsRenewed(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		other := w.manager()
		old := token(t, m)
		w.server.kill(old)
		w.server.next(takes(110 * time.Second)) // nearly four leases
		go m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		synctest.Wait()
		for range 6 {
			_, _ = other.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		}
		if tok := token(t, other); tok.Same(old) {
			t.Error("the other process did not adopt the new pair")
		}
		w.wantCalls(1, 1, 0)
		if n := w.count(tokens.EventTakeover); n != 0 {
			t.Errorf("%d takeovers from a living owner", n)
		}
	})
}

func TestManyProcessesRotateInTurn(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.signedIn()
		var all []*tokens.Manager
		for range 20 {
			all = append(all, w.manager())
		}
		for range 10 {
			old := token(t, all[0])
			w.server.kill(old)
			var wg sync.WaitGroup
			for _, m := range all {
				wg.Go(func() {
					tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
					if err != nil || tok.Same(old) {
						t.Errorf("Renew = %v, %v", tok, err)
					}
					m.Accepted(tokens.DefaultAccount, tok)
				})
			}
			wg.Wait()
		}
		w.wantCalls(10, 10, 0)
	})
}

func TestAnUnknownAccountHasItsOwnError(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.manager(func(c *tokens.Config) {
			c.Accounts = map[string]tokens.AccountConfig{"key": {APIKey: tokens.NewSecret("k")}}
		})
		for _, row := range []struct {
			account string
			want    error
		}{
			{"default", tokens.ErrLoginRequired},
			{"nobody", tokens.ErrUnknownAccount},
			{"No-Body", tokens.ErrUnknownAccount},
			{"", tokens.ErrUnknownAccount},
			{"key", nil},
		} {
			if _, err := m.Token(t.Context(), row.account); !errors.Is(err, row.want) {
				t.Errorf("Token(%q) = %v, want %v", row.account, err, row.want)
			}
		}
		tok, _ := m.Token(t.Context(), "key")
		for _, e := range w.events {
			if e.Account == "nobody" {
				t.Errorf("event %q about an account that does not exist", e.Kind)
			}
		}
		if got := tok.Authorization(); got != "API-Key k" {
			t.Errorf("Authorization = %q", got)
		}
		if _, err := m.Renew(t.Context(), "key", refused(tok)); !errors.Is(err, tokens.ErrAPIKey) {
			t.Errorf("Renew of an API key = %v", err)
		}
		var names []string
		for _, s := range m.Status() {
			names = append(names, s.Account+" "+string(s.State))
		}
		if len(names) != 2 || names[0] != "default login-required" || names[1] != "key ready" {
			t.Errorf("Status = %q", names)
		}
		w.wantCalls(0, 0, 0)
	})
}

func TestLeastRecentlyUsedAccountLeaves(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.manager(func(c *tokens.Config) { c.MaxAccounts = 3 })
		names := []string{"a", "b", "c", "d", "e"}
		for _, n := range names {
			if _, err := m.Login(t.Context(), n, w.server.pair()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if got := len(m.Status()); got != 5 {
			t.Errorf("the status shows %d accounts, want all 5", got)
		}
		loads := w.store.loads
		for _, n := range []string{"e", "d", "c"} { // in memory
			if _, err := m.Token(t.Context(), n); err != nil {
				t.Errorf("Token(%q) = %v", n, err)
			}
		}
		if w.store.loads != loads {
			t.Errorf("%d reads of the store for the accounts that were used last, want none", w.store.loads-loads)
		}
		for _, n := range names { // none was lost
			if _, err := m.Token(t.Context(), n); err != nil {
				t.Errorf("Token(%q) = %v", n, err)
			}
		}
		if w.store.loads == loads {
			t.Error("more accounts are in memory than were allowed")
		}
		w.wantCalls(0, 0, 0)
	})
}

func TestUnsavedRotationIsNeverEvicted(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.MaxAccounts = 2 })
		w.failSaveOfPairs(errors.New("disk full"))
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		tok := token(t, m)
		for _, n := range []string{"a", "b", "c", "d", "e"} {
			_, _ = m.Token(t.Context(), n)
		}
		if got := token(t, m); !got.Same(tok) {
			t.Errorf("Token = %v, want the unsaved %v", got, tok)
		}
		wantState(t, m, "degraded: unsaved-rotation")
		w.store.setOnSave(nil)
	})
}

// failSaveOfPairs makes saves of pairs fail. Markers can be saved.
func (w *testbed) failSaveOfPairs(err error) {
	w.store.setOnSave(func(rec tokens.Record) error {
		if rec.Pending == nil {
			return err
		}
		return nil
	})
}

func (s *faultyStore) setOnSave(f func(tokens.Record) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onSave = f
}

// Making room takes the lock of the cache before that of an account. Starting a flight takes them in the other
// order.
func TestAFullMemoryDoesNotDeadlock(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.manager(func(c *tokens.Config) { c.MaxAccounts = 2; c.RefreshTimeout = time.Hour })
		var wg sync.WaitGroup
		for i := range 30 {
			name := fmt.Sprintf("a%d", i)
			if _, err := m.Login(t.Context(), name, w.server.pair()); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for range 50 {
					if _, err := m.Token(t.Context(), name); err != nil {
						t.Errorf("Token(%q) = %v", name, err)
					}
				}
				_, _ = m.Refresh(t.Context(), name)
			})
		}
		wg.Wait()
		if got := len(m.Status()); got != 30 {
			t.Errorf("the status shows %d accounts, want 30", got)
		}
	})
}
