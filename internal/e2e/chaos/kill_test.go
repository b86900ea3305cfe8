//go:build unix

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// outcomes counts the results of kill -9 in the middle of refreshes. Testbeds that run at the same time share it.
type outcomes struct {
	mu sync.Mutex // guards the fields below
	// newest: the newest pair is on disk, with or without a marker beside it.
	newest, marked int
	// lost: the server committed a pair that never reached the disk. early counts those that it committed when the
	// process was already dead, for a request that had been sent before.
	lost, early int
	recovered   int // how often a new process recovered the login by itself
	told        int // how often a new process reported "rotation lost in transit"
}

func (o *outcomes) add(f func(*outcomes)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(o)
}

// kill -9 at random moments of refreshes. If the newest pair is on disk, a new process continues by itself. Otherwise
// the kill was between the server's commit and our save, and the new process reports that.
func TestKilledWhileRefreshing(t *testing.T) {
	t.Parallel()
	const worlds = 100
	kills := size(24, 1000)
	r := draws(t)
	var o outcomes
	t.Run("worlds", func(t *testing.T) {
		for i := range min(worlds, kills) {
			n := (kills + worlds - 1 - i) / worlds
			if kills < worlds {
				n = 1
			}
			mine := rand.New(rand.NewPCG(r.Uint64(), 0))
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				w := newSignedIn(t)
				for range n {
					w.killOne(mine, &o)
				}
				w.wantNoReuse()
			})
		}
	})
	t.Logf("%d kills: the store parsed every time; newest pair on disk %d (with the marker of the dead beside it %d), "+
		"lost in transit %d (%d of them committed after the kill); afterwards %d went on by themselves, %d said rotation-lost-in-transit",
		o.newest+o.lost, o.newest, o.marked, o.lost, o.early, o.recovered, o.told)
	if o.newest+o.lost != kills {
		t.Errorf("%d outcomes of %d kills", o.newest+o.lost, kills)
	}
}

// killOne kills a process in the middle of a refresh, checks the record, and starts another process.
func (w *testbed) killOne(r *rand.Rand, o *outcomes) {
	w.t.Helper()
	p := w.serve()
	before, _ := w.live()
	killed := w.killDuring(r, p)
	w.rest()
	live, _ := w.live()
	rec := w.record() // fails the test if it cannot be read
	lost := w.saved() != live
	switch {
	case !lost:
		o.add(func(o *outcomes) { o.newest++; o.marked += number(rec.Pending != nil) })
	case live == before+1 && w.saved() == before && rec.Pending != nil:
		o.add(func(o *outcomes) { o.lost++; o.early += number(killed == before) })
	default:
		w.t.Errorf("after a kill: pair %d on disk, pair %d live, marker %v", w.saved(), live, rec.Pending)
	}
	w.excuse(before)
	w.plan(always(plan{}))
	w.recover(lost, rec.Pending != nil, o)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// killDuring invalidates the access token, sends a client's request, and kills p at a random moment of the refresh:
// after the request of the client, after the arrival of the token call, or after its commit. It returns the pair that
// was live at that moment.
func (w *testbed) killDuring(r *rand.Rand, p *proxy) (live int) {
	asked, arrived, committed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	slow := [2]time.Duration{upTo(r, 15*time.Millisecond), upTo(r, 15*time.Millisecond)}
	mindful := r.IntN(2) == 0
	w.plan(func() plan {
		w.next = func() plan { return plan{} }
		return plan{
			before:  func() { close(arrived); pause(slow[0]) },
			after:   func() { close(committed); pause(slow[1]) },
			mindful: mindful,
		}
	})
	from := []chan struct{}{asked, arrived, committed}[r.IntN(3)]
	after := upTo(r, 25*time.Millisecond)
	w.refuse()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		close(asked)
		_, _ = p.get(context.Background()) // the client may be cut off
	}()
	select {
	case <-from:
	case <-gone:
	}
	pause(after)
	w.mu.Lock() // so that the kill is clearly before or after the commit
	live = w.pair
	p.Kill()
	w.mu.Unlock()
	<-gone
	return live
}

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

// pause sleeps for a random time. It is part of the scenario; it does not wait for an event.
func pause(d time.Duration) { <-time.After(d) }

// recover starts a process after a kill and checks the state of the account.
func (w *testbed) recover(lost, marked bool, o *outcomes) {
	w.t.Helper()
	if marked && !full() {
		return // it takes half a minute of waiting, and a minute if the pair was lost
	}
	p := w.serve("--refresh-timeout", "1s")
	defer p.Kill()
	want := answer{status: 200}
	if lost {
		want = answer{status: 502, code: "login-required"}
	}
	until(w.t, "recover after a kill", func() error {
		got, err := p.get(w.t.Context())
		if err == nil && (got.status != want.status || got.code != want.code) {
			err = fmt.Errorf("GET = %v, want %v", got, want)
		}
		return err
	})
	if !lost {
		o.add(func(o *outcomes) { o.recovered++ })
		return
	}
	p.becomes("login-required: rotation-lost-in-transit")
	o.add(func(o *outcomes) { o.told++ })
	w.signIn()
	until(w.t, "use the new login", func() error {
		got, err := p.get(w.t.Context())
		if err == nil && got.status != 200 {
			err = fmt.Errorf("GET = %v", got)
		}
		return err
	})
}
