package tokens

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// keeper keeps the token of one account fresh.
type keeper struct {
	m       *Manager
	account string
	config  Account
	// owner names this keeper in markers. An account that was evicted and came back has another
	// keeper with another name, so that the two never take each other's marker for their own.
	owner string

	current atomic.Pointer[current] // all that the hot path reads; never nil
	touched atomic.Int64            // unix second of the last use that the cache was told of

	mu     sync.Mutex // guards the fields below
	flight *flight    // nil if none is under way

	rec      Record    // as last seen in the store, or newer while unsaved
	unsaved  *unsaved  // a pair that is not in the store yet; nil if there is none
	lookedAt time.Time // when the store last answered or failed
	lookErr  error     // why it failed; ErrNotFound is an answer

	refused  uint64    // the generation that the API refused; it is known dead
	good     uint64    // the generation that a probe found good,
	goodTill time.Time // and how long that is believed
	hold     hold
	cool     coolDown
	doubt    doubt

	refreshAt time.Time // when the background refresh is due; zero means never
	rereadAt  time.Time
	told      Status // as last told to the observer
}

// current is what the hot path needs of an account.
type current struct {
	token   Token
	expires time.Time // zero means unknown
	dead    bool      // refused by the API
}

func newKeeper(m *Manager, account, owner string) *keeper {
	k := &keeper{m: m, account: account, config: m.config.Accounts[account], owner: owner}
	k.told = Status{Account: account, State: Unknown}
	k.publish()
	return k
}

// usable returns the current token if requests can be signed in with it. It compares wall clocks:
// a machine that slept has aged.
func (k *keeper) usable(now time.Time) (Token, bool) {
	c := k.current.Load()
	if c.dead || c.token.Access.IsZero() {
		return Token{}, false
	}
	return c.token, c.expires.IsZero() || now.Round(0).Before(c.expires)
}

// lastResort returns a token that expired less than a minute ago. The API's clock may differ from
// ours, and this is better than nothing.
func (k *keeper) lastResort(now time.Time) (Token, bool) {
	c := k.current.Load()
	if c.dead || c.token.Access.IsZero() {
		return Token{}, false
	}
	return c.token, now.Round(0).Before(c.expires.Add(grace))
}

// publish shows the record to the hot path. mu is held, or nobody else knows the keeper yet.
func (k *keeper) publish() {
	if !k.config.APIKey.IsZero() {
		k.current.Store(&current{token: Token{Account: k.account, Scheme: APIKey, Access: k.config.APIKey}})
		return
	}
	k.current.Store(&current{
		token: Token{
			Account: k.account, Generation: k.rec.Generation, Scheme: Bearer,
			Access: k.rec.AccessToken, ExpiresAt: k.rec.ExpiresAt,
		},
		expires: k.rec.ExpiresAt,
		dead:    k.refused == k.rec.Generation && k.refused != 0,
	})
}

// works says whether the current access token is neither refused nor expired, as far as is known.
func (k *keeper) works(now time.Time) bool {
	_, ok := k.usable(now)
	return ok
}

// pinned says whether the keeper must stay in memory.
func (k *keeper) pinned() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.flight != nil || k.unsaved != nil
}

// change runs f under the lock, shows the result to the hot path, and tells the observer if the state
// has changed.
func (k *keeper) change(f func()) {
	k.mu.Lock()
	f()
	k.publish()
	status := k.assess(time.Now())
	changed := status.State != k.told.State || status.Cause != k.told.Cause
	changed = changed && (k.expected() || k.rec.Generation > 0) // names that somebody made up are no news
	k.told = status
	k.mu.Unlock()
	if changed {
		k.m.observe(Event{Account: k.account, Kind: EventState, Status: status, Generation: status.Generation, Detail: status.Detail})
	}
}

// tell reports an event with the state as it is now.
func (k *keeper) tell(e Event) {
	e.Account = k.account
	e.Status = k.status(time.Now())
	k.m.observe(e)
}

// token serves Manager.Token when there is no usable token at hand.
func (k *keeper) token(ctx context.Context) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, k.m.config.RefreshTimeout)
	defer cancel()
	for {
		if t, ok := k.usable(time.Now()); ok {
			return t, nil
		}
		err := k.verdict(time.Now())
		if err == nil {
			f, mine := k.join(need{})
			if err = f.wait(ctx); err != nil {
				err = k.waitError(err)
			} else if mine {
				err = f.err
			}
			if err == nil && !mine {
				continue
			}
		}
		// A pair that is born expired is used all the same: another would be no older.
		if t, ok := k.lastResort(time.Now()); ok {
			return t, nil
		}
		if err != nil {
			return Token{}, err
		}
	}
}

// renew serves Manager.Renew.
func (k *keeper) renew(ctx context.Context, rejected Token) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, k.m.config.RefreshTimeout)
	defer cancel()
	for {
		t, err, known := k.answer401(rejected, time.Now())
		if known {
			return t, err
		}
		f, mine := k.join(need{rejected: rejected})
		if err := f.wait(ctx); err != nil {
			return Token{}, k.waitError(err)
		}
		if mine && f.err != nil {
			return Token{}, f.err
		}
	}
}

// force serves Manager.Refresh: it waits for a refresh that was started for its sake.
func (k *keeper) force(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.m.config.RefreshTimeout)
	defer cancel()
	for {
		f, mine := k.join(need{force: true})
		if err := f.wait(ctx); err != nil {
			return k.waitError(err)
		}
		if mine {
			return f.err
		}
	}
}

// load reads the record if the store was not asked yet.
func (k *keeper) load(ctx context.Context) {
	k.mu.Lock()
	looked := !k.lookedAt.IsZero() || !k.config.APIKey.IsZero()
	k.mu.Unlock()
	if looked {
		return
	}
	f, _ := k.join(need{look: true})
	_ = f.wait(ctx) // what went wrong is in the status
}

// waitError tells a caller that could not wait for the end of a flight: its own context ended, or
// the flight takes longer than a request may wait.
func (k *keeper) waitError(err error) error {
	return &UnavailableError{Err: ErrRefreshUnavailable, Cause: err, RetryAfter: time.Second}
}
