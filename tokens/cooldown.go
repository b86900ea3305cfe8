package tokens

import (
	"errors"
	"math/rand/v2"
	"time"
)

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
