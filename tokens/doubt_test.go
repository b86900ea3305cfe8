package tokens_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// crash writes the record that a process leaves if it dies in the middle of a token call.
func (w *testbed) crash(started time.Time) {
	w.put(func(rec *tokens.Record) {
		rec.Pending = &tokens.Pending{Owner: "dead-1", StartedAt: started.UTC(), Until: started.Add(30 * time.Second).UTC()}
	})
}

func TestLostAnswerIsReportedAsLostInTransit(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.RefreshTimeout = 10 * time.Minute })
		old := token(t, m)
		w.server.kill(old)
		w.server.next(losesAnswer)
		begin := time.Now()
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old)); !errors.Is(err, tokens.ErrRefreshUnavailable) {
			t.Errorf("Renew = %v", err)
		}
		time.Sleep(2 * time.Second) // cooled down
		_, err := m.Token(t.Context(), tokens.DefaultAccount)
		if !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("Token = %v, want ErrLoginRequired", err)
		}
		// It waits for 30 s of quiet before the second try, and watches the store for a lease after it.
		if waited := time.Since(begin); waited < time.Minute {
			t.Errorf("gave up after %s, want a minute", waited)
		}
		w.wantCalls(2, 1, 1)
		wantState(t, m, "login-required: rotation-lost-in-transit")
		time.Sleep(time.Hour)
		_, _ = m.Token(t.Context(), tokens.DefaultAccount)
		w.wantCalls(2, 1, 1)
	})
}

func TestInDoubtTheRefreshTokenIsNotSentWhileTheAccessTokenWorks(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.server.life = 3600
		m := w.signedIn(func(c *tokens.Config) { c.Probe = nil })
		tok := token(t, m)
		w.server.next(cuts)
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrRefreshUnavailable) {
			t.Errorf("Refresh = %v", err)
		}
		for begin := time.Now(); time.Since(begin) < 50*time.Minute; time.Sleep(time.Minute) {
			if got := token(t, m); !got.Same(tok) {
				t.Fatal("another token came from nowhere")
			}
			_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		}
		w.wantCalls(1, 0, 0)
		wantState(t, m, "degraded: refresh-in-doubt")
		// The API has refused the access token. Now the risk is acceptable, and in this case the server had not
		// rotated the token.
		if got, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(tok)); err != nil || got.Same(tok) {
			t.Errorf("Renew = %v, %v", got, err)
		}
		w.wantCalls(2, 1, 0)
		wantState(t, m, "ready")
	})
}

func TestDoubtEndsAtExpiryWithoutARequest(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.server.life = 3600
		m := w.signedIn()
		w.server.next(cuts)
		_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		time.Sleep(time.Hour + 5*time.Second)
		w.wantCalls(2, 1, 0)
		if w.store.loads > 250 {
			t.Errorf("the store was read %d times in an hour of waiting", w.store.loads)
		}
		wantState(t, m, "ready")
	})
}

func TestTheSecondTryWaitsUntilTheFirstIsOver(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.RefreshTimeout = time.Minute })
		old := token(t, m)
		w.server.kill(old)
		w.server.next(cuts)
		begin := time.Now()
		_, _ = m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		time.Sleep(2 * time.Second)
		token(t, m)
		if waited := time.Since(begin); waited < 30*time.Second || waited > 32*time.Second {
			t.Errorf("second try after %s, want 30 s", waited)
		}
		w.wantCalls(2, 1, 0)
	})
}

func TestCompleteServerErrorIsOverAtOnce(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		down := answers(503, nil, "")
		w.server.next(down, down, down)
		begin := time.Now()
		_, _ = m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		time.Sleep(1500 * time.Millisecond)
		token(t, m)
		if waited := time.Since(begin); waited > 10*time.Second {
			t.Errorf("recovered after %s; the failed calls were answered, there is nothing to wait for", waited)
		}
		w.wantCalls(4, 1, 0)
	})
}

func TestTakeoverOfADeadOwner(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.signedIn()
		w.crash(time.Now())
		m := w.manager(func(c *tokens.Config) { c.RefreshTimeout = 5 * time.Minute })
		old := token(t, m)
		time.Sleep(time.Hour)
		token(t, m)
		w.wantCalls(0, 0, 0) // the access token works: wait
		wantState(t, m, "degraded: refresh-in-doubt")
		w.server.kill(old)
		if tok, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old)); err != nil || tok.Same(old) {
			t.Errorf("Renew = %v, %v", tok, err)
		}
		w.wantCalls(1, 1, 0)
		if n := w.count(tokens.EventTakeover); n != 1 {
			t.Errorf("%d takeovers noted, want 1", n)
		}
		wantState(t, m, "ready")
	})
}

func TestTakeoverTakesAWholeLeaseOfWatching(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.signedIn()
		w.crash(time.Now().Add(-time.Hour)) // by the other machine's clock
		m := w.manager(func(c *tokens.Config) { c.RefreshTimeout = 5 * time.Minute })
		old := token(t, m)
		w.server.kill(old)
		begin := time.Now()
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old)); err != nil {
			t.Error(err)
		}
		if waited := time.Since(begin); waited < 30*time.Second {
			t.Errorf("took over after %s, want one lease on our own clock", waited)
		}
	})
}

func TestATakeoverNotesTheDoubtInTheSameSwap(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.signedIn()
		w.crash(time.Now())
		m := w.manager(func(c *tokens.Config) { c.RefreshTimeout = 5 * time.Minute })
		old := token(t, m)
		w.server.kill(old)
		claims := 0
		w.store.setOnSave(func(rec tokens.Record) error {
			if rec.Pending != nil && rec.Pending.Owner != "dead-1" {
				claims++
				if rec.UnconfirmedSince.IsZero() {
					t.Error("the claim replaces a marker without noting the doubt")
				}
			}
			return nil
		})
		_, _ = m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		w.store.setOnSave(nil)
		if claims == 0 {
			t.Error("no claim was made")
		}
	})
}

// The owner cannot reach the store during its call, so it cannot renew its lease. Another process takes over, is
// refused, and watches the store for one more lease before it gives up.
func TestPairOfASlowOwnerArrivesAfterItsTakeover(t *testing.T) {
	for _, row := range []struct {
		name string
		late time.Duration
		want error // of the other process's first Renew
	}{
		{"while the other watches the store", 45 * time.Second, nil},
		{"when the other has given up", 75 * time.Second, tokens.ErrLoginRequired},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				m := w.signedIn(func(c *tokens.Config) { c.RefreshTimeout = 5 * time.Minute })
				old := token(t, m)
				w.server.kill(old)
				w.server.next(func(s *authServer, rw http.ResponseWriter, r *http.Request) bool {
					s.grant(rw, r)
					time.Sleep(row.late)
					return true
				})
				uncut := &faultyStore{Memory: w.store.Memory}
				other := w.manager(func(c *tokens.Config) { c.Store = uncut; c.RefreshTimeout = 5 * time.Minute })
				go m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
				synctest.Wait()
				w.store.fail(errors.New("cut off"), errors.New("cut off"))
				time.AfterFunc(row.late-time.Second, func() { w.store.fail(nil, nil) })
				if _, err := other.Renew(t.Context(), tokens.DefaultAccount, refused(old)); !errors.Is(err, row.want) {
					t.Errorf("Renew = %v, want %v", err, row.want)
				}
				time.Sleep(time.Minute)
				if got, want := token(t, other), token(t, m); !got.Same(want) || got.Generation != 2 {
					t.Errorf("the two processes hold %v and %v", got, want)
				}
				w.wantCalls(2, 1, 1)
				wantState(t, other, "ready")
			})
		})
	}
}

func TestLostClaimDoesNotSend(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		// Between two tries another process logs in: the second try must not be sent.
		m := w.signedIn()
		w.server.next(func(s *authServer, rw http.ResponseWriter, r *http.Request) bool {
			p := s.pair()
			w.put(func(rec *tokens.Record) {
				rec.Generation++
				rec.AccessToken, rec.RefreshToken, rec.Pending = p.AccessToken, p.RefreshToken, nil
			})
			return answers(503, nil, "")(s, rw, r)
		})
		_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		w.wantCalls(1, 0, 0)
		if tok := token(t, m); tok.Generation != 2 {
			t.Errorf("Token = %v, want the login's", tok)
		}
		wantState(t, m, "ready")
	})
}

func TestDoubtThatCouldNotBeNotedIsRemembered(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.RefreshTimeout = time.Minute })
		old := token(t, m)
		w.server.kill(old)
		w.failSaveOfPairs(errDisk) // the marker is saved but cannot be removed
		w.server.next(cuts)
		begin := time.Now()
		_, _ = m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		w.store.setOnSave(nil)
		time.Sleep(2 * time.Second)
		token(t, m)
		if waited := time.Since(begin); waited < 30*time.Second {
			t.Errorf("second try after %s, want 30 s", waited)
		}
		w.wantCalls(2, 1, 0)
	})
}

func TestALoginDuringALostCallIsNotInDoubt(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		w.server.next(func(*authServer, http.ResponseWriter, *http.Request) bool {
			time.Sleep(10 * time.Second)
			panic(http.ErrAbortHandler)
		})
		go m.Refresh(t.Context(), tokens.DefaultAccount)
		time.Sleep(5 * time.Second)
		w.login(m)
		time.Sleep(time.Minute)
		wantState(t, m, "ready")
		if !w.record().UnconfirmedSince.IsZero() || w.record().Pending != nil {
			t.Errorf("the record of the login is in doubt: %+v", w.record().Pending)
		}
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Error("Refresh of the new pair:", err)
		}
		w.wantCalls(2, 1, 0)
	})
}

// A save can report an error although it was done: Redis has the marker, but too few replicas have it; or the
// answer of the API server was lost. Nothing was sent, but the marker stayed. After a lease, every other process
// took it for that of a dead owner, and the account was in doubt until its access token expired.
func TestMarkerOfARefreshThatDidNotBeginIsTakenBack(t *testing.T) {
	for name, away := range map[string]time.Duration{"at once": 0, "when the store is back": time.Minute} {
		t.Run(name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				m := w.signedIn()
				w.store.setOnSave(func(rec tokens.Record) error {
					if rec.Pending == nil {
						return nil
					}
					if _, err := w.store.Memory.Save(t.Context(), tokens.DefaultAccount, rec); err != nil {
						return err
					}
					if away > 0 {
						w.store.fail(errDisk, errDisk)
					}
					return errDisk
				})
				if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrStoreUnavailable) {
					t.Errorf("Refresh = %v, want ErrStoreUnavailable", err)
				}
				time.Sleep(away)
				w.store.setOnSave(nil)
				w.store.fail(nil, nil)
				if away > 0 {
					time.Sleep(time.Minute) // until the record is read again
				}
				if rec := w.record(); rec.Pending != nil || !rec.UnconfirmedSince.IsZero() {
					t.Errorf("store has %v, want no marker and no doubt", rec)
				}
				if calls, _, _ := w.server.counts(); away == 0 && calls != 0 {
					t.Errorf("the token endpoint was called %d times without a marker", calls)
				}
			})
		})
	}
}
