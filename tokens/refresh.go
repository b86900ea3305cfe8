package tokens

import (
	"errors"
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
func (k *keeper) refresh(from uint64) error {
	for pause := pollMin; ; pause = min(2*pause, pollMax) {
		wait, err := k.attempt(from)
		if err != nil || wait == 0 {
			return err
		}
		if !k.sleep(k.m.closing, min(pause, wait)) {
			return k.unavailable(ErrRefreshUnavailable, errClosed)
		}
	}
}

// attempt refreshes if that is allowed now. Otherwise it returns how long to wait at most before the
// next look at the store.
func (k *keeper) attempt(from uint64) (wait time.Duration, err error) {
	unlock, free, err := k.lock()
	if err != nil {
		return 0, k.failed(ErrStoreUnavailable, err, 0)
	}
	// The lock comes first and the look second: what a former owner has saved is seen.
	handedOver := false
	defer func() {
		if !handedOver {
			unlock()
		}
	}()
	rec, err := k.look()
	switch {
	case err != nil:
		return 0, k.storeError(err)
	case rec.Generation != from:
		return 0, nil
	}
	if err := k.hopeless(rec); err != nil {
		return 0, err
	}
	if k.m.config.Endpoint.ClientID == "" {
		return 0, k.failed(ErrClientRefused, errNoClient, 0)
	}
	if wait, err := k.mayStart(rec, free); wait > 0 || err != nil {
		return wait, err
	}
	c, err := k.claim(rec, unlock)
	switch {
	case errors.Is(err, ErrConflict):
		return pollMin, nil
	case err != nil:
		return 0, k.failed(ErrStoreUnavailable, err, 0)
	}
	handedOver = true
	return 0, c.run()
}

// mayStart says whether the refresh token in rec may be sent now; free says whether the store's refresh
// lock is ours, which proves that no other owner lives.
func (k *keeper) mayStart(rec Record, free bool) (wait time.Duration, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if err := k.cool.err(now); err != nil {
		return 0, err
	}
	_, locker := k.m.config.Store.(Locker)
	atWork := !free || (k.foreign(rec) && !locker && !k.doubt.lapsed(now))
	start := k.uncertain(rec)
	switch {
	case atWork:
		return lease, nil
	case !start.IsZero() && k.works(now):
		return 0, &UnavailableError{Err: ErrRefreshUnavailable, Cause: errInDoubt}
	}
	return k.doubt.quiet(start, now), nil
}

// lock takes the store's refresh lock if it has one.
func (k *keeper) lock() (unlock func(), free bool, err error) {
	l, ok := k.m.config.Store.(Locker)
	if !ok {
		return func() {}, true, nil
	}
	unlock, free, err = l.TryLock(k.m.ctx, k.account)
	if unlock == nil {
		unlock = func() {}
	}
	return unlock, free, err
}

// failed starts a cool-down and returns what callers are told.
func (k *keeper) failed(sentinel, cause error, atLeast time.Duration) error {
	now := time.Now()
	k.change(func() { k.cool.fail(sentinel, cause, now, atLeast) })
	return &UnavailableError{Err: sentinel, Cause: cause, RetryAfter: k.coolLeft(now)}
}

func (k *keeper) coolLeft(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return max(0, k.cool.until.Sub(now))
}

// sleep waits for d; false means that end was closed first.
func (k *keeper) sleep(end <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-end:
		return false
	}
}
