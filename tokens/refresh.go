package tokens

import (
	"errors"
	"math/rand/v2"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

var (
	errInDoubt  = errors.New("a refresh was cut off and may have spent the refresh token; it is not sent again while the access token works")
	errNoClient = errors.New("no client id is configured")
)

const (
	pollMin  = 20 * time.Millisecond // first pause while another owner refreshes
	pollMax  = 500 * time.Millisecond
	maxCalls = 8 // token calls of one process at a time
	// connectTime is how long the other processes need at most to connect again after we could.
	connectTime = 5 * time.Second
	// seedTime is how long they need to put a newer pair back, if the store reports changes.
	seedTime = 2 * time.Second
)

// reason is the reason for a refresh. It determines the hold of the new pair.
type reason int

const (
	forExpiry  reason = iota // the access token has expired, or will soon: ends a hold
	forRefusal               // the API refused the access token: begins a hold
	forPerson                // a person requested it: leaves a hold as it is
)

// refresh obtains a pair that is newer than from, by its own refresh or that of another process. It returns nil
// as soon as the account has one. While another owner is, or may be, refreshing, it watches the store.
func (a *account) refresh(f *flight, from Record, why reason) error {
	if err := a.hopeless(from); err != nil {
		return err
	}
	for pause := pollMin; ; pause = min(2*pause, pollMax) {
		wait, err := a.attempt(f, from, why)
		if err != nil || wait == 0 {
			return err
		}
		if !Sleep(a.m.closing, min(pause, wait)) {
			return &UnavailableError{Err: ErrRefreshUnavailable, Cause: errClosed}
		}
	}
}

// attempt refreshes if that is allowed now. Otherwise it returns how long to wait at most before the
// next reload.
func (a *account) attempt(f *flight, from Record, why reason) (wait time.Duration, err error) {
	slot := a.m.takeSlot(f, time.Second+rand.N(time.Second)) // otherwise it could be away each time that a slot becomes free
	if slot {
		defer func() { <-a.m.slots }()
	}
	lock, err := a.lock()
	if err != nil {
		return 0, a.failed(ErrStoreUnavailable, err, 0)
	}
	defer lock.Unlock()
	// Take the lock first and then read the store, to see what the last owner has saved.
	rec, err := a.reload()
	switch {
	case err != nil:
		return 0, storeError(err)
	case rec.Compare(from) != 0:
		return 0, nil
	}
	if err := a.hopeless(rec); err != nil {
		return 0, err
	}
	if a.m.config.Endpoint.ClientID == "" {
		return 0, a.failed(ErrClientNotConfigured, errNoClient, 0)
	}
	if wait, err := a.mayStart(rec, lock.held); wait > 0 || err != nil {
		return wait, err
	}
	if !slot {
		return pollMin, nil
	}
	a.setClaiming(true)
	defer a.setClaiming(false)
	c, err := a.claim(rec, why)
	switch {
	case errors.Is(err, ErrConflict):
		return pollMin, nil
	case err != nil:
		a.setClaiming(false)
		_, _ = a.reload() // the marker may have been written all the same: settle takes it back
		return 0, a.failed(ErrStoreUnavailable, err, 0)
	}
	if answered, err := c.announce(); answered || err != nil {
		return pollMin, err
	}
	c.lock = &lock
	return 0, c.run()
}

// setClaiming records whether a marker of ours in the store is in use.
func (a *account) setClaiming(now bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claiming = now
}

// announce gives the other processes time to answer, if they have a newer pair than ours, or have sent our refresh
// token. answered means that one of them did, so that the store must be read again.
func (c *claim) announce() (answered bool, err error) {
	pause, unconfirmed := c.announcement(), c.rec.UnconfirmedSince
	if pause == 0 {
		return false, nil
	}
	wait := func() error {
		if Sleep(c.a.m.closing, pause/2) {
			return nil
		}
		return errClosed
	}
	err = wait()
	if err == nil {
		// Announce again for processes that have connected since: after a failover they may have thousands of records
		// to read.
		err = c.renew(wallClock())
	}
	if err == nil {
		err = wait()
	}
	var found Record
	if err == nil {
		found, err = c.a.reload()
	}
	switch {
	case errors.Is(err, ErrConflict):
		return true, nil
	case errors.Is(err, errClosed):
		c.release(nil)
		return false, &UnavailableError{Err: ErrRefreshUnavailable, Cause: err}
	case err != nil:
		c.release(nil)
		return false, c.a.failed(ErrStoreUnavailable, err, 0)
	case found.Compare(c.rec) != 0 || !c.a.owns(found):
		return true, nil
	}
	c.rec = found
	if found.UnconfirmedSince.After(unconfirmed) { // another request may have spent the token
		c.release(nil)
		return true, nil
	}
	return false, nil
}

// announcement returns how long our announcement stands. It stands longer if we have just connected, because
// others may connect after us. In a store that loses no saves, only a pair that was never refreshed is announced:
// if somebody has emptied the store, the pair is a seed that was used long ago, and a process with the newest pair
// is about to put that back.
func (c *claim) announcement() time.Duration {
	w := c.a.m.watch
	switch since := w.since.Load(); {
	case w.watcher == nil:
		return 0
	case w.settle == 0 && !c.from.ProvenAt.IsZero():
		return 0
	case w.settle == 0:
		return seedTime
	case since != nil:
		return max(w.settle, connectTime-time.Since(*since))
	}
	return connectTime
}

// answer warns a process that is about to send the same refresh token as we have: it writes our marker again.
// It also restores a marker that the store has lost.
func (c *claim) answer() {
	if c.a.m.watch.settle == 0 {
		return
	}
	found, err := c.a.m.load(c.a.name)
	switch order := found.Compare(c.rec); {
	case err != nil, order > 0, c.a.owns(found):
		return
	case order < 0:
		found = c.rec.rebased(found) // the store has lost the pair as well
	}
	c.rec, c.lost = c.learnt(found), false
	_ = c.renew(c.rec.Pending.StartedAt) // if it fails, the store has changed, or cannot be reached by the other one either
}

// mayStart reports whether the refresh token in rec may be sent now. If not, it returns how long to wait, or
// why it can never be sent. free means that no other living process holds the store's refresh lock.
func (a *account) mayStart(rec Record, free bool) (wait time.Duration, err error) {
	inDoubt := false
	a.mu.Lock()
	now := time.Now()
	err = a.cool.err(now)
	start, over := a.uncertainLocked(rec)
	switch {
	case err != nil:
	case !free || (a.foreign(rec) && a.m.locker == nil && !a.doubt.lapsed(now)):
		wait, inDoubt = lease, a.inDoubt(rec, now)
	case !start.IsZero() && !over && a.works(now):
		err = &UnavailableError{Err: ErrRefreshUnavailable, Cause: errInDoubt}
	default:
		if !over {
			wait = a.doubt.sent.left(start, quietTime, now)
		}
		wait = max(wait, a.doubt.restored.left(rec.RestoredAt, restoreTime, now))
		inDoubt = wait > 0
	}
	changed := inDoubt && a.waiting != problem.RefreshInDoubt
	a.mu.Unlock()
	if changed {
		a.change(func() { a.waiting = problem.RefreshInDoubt })
	}
	return wait, err
}

// refreshLock is the store's refresh lock of one account. The owner of the value has the lock; move passes it
// on.
type refreshLock struct {
	held   bool // by us; always true for a store that has no such lock
	unlock func()
}

// lock takes the store's refresh lock, if the store has one. If another process has the lock, held is false and
// there is no error.
func (a *account) lock() (refreshLock, error) {
	if a.m.locker == nil {
		return refreshLock{held: true}, nil
	}
	unlock, held, err := a.m.locker.TryLock(a.m.ctx, a.name)
	return refreshLock{held, unlock}, err
}

// Unlock frees the lock. It may be called more than once, and does nothing after move.
func (l *refreshLock) Unlock() {
	if l.unlock != nil {
		l.unlock()
	}
	*l = refreshLock{}
}

// move returns the lock, and l no longer has it.
func (l *refreshLock) move() refreshLock {
	moved := *l
	*l = refreshLock{}
	return moved
}

// takeSlot waits for one of the slots for token calls, at most for limit, and reports whether it got one. Flights that a
// request waits for stand in the queue. The others only look now and then if a slot is free, and so go last.
func (m *Manager) takeSlot(f *flight, limit time.Duration) bool {
	end := time.After(limit)
	for {
		var queue chan<- struct{} // nil if f does not stand in it
		if f.urgent.Load() {
			queue = m.slots
		} else {
			select {
			case m.slots <- struct{}{}:
				return true
			default:
			}
		}
		select {
		case queue <- struct{}{}:
			return true
		case <-time.After(pollMax):
		case <-end:
			return false
		}
	}
}

// doubt is what is known about token requests with an unknown result. A refresh token that may be spent must
// not be sent again while the request that may have spent it can still be in progress, nor as long as the old
// access token works, because some servers end the whole grant at a second use.
type doubt struct {
	// pending is the marker of another owner, and since when we have seen it unchanged, on our own monotonic
	// clock.
	pending Pending
	since   time.Time
	// own is the start of our last request with an unknown result, as a wall-clock time like that in the
	// record. over means that it was answered with a server error.
	own  time.Time
	over bool
	// sent and restored time the two waits.
	sent, restored countdown
}

// countdown measures a period that began at a time in a record. The time may come from another machine's clock,
// so the period also ends when its length has passed since we first saw it.
type countdown struct {
	start time.Time
	known time.Time // on our own monotonic clock
	ours  bool      // known is the moment itself
}

func (c *countdown) left(start time.Time, length time.Duration, now time.Time) time.Duration {
	if start.IsZero() {
		return 0
	}
	if !start.Equal(c.start) {
		*c = countdown{start: start, known: now}
	}
	left := c.known.Add(length).Sub(now)
	if !c.ours { // our own times are measured without the wall clock, which may be set
		left = min(left, start.Add(length).Sub(now.Round(0)))
	}
	return max(0, left)
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

// lapsed reports whether the marker was unchanged for a whole lease: a living owner would have renewed it.
func (d *doubt) lapsed(now time.Time) bool {
	return !d.since.IsZero() && now.Sub(d.since) >= lease
}

// owns reports whether rec has our marker.
func (a *account) owns(rec Record) bool { return rec.Pending != nil && rec.Pending.Owner == a.owner }

// foreign reports whether rec has another owner's marker.
func (a *account) foreign(rec Record) bool { return rec.Pending != nil && !a.owns(rec) }

// uncertainLocked returns the start of the last request with an unknown result; zero if there is none. over
// means that it was answered with a server error: it has ended, and may be repeated.
func (a *account) uncertainLocked(rec Record) (start time.Time, over bool) {
	start, over = rec.UnconfirmedSince, rec.Answered
	if a.foreign(rec) && rec.Pending.StartedAt.After(start) {
		start, over = rec.Pending.StartedAt, false
	}
	if a.doubt.own.After(start) {
		start, over = a.doubt.own, a.doubt.over
	}
	return start, over
}

// inDoubt reports whether a refresh seems to have been interrupted. A marker that is younger than a lease only
// means that a refresh is running.
func (a *account) inDoubt(rec Record, now time.Time) bool {
	return !rec.UnconfirmedSince.IsZero() && !rec.Answered || (a.foreign(rec) && now.Sub(rec.Pending.StartedAt) > lease)
}

// retryPause reports whether a failed call is tried again in this flight, and after which pause. If a server
// asks for more than 5 s, the cool-down provides that.
func retryPause(err error, pauses []time.Duration) (time.Duration, bool) {
	const longest = 5 * time.Second
	var answer *EndpointError
	var broken *callError
	switch {
	case err == nil || len(pauses) == 0:
		return 0, false
	case errors.As(err, &broken):
		return pauses[0], !broken.sent
	case !errors.As(err, &answer) || answer.RetryAfter > longest:
		return 0, false
	case answer.Status == 429:
		return answer.RetryAfter, answer.RetryAfter > 0
	}
	return max(pauses[0], answer.RetryAfter), answer.Status >= 500
}

const (
	coolMin  = time.Second
	coolMax  = time.Minute
	retryMin = 5 * time.Second // first pause in the background while the access token works
	retryMax = time.Hour
)

// coolDown prevents an account from calling the token endpoint again too soon after a failure.
type coolDown struct {
	failures int
	until    time.Time // no call before this time
	retryAt  time.Time // when the background tries again while the access token works
	sentinel error     // the error for callers
	cause    error     // the reason for it
}

// fail records a failure. The pause is 1 s, doubling to 60 s (in the background 5 s to an hour), with a random
// part of a fifth, and at least atLeast.
func (c *coolDown) fail(sentinel, cause error, now time.Time, atLeast time.Duration) {
	doubled := func(first, most time.Duration) time.Duration {
		pause := min(first<<min(c.failures, 16), most)
		return max(pause*4/5+rand.N(pause/5), atLeast)
	}
	c.until, c.retryAt = now.Add(doubled(coolMin, coolMax)), now.Add(doubled(retryMin, retryMax))
	c.failures++
	c.sentinel, c.cause = sentinel, cause
}

// err returns why no refresh may start now, or nil when the cool-down is over.
func (c *coolDown) err(now time.Time) error {
	if c.failures == 0 || !now.Before(c.until) {
		return nil
	}
	return &UnavailableError{Err: c.sentinel, Cause: c.cause, RetryAfter: c.until.Sub(now)}
}

// failed starts a cool-down and returns the error for callers.
func (a *account) failed(sentinel, cause error, atLeast time.Duration) error {
	now := time.Now()
	var err error
	a.change(func() {
		a.cool.fail(sentinel, cause, now, atLeast)
		err = a.cool.err(now)
	})
	return err
}
