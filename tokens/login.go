package tokens

import (
	"context"
	"errors"
	"time"
)

// Exchange trades an authorization code for a pair (RFC 6749 section 4.1.3). redirectURL is the one
// that the authorization request carried. The code can be used once, so Exchange never tries again.
func (m *Manager) Exchange(ctx context.Context, code, redirectURL string) (Pair, error) {
	p, err := m.caller.exchange(ctx, code, redirectURL)
	var answer *EndpointError
	if errors.As(err, &answer) && clientRefused(answer) {
		return Pair{}, &UnavailableError{Err: ErrClientRefused, Cause: err}
	}
	return p, err
}

// Login makes p the account's pair, as a new generation: it ends every doubt about the ones before. A
// running Manager uses it at once. If the store does not take it, it is kept as an unsaved rotation,
// and the error says so.
func (m *Manager) Login(ctx context.Context, name string, p Pair) (Status, error) {
	return m.replace(name, EventLogin, func(rec Record, now time.Time) Record { return succeed(rec, p, now) })
}

// Logout makes the account forget its tokens, for good: what stays is a tombstone, which no refresh that
// is under way and no old seed can undo. The access token stays valid at PandaDoc, which has no
// way to revoke it.
func (m *Manager) Logout(ctx context.Context, name string) (Status, error) {
	return m.replace(name, EventLogout, func(rec Record, now time.Time) Record { return succeed(rec, Pair{}, now) })
}

// replace saves a new generation whatever the store holds.
func (m *Manager) replace(name string, kind EventKind, next func(Record, time.Time) Record) (Status, error) {
	if !ValidAccount(name) {
		return Status{}, ErrUnknownAccount
	}
	a := m.account(name)
	if !a.config.APIKey.IsZero() {
		return a.status(time.Now()), ErrAPIKey
	}
	rec, err := a.overwrite(next)
	if err != nil && !(kind == EventLogin && a.keepInMemory(rec, err)) {
		return a.status(time.Now()), &UnavailableError{Err: ErrStoreUnavailable, Cause: err}
	}
	if err == nil {
		a.change(func() {
			a.lookedAt, a.lookErr = time.Now(), nil
			a.adopt(rec)
			a.schedule(time.Now())
		})
	}
	m.wake()
	a.tell(Event{Kind: kind, Generation: rec.Generation, Err: err})
	return a.status(time.Now()), err
}

// overwrite saves what next makes of the stored record, again and again until no one comes between. On
// another error it returns the record that could not be saved.
func (a *account) overwrite(next func(Record, time.Time) Record) (Record, error) {
	for {
		found, err := a.m.load(a.name)
		if errors.Is(err, ErrNotFound) {
			found, err = Record{}, nil
		}
		base := found
		if held := a.record(); held.Generation > found.Generation {
			base = rebase(held, found)
		}
		rec := next(noteSeeds(base, a.config), wallClock())
		if err != nil {
			return rec, err
		}
		saved, err := a.m.save(a.name, rec)
		if err == nil {
			return saved, nil
		}
		if !errors.Is(err, ErrConflict) {
			return rec, err
		}
	}
}

// keepInMemory makes rec an unsaved pair, unless there is one already.
func (a *account) keepInMemory(rec Record, err error) bool {
	kept := false
	a.change(func() {
		if kept = a.unsaved == nil; kept {
			a.unsaved = &unsaved{rec: rec, from: rec.Generation - 1, unlock: func() {}, err: err, login: true}
			a.adopt(rec)
		}
	})
	return kept && a.m.begin(a.keepSaving)
}

// seed is a token that configuration gives. It is used at most once ever: after its first use
// the record holds a newer pair, and after a restart the configuration still shows the spent one.
type seed struct {
	kind  string
	value Secret
}

func (s seed) fingerprint() string { return s.value.Fingerprint(s.kind) }

const (
	seedRefresh = "refresh_token"
	seedAccess  = "access_token"
)

func (c AccountConfig) seeds() []seed {
	var seeds []seed
	for _, s := range []seed{{seedRefresh, c.RefreshToken}, {seedAccess, c.AccessToken}} {
		if !s.value.IsZero() {
			seeds = append(seeds, s)
		}
	}
	return seeds
}

// noteSeeds returns rec with the fingerprints of all seeds of c.
func noteSeeds(rec Record, c AccountConfig) Record {
	rec = rec.Clone()
	for _, s := range c.seeds() {
		if !rec.HasSeed(s.fingerprint()) {
			rec.Seeds = append(rec.Seeds, s.fingerprint())
		}
	}
	return rec
}

// sow returns rec as the seeds of c change it, and whether they do. A record that a login made, and
// that knows no seeds yet, only notes them: the login is the newer truth. Otherwise a seed that was
// never seen is the operator's newest word and starts a generation.
func sow(rec Record, c AccountConfig, now time.Time) (Record, bool) {
	fresh := map[string]Secret{}
	for _, s := range c.seeds() {
		if !rec.HasSeed(s.fingerprint()) {
			fresh[s.kind] = s.value
		}
	}
	if len(fresh) == 0 {
		return rec, false
	}
	noted := noteSeeds(rec, c)
	if rec.HasTokens() && len(rec.Seeds) == 0 {
		return noted, true
	}
	pair := Pair{AccessToken: fresh[seedAccess], RefreshToken: fresh[seedRefresh]}
	if pair.RefreshToken.IsZero() {
		pair.RefreshToken = rec.RefreshToken
	}
	return succeed(noted, pair, now), true
}

// succeed returns the record that follows rec when a new pair has come, by refresh, login or seed.
func succeed(rec Record, p Pair, now time.Time) Record {
	next := rec.Clone()
	if rec.HasTokens() {
		next.Previous = &Previous{
			Generation: rec.Generation, ObtainedAt: rec.ObtainedAt, ExpiresAt: rec.ExpiresAt,
			AccessFingerprint:  rec.AccessToken.Fingerprint(seedAccess),
			RefreshFingerprint: rec.RefreshToken.Fingerprint(seedRefresh),
		}
	}
	next.Generation++
	next.AccessToken, next.RefreshToken = p.AccessToken, p.RefreshToken
	next.TokenType, next.Scope = p.TokenType, p.Scope
	next.ObtainedAt, next.ExpiresAt = now, time.Time{}
	if p.ExpiresIn > 0 {
		next.ExpiresAt = now.Add(p.ExpiresIn)
	}
	next.Pending, next.Rejected = nil, nil
	next.UnconfirmedSince = time.Time{}
	return next
}
