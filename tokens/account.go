package tokens

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

// reloadInterval limits how often the store is read for requests for which there is no token.
const reloadInterval = time.Second

var (
	errClosed  = errors.New("the program is shutting down")
	errTooLong = errors.New("the refresh takes longer than --refresh-timeout; it continues")
)

// DefaultAccount is the account of requests that choose none.
const DefaultAccount = "default"

// ValidAccount reports whether name can be the name of an account: a DNS label in lower case, so that
// it can also be a host name and a file name.
func ValidAccount(name string) bool {
	for i := range len(name) {
		c := name[i]
		inner := i > 0 && i < len(name)-1
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' && inner) {
			return false
		}
	}
	return name != "" && len(name) <= 63
}

// CheckAccount returns an error that describes valid names, or nil if name is valid.
func CheckAccount(name string) error {
	if ValidAccount(name) {
		return nil
	}
	return fmt.Errorf("account name %q: use 1 to 63 of a-z, 0-9 and -, with no - at either end", name)
}

// account keeps the token of one account fresh.
type account struct {
	m      *Manager
	name   string
	config AccountConfig
	// owner identifies this value in markers. An account that was evicted and loaded again is another value
	// with another owner, so that neither treats the other's marker as its own.
	owner string
	keyed bool // the account uses an API key

	current atomic.Pointer[current] // all that the hot path reads; never nil
	touched atomic.Int64            // unix second of the last use that the cache knows

	holdMu sync.Mutex // serialises changes of the hold; taken before mu

	mu     sync.Mutex // guards the fields below
	flight *flight    // nil if none is running
	// claiming means that a marker of ours may be in the store and is in use. One that is found there at any other
	// time was left by a save that reported an error although it was done.
	claiming bool
	logins   int  // running logins and logouts
	asked    bool // a token was requested, or a login happened, since the account was last forgotten
	listed   bool // the store has a record, as far as we know

	rec      Record    // as last seen in the store, or newer while unsaved
	unsaved  *unsaved  // a pair that is not in the store yet; nil if there is none
	loadedAt time.Time // when the store last answered or failed
	loadErr  error     // why it failed

	// What is known about the pair in rec; reset for another pair.
	refused   bool      // the API refused the access token, and no probe showed that it works
	good      goodUses  // refusals that were not about the token, according to a probe
	unhelpful bool      // requests got a 401 during a hold
	holdEnded time.Time // Since of a hold that an accepted request ended
	cool      coolDown
	doubt     doubt

	waiting     problem.Code // the cause for which requests wait or have given up; ends with the flight
	key         Secret       // the API key as it was last read
	keyRefusals int          // of the API key in a row

	stale     bool          // the store may hold another version than the one that was read last
	heard     chan struct{} // the same for a flight; its capacity is one
	scheduled bool          // the two times below are up to date
	refreshAt time.Time     // when the background refresh is due; zero means never
	rereadAt  time.Time
	told      Status // as last told to the observer
}

// current is the part of an account that the hot path needs.
type current struct {
	token Token
	dead  bool // refused by the API
	news  bool // an accepted request changes the state
}

func newAccount(m *Manager, name string) *account {
	a := &account{m: m, name: name, config: m.config.Accounts[name], owner: m.process + "-" + rand.Text()[:8], heard: make(chan struct{}, 1)}
	a.key = a.config.APIKey
	a.keyed = !a.key.IsZero()
	a.told = Status{Account: name, State: Unknown}
	a.publishLocked()
	return a
}

// usable returns the current token if requests can use it. It compares wall-clock times, which also advance
// while the machine sleeps.
func (a *account) usable(now time.Time) (Token, bool) {
	c := a.current.Load()
	if c.dead || c.token.Access.IsZero() {
		return Token{}, false
	}
	return c.token, c.token.ExpiresAt.IsZero() || now.Round(0).Before(c.token.ExpiresAt)
}

// lastResort also returns a token that expired less than a minute ago. The API's clock may differ from ours, so the
// token may still work.
func (a *account) lastResort(now time.Time) (Token, bool) { return a.usable(now.Add(-grace)) }

// works reports whether the current access token is neither refused nor expired, as far as we know.
func (a *account) works(now time.Time) bool {
	_, ok := a.usable(now)
	return ok
}

// publishLocked makes the record available to the hot path, except for a token that belongs to another API.
func (a *account) publishLocked() {
	if a.keyed {
		a.current.Store(&current{token: Token{Account: a.name, Scheme: APIKey, Access: a.key}, news: a.keyRefusals > 0})
		return
	}
	c := &current{
		token: Token{Account: a.name, Generation: a.rec.Generation, Scheme: Bearer, ExpiresAt: a.rec.ExpiresAt},
		dead:  a.refused,
		news:  a.rec.Hold != nil && !a.rec.Hold.Since.Equal(a.holdEnded),
	}
	switch {
	case a.rec.Generation == 0 && a.loadErr != nil:
		// The store has not been available since the start: use an access token of the configuration, without
		// storing it.
		c.token.Access = a.config.AccessToken
	case a.rec.Issuer.MatchesAPI(a.m.issuer):
		c.token.Access = a.rec.AccessToken
	}
	a.current.Store(c)
}

// change runs f under the lock, publishes the result to the hot path, and reports the state if it has changed.
func (a *account) change(f func()) {
	a.mu.Lock()
	f()
	a.publishLocked()
	a.mu.Unlock()
	a.m.report(a, Event{Kind: EventState})
}

// record returns the record in memory.
func (a *account) record() Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rec.Clone()
}

// flight is one task for an account. There is at most one at a time. It belongs to the Manager, so a caller
// that stops waiting does not cancel it.
type flight struct {
	done   chan struct{}
	urgent atomic.Bool // a caller waits for it
	err    error       // why the work was not done; read after done
}

// await waits for the running flight, or starts one that does work and returns its error. again means that it was
// another's flight, with or without success. A caller that cannot wait so long gets an error, and the account's state
// shows that callers gave up.
func (a *account) await(ctx context.Context, work func(*flight) error) (again bool, err error) {
	f, mine := a.start(work)
	f.urgent.Store(true)
	select {
	case <-f.done:
		if mine {
			return false, f.err
		}
		return true, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if errors.Is(err, errTooLong) {
		a.change(func() {
			if a.flight == f && a.waiting == "" {
				a.waiting = problem.RefreshFailing
			}
		})
	}
	return false, &UnavailableError{Err: ErrRefreshUnavailable, Cause: err, RetryAfter: time.Second}
}

// start returns the running flight, or starts one that does work. mine reports whether it started one.
func (a *account) start(work func(*flight) error) (f *flight, mine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flight != nil {
		return a.flight, false
	}
	f = &flight{done: make(chan struct{})}
	a.flight = f
	if !a.m.begin(func() { a.fly(f, work) }) {
		f.err = &UnavailableError{Err: ErrRefreshUnavailable, Cause: errClosed}
		a.flight = nil
		close(f.done)
	}
	return f, true
}

func (a *account) fly(f *flight, work func(*flight) error) {
	f.err = work(f)
	a.change(func() { a.flight, a.waiting, a.scheduled = nil, "", false })
	close(f.done)
	a.m.wake()
}

// noTokenLocked returns the reason why there is no token. It returns nil if it is time to read the store again.
func (a *account) noTokenLocked(now time.Time) error {
	switch {
	case a.loadedAt.IsZero() || now.Sub(a.loadedAt) >= reloadInterval:
		return nil
	case a.loadErr != nil:
		return storeError(a.loadErr)
	}
	if err := a.hopeless(a.rec); err != nil {
		return err
	}
	return a.cool.err(now)
}

// expected reports whether the account exists even if the store has no record of it.
func (a *account) expected() bool {
	_, configured := a.m.config.Accounts[a.name]
	return configured || a.name == DefaultAccount
}

// reload reads the record from the store, applies the configured seeds to it, and adopts it if it is newer than
// ours. It returns our record after that.
func (a *account) reload() (Record, error) {
	a.mu.Lock()
	a.stale = false // later changes are reported again
	a.mu.Unlock()
	found, err := a.m.load(a.name)
	known := err == nil
	if known {
		found, err = a.settle(found)
	}
	var first, newer bool
	var rec Record
	a.change(func() {
		first = a.loadedAt.IsZero()
		a.loadedAt, a.loadErr = time.Now(), err
		if known {
			newer = a.rec.Generation > 0 && found.Compare(a.rec) > 0
			a.takeLocked(found)
		}
		rec = a.rec.Clone()
	})
	if newer {
		a.m.report(a, Event{Kind: EventAdopted, Generation: rec.Generation, Detail: "the store holds newer tokens"})
	}
	if first && err == nil {
		a.m.emergency.discard(a.name, rec)
	}
	return rec, err
}

// reread is a flight that only reads the store.
func (a *account) reread(*flight) error {
	_, err := a.reload()
	return err
}

// settle corrects the stored record if necessary, and returns the stored record. If the correction could not be
// written, this is the old one.
func (a *account) settle(found Record) (Record, error) {
	for {
		if found.Generation == 0 {
			// The store has no record. Keep the seeds that were used before it lost the record.
			held := a.record()
			found = Record{Lineage: held.Lineage, Seeds: held.Seeds}
		}
		want, e, changed := a.wanted(found)
		if !changed {
			return found, nil
		}
		saved, err := a.m.save(a.name, want)
		switch {
		case err == nil:
			if e.Kind != "" {
				e.Generation = saved.Generation
				a.m.report(a, e)
			}
			return saved, nil
		case !errors.Is(err, ErrConflict):
			if e.Kind == EventEmergency { // the pair in the file is the only one that works
				a.keepUnsaved(&unsaved{rec: want, err: err})
			}
			return found, err
		}
		next, err := a.m.load(a.name)
		if err != nil {
			return found, err
		}
		found = next
	}
}

// wanted returns the record that should be in the store instead of found, and the event for it, if any. The
// store is authoritative and memory is a cache, but if our pair is newer, it goes back to the store.
func (a *account) wanted(found Record) (want Record, e Event, changed bool) {
	a.mu.Lock()
	held, unsaved, holdEnded, doubt, claiming := a.rec.Clone(), a.unsaved != nil, a.holdEnded, a.doubt, a.claiming
	a.mu.Unlock()
	missing, spent := found.Generation == 0, held.Generation == 0 || held.IsRejected()
	switch {
	case unsaved:
		return found, Event{}, false // the caller that saves it decides
	case missing && !spent && held.HasTokens():
		return held.restored(wallClock()), Event{Kind: EventRestored, Detail: "the store had lost the record"}, true
	case !missing && !spent && held.Compare(found) > 0:
		if held.HasTokens() {
			// This is in doubt too: with three processes, the one with the newest pair may come last.
			held = held.restored(wallClock())
		}
		return held.rebased(found), Event{Kind: EventRestored, Detail: "the store held an older record"}, true
	case !missing && !spent && held.HasTokens() && !held.RefreshToken.Equal(found.RefreshToken) && held.hasSpent(found, a.m.issuer):
		// The store had lost everything, and another process began again with a seed that ours came from.
		held = held.restored(wallClock())
		held.Lineage = found.Lineage.successor(wallClock())
		return held.rebased(found), Event{Kind: EventRestored, Detail: "the store held tokens that were replaced before"}, true
	}
	if kept, ok := a.m.emergency.newest(a.name); ok && kept.Compare(found) > 0 && kept.Compare(held) > 0 {
		return kept.rebased(found), Event{Kind: EventEmergency, Detail: "the newest tokens were in an emergency file"}, true
	}
	want = found.Clone()
	if !missing && found.Compare(held) == 0 && doubt.own.After(found.UnconfirmedSince) {
		// A store that loses saves lost this one, or never took it. Others must not send our refresh token yet.
		want.UnconfirmedSince, want.Answered, changed = doubt.own, doubt.over, true
	}
	if full := found.Issuer.completed(a.m.issuer); found.HasTokens() && full != found.Issuer && found.Issuer.Matches(a.m.issuer) {
		want.Issuer, changed = full, true
		if found.Issuer == (Issuer{}) {
			e = Event{Kind: EventUpgraded, Detail: "the record of an earlier version is taken to belong to " + full.String()}
		}
	}
	if a.owns(want) && !claiming {
		want.Pending, changed = nil, true
	}
	if want.Hold != nil && want.Hold.Since.Equal(holdEnded) {
		want.Hold, changed = nil, true
	}
	seeded, ok := want.seeded(a.config, a.m.issuer, wallClock())
	return seeded, e, changed || ok
}

// takeLocked makes rec, just read from the store, our record, unless ours is newer.
func (a *account) takeLocked(rec Record) {
	order := rec.Compare(a.rec)
	switch {
	case a.unsaved != nil && order <= 0:
		return
	case order < 0 && a.rec.Generation > 0 && !a.rec.IsRejected():
		// Ours goes back to the store, even if the store cannot save it now. This also prevents that a logout
		// whose record is lost is undone by a process that does not know it.
		if rec.Generation == 0 && !a.rec.HasTokens() {
			a.rec.Version = "" // the tombstone is not stored any more
		}
		return
	}
	a.setLocked(rec)
}

// setLocked makes rec our record.
func (a *account) setLocked(rec Record) {
	if rec.Compare(a.rec) != 0 || !rec.AccessToken.Equal(a.rec.AccessToken) {
		a.refused, a.unhelpful, a.good, a.holdEnded = false, false, goodUses{}, time.Time{}
		a.refreshAt, a.doubt = time.Time{}, doubt{}
		if a.rec.Generation > 0 {
			a.cool = coolDown{}
		}
		a.asked = a.asked && !rec.Forgotten
	}
	a.doubt.watch(rec.Pending)
	a.rec = rec
	a.scheduled = false
}

// wallClock returns the time for records: without a monotonic reading, which other processes cannot use.
func wallClock() time.Time { return time.Now().UTC().Round(0) }

// Sleep waits for d; false means that end was closed first. Stores use it between two tries.
func Sleep(end <-chan struct{}, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-end:
		return false
	}
}
