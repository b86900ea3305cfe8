package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// connected starts a survivor: a Manager that is signed in and has been connected to the engine for some time. old is
// the record in the engine at that time.
func (w *testbed) connected(f ...func(*tokens.Config)) (e lossy, survivor *tokens.Manager, old tokens.Record) {
	w.t.Helper()
	e = lossy{newEngine()}
	survivor = w.signedIn(append(f, on(e))...)
	time.Sleep(time.Minute)
	return e, survivor, e.holds(w.t)
}

// patiently makes requests wait until a refresh ends, however long it takes.
func patiently(c *tokens.Config) { c.RefreshTimeout = time.Hour }

// renews fails the test unless m gets a token that works for a request that was refused with stale.
func (w *testbed) renews(m *tokens.Manager, stale tokens.Token) {
	w.t.Helper()
	fresh, err := m.Renew(w.t.Context(), tokens.DefaultAccount, refused(stale))
	if err != nil || !w.server.accepts(w.t.Context(), fresh) {
		w.t.Errorf("Renew = %v, %v", fresh, err)
	}
}

// A pod that starts after a failover finds the old pair. While another process has the new pair, it must not send
// the used refresh token of the old one. Its marker is an announcement, which that process answers.
func TestANewcomerAfterALostSaveDoesNotSpendTheOldToken(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e, survivor, old := w.connected()
		if _, err := survivor.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it has read its own save
		e.lose(t, old)  // nobody is told
		newcomer := w.manager(on(e))
		stale := token(t, newcomer)
		w.renews(newcomer, stale)
		w.wantCalls(1, 1, 0)
	})
}

// The same while the token call of the survivor is still in progress: the failover has lost its marker.
func TestANewcomerWaitsForACallThatIsUnderWay(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e, survivor, old := w.connected(patiently)
		stale := token(t, survivor)
		w.server.kill(stale)
		w.server.next(takes(20 * time.Second))
		go survivor.Refresh(t.Context(), tokens.DefaultAccount)
		time.Sleep(5 * time.Second) // the refresh is announced and sent
		e.lose(t, old)
		newcomer := w.manager(on(e), patiently)
		w.renews(newcomer, token(t, newcomer))
		w.wantCalls(1, 1, 0)
	})
}

// The same while the survivor is refreshing again: the failover has lost its marker and its last pair.
func TestANewcomerIsAnsweredInTheMiddleOfTheNextRefresh(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e, survivor, old := w.connected(patiently)
		if _, err := survivor.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		w.server.next(takes(20 * time.Second))
		go survivor.Refresh(t.Context(), tokens.DefaultAccount)
		time.Sleep(5 * time.Second) // the refresh is announced and sent
		e.lose(t, old)
		newcomer := w.manager(on(e), patiently)
		w.renews(newcomer, token(t, newcomer))
		time.Sleep(time.Minute)
		if got := token(t, newcomer); !w.server.accepts(t.Context(), got) {
			t.Error("the newcomer does not use the newest pair")
		}
		w.wantCalls(2, 2, 0)
	})
}

// The survivor waits for a slow API, to which it has sent a probe with the refused token.
func TestANewcomerIsAnsweredDuringAProbe(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := lossy{newEngine()}
		survivor := w.signedIn(on(e), func(c *tokens.Config) {
			c.Probe = func(ctx context.Context, tok tokens.Token) bool {
				time.Sleep(9 * time.Second)
				return w.server.accepts(ctx, tok)
			}
		})
		old := e.holds(t)
		if _, err := survivor.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		go survivor.Renew(t.Context(), tokens.DefaultAccount, refused(token(t, survivor)))
		time.Sleep(time.Second)
		e.lose(t, old)
		newcomer := w.manager(on(e))
		w.renews(newcomer, token(t, newcomer))
		w.wantCalls(1, 1, 0)
		time.Sleep(10 * time.Second) // for the probe to end
	})
}

// The survivor reconnects to the engine after the newcomer, and must then read thousands of records.
func TestANewcomerWaitsForThoseWhoConnectAfterIt(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := lossy{newEngine()}
		survivor := w.signedIn(on(e))
		time.Sleep(time.Minute) // its connection is not a new one
		for i := range 5_000 {
			rec, name := e.holds(t), fmt.Sprintf("account-%d", i)
			rec.Version = ""
			if _, err := e.Memory.Save(t.Context(), name, rec); err != nil {
				t.Fatal(err)
			}
			if _, err := survivor.Token(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		old := e.holds(t)
		if _, err := survivor.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		e.goAway(errors.New("no master"))
		e.lose(t, old)
		newcomer := w.manager(on(lossy{e.again()})) // it has reached the new master
		time.AfterFunc(2*time.Second, func() { e.goAway(nil) })
		w.renews(newcomer, token(t, newcomer))
		w.wantCalls(1, 1, 0)
	})
}

// The survivor has the new pair only in memory, because the engine did not accept it. It has been trying for a while,
// with growing pauses, but it answers an announcement at once.
func TestANewcomerIsAnsweredWithAPairThatWasNeverSaved(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e, survivor, old := w.connected()
		w.server.next(takes(5 * time.Second))
		go survivor.Refresh(t.Context(), tokens.DefaultAccount)
		time.Sleep(4 * time.Second) // the refresh is announced and sent
		e.refuse(errors.New("read only"))
		time.Sleep(time.Minute + time.Second)
		e.refuse(nil)
		e.lose(t, old)
		newcomer := w.manager(on(e))
		w.renews(newcomer, token(t, newcomer))
		w.wantCalls(1, 1, 0)
	})
}

// A failover lost the marker of a call that was under way, and the new master took no writes at first. The process
// crashed when it renewed its lease, and the pair that the call gave was lost with it.
func TestAMarkerIsLostAndCannotBeWrittenAgain(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e, survivor, old := w.connected(patiently)
		w.server.next(takes(30 * time.Second))
		go survivor.Refresh(t.Context(), tokens.DefaultAccount)
		time.Sleep(5 * time.Second) // the refresh is announced and sent
		e.refuse(errors.New("read only"))
		e.lose(t, old)
		e.report(func(w tokens.Watch) { w.Connected() })
		time.Sleep(20 * time.Second) // the lease is renewed
		e.refuse(nil)
		time.Sleep(time.Minute)
		if got := token(t, survivor); !w.server.accepts(t.Context(), got) || !e.holds(t).AccessToken.Equal(got.Access) {
			t.Error("the new pair is not in use and in the store")
		}
		w.wantCalls(1, 1, 0)
	})
}

// The survivor's request was cut, so the token may be used, or the request may still arrive. The failover has lost the
// record of that. The survivor informs the newcomer, which waits as for every token in doubt.
func TestANewcomerLearnsOfARequestWithoutAnAnswer(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e, survivor, old := w.connected(patiently)
		stale := token(t, survivor)
		w.server.kill(stale)
		w.server.next(losesAnswer)
		_, _ = survivor.Renew(t.Context(), tokens.DefaultAccount, refused(stale)) // nobody knows its result
		e.lose(t, old)
		began := time.Now()
		_, err := w.manager(on(e), patiently).Renew(t.Context(), tokens.DefaultAccount, refused(stale))
		var cause *tokens.CauseError
		if !errors.As(err, &cause) || cause.Code != problem.LostInTransit {
			t.Errorf("Renew = %v, want it lost in transit", err)
		}
		if took := time.Since(began); took < 25*time.Second {
			t.Errorf("it took %v, want the quiet time after the other's request", took)
		}
		w.wantCalls(2, 1, 1)
	})
}

// The store has lost everything, like a Secret that is reset or a Redis without a disk. A process starts with the
// seed of its manifest, which was used long ago. The pair that came from that seed is put back.
func TestASpentSeedDoesNotReplaceThePairThatCameFromIt(t *testing.T) {
	for name, s := range map[string]func(*engine) tokens.Store{
		"a store that is watched":     func(e *engine) tokens.Store { return e },
		"a store that may lose saves": func(e *engine) tokens.Store { return lossy{e} },
	} {
		t.Run(name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				e := newEngine()
				pair := w.server.pair()
				seeded := func(c *tokens.Config) {
					c.Store = s(e)
					c.Accounts = map[string]tokens.AccountConfig{tokens.DefaultAccount: {AccessToken: pair.AccessToken, RefreshToken: pair.RefreshToken}}
				}
				survivor := w.manager(seeded)
				token(t, survivor)
				if _, err := survivor.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
					t.Fatal(err)
				}
				live := token(t, survivor)
				e.forget()
				newcomer := w.manager(seeded)
				stale := token(t, newcomer)
				synctest.Wait()
				if !stale.Access.Equal(live.Access) { // the survivor was not quicker
					fresh, err := newcomer.Renew(t.Context(), tokens.DefaultAccount, refused(stale))
					if err != nil || !fresh.Access.Equal(live.Access) {
						t.Errorf("Renew = %v, %v, want the pair that the survivor holds", fresh, err)
					}
				}
				time.Sleep(time.Minute)
				if got := token(t, survivor); !got.Access.Equal(live.Access) || !e.holds(t).AccessToken.Equal(live.Access) {
					t.Error("the survivor's pair was replaced")
				}
				w.wantCalls(1, 1, 0)
			})
		})
	}
}

// The same with only a refresh token as the seed. A newcomer sent it at once, because it had no access token.
func TestALoneSpentSeedIsNotSentAtOnce(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := newEngine()
		seed := w.server.pair().RefreshToken
		seeded := func(c *tokens.Config) {
			c.Store = e
			c.Accounts = map[string]tokens.AccountConfig{tokens.DefaultAccount: {RefreshToken: seed}}
		}
		live := token(t, w.manager(seeded))
		synctest.Wait()
		e.forget()
		if got := token(t, w.manager(seeded)); !got.Access.Equal(live.Access) {
			t.Error("the newcomer has another pair than the survivor")
		}
		w.wantCalls(1, 1, 0)
	})
}

// Nobody answers if nobody has anything newer.
func TestAnAnnouncedRefreshGoesOn(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := lossy{newEngine()}
		one := w.signedIn(on(e))
		two := w.manager(on(e))
		token(t, two)
		time.Sleep(time.Minute)
		begin := time.Now()
		if _, err := one.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 2*time.Second || took > 5*time.Second {
			t.Errorf("it took %v, want the two seconds of the announcement", took)
		}
		synctest.Wait()
		if got := token(t, two); !w.server.accepts(t.Context(), got) {
			t.Error("the other process does not use the new pair")
		}
		w.wantCalls(1, 1, 0)
	})
}

func TestAShutdownDuringAnAnnouncementSendsNothing(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := lossy{newEngine()}
		m := w.signedIn(on(e))
		go m.Refresh(t.Context(), tokens.DefaultAccount)
		time.Sleep(time.Second)
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if rec := e.holds(t); rec.Pending != nil || !rec.UnconfirmedSince.IsZero() {
			t.Errorf("a marker is left: %+v", rec.Pending)
		}
		w.wantCalls(0, 0, 0)
	})
}
