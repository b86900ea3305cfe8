//go:build unix

package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// states returns the status of /readyz, and the state of every account in it.
func (p *proxy) states() (status int, states map[string]string, err error) {
	resp, err := http.Get(p.Admin + "/readyz")
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	var r struct {
		Accounts []struct{ Account, State string }
	}
	err = json.NewDecoder(resp.Body).Decode(&r)
	states = map[string]string{}
	for _, a := range r.Accounts {
		states[a.Account] = a.State
	}
	return resp.StatusCode, states, err
}

// Accounts that somebody signed in are known from the start, before any request. Serving does not wait for them,
// also if their records are locked or damaged.
func TestAccountsAreKnownFromTheStart(t *testing.T) {
	t.Parallel()
	w := newTestbed(t)
	names := []string{"red", "green", "blue", "white"}
	for _, account := range names {
		w.signInAs(account)
		held, err := os.OpenFile(filepath.Join(w.dir, account+".lock"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
	}
	w.must(os.WriteFile(filepath.Join(w.dir, "damaged.json"), []byte(`{"half`), 0o600))
	began := time.Now()
	p := w.serve()
	took := time.Since(began)
	until(t, "know the accounts", func() error {
		status, states, err := p.states()
		for _, account := range names {
			if states[account] != "ready" {
				err = errors.Join(err, fmt.Errorf("%s is %q", account, states[account]))
			}
		}
		if _, listed := states["damaged"]; !listed || status != 200 {
			err = errors.Join(err, fmt.Errorf("status %d, damaged listed %t", status, listed))
		}
		return err
	})
	if _, states, _ := p.states(); states["default"] != "" {
		t.Errorf("default is listed as %q, and nobody has used it", states["default"])
	}
	if took > 30*time.Second {
		t.Errorf("ready after %v with four held locks", took)
	}
	for _, account := range names {
		if err := p.isAs(account, 200); err != nil {
			t.Error(err)
		}
	}
}

// The access tokens of many accounts end at once. At most eight token calls run at a time, and all succeed.
func TestManyAccountsRefreshFewAtATime(t *testing.T) {
	t.Parallel()
	const accounts, most = 40, 8
	w := newTestbed(t)
	for n := range accounts {
		w.signInAs(fmt.Sprintf("m%d", n))
		w.mu.Lock()
		w.grants[fmt.Sprintf("m%d", n)].refuses = true
		w.mu.Unlock()
	}
	var mu sync.Mutex
	running, highest := 0, 0
	step := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		running += by
		highest = max(highest, running)
	}
	w.plan(always(plan{
		before: func() { step(1); pause(50 * time.Millisecond) },
		after:  func() { step(-1) },
	}))
	p := w.serve("--refresh-timeout", "2m")
	var statuses []int
	asOne(accounts, func(n int) {
		got, err := p.getAs(t.Context(), fmt.Sprintf("m%d", n))
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		statuses = append(statuses, got.status)
	})
	if slices.ContainsFunc(statuses, func(s int) bool { return s != 200 }) {
		t.Errorf("answers %v, want 200 for all", statuses)
	}
	if c := w.counts(); highest > most || c.calls != accounts || c.invalid != 0 {
		t.Errorf("%d token calls at once, %+v in all; want at most %d, and one for each account", highest, c, most)
	}
	t.Logf("%d accounts refreshed, at most %d token calls at once", accounts, highest)
}

// A refresh is in doubt and the old access token does not work: requests wait and then get 503, and the state of the
// account is unavailable too.
func TestDoubtIsUnavailable(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t)
	p := w.serve("--refresh-timeout", "1s")
	w.plan(always(plan{cutBefore: true}))
	w.refuse()
	if got := p.want(503); got.code != "refresh-unavailable" || got.retry == "" {
		t.Errorf("GET = %v, Retry-After %q", got, got.retry)
	}
	until(t, "tell it", func() error {
		go func() { _, _ = p.get(t.Context()) }()
		status, states, err := p.states()
		if err == nil && (status != 503 || states["default"] != "unavailable") {
			err = fmt.Errorf("status %d, default is %q", status, states["default"])
		}
		return err
	})
}

// The token endpoint sends Retry-After. It gets no request before that time.
func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t)
	p := w.serve()
	var mu sync.Mutex
	var calls []time.Time
	w.plan(func() plan {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, time.Now())
		if len(calls) > 1 {
			return plan{}
		}
		return plan{foreign: func(rw http.ResponseWriter) {
			rw.Header().Set("Retry-After", "2")
			rw.WriteHeader(http.StatusServiceUnavailable)
		}}
	})
	w.refuse()
	until(t, "refresh", func() error { return p.is(200) })
	if gap := calls[1].Sub(calls[0]); gap < 1900*time.Millisecond {
		t.Errorf("asked again after %v, want 2s", gap)
	}
	w.wantNoReuse()
}
