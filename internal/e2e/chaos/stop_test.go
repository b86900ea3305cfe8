//go:build unix

package chaos

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// A machine sleeps (here: kill -STOP) in the middle of a token call, with the answer already in the socket. The
// lock shows that the owner is alive, so the others wait, and the late answer is used.
func TestOwnerStoppedInItsTokenCall(t *testing.T) {
	t.Parallel()
	long := size(3*time.Second, time.Minute)
	w := newSignedIn(t)
	owner := w.serve()
	others := []*proxy{w.serve("--refresh-timeout", "1s"), w.serve("--refresh-timeout", "1s"), w.serve("--refresh-timeout", "1s")}
	arrived, goOn := make(chan struct{}), make(chan struct{})
	w.plan(always(plan{before: func() { close(arrived); <-goOn }}))
	w.refuse()
	first := make(chan answer)
	go func() {
		got, _ := owner.get(context.Background())
		first <- got
	}()
	<-arrived
	owner.stop()
	close(goOn) // the server commits and answers
	w.rest()
	asked, waited := whileStopped(t, others, long)
	owner.resume()
	// If the pause is long, the client has waited longer than --refresh-timeout. The refresh continues.
	if got := <-first; got.status != 200 && (!full() || got.code != "refresh-unavailable" || got.retry == "") {
		t.Errorf("the client of the stopped process got %v, Retry-After %q", got, got.retry)
	}
	for _, p := range append(others, owner) {
		p.want(200)
	}
	live, _ := w.live()
	c := w.counts()
	t.Logf("owner stopped for %v: %d requests to three others, %d answered 503 with Retry-After; then %d call, %d rotation, %d invalid_grant; pair %d on disk, pair %d live",
		long, asked, waited, c.calls, c.rotations, c.invalid, w.saved(), live)
	if c.calls != 1 || c.rotations != 1 || c.invalid != 0 || w.saved() != live {
		t.Errorf("token endpoint: %+v, pair %d on disk, want one call and pair %d", c, w.saved(), live)
	}
	w.wantNoReuse()
}

// whileStopped sends requests to the others for as long as the owner is stopped.
func whileStopped(t *testing.T, others []*proxy, long time.Duration) (asked, waited int64) {
	var n, unavailable atomic.Int64
	end := time.Now().Add(long)
	asOne(len(others), func(i int) {
		for time.Now().Before(end) {
			got, err := others[i].get(t.Context())
			n.Add(1)
			if err != nil || got.status != 503 || got.code != "refresh-unavailable" || got.retry == "" {
				t.Errorf("process %d, while the owner is stopped: %v, Retry-After %q, %v", i, got, got.retry, err)
				return
			}
			unavailable.Add(1)
		}
	})
	return n.Load(), unavailable.Load()
}

// The owner dies instead, and nobody answers its request. The next process waits until that request can no longer
// be in progress, tries once, and continues.
func TestOwnerKilledBeforeTheServerCommits(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t)
	owner, other := w.serve(), w.serve("--refresh-timeout", "1s")
	arrived, goOn := make(chan struct{}), make(chan struct{})
	w.plan(func() plan {
		w.next = func() plan { return plan{} }
		return plan{before: func() { close(arrived); <-goOn }, cutBefore: true}
	})
	w.refuse()
	go func() { _, _ = owner.get(context.Background()) }()
	<-arrived
	owner.Kill()
	close(goOn)
	began := time.Now()
	until(t, "recover", func() error { return other.is(200) })
	c := w.counts()
	t.Logf("owner killed, nothing committed: the next process was signed in after %.1f s, with %d calls and %d invalid_grant",
		time.Since(began).Seconds(), c.calls, c.invalid)
	if c.calls != 2 || c.rotations != 1 || c.invalid != 0 {
		t.Errorf("token endpoint: %+v, want two calls and one rotation", c)
	}
	w.wantNoReuse()
}
