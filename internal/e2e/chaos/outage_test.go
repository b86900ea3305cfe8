//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"
)

// The token endpoint is down for the whole window of the background refresh, and longer. While the old token is valid,
// clients do not notice it. After that they get Retry-After, the endpoint is not called too often, and everything
// recovers by itself.
func TestTokenEndpointDown(t *testing.T) {
	t.Parallel()
	life, down := size(12*time.Second, 90*time.Second), size(6*time.Second, time.Minute)
	w := newTestbed(t)
	w.life = life
	w.signIn()
	w.shut()
	p := w.serve()
	valid, degraded := w.whileValid(p)
	w.plan(always(plan{status: 503}))
	w.reopen()
	var last answer
	failed := 0
	for end := time.Now().Add(down); time.Now().Before(end); failed++ {
		last = p.want(503)
		if seconds, err := strconv.Atoi(last.retry); err != nil || seconds < 1 || last.code != "refresh-unavailable" {
			t.Fatalf("after expiry: %v with Retry-After %q", last, last.retry)
		}
		pause(20 * time.Millisecond)
	}
	calls := w.counts().calls
	w.plan(always(plan{}))
	began := time.Now()
	until(t, "recover", func() error { return p.is(200) })
	p.becomes("ready")
	t.Logf("endpoint down: %d of %d requests answered 200 while the token was valid (degraded for %d of them); "+
		"down after expiry for %v: %d requests answered 503 with Retry-After, %d calls of the endpoint; recovered by itself %.1f s after it came back (Retry-After had been %s)",
		valid, valid, degraded, down, failed, calls, time.Since(began).Seconds(), last.retry)
	if most := size(12, 24); calls > most {
		t.Errorf("%d calls in %v, want at most %d", calls, down, most)
	}
	if took := time.Since(began); took > time.Minute+10*time.Second {
		t.Errorf("recovered after %v, want it within the cool-down", took)
	}
}

// whileValid sends requests until shortly before the access token expires. It returns the number of requests, and how
// many of them were sent while the account was degraded.
func (w *testbed) whileValid(p *proxy) (all, degraded int) {
	w.t.Helper()
	w.mu.Lock()
	end := w.expires.Add(-300 * time.Millisecond) // a request in progress must still arrive in time
	expires := w.expires
	w.mu.Unlock()
	for ; time.Now().Before(end); all++ {
		got, err := p.get(w.t.Context())
		if time.Now().After(expires) { // a request took long on a busy machine
			break
		}
		if err != nil || got.status != 200 {
			w.t.Errorf("GET = %v, %v while the token is valid", got, err)
		}
		if p.ready() == "degraded: refresh-failing" {
			degraded++
		}
		pause(20 * time.Millisecond)
	}
	if full() && degraded == 0 { // a short window ends before the third try has failed
		w.t.Error("no background refresh was tried before the expiry")
	}
	until(w.t, "expire", func() error {
		if time.Now().Before(expires) {
			return errors.New("the token is still valid")
		}
		return nil
	})
	return all, degraded
}

// A token endpoint that is slow, answers late, cuts its answers off or fails. A client waits, or is told to come
// back. A login is needed only if the pair was lost.
func TestAwkwardAnswers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		plans []plan
		calls int
	}{
		{"slow", []plan{{before: func() { pause(3 * time.Second) }}}, 1},
		{"later than a client waits", []plan{{after: func() { pause(5 * time.Second) }}}, 1},
		{"failing, then good", []plan{{status: 500}, {status: 503}}, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newSignedIn(t)
			p := w.serve("--refresh-timeout", "4s")
			n := 0
			w.plan(func() plan {
				n++
				if n > len(row.plans) {
					return plan{}
				}
				return row.plans[n-1]
			})
			w.refuse()
			until(t, "answer 200", func() error {
				got, err := p.get(t.Context())
				if err == nil && got.status != 200 {
					if err = fmt.Errorf("GET = %v", got); got.status != 503 || got.retry == "" {
						t.Errorf("%v, Retry-After %q", err, got.retry)
					}
				}
				return err
			})
			if c := w.counts(); c.calls != row.calls || c.rotations != 1 || c.invalid != 0 {
				t.Errorf("token endpoint: %+v, want %d calls and one rotation", c, row.calls)
			}
			w.wantSaved()
			w.wantNoReuse()
		})
	}
}
