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
func (m *Manager) Login(ctx context.Context, account string, p Pair) (Status, error) {
	return m.replace(account, EventLogin, func(rec Record, now time.Time) Record { return succeed(rec, p, now) })
}

// Logout makes the account forget its tokens, for good: what stays is a tombstone, which no refresh that
// is under way and no old seed can undo. The access token stays valid at PandaDoc, which has no
// way to revoke it.
func (m *Manager) Logout(ctx context.Context, account string) (Status, error) {
	return m.replace(account, EventLogout, func(rec Record, now time.Time) Record { return succeed(rec, Pair{}, now) })
}

// replace saves a new generation whatever the store holds.
func (m *Manager) replace(account string, kind EventKind, next func(Record, time.Time) Record) (Status, error) {
	if !ValidAccount(account) {
		return Status{}, ErrUnknownAccount
	}
	k := m.keeper(account)
	if !k.config.APIKey.IsZero() {
		return k.status(time.Now()), ErrAPIKey
	}
	rec, err := k.overwrite(next)
	if err != nil && !(kind == EventLogin && k.keepInMemory(rec, err)) {
		return k.status(time.Now()), &UnavailableError{Err: ErrStoreUnavailable, Cause: err}
	}
	if err == nil {
		k.change(func() {
			k.lookedAt, k.lookErr = time.Now(), nil
			k.adopt(rec)
			k.schedule(time.Now())
		})
	}
	m.wake()
	k.tell(Event{Kind: kind, Generation: rec.Generation, Err: err})
	return k.status(time.Now()), err
}

// overwrite saves what next makes of the stored record, again and again until no one comes between. On
// another error it returns the record that could not be saved.
func (k *keeper) overwrite(next func(Record, time.Time) Record) (Record, error) {
	for {
		found, err := k.m.load(k.account)
		if errors.Is(err, ErrNotFound) {
			found, err = Record{}, nil
		}
		base := found
		if held := k.record(); held.Generation > found.Generation {
			base = rebase(held, found)
		}
		rec := next(noteSeeds(base, k.config), wallClock())
		if err != nil {
			return rec, err
		}
		saved, err := k.m.save(k.account, rec)
		if err == nil {
			return saved, nil
		}
		if !errors.Is(err, ErrConflict) {
			return rec, err
		}
	}
}

// keepInMemory makes rec an unsaved pair, unless there is one already.
func (k *keeper) keepInMemory(rec Record, err error) bool {
	kept := false
	k.change(func() {
		if kept = k.unsaved == nil; kept {
			k.unsaved = &unsaved{rec: rec, from: rec.Generation - 1, unlock: func() {}, err: err, login: true}
			k.adopt(rec)
		}
	})
	return kept && k.m.begin(k.keepSaving)
}
