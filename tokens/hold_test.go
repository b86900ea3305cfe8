package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// refusedRequest is one request through the proxy; the API answers 401 to each attempt.
func refusedRequest(t *testing.T, m *tokens.Manager, account string) {
	t.Helper()
	tok, err := m.Token(t.Context(), account)
	if err != nil {
		return
	}
	second, err := m.Renew(t.Context(), account, refused(tok))
	if err != nil {
		return
	}
	_ = m.RefusedAgain(account, refused(second))
}

// The endpoint returns the access token that the API has just refused. One request caused 222 token calls in 20 s.
func TestARefreshWithTheSameAccessTokenDoesNotHelp(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.Probe = nil })
		old := token(t, m)
		same := func(s *authServer, rw http.ResponseWriter, r *http.Request) bool {
			return answers(200, nil, fmt.Sprintf(`{"access_token":%q,"refresh_token":%q,"expires_in":3600}`, old.Access.Reveal(), "r"))(s, rw, r)
		}
		for range 100 {
			w.server.next(same)
		}
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old)); !errors.Is(err, tokens.ErrRefreshDidNotHelp) {
			t.Errorf("Renew = %v, want ErrRefreshDidNotHelp", err)
		}
		for begin := time.Now(); time.Since(begin) < 25*time.Second; time.Sleep(100 * time.Millisecond) {
			refusedRequest(t, m, tokens.DefaultAccount) // also in the background, as for a body that was not kept
		}
		if calls, _, _ := w.server.counts(); calls != 1 {
			t.Errorf("%d token calls in 25 s, want 1", calls)
		}
		wantState(t, m, "degraded: refresh-did-not-help")
	})
}

// An API that answered 401 to everything cost a token call for each process, restart and eviction.
func TestUselessRefusalsCostOneCallPerHold(t *testing.T) {
	for _, row := range []struct {
		name string
		run  func(t *testing.T, w *testbed) // 29 s, after the first refresh
	}{
		{"one process", func(t *testing.T, w *testbed) { w.refuseFor(29*time.Second, w.manager()) }},
		{"three processes", func(t *testing.T, w *testbed) {
			w.refuseFor(29*time.Second, w.manager(), w.manager(), w.manager())
		}},
		{"restarts", func(t *testing.T, w *testbed) {
			for range 6 {
				m := w.manager()
				w.refuseFor(4800*time.Millisecond, m)
				_ = closeNow(m)
			}
		}},
		{"evictions", func(t *testing.T, w *testbed) {
			m := w.manager(func(c *tokens.Config) { c.MaxAccounts = 1 })
			for begin := time.Now(); time.Since(begin) < 29*time.Second; time.Sleep(100 * time.Millisecond) {
				for _, name := range []string{"nobody", tokens.DefaultAccount, "somebody"} {
					refusedRequest(t, m, name)
				}
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				w.signedIn()
				w.server.mu.Lock()
				w.server.deaf = true
				w.server.mu.Unlock()
				row.run(t, w)
				w.wantCalls(1, 1, 0)
				// The next refresh comes when the hold is over, and its hold is twice as long.
				time.Sleep(5 * time.Second)
				w.refuseFor(50*time.Second, w.manager(), w.manager())
				w.wantCalls(2, 2, 0)
			})
		})
	}
}

// Another program or a person can write a record. A record with a negative number of failures ended the process at
// every start.
func TestAHoldWithInvalidNumbersDoesNoHarm(t *testing.T) {
	for _, failures := range []int{-1, math.MinInt, math.MaxInt} {
		inTestbed(t, func(t *testing.T, w *testbed) {
			m := w.signedIn()
			old := token(t, m)
			w.put(func(rec *tokens.Record) {
				rec.Hold = &tokens.Hold{Since: time.Now().Add(-time.Minute), Until: time.Now().Add(-time.Second), Failures: failures}
			})
			w.server.kill(old)
			tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
			if err != nil {
				t.Fatalf("with %d failures: %v", failures, err)
			}
			if hold := w.record().Hold; tok.Same(old) || hold == nil || !hold.Until.After(hold.Since) {
				t.Errorf("with %d failures: %v, hold %v", failures, tok, hold)
			}
		})
	}
}

// refuseFor gives all processes a 401 ten times a second.
func (w *testbed) refuseFor(d time.Duration, all ...*tokens.Manager) {
	var wg sync.WaitGroup
	for _, m := range all {
		wg.Go(func() {
			for begin := time.Now(); time.Since(begin) < d; time.Sleep(100 * time.Millisecond) {
				refusedRequest(w.t, m, tokens.DefaultAccount)
			}
		})
	}
	wg.Wait()
}

// The hold is saved in the same swap as the pair, and the first accepted request ends it in the store.
func TestAcceptedRequestEndsTheHoldInTheStore(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		w.store.setOnSave(func(rec tokens.Record) error {
			if rec.Generation == 2 && rec.Hold == nil {
				t.Error("the pair is saved without its hold")
			}
			return nil
		})
		tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		w.store.setOnSave(nil)
		if err != nil || w.record().Hold == nil {
			t.Fatalf("Renew = %v, hold %v", err, w.record().Hold)
		}
		m.Accepted(tokens.DefaultAccount, old) // a late answer with the earlier token proves nothing
		if w.record().Hold == nil {
			t.Error("an answer to the former token has ended the hold")
		}
		m.Accepted(tokens.DefaultAccount, tok)
		if w.record().Hold != nil {
			t.Error("the hold still stands in the store")
		}
		w.server.kill(tok) // now a refusal is a new one
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(tok)); err != nil {
			t.Error(err)
		}
		w.wantCalls(2, 2, 0)
	})
}

func TestHoldThatTheStoreCouldNotEndStaysEnded(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if err != nil {
			t.Fatal(err)
		}
		w.store.fail(nil, errDisk)
		m.Accepted(tokens.DefaultAccount, tok)
		w.store.fail(nil, nil)
		time.Sleep(time.Minute)
		if w.record().Hold != nil {
			t.Error("the hold was not ended in the store afterwards")
		}
	})
}

// The store has lost the record, and could not take it back. The end of a hold must not put it back without the doubt
// in which other processes wait.
func TestTheEndOfAHoldDoesNotPutALostRecordBack(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if err != nil {
			t.Fatal(err)
		}
		w.remove()
		w.store.fail(nil, errDisk)
		time.Sleep(time.Minute) // the record is read
		w.store.fail(nil, nil)
		m.Accepted(tokens.DefaultAccount, tok)
		time.Sleep(time.Minute)
		if rec := w.record(); rec.RestoredAt.IsZero() || rec.Hold != nil {
			t.Errorf("the record was put back at %v, with hold %v; want it in doubt, without a hold", rec.RestoredAt, rec.Hold)
		}
	})
}

func TestWhatEndsAHold(t *testing.T) {
	for _, row := range []struct {
		name string
		do   func(t *testing.T, w *testbed, m *tokens.Manager)
		ends bool
	}{
		{"a refresh by a person", func(t *testing.T, w *testbed, m *tokens.Manager) {
			if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"a login", func(t *testing.T, w *testbed, m *tokens.Manager) { w.login(m) }, true},
		{"a logout", func(t *testing.T, w *testbed, m *tokens.Manager) { _, _ = m.Logout(t.Context(), tokens.DefaultAccount) }, true},
		{"a refresh before expiry", func(t *testing.T, w *testbed, m *tokens.Manager) { time.Sleep(10 * time.Second) }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				w.server.life = 10
				m := w.signedIn()
				old := token(t, m)
				w.server.kill(old)
				if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old)); err != nil {
					t.Fatal(err)
				}
				row.do(t, w, m)
				if got := w.record().Hold == nil; got != row.ends {
					t.Errorf("hold ended: %v, want %v", got, row.ends)
				}
			})
		})
	}
}

// After a probe had accepted the token for a download, the token counted as valid for every request for 5 s, even if it
// became invalid.
func TestGoodTokenIsRememberedPerMethodAndPath(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		tok := token(t, m)
		download := tokens.Refusal{Token: tok, Method: http.MethodGet, Path: "/public/v1/documents/x/download-protected"}
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, download); !errors.Is(err, tokens.ErrTokenGood) {
			t.Fatalf("Renew = %v, want ErrTokenGood", err)
		}
		time.Sleep(time.Second)
		w.server.kill(tok)
		if got, err := m.Renew(t.Context(), tokens.DefaultAccount, tokens.Refusal{Token: tok, Method: http.MethodPost, Path: "/public/v1/documents"}); err != nil || got.Same(tok) {
			t.Errorf("Renew of a token that died = %v, %v, want another", got, err)
		}
		w.wantCalls(1, 1, 0)
	})
}

// Memory is limited, even if a client gets 401 on more and more paths.
func TestManyPathsWithAGoodToken(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		tok := token(t, m)
		for i := range 1000 {
			r := tokens.Refusal{Token: tok, Method: http.MethodGet, Path: fmt.Sprintf("/public/v1/documents/%d", i)}
			if _, err := m.Renew(t.Context(), tokens.DefaultAccount, r); !errors.Is(err, tokens.ErrTokenGood) {
				t.Fatalf("path %d: Renew = %v, want ErrTokenGood", i, err)
			}
		}
		w.wantCalls(0, 0, 0)
	})
}

func TestRefusedAPIKeyDegradesTheAccount(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		keys := &files{key: tokens.NewSecret("old-key")}
		m := w.manager(func(c *tokens.Config) {
			c.Accounts = map[string]tokens.AccountConfig{tokens.DefaultAccount: {APIKey: keys.key}}
			c.Secrets = keys
		})
		tok := token(t, m)
		refuse := func(n int) {
			for range n {
				if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(tok)); !errors.Is(err, tokens.ErrAPIKey) {
					t.Fatalf("Renew = %v, want ErrAPIKey", err)
				}
			}
		}
		refuse(2)
		wantState(t, m, "ready")
		m.Accepted(tokens.DefaultAccount, tok)
		refuse(2)
		wantState(t, m, "ready")
		refuse(1)
		wantState(t, m, "degraded: api-key-refused")
		m.Accepted(tokens.DefaultAccount, tok)
		wantState(t, m, "ready")
		refuse(3)
		keys.set(tokens.NewSecret("new-key"), tokens.Secret{})
		time.Sleep(10 * time.Second)
		wantState(t, m, "ready")
		if got := token(t, m); got.Access.Reveal() != "new-key" {
			t.Error("the key of the file is not used")
		}
	})
}

// files are secrets in files.
type files struct {
	mu          sync.Mutex
	key, client tokens.Secret
}

func (f *files) set(key, client tokens.Secret) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.key, f.client = key, client
}

func (f *files) ClientSecret() tokens.Secret { f.mu.Lock(); defer f.mu.Unlock(); return f.client }

func (f *files) APIKey(string) tokens.Secret { f.mu.Lock(); defer f.mu.Unlock(); return f.key }

// After the file was replaced, the old secret was used until the restart.
func TestReplacedClientSecretIsUsedAtOnce(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		secrets := &files{client: tokens.NewSecret("spent")}
		m := w.signedIn(func(c *tokens.Config) { c.Secrets = secrets })
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrClientRefused) {
			t.Fatalf("Refresh = %v, want ErrClientRefused", err)
		}
		time.Sleep(2 * time.Second)
		// The file is replaced during a call with the old secret: the call is refused, the file read again, and the
		// next accepted.
		w.server.next(func(*authServer, http.ResponseWriter, *http.Request) bool {
			secrets.set(tokens.Secret{}, tokens.NewSecret("secret"))
			return false
		})
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Error("Refresh after the file was replaced:", err)
		}
		wantState(t, m, "ready")
	})
}

// lateStore returns the record as it was a moment ago, like a busy engine whose answers take a while.
type lateStore struct {
	*engine
	late atomic.Int64 // nanoseconds
}

func (s *lateStore) Load(ctx context.Context, account string) (tokens.Record, error) {
	rec, err := s.engine.Load(ctx, account)
	time.Sleep(time.Duration(s.late.Load()))
	return rec, err
}

// A record is read while the first accepted request ends the hold, and the read returns the older record. The next
// refusal is a new one and must lead to a refresh. With ten processes on one Redis, one in 150 requests got 401.
func TestAHoldThatHasEndedDoesNotComeBack(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := newEngine()
		s := &lateStore{engine: e}
		m := w.signedIn(on(s))
		w.server.kill(token(t, m))
		fresh, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(token(t, m)))
		if err != nil {
			t.Fatal(err)
		}
		s.late.Store(int64(100 * time.Millisecond))
		e.report(func(w tokens.Watch) { w.Changed(tokens.DefaultAccount, "another") })
		time.Sleep(50 * time.Millisecond)
		m.Accepted(tokens.DefaultAccount, fresh)
		time.Sleep(100 * time.Millisecond)
		w.server.kill(fresh)
		if again, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(fresh)); err != nil || again.Same(fresh) {
			t.Errorf("Renew = %v, %v, want a new pair", again, err)
		}
		w.wantCalls(2, 2, 0)
	})
}
