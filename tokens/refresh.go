package tokens

import (
	"errors"
	"math/rand/v2"
	"time"
)

var (
	errInDoubt  = errors.New("a refresh was cut off and may have spent the refresh token; it is not sent again while the access token works")
	errNoClient = errors.New("no client id is configured")
)

const (
	pollMin = 20 * time.Millisecond // first pause while another owner refreshes
	pollMax = 500 * time.Millisecond
)

// refresh obtains a pair that is newer than generation from, by whomever: it returns nil as soon as the
// account holds one. While another owner is at work, or may be, it watches the store.
func (a *account) refresh(from uint64) error {
	for pause := pollMin; ; pause = min(2*pause, pollMax) {
		wait, err := a.attempt(from)
		if err != nil || wait == 0 {
			return err
		}
		if !a.sleep(a.m.closing, min(pause, wait)) {
			return a.unavailable(ErrRefreshUnavailable, errClosed)
		}
	}
}

// attempt refreshes if that is allowed now. Otherwise it returns how long to wait at most before the
// next look at the store.
func (a *account) attempt(from uint64) (wait time.Duration, err error) {
	unlock, free, err := a.lock()
	if err != nil {
		return 0, a.failed(ErrStoreUnavailable, err, 0)
	}
	// The lock comes first and the look second: what a former owner has saved is seen.
	handedOver := false
	defer func() {
		if !handedOver {
			unlock()
		}
	}()
	rec, err := a.look()
	switch {
	case err != nil:
		return 0, a.storeError(err)
	case rec.Generation != from:
		return 0, nil
	}
	if err := a.hopeless(rec); err != nil {
		return 0, err
	}
	if a.m.config.Endpoint.ClientID == "" {
		return 0, a.failed(ErrClientRefused, errNoClient, 0)
	}
	if wait, err := a.mayStart(rec, free); wait > 0 || err != nil {
		return wait, err
	}
	c, err := a.claim(rec, unlock)
	switch {
	case errors.Is(err, ErrConflict):
		return pollMin, nil
	case err != nil:
		return 0, a.failed(ErrStoreUnavailable, err, 0)
	}
	if err := c.announced(); err != nil {
		return pollMin, c.withdraw(err)
	}
	handedOver = true
	return 0, c.run()
}

// mayStart says whether the refresh token in rec may be sent now; free says whether the store's refresh
// lock is ours, which proves that no other owner lives.
func (a *account) mayStart(rec Record, free bool) (wait time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if err := a.cool.err(now); err != nil {
		return 0, err
	}
	_, locker := a.m.config.Store.(Locker)
	atWork := !free || (a.foreign(rec) && !locker && !a.doubt.lapsed(now))
	start := a.uncertain(rec)
	switch {
	case atWork:
		return lease, nil
	case !start.IsZero() && a.works(now):
		return 0, &UnavailableError{Err: ErrRefreshUnavailable, Cause: errInDoubt}
	}
	return a.doubt.quiet(start, now), nil
}

// lock takes the store's refresh lock if it has one.
func (a *account) lock() (unlock func(), free bool, err error) {
	l, ok := a.m.config.Store.(Locker)
	if !ok {
		return func() {}, true, nil
	}
	unlock, free, err = l.TryLock(a.m.ctx, a.name)
	if unlock == nil {
		unlock = func() {}
	}
	return unlock, free, err
}

// failed starts a cool-down and returns what callers are told.
func (a *account) failed(sentinel, cause error, atLeast time.Duration) error {
	now := time.Now()
	a.change(func() { a.cool.fail(sentinel, cause, now, atLeast) })
	return &UnavailableError{Err: sentinel, Cause: cause, RetryAfter: a.coolLeft(now)}
}

func (a *account) coolLeft(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(0, a.cool.until.Sub(now))
}

// sleep waits for d; false means that end was closed first.
func (a *account) sleep(end <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-end:
		return false
	}
}

// doubt is what is known about token requests whose outcome is not. A refresh token that may be spent
// must not be sent again while the request that may have spent it can still be under way, nor as long
// as the old access token works: some servers answer a second use by killing the whole grant.
type doubt struct {
	// pending is the marker of another owner, since when we have seen it unchanged, on our own
	// monotonic clock.
	pending Pending
	since   time.Time
	// start is the last uncertain request of another that we know of, seen is when we came to know of it.
	start time.Time
	seen  time.Time
	// own is the start of our last uncertain request, as the record tells it (if it could be told), and
	// began the same on our own monotonic clock.
	own   time.Time
	began time.Time
	// over is the start of an uncertain request that cannot be under way any more: it was ours, and
	// it was answered.
	over time.Time
}

// watch follows the marker in the store.
func (d *doubt) watch(p *Pending) {
	switch {
	case p == nil:
		d.pending, d.since = Pending{}, time.Time{}
	case *p != d.pending:
		d.pending, d.since = *p, time.Now()
	}
}

// lapsed says whether the marker stood unchanged for a whole lease: a living owner would have renewed it.
func (d *doubt) lapsed(now time.Time) bool {
	return !d.since.IsZero() && now.Sub(d.since) >= lease
}

// quiet returns how long the request that started at start may still be under way. A start in the
// future, of a machine whose clock is ahead, counts as now.
func (d *doubt) quiet(start, now time.Time) time.Duration {
	switch {
	case start.IsZero() || start.Equal(d.over):
		return 0
	case start.Equal(d.own): // a step of the wall clock changes nothing
		return max(0, d.began.Add(quietTime).Sub(now))
	case !start.Equal(d.start):
		d.start, d.seen = start, now
	}
	return max(0, min(start.Add(quietTime).Sub(now.Round(0)), d.seen.Add(quietTime).Sub(now)))
}

// foreign says whether another owner's marker stands in rec.
func (a *account) foreign(rec Record) bool {
	return rec.Pending != nil && rec.Pending.Owner != a.owner
}

// uncertain returns when the last request started whose outcome rec leaves open; zero if there is none.
// mu is held.
func (a *account) uncertain(rec Record) time.Time {
	start := rec.UnconfirmedSince
	if a.foreign(rec) && rec.Pending.StartedAt.After(start) {
		start = rec.Pending.StartedAt
	}
	if a.doubt.own.After(start) {
		start = a.doubt.own
	}
	return start
}

// inDoubt says whether a refresh seems to have been cut off. A marker that is younger than a lease is
// just somebody at work.
func (a *account) inDoubt(rec Record, now time.Time) bool {
	return !rec.UnconfirmedSince.IsZero() || (a.foreign(rec) && now.Sub(rec.Pending.StartedAt) > lease)
}

const (
	coolMin = time.Second
	coolMax = time.Minute
)

// coolDown keeps an account from asking the token endpoint again too soon after a failure.
type coolDown struct {
	failures int
	until    time.Time
	sentinel error  // what callers are told
	cause    error  // what lay behind it
	name     string // of the cause, as the status shows it
}

// fail notes a failure: 1 s doubling to 60 s, a fifth of it by chance, and at least atLeast.
func (c *coolDown) fail(sentinel, cause error, now time.Time, atLeast time.Duration) {
	pause := coolMax
	if c.failures < 6 {
		pause = coolMin << c.failures
	}
	pause = pause*4/5 + rand.N(pause/5)
	c.failures++
	c.until = now.Add(max(pause, atLeast))
	c.sentinel, c.cause, c.name = sentinel, cause, CauseRefreshFailing
	switch {
	case errors.Is(sentinel, ErrClientRefused):
		c.name = CauseClientRefused
	case errors.Is(sentinel, ErrStoreUnavailable):
		c.name = CauseStore
	}
}

// err says why no refresh is started now; nil once the account has cooled down.
func (c *coolDown) err(now time.Time) error {
	if c.failures == 0 || !now.Before(c.until) {
		return nil
	}
	return &UnavailableError{Err: c.sentinel, Cause: c.cause, RetryAfter: c.until.Sub(now)}
}
