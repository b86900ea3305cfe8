package tokens

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

// token implements Manager.Token if there is no usable token in memory.
func (a *account) token(ctx context.Context) (Token, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.m.config.RefreshTimeout, errTooLong)
	defer cancel()
	a.change(func() { a.asked = true })
	for {
		if t, ok := a.usable(time.Now()); ok {
			return t, nil
		}
		a.mu.Lock()
		err := a.noTokenLocked(time.Now())
		a.mu.Unlock()
		if err == nil {
			var again bool
			if again, err = a.await(ctx, a.obtain); again {
				continue
			}
		}
		// A pair that is expired from the start is used all the same: another one would be expired too.
		if t, ok := a.lastResort(time.Now()); ok {
			return t, nil
		}
		if err != nil {
			return Token{}, err
		}
	}
}

// force implements Manager.Refresh: it waits for a refresh that it started itself.
func (a *account) force(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.m.config.RefreshTimeout, errTooLong)
	defer cancel()
	for {
		again, err := a.await(ctx, func(f *flight) error {
			rec, err := a.reload()
			if err != nil {
				return storeError(err)
			}
			return a.refresh(f, rec, forPerson)
		})
		if !again {
			return err
		}
	}
}

// load reads the record if the store has not been read yet.
func (a *account) load(ctx context.Context) {
	a.mu.Lock()
	known := !a.loadedAt.IsZero() || a.keyed
	a.mu.Unlock()
	if !known {
		_, _ = a.await(ctx, a.reread) // the status has the error
	}
}

// obtain gets a usable token, from the store if it has one.
func (a *account) obtain(f *flight) error {
	rec, err := a.reload()
	if a.works(time.Now()) {
		return nil
	}
	if err != nil {
		return storeError(err)
	}
	return a.refresh(f, rec, forExpiry)
}

const (
	goodTime     = 5 * time.Second  // how long a probe's answer is valid
	maxGoodUses  = 64               // methods and paths that an account remembers
	probeTimeout = 10 * time.Second // of one probe
	maxRefusals  = 3                // of an API key in a row before the account counts as degraded
)

// Refusal is a 401 of the API.
type Refusal struct {
	Token  Token // that the request was sent with
	Method string
	Path   string // as it was sent to the API, without the query
}

// Renew reports that the API refused a request. Before it uses a refresh token, it finds out the reason:
// another token may already be in memory or in the store, or the refusal may not be about the token
// (ErrTokenGood, ErrRefreshDidNotHelp, ErrAPIKey: the client gets the API's answer). Its other errors are those
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

// Accepted reports that the API answered a request with t, and not with a 401. It must be called before that
// answer is passed on. So a refusal that comes later is known to be a new one.
func (m *Manager) Accepted(name string, t Token) {
	a := m.loaded(name)
	if a == nil {
		return
	}
	if c := a.current.Load(); c.news && c.token.Same(t) {
		a.accepted()
	}
}

// RefusedAgain reports that a request which was repeated with a token from Renew was refused too. It returns
// ErrRefreshDidNotHelp if that token came from a refresh because of a 401.
func (m *Manager) RefusedAgain(name string, refusal Refusal) error {
	a := m.loaded(name)
	if a == nil {
		return nil
	}
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

// accepted ends the hold. But if the repeated request was refused too, the hold lasts at least 30 s. Otherwise,
// if one route always answers 401 and others work, each request would rotate the tokens.
func (a *account) accepted() {
	a.change(func() { a.keyRefusals = 0 })
	a.editHold(func(h *Hold) *Hold {
		if h.Refused && time.Now().Before(h.Since.Add(holdMin)) {
			return h
		}
		return nil
	})
}

// editHold changes the hold of the current pair, in the store and in memory. If the store cannot save the
// change, it stays in memory, and the next reload saves it.
func (a *account) editHold(edit func(*Hold) *Hold) {
	a.holdMu.Lock()
	defer a.holdMu.Unlock()
	rec := a.record()
	pair := rec
	for rec.Hold != nil && rec.Compare(pair) == 0 {
		a.mu.Lock()
		unsaved := a.unsaved != nil
		a.mu.Unlock()
		next, err := rec.Clone(), error(nil)
		next.Hold = edit(next.Hold)
		if next.Hold != nil && *next.Hold == *rec.Hold {
			return
		}
		saved := next
		if !unsaved {
			saved, err = a.m.save(a.name, next)
		}
		if errors.Is(err, ErrConflict) {
			if found, err := a.m.load(a.name); err == nil && found.Generation > 0 {
				a.change(func() { a.takeLocked(found) })
				rec = found
				continue
			}
		}
		a.change(func() {
			switch {
			case a.rec.Compare(pair) != 0:
				return
			case err == nil && a.unsaved == nil:
				a.takeLocked(saved)
			default:
				a.rec.Hold = next.Hold
				if a.unsaved != nil {
					a.unsaved.rec.Hold = next.Hold
				}
			}
			if next.Hold == nil { // a reload that began before may still bring the hold back
				a.holdEnded, a.unhelpful = rec.Hold.Since, false
			}
		})
		return
	}
}

// renew implements Manager.Renew.
func (a *account) renew(ctx context.Context, r Refusal) (Token, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.m.config.RefreshTimeout, errTooLong)
	defer cancel()
	reported := time.Now()
	for {
		t, err, known := a.fromMemory(r, reported)
		if known {
			return t, err
		}
		again, err := a.await(ctx, func(f *flight) error { return a.diagnose(f, r) })
		switch {
		case err != nil:
			return Token{}, err
		case !again: // start only one flight for a refusal: its result is known now
			return a.outcome(r)
		}
	}
}

// fromMemory returns what is known about a refusal without asking the store or the API. known is false if a flight
// must find out. reported is when the refusal was reported.
func (a *account) fromMemory(r Refusal, reported time.Time) (t Token, err error, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	t, ok := a.usable(now)
	switch {
	case ok && !t.Same(r.Token): // there is a newer token
		return t, nil, true
	case !ok:
		err := a.noTokenLocked(now)
		return Token{}, err, err != nil
	case a.holdsLocked(now):
		// Check the store before the hold: another process may have a newer pair. It is read once a second.
		return Token{}, ErrRefreshDidNotHelp, now.Sub(a.loadedAt) < reloadInterval
	case a.good.covers(r, reported, now):
		return Token{}, ErrTokenGood, true
	}
	return Token{}, nil, false
}

// outcome returns the result for a refusal of a flight that ended without error. After a logout in between
// there is no token.
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

// diagnose finds out why the API refused a token, with the cheapest check first: another process may have
// stored a newer token; the token may work for other requests; otherwise it is refreshed.
func (a *account) diagnose(f *flight, r Refusal) error {
	rec, loadErr := a.reload()
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
	case loadErr != nil:
		return storeError(loadErr)
	case !current: // there is another token, but it has expired
		return a.refresh(f, rec, forExpiry)
	}
	return a.refresh(f, rec, forRefusal)
}

// probe asks the API if the token works. Only a clear yes proves that; any other answer, or none, proves
// nothing.
func (a *account) probe(t Token) bool {
	if a.m.config.Probe == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(a.m.ctx, probeTimeout)
	defer cancel()
	answered := make(chan bool, 1)
	a.m.work.Go(func() { answered <- a.m.config.Probe(ctx, t) })
	good := a.awaitProbe(answered)
	detail := "the API refuses the token"
	if good {
		detail = "the API accepts the token"
	}
	a.m.report(a, Event{Kind: EventProbe, Generation: t.Generation, Detail: detail})
	return good
}

// awaitProbe waits for the answer, and answers announcements in the meantime.
func (a *account) awaitProbe(answered <-chan bool) bool {
	for {
		select {
		case good := <-answered:
			return good
		case <-a.heard:
			if a.m.watch.settle > 0 {
				_, _ = a.reload()
			}
		}
	}
}

// goodUses stores for which methods and paths a refusal was not about the token. Its size is limited.
type goodUses struct {
	until  map[[sha256.Size]byte]time.Time
	probed time.Time // when the last probe began that showed that the token works
}

func useOf(r Refusal) [sha256.Size]byte { return sha256.Sum256([]byte(r.Method + "\x00" + r.Path)) }

// covers reports whether the refusal is known not to be about the token. A probe that began after the refusal
// counts for every path. Otherwise each path needs a new probe, because the token may have become invalid
// since.
func (g *goodUses) covers(r Refusal, reported, now time.Time) bool {
	if !g.probed.Before(reported) {
		g.note(r, g.probed, now)
		return true
	}
	return now.Before(g.until[useOf(r)])
}

// note stores the result of a probe that began at began.
func (g *goodUses) note(r Refusal, began, now time.Time) {
	if g.until == nil || len(g.until) >= maxGoodUses {
		g.until = map[[sha256.Size]byte]time.Time{} // this costs another probe at most
	}
	g.probed = began
	g.until[useOf(r)] = now.Add(goodTime)
}

// hopeless returns why a new pair can never be obtained with the record, or nil if it can.
func (a *account) hopeless(rec Record) error {
	switch cause := a.loginCause(rec); {
	case cause == "":
		return nil
	case (rec.Generation == 0 || rec.Forgotten) && !a.expected():
		return fmt.Errorf("%w: %q", ErrUnknownAccount, a.name)
	default:
		return a.loginRequired(rec, cause)
	}
}

func (a *account) loginRequired(rec Record, cause problem.Code) error {
	e := &CauseError{Code: cause}
	if cause == problem.OtherIssuer {
		e.Stored, e.Configured = rec.Issuer.String(), a.m.issuer.String()
	}
	return &UnavailableError{Err: ErrLoginRequired, Cause: e}
}

// loginCause returns the cause of a problem that only a login fixes, or "" if there is none.
func (a *account) loginCause(rec Record) problem.Code {
	switch {
	case rec.Generation == 0, rec.Version == "" && !rec.HasTokens():
		return problem.NotSignedIn
	case !rec.HasTokens():
		return problem.LoggedOut
	case !rec.Issuer.Matches(a.m.issuer):
		return problem.OtherIssuer
	case rec.IsRejected():
		return rec.Rejected.Cause
	case rec.RefreshToken.IsZero():
		return problem.NoRefreshToken
	}
	return ""
}

// storeError turns an error of the store into the error for the caller.
func storeError(err error) error {
	return &UnavailableError{Err: ErrStoreUnavailable, Cause: err, RetryAfter: reloadInterval}
}
