package tokens

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// token serves Manager.Token when there is no usable token at hand.
func (a *account) token(ctx context.Context) (Token, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.m.config.RefreshTimeout, errTooLong)
	defer cancel()
	a.change(func() { a.asked = true })
	for {
		if t, ok := a.usable(time.Now()); ok {
			return t, nil
		}
		err := a.noToken(time.Now())
		if err == nil {
			f, mine := a.join(a.obtain)
			if err = a.wait(ctx, f); err == nil && mine {
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

// force serves Manager.Refresh: it waits for a refresh that was started for its sake.
func (a *account) force(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.m.config.RefreshTimeout, errTooLong)
	defer cancel()
	for {
		f, mine := a.join(func(f *flight) error {
			rec, err := a.look()
			if err != nil {
				return a.storeError(err)
			}
			return a.refresh(f, rec, forPerson)
		})
		if err := a.wait(ctx, f); err != nil {
			return err
		}
		if mine {
			return f.err
		}
	}
}

// load reads the record if the store was not asked yet.
func (a *account) load(ctx context.Context) {
	a.mu.Lock()
	looked := !a.lookedAt.IsZero() || a.keyed
	a.mu.Unlock()
	if looked {
		return
	}
	f, _ := a.join(a.reread)
	_ = f.wait(ctx) // what went wrong is in the status
}

// obtain gets a usable token, from the store if it holds one.
func (a *account) obtain(f *flight) error {
	rec, err := a.look()
	switch {
	case err != nil && !a.works(time.Now()):
		return a.storeError(err)
	case a.works(time.Now()):
		return nil
	}
	return a.refresh(f, rec, forExpiry)
}

func (a *account) noToken(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.noTokenLocked(now)
}

const (
	goodTime     = 5 * time.Second  // how long a probe's answer is believed
	maxGoodUses  = 64               // methods and paths that an account remembers
	probeTimeout = 10 * time.Second // of one probe
	maxRefusals  = 3                // of an API key in a row before the account counts as degraded
)

// Refusal is a 401 of the API.
type Refusal struct {
	Token  Token // that the request was signed in with
	Method string
	Path   string // as it was sent to the API, without the query
}

// Renew reports that the API refused a request, and diagnoses why before it spends a refresh token:
// another token may be known or stored already, or the refusal may not be about the token at all
// (ErrTokenGood, ErrRefreshDidNotHelp, ErrAPIKey: the API's answer stands). Its other errors are those
// of Token.
func (m *Manager) Renew(ctx context.Context, name string, refusal Refusal) (Token, error) {
	if !ValidAccount(name) {
		return Token{}, ErrUnknownAccount
	}
	a := m.account(name)
	if refusal.Token.Scheme == APIKey {
		a.change(func() { a.keyRefusals++ })
		return Token{}, ErrAPIKey
	}
	return a.renew(ctx, refusal)
}

// Accepted reports that the API answered a request with t by anything but a 401. It must be called before
// that answer is passed on: a refusal that comes later is then known to be a new one.
func (m *Manager) Accepted(_ context.Context, name string, t Token) {
	v, ok := m.accounts.Load(name)
	if !ok {
		return
	}
	a := v.(*account)
	if c := a.current.Load(); c.news && c.token.Same(t) {
		a.accepted()
	}
}

// RefusedAgain reports that a request which was repeated with a token from Renew was refused as well.
// It returns ErrRefreshDidNotHelp if that token came from a refresh because of a 401.
func (m *Manager) RefusedAgain(_ context.Context, name string, refusal Refusal) error {
	v, ok := m.accounts.Load(name)
	if !ok {
		return nil
	}
	a := v.(*account)
	if c := a.current.Load(); !c.news || !c.token.Same(refusal.Token) || c.token.Scheme == APIKey {
		return nil
	}
	a.editHold(func(h *Hold) *Hold {
		h.Refused = true
		return h
	})
	a.change(func() { a.unhelpful = true })
	return ErrRefreshDidNotHelp
}

// accepted ends the hold. One whose request was refused again stands for its first 30 s all the same: with a
// route that always answers 401 among others that work, each request would rotate the tokens.
func (a *account) accepted() {
	a.change(func() { a.keyRefusals = 0 })
	a.editHold(func(h *Hold) *Hold {
		if h.Refused && time.Now().Before(h.Since.Add(holdMin)) {
			return h
		}
		return nil
	})
}

// editHold changes the hold of the current pair, in the store and in memory. If the store does not take the
// change, memory keeps it, and the next look at the store brings it there.
func (a *account) editHold(edit func(*Hold) *Hold) {
	a.holdMu.Lock()
	defer a.holdMu.Unlock()
	rec := a.record()
	pair := rec
	for rec.Hold != nil && rec.Compare(pair) == 0 {
		before, since := *rec.Hold, rec.Hold.Since
		next := rec.Clone()
		next.Hold = edit(next.Hold)
		if next.Hold != nil && *next.Hold == before {
			return
		}
		saved, err := next, error(nil)
		if !a.isUnsaved() {
			saved, err = a.m.save(a.name, next)
		}
		if errors.Is(err, ErrConflict) {
			if rec, err = a.m.load(a.name); err == nil {
				a.change(func() { a.takeLocked(rec) })
				continue
			}
		}
		a.change(func() {
			switch {
			case a.rec.Compare(pair) != 0:
			case err != nil || a.unsaved != nil:
				a.keepHoldLocked(next.Hold, since)
			default:
				a.takeLocked(saved)
			}
			a.unhelpful = a.unhelpful && next.Hold != nil
		})
		return
	}
}

// keepHoldLocked changes the hold in memory only.
func (a *account) keepHoldLocked(hold *Hold, since time.Time) {
	a.rec.Hold = hold
	if hold == nil {
		a.holdEnded = since
	}
	if a.unsaved != nil {
		a.unsaved.rec.Hold = hold
	}
}

// renew serves Manager.Renew.
func (a *account) renew(ctx context.Context, r Refusal) (Token, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.m.config.RefreshTimeout, errTooLong)
	defer cancel()
	reported := time.Now()
	for {
		t, err, known := a.answer(r, reported)
		if known {
			return t, err
		}
		f, mine := a.join(func(f *flight) error { return a.diagnose(f, r) })
		if err := a.wait(ctx, f); err != nil {
			return Token{}, err
		}
		if mine {
			// One flight of our own is all that a refusal is worth: what it has brought is known by now.
			if f.err != nil {
				return Token{}, f.err
			}
			return a.outcome(r)
		}
	}
}

// answer returns what is known about a refusal without asking anybody; known is false if it takes a
// flight to find out. reported is when the refusal was reported.
func (a *account) answer(r Refusal, reported time.Time) (t Token, err error, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	t, ok := a.usable(now)
	switch {
	case ok && !t.Same(r.Token): // a newer token is at hand
		return t, nil, true
	case !ok:
		err := a.noTokenLocked(now)
		return Token{}, err, err != nil
	case a.holdsLocked(now):
		// The store comes before the hold: another process may hold a newer pair. It is asked once a second.
		return Token{}, ErrRefreshDidNotHelp, now.Sub(a.lookedAt) < lookInterval
	case a.good.covers(r, reported, now):
		return Token{}, ErrTokenGood, true
	}
	return Token{}, nil, false
}

// outcome returns what a flight that reported no error has brought for a refusal. A logout that came in between
// leaves no token.
func (a *account) outcome(r Refusal) (Token, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	switch t, ok := a.usable(now); {
	case ok && !t.Same(r.Token):
		return t, nil
	case ok:
		return Token{}, ErrRefreshDidNotHelp
	}
	return Token{}, cmp.Or(a.hopeless(a.rec), a.cool.err(now), ErrRefreshDidNotHelp)
}

func (a *account) holdsLocked(now time.Time) bool {
	return a.rec.holds(now.Round(0)) && !a.rec.Hold.Since.Equal(a.holdEnded)
}

// diagnose finds out why the API refused a token, from the cheapest answer to the dearest: another
// process may have stored a newer token; the token may be good elsewhere; else it is refreshed.
func (a *account) diagnose(f *flight, r Refusal) error {
	rec, lookErr := a.look()
	current := rec.AccessToken.Equal(r.Token.Access)
	if !current && a.works(time.Now()) {
		return nil
	}
	held := false
	a.change(func() {
		held = a.holdsLocked(time.Now())
		a.unhelpful = a.unhelpful || held
	})
	if held {
		return ErrRefreshDidNotHelp
	}
	began := time.Now()
	if current && a.probe(r.Token) {
		a.change(func() { a.good.note(r, began, time.Now()) })
		return ErrTokenGood
	}
	a.change(func() {
		if a.rec.AccessToken.Equal(r.Token.Access) {
			a.refused = true
		}
	})
	switch {
	case lookErr != nil:
		return a.storeError(lookErr)
	case !current: // another token, which has expired
		return a.refresh(f, rec, forExpiry)
	}
	return a.refresh(f, rec, forRefusal)
}

// probe asks the API whether the token is good. No answer, and every answer but a clear yes, prove nothing.
func (a *account) probe(t Token) bool {
	if a.m.config.Probe == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(a.m.ctx, probeTimeout)
	defer cancel()
	good := a.m.config.Probe(ctx, t)
	detail := "the API refuses the token"
	if good {
		detail = "the API accepts the token"
	}
	a.m.report(a, Event{Kind: EventProbe, Generation: t.Generation, Detail: detail})
	return good
}

// goodUses remembers for which methods and paths a refusal was not about the token. It is bounded.
type goodUses struct {
	until  map[[sha256.Size]byte]time.Time
	probed time.Time // when the last probe began that found the token good
}

func useOf(r Refusal) [sha256.Size]byte { return sha256.Sum256([]byte(r.Method + "\x00" + r.Path)) }

// covers reports whether the refusal is known not to be about the token. A probe that began after the refusal
// speaks for it, whatever its path; otherwise each path asks anew, because the token may have died since.
func (g *goodUses) covers(r Refusal, reported, now time.Time) bool {
	if !g.probed.Before(reported) {
		g.note(r, g.probed, now)
		return true
	}
	return now.Before(g.until[useOf(r)])
}

// note remembers what a probe that began then has found by now.
func (g *goodUses) note(r Refusal, began, now time.Time) {
	if g.until == nil || len(g.until) >= maxGoodUses {
		g.until = map[[sha256.Size]byte]time.Time{} // the worst that comes of it is another probe
	}
	g.probed = began
	g.until[useOf(r)] = now.Add(goodTime)
}
