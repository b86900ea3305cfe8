package tokens

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// account keeps the token of one account fresh.
type account struct {
	m      *Manager
	name   string
	config AccountConfig
	// owner names this value in markers. An account that was evicted and came back is another value
	// with another owner name, so that the two never take each other's marker for their own.
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
	stale     bool          // the store may hold another version than the one that was read last
	heard     chan struct{} // tells a flight the same; holds at most one
	told      Status        // as last told to the observer
}

// current is what the hot path needs of an account.
type current struct {
	token   Token
	expires time.Time // zero means unknown
	dead    bool      // refused by the API
}

func newAccount(m *Manager, name, owner string) *account {
	a := &account{m: m, name: name, config: m.config.Accounts[name], owner: owner, heard: make(chan struct{}, 1)}
	a.told = Status{Account: name, State: Unknown}
	a.publish()
	return a
}

// usable returns the current token if requests can be signed in with it. It compares wall clocks:
// a machine that slept has aged.
func (a *account) usable(now time.Time) (Token, bool) {
	c := a.current.Load()
	if c.dead || c.token.Access.IsZero() {
		return Token{}, false
	}
	return c.token, c.expires.IsZero() || now.Round(0).Before(c.expires)
}

// lastResort returns a token that expired less than a minute ago. The API's clock may differ from
// ours, and this is better than nothing.
func (a *account) lastResort(now time.Time) (Token, bool) {
	c := a.current.Load()
	if c.dead || c.token.Access.IsZero() {
		return Token{}, false
	}
	return c.token, now.Round(0).Before(c.expires.Add(grace))
}

// publish shows the record to the hot path. mu is held, or nobody else knows the account yet.
func (a *account) publish() {
	if !a.config.APIKey.IsZero() {
		a.current.Store(&current{token: Token{Account: a.name, Scheme: APIKey, Access: a.config.APIKey}})
		return
	}
	a.current.Store(&current{
		token: Token{
			Account: a.name, Generation: a.rec.Generation, Scheme: Bearer,
			Access: a.rec.AccessToken, ExpiresAt: a.rec.ExpiresAt,
		},
		expires: a.rec.ExpiresAt,
		dead:    a.refused == a.rec.Generation && a.refused != 0,
	})
}

// works says whether the current access token is neither refused nor expired, as far as is known.
func (a *account) works(now time.Time) bool {
	_, ok := a.usable(now)
	return ok
}

// pinned says whether the account must stay in memory.
func (a *account) pinned() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.flight != nil || a.unsaved != nil
}

// change runs f under the lock, shows the result to the hot path, and tells the observer if the state
// has changed.
func (a *account) change(f func()) {
	a.mu.Lock()
	f()
	a.publish()
	status := a.assess(time.Now())
	changed := status.State != a.told.State || status.Cause != a.told.Cause
	changed = changed && (a.expected() || a.rec.Generation > 0) // names that somebody made up are no news
	a.told = status
	a.mu.Unlock()
	if changed {
		a.m.observe(Event{Account: a.name, Kind: EventState, Status: status, Generation: status.Generation, Detail: status.Detail})
	}
}

// tell reports an event with the state as it is now.
func (a *account) tell(e Event) {
	e.Account = a.name
	e.Status = a.status(time.Now())
	a.m.observe(e)
}

// token serves Manager.Token when there is no usable token at hand.
func (a *account) token(ctx context.Context) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, a.m.config.RefreshTimeout)
	defer cancel()
	for {
		if t, ok := a.usable(time.Now()); ok {
			return t, nil
		}
		err := a.verdict(time.Now())
		if err == nil {
			f, mine := a.join(need{})
			if err = f.wait(ctx); err != nil {
				err = a.waitError(err)
			} else if mine {
				err = f.err
			}
			if err == nil && !mine {
				continue
			}
		}
		// A pair that is born expired is used all the same: another would be no older.
		if t, ok := a.lastResort(time.Now()); ok {
			return t, nil
		}
		if err != nil {
			return Token{}, err
		}
	}
}

// renew serves Manager.Renew.
func (a *account) renew(ctx context.Context, rejected Token) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, a.m.config.RefreshTimeout)
	defer cancel()
	for {
		t, err, known := a.answer401(rejected, time.Now())
		if known {
			return t, err
		}
		f, mine := a.join(need{rejected: rejected})
		if err := f.wait(ctx); err != nil {
			return Token{}, a.waitError(err)
		}
		if mine && f.err != nil {
			return Token{}, f.err
		}
	}
}

// force serves Manager.Refresh: it waits for a refresh that was started for its sake.
func (a *account) force(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.m.config.RefreshTimeout)
	defer cancel()
	for {
		f, mine := a.join(need{force: true})
		if err := f.wait(ctx); err != nil {
			return a.waitError(err)
		}
		if mine {
			return f.err
		}
	}
}

// load reads the record if the store was not asked yet.
func (a *account) load(ctx context.Context) {
	a.mu.Lock()
	looked := !a.lookedAt.IsZero() || !a.config.APIKey.IsZero()
	a.mu.Unlock()
	if looked {
		return
	}
	f, _ := a.join(need{look: true})
	_ = f.wait(ctx) // what went wrong is in the status
}

// waitError tells a caller that could not wait for the end of a flight: its own context ended, or
// the flight takes longer than a request may wait.
func (a *account) waitError(err error) error {
	return &UnavailableError{Err: ErrRefreshUnavailable, Cause: err, RetryAfter: time.Second}
}

var errClosed = errors.New("the program is shutting down")

// need is what a flight is started for.
type need struct {
	rejected Token  // the token that the API refused; zero if none was
	force    bool   // refresh whatever the age of the token
	due      uint64 // the generation whose background refresh is due; zero if none is
	look     bool   // only see what the store holds
}

// flight is one piece of work on an account. There is at most one at a time; it belongs to the Manager,
// so that a caller who leaves never cancels it.
type flight struct {
	done chan struct{}
	err  error // why the need was not met; read after done
}

// wait waits for the end of the flight, not for its success.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// join returns the flight under way, or starts one for n and says so.
func (a *account) join(n need) (f *flight, mine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flight != nil {
		return a.flight, false
	}
	f = &flight{done: make(chan struct{})}
	a.flight = f
	if !a.m.begin(func() { a.fly(f, n) }) {
		f.err = a.unavailable(ErrRefreshUnavailable, errClosed)
		a.flight = nil
		close(f.done)
	}
	return f, true
}

func (a *account) fly(f *flight, n need) {
	err := a.meet(n)
	f.err = err
	a.change(func() {
		a.flight = nil
		a.schedule(time.Now())
	})
	close(f.done)
	a.m.wake()
}

// meet does what n asks for.
func (a *account) meet(n need) error {
	rec, err := a.look()
	switch {
	case n.look:
		return err
	case !n.rejected.Access.IsZero():
		return a.diagnose(rec, err, n.rejected)
	case err != nil:
		return a.storeError(err)
	case n.due != 0 && n.due != rec.Generation:
		return nil // another process was quicker
	case n.due == 0 && !n.force && a.works(time.Now()):
		return nil
	}
	return a.refresh(rec.Generation)
}

// look asks the store for the record, lets the configured seeds act on it, and adopts what is newer than
// what we hold. It returns the record as we hold it now. ErrNotFound means that nobody ever signed in.
func (a *account) look() (Record, error) {
	a.mu.Lock()
	a.stale = false // what changes from here on is reported again
	a.mu.Unlock()
	rec, err := a.m.load(a.name)
	if err == nil || errors.Is(err, ErrNotFound) {
		rec, err = a.settle(rec, err)
	}
	adopted, first := false, false
	a.change(func() {
		first = a.lookedAt.IsZero()
		a.lookedAt, a.lookErr = time.Now(), err
		if err == nil {
			adopted = a.rec.Generation > 0 && rec.Generation > a.rec.Generation
			a.take(rec)
		}
		rec = a.rec
	})
	if first && err == nil {
		a.discardEmergency(rec)
	}
	if adopted {
		a.tell(Event{Kind: EventAdopted, Generation: rec.Generation, Detail: "the store holds a newer generation"})
	}
	return rec, err
}

// settle brings the stored record to what it should be: with the seeds of the configuration, with an
// emergency file of an earlier process, and never older than the pair in our own hands.
func (a *account) settle(rec Record, err error) (Record, error) {
	for {
		want, changed := a.wanted(rec)
		if !changed {
			return rec, err
		}
		saved, saveErr := a.m.save(a.name, want)
		switch {
		case saveErr == nil:
			return saved, nil
		case !errors.Is(saveErr, ErrConflict):
			return rec, saveErr
		}
		if rec, err = a.m.load(a.name); err != nil && !errors.Is(err, ErrNotFound) {
			return rec, err
		}
	}
}

// wanted returns what the store should hold instead of rec (zero if it holds nothing), and whether that
// differs.
func (a *account) wanted(rec Record) (Record, bool) {
	now := wallClock()
	held := a.record()
	if held.HasTokens() && held.Generation > rec.Generation {
		// Somebody restored a backup, or removed the file. A pair in a live process's hand is never
		// overwritten by an older one, nor by nothing.
		held.Version, held.extra = rec.Version, rec.extra
		return held, true
	}
	if kept, ok := a.emergency(rec); ok {
		return kept, true
	}
	return sow(rec, a.config, now)
}

// record returns the record in memory.
func (a *account) record() Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rec.Clone()
}

// isUnsaved says whether our pair is in memory only.
func (a *account) isUnsaved() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unsaved != nil
}

// take makes rec, just seen in the store, what we hold, unless our own is newer. mu is held.
func (a *account) take(rec Record) {
	if rec.Generation < a.rec.Generation || (a.unsaved != nil && rec.Generation == a.rec.Generation) {
		return
	}
	if rec.Generation != a.rec.Generation || !rec.AccessToken.Equal(a.rec.AccessToken) {
		a.refused, a.good = 0, 0
		a.cool = coolDown{}
		a.refreshAt = time.Time{}
		a.doubt = doubt{}
	}
	a.doubt.watch(rec.Pending)
	a.rec = rec
}

// wallClock is the time that goes into records: without a monotonic reading, which means nothing to
// another process.
func wallClock() time.Time { return time.Now().UTC().Round(0) }
