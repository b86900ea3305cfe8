package tokens_test

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// engine is a store for several machines. It reports changes, and may lose saves.
type engine struct {
	*tokens.Memory
	mu      sync.Mutex // guards the fields below
	watches map[int]tokens.Watch
	next    int
	loads   int
	listed  int
	away    error
	refused error // the error of checks and saves; records can still be read
	peer    *engine
}

func newEngine() *engine { return &engine{Memory: tokens.NewMemory(), watches: map[int]tokens.Watch{}} }

func (e *engine) Load(ctx context.Context, account string) (tokens.Record, error) {
	e.mu.Lock()
	e.loads++
	err := e.away
	e.mu.Unlock()
	if err != nil {
		return tokens.Record{}, err
	}
	return e.Memory.Load(ctx, account)
}

func (e *engine) Save(ctx context.Context, account string, rec tokens.Record) (tokens.Record, error) {
	e.mu.Lock()
	err := cmp.Or(e.away, e.refused)
	e.mu.Unlock()
	if err != nil {
		return tokens.Record{}, err
	}
	saved, err := e.Memory.Save(ctx, account, rec)
	if err == nil {
		changed := func(w tokens.Watch) { w.Changed(account, saved.Version) }
		e.report(changed)
		if e.peer != nil && e.peer.isThere() {
			e.peer.report(changed)
		}
	}
	return saved, err
}

// again returns the same engine for another process, which may be connected at other times.
func (e *engine) again() *engine {
	e.peer = &engine{Memory: e.Memory, watches: map[int]tokens.Watch{}, peer: e}
	return e.peer
}

func (e *engine) isThere() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.away == nil
}

func (e *engine) report(f func(tokens.Watch)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.watches {
		f(w)
	}
}

func (e *engine) Watch(ctx context.Context, w tokens.Watch) {
	e.mu.Lock()
	e.next++
	id := e.next
	if e.away == nil {
		w.Connected()
	}
	e.watches[id] = w
	e.mu.Unlock()
	<-ctx.Done()
	e.mu.Lock()
	delete(e.watches, id)
	e.mu.Unlock()
}

// goAway breaks every connection; an empty text brings the engine back.
func (e *engine) goAway(err error) {
	e.mu.Lock()
	e.away = err
	e.mu.Unlock()
	e.report(func(w tokens.Watch) {
		if err != nil {
			w.Broken(err)
		} else {
			w.Connected()
		}
	})
}

func (e *engine) Accounts(ctx context.Context) ([]string, error) {
	e.mu.Lock()
	e.listed++
	e.mu.Unlock()
	return e.Memory.Accounts(ctx)
}

func (e *engine) Check(context.Context, string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listed++
	return cmp.Or(e.away, e.refused)
}

func (e *engine) refuse(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = err
}

// surveys returns how often the whole store was listed.
func (e *engine) surveys() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.listed
}

func (e *engine) counted() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.loads
}

// lossy is an engine like Redis: a failover can lose saves.
type lossy struct{ *engine }

func (lossy) Settle() time.Duration { return 2 * time.Second }

// lose replaces the acknowledged record in the engine by rec, without a report.
func (e *engine) lose(t *testing.T, rec tokens.Record) {
	t.Helper()
	now, err := e.Memory.Load(t.Context(), tokens.DefaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	rec.Version = now.Version
	if _, err := e.Memory.Save(t.Context(), tokens.DefaultAccount, rec); err != nil {
		t.Fatal(err)
	}
}

// forget removes the record of the default account from the engine, without a report.
func (e *engine) forget() { e.Memory.Remove(tokens.DefaultAccount) }

func (e *engine) holds(t *testing.T) tokens.Record {
	t.Helper()
	rec, err := e.Memory.Load(t.Context(), tokens.DefaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func on(s tokens.Store) func(*tokens.Config) { return func(c *tokens.Config) { c.Store = s } }

func TestAWatchedStoreIsNotPolled(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := newEngine()
		w.signedIn(on(e))
		time.Sleep(time.Minute)
		before := e.counted() + e.surveys()
		time.Sleep(time.Hour)
		if polled := e.counted() + e.surveys() - before; polled != 0 {
			t.Errorf("%d calls in an idle hour", polled)
		}
	})
}

func TestANewAccountElsewhereIsKnownAtOnce(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := newEngine()
		one, two := w.manager(on(e)), w.manager(on(e))
		time.Sleep(time.Minute)
		if _, err := one.Login(t.Context(), "acme", w.server.pair()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		found := ""
		for _, s := range two.Status() {
			if s.Account == "acme" {
				found = string(s.State)
			}
		}
		if found != "ready" {
			t.Errorf("the other process says %q of the new account, want ready", found)
		}
	})
}

func TestALogoutElsewhereIsSeenAtOnce(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := newEngine()
		one := w.signedIn(on(e))
		two := w.manager(on(e))
		token(t, two)
		time.Sleep(time.Minute)
		if _, err := one.Logout(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		wantState(t, two, "login-required: logged-out")
		w.login(one)
		time.Sleep(time.Second)
		wantState(t, two, "ready")
	})
}

func TestABrokenWatchIsReportedAndReplacedByReading(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := newEngine()
		m := w.signedIn(on(e))
		time.Sleep(time.Minute)
		e.report(func(w tokens.Watch) { w.Broken(errors.New("connection reset")) })
		wantState(t, m, "degraded: store-not-watched")
		before := e.counted()
		time.Sleep(5 * time.Minute)
		if polled := e.counted() - before; polled < 10 || polled > 20 {
			t.Errorf("%d reads in five minutes, want one each 20 to 30 s", polled)
		}
		e.report(func(w tokens.Watch) { w.Connected() })
		synctest.Wait()
		wantState(t, m, "ready")
		before = e.counted()
		time.Sleep(time.Hour)
		if polled := e.counted() - before; polled > 1 {
			t.Errorf("%d reads in an hour after the watch came back", polled)
		}
	})
}

func TestAfterAReconnectALostPairIsPutBack(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := lossy{newEngine()}
		m := w.signedIn(on(e))
		old := e.holds(t)
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		fresh := e.holds(t)
		e.goAway(errors.New("no master"))
		e.lose(t, old)
		e.goAway(nil)
		time.Sleep(time.Second)
		if got := e.holds(t); got.Compare(fresh) != 0 {
			t.Errorf("the engine holds %v, want %v", got, fresh)
		}
	})
}

func TestAStoreThatIsAwayStopsOnlyRefreshes(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := lossy{newEngine()}
		m := w.signedIn(on(e))
		tok := token(t, m)
		e.goAway(errors.New("connection refused"))
		time.Sleep(time.Minute)
		if got := token(t, m); !got.Same(tok) {
			t.Error("the token that is known is not served")
		}
		wantState(t, m, "degraded: store-unavailable")
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrStoreUnavailable) {
			t.Errorf("Refresh = %v", err)
		}
		w.wantCalls(0, 0, 0)
		e.goAway(nil)
		time.Sleep(time.Second)
		wantState(t, m, "ready")
	})
}

// The engine has lost everything and accepts no saves: its memory is full, or it is a replica. The pair in a process
// is the only one left. It is used, and is put back as soon as possible.
func TestAnEngineThatForgetsAndTakesNothing(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := lossy{newEngine()}
		m := w.signedIn(on(e))
		tok := token(t, m)
		e.goAway(errors.New("connection refused"))
		e.forget()
		e.refuse(errors.New("out of memory"))
		e.goAway(nil)
		time.Sleep(time.Minute)
		if got := token(t, m); !got.Same(tok) {
			t.Error("the token that is known is not served")
		}
		wantState(t, m, "degraded: store-unavailable")
		e.refuse(nil)
		time.Sleep(time.Minute)
		wantState(t, m, "degraded: refresh-in-doubt") // others may have a newer pair
		if got := e.holds(t); !got.AccessToken.Equal(tok.Access) {
			t.Errorf("the engine holds %v", got)
		}
		w.wantCalls(0, 0, 0)
	})
}

// An engine that has just come back may still refuse the first read, and does not report when it accepts records again.
func TestAnEngineThatRefusesWhenItComesBackIsAskedAgainSoon(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := lossy{newEngine()}
		m := w.signedIn(on(e))
		e.refuse(errors.New("it is loading"))
		e.goAway(errors.New("connection refused"))
		time.Sleep(time.Minute)
		e.goAway(nil)
		time.Sleep(3 * time.Second)
		wantState(t, m, "degraded: store-unavailable")
		e.refuse(nil)
		time.Sleep(5 * time.Second)
		wantState(t, m, "ready")
		before := e.surveys()
		time.Sleep(time.Hour)
		if n := e.surveys() - before; n != 0 {
			t.Errorf("%d looks at the store in the hour after", n)
		}
		e.refuse(errors.New("disk full"))
		e.goAway(errors.New("connection refused"))
		e.goAway(nil)
		before = e.surveys()
		time.Sleep(10 * time.Minute)
		if n := e.surveys() - before; n > 60 {
			t.Errorf("%d looks in ten minutes at a store that stays unusable", n)
		}
	})
}

// An access token of the configuration needs no store: it is used even if the engine is away from the start.
func TestASeedIsServedWhileTheEngineIsAway(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		e := lossy{newEngine()}
		e.goAway(errors.New("connection refused"))
		pair := w.server.pair()
		m := w.manager(on(e), func(c *tokens.Config) {
			c.Accounts = map[string]tokens.AccountConfig{tokens.DefaultAccount: {AccessToken: pair.AccessToken, RefreshToken: pair.RefreshToken}}
		})
		if tok := token(t, m); !tok.Access.Equal(pair.AccessToken) {
			t.Error("another token is served")
		}
		wantState(t, m, "degraded: store-unavailable")
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(token(t, m))); errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("Renew = %v", err)
		}
		e.goAway(nil)
		time.Sleep(2 * time.Second)
		wantState(t, m, "ready")
		if !e.holds(t).AccessToken.Equal(pair.AccessToken) {
			t.Error("the seed is not in the store")
		}
		w.wantCalls(0, 0, 0)
	})
}
