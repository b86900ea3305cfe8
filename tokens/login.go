package tokens

import (
	"context"
	"errors"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

// SignIn exchanges an authorization code for a pair (RFC 6749 section 4.1.3) and makes it the account's pair,
// as Login does. redirectURL must be that of the authorization request. The code can be used once, so it is
// never sent again, and SignIn waits two minutes for the answer even if ctx ends before. If the Manager is
// closed in the meantime, the pair is still saved.
func (m *Manager) SignIn(_ context.Context, name, code, redirectURL string) (Status, error) {
	return m.within(name, func(a *account) error {
		p, err := m.exchange(code, redirectURL)
		if err != nil {
			return err
		}
		return a.replace(EventLogin, m.loggedIn(p))
	})
}

func (m *Manager) exchange(code, redirectURL string) (Pair, error) {
	ctx, cancel := context.WithTimeout(m.ctx, listenSeconds*time.Second)
	defer cancel()
	p, err := m.endpoint.exchange(ctx, code, redirectURL)
	if answer, ok := errors.AsType[*EndpointError](err); ok && refusesClient(answer) {
		return Pair{}, &UnavailableError{Err: ErrClientRefused, Cause: err}
	}
	return p, err
}

// Login makes p the account's pair, as a new lineage: everything known about earlier pairs is dropped. A
// running Manager uses it at once. If the store cannot save it, it is kept as an unsaved rotation, and Login
// returns the store's error.
func (m *Manager) Login(_ context.Context, name string, p Pair) (Status, error) {
	return m.replace(name, EventLogin, m.loggedIn(p))
}

func (m *Manager) loggedIn(p Pair) func(Record, time.Time) Record {
	return func(rec Record, now time.Time) Record { return rec.replaced(p, m.issuer, now) }
}

// Savable returns an error if the store could not save a login to the account. Such a login would be lost: a
// record that cannot be read is not overwritten, and a new one cannot be written.
func (m *Manager) Savable(name string) error {
	_, err := m.load(name)
	if err == nil {
		err = m.writable(name)
	}
	if err != nil {
		return &UnavailableError{Err: ErrStoreUnavailable, Cause: err}
	}
	return nil
}

// Logout deletes the tokens of the account. A tombstone remains, which no running refresh, old seed or
// emergency file can undo. The access token stays valid at PandaDoc, which has no way to revoke it.
func (m *Manager) Logout(_ context.Context, name string) (Status, error) {
	return m.replace(name, EventLogout, func(rec Record, now time.Time) Record { return rec.replaced(Pair{}, m.issuer, now) })
}

// Forget is Logout for an account that is no longer needed: it is not listed any more.
func (m *Manager) Forget(_ context.Context, name string) (Status, error) {
	return m.replace(name, EventLogout, func(rec Record, now time.Time) Record {
		rec = rec.replaced(Pair{}, m.issuer, now)
		rec.Forgotten = true
		return rec
	})
}

// replace saves a new lineage, regardless of the stored record.
func (m *Manager) replace(name string, kind EventKind, next func(Record, time.Time) Record) (Status, error) {
	return m.within(name, func(a *account) error { return a.replace(kind, next) })
}

// within changes an account by f, which Close waits for.
func (m *Manager) within(name string, f func(*account) error) (status Status, err error) {
	if !ValidAccount(name) {
		return Status{}, ErrUnknownAccount
	}
	a := m.account(name)
	if a.keyed {
		return a.status(time.Now()), ErrAPIKey
	}
	done := make(chan struct{})
	if m.begin(func() { defer close(done); err = f(a) }) {
		<-done
	} else {
		err = &UnavailableError{Err: ErrStoreUnavailable, Cause: errClosed}
	}
	if a.exists() {
		m.know(name) // it may have been evicted just before the login
	}
	return a.status(time.Now()), err
}

func (a *account) replace(kind EventKind, next func(Record, time.Time) Record) error {
	a.change(func() { a.logins++ }) // it must not be evicted now
	defer a.change(func() { a.logins-- })
	rec, err := a.overwrite(next)
	switch {
	case err == nil:
		a.change(func() {
			a.asked = true
			a.loadedAt, a.loadErr = time.Now(), nil
			a.takeLocked(rec)
		})
		a.m.emergency.discard(a.name, rec)
	case kind == EventLogin:
		a.keepUnsaved(&unsaved{rec: rec, err: err})
	default:
		return &UnavailableError{Err: ErrStoreUnavailable, Cause: err}
	}
	a.m.wake()
	a.m.report(a, Event{Kind: kind, Generation: rec.Generation, Err: err})
	if err != nil {
		return &UnavailableError{Err: ErrStoreUnavailable, Cause: err}
	}
	return nil
}

// overwrite saves the record that next makes from the stored one, and tries again after every conflict. On
// another error it returns the record that could not be saved.
func (a *account) overwrite(next func(Record, time.Time) Record) (Record, error) {
	for {
		found, err := a.m.load(a.name)
		base := found
		if held := a.record(); held.Compare(found) > 0 {
			base = held.rebased(found)
		}
		rec := next(base.noting(a.config, a.m.issuer), wallClock())
		if err != nil {
			return rec, err
		}
		release := func() {}
		if rec.HasTokens() {
			release = a.m.emergency.guard(a.name, rec)
		}
		saved, err := a.m.save(a.name, rec)
		release()
		if err == nil {
			return saved, nil
		}
		if !errors.Is(err, ErrConflict) {
			return rec, err
		}
	}
}

var (
	errRefusedSource = problem.Mistake("the refresh token was refused before: it is spent or revoked", "sign in instead: run pandadoc-auth-proxy login")
	errBusySource    = problem.Mistake("a refresh of these tokens is in progress",
		"stop the proxy that uses them, and try again; if it has crashed, wait 3 minutes first")
	errNoImport = problem.Mistake("there is no access token and no refresh token in it",
		`paste the whole answer of the token endpoint, like {"access_token": "…", "refresh_token": "…"}`)
)

// errSpentSource is returned for tokens that newer tokens have replaced in this store.
func errSpentSource(account string) error {
	return problem.Mistake("these tokens were imported before, and have been replaced by newer ones; nothing was changed",
		"continue with the newer ones; to go back to the old ones, first run: "+problem.AccountCommand("logout", account))
}

// ReadAnswer reads a pair from a stored answer of a token endpoint (RFC 6749 section 5.1).
func ReadAnswer(body []byte) (Pair, error) {
	p, err := readPair(200, body, nil)
	if err != nil {
		return Pair{}, errNoImport // the original error would mention a call
	}
	return p, nil
}

// Import makes the tokens of another store's record the account's own, as a new lineage. It does not use the
// refresh token. A record without an issuer gets the configured one. If the account has these tokens already, they
// are only encrypted with the current key. If it had them before, they are refused, because their refresh token is
// spent. An access token without a refresh token keeps the stored refresh token.
func (m *Manager) Import(_ context.Context, name string, from Record) (Status, error) {
	switch {
	case !from.HasTokens():
		return Status{}, errNoImport
	case from.IsRejected():
		return Status{}, errRefusedSource
	case from.isBusy(time.Now()):
		return Status{}, errBusySource
	}
	return m.within(name, func(a *account) error {
		rec, err := m.load(name)
		live := rec.HasTokens() && !rec.IsRejected()
		switch {
		case err != nil:
		case live && !from.RefreshToken.IsZero() && from.RefreshToken.Equal(rec.RefreshToken):
			err = errors.Join(a.seal(), a.reread(nil))
		case live && rec.hasSpent(from, m.issuer):
			_ = a.reread(nil) // if it fails, the status shows it
			return errSpentSource(name)
		case live && from.RefreshToken.IsZero() && rec.isBusy(time.Now()): // ours is to stay
			return errBusySource
		default:
			return a.replace(EventLogin, m.imported(from))
		}
		if err != nil {
			return &UnavailableError{Err: ErrStoreUnavailable, Cause: err}
		}
		return nil
	})
}

// seal writes the stored record again, unchanged, if it is not encrypted with the key that encrypts now.
func (a *account) seal() error {
	rec, err := a.m.load(a.name)
	unsealed := func(rec Record) (Record, bool) {
		return rec, rec.HasTokens() && rec.KeyID() != a.m.config.Codec.KeyID()
	}
	if _, ok := unsealed(rec); ok && err == nil {
		_, err = a.m.update(a.name, rec, unsealed)
	}
	return err
}

func (m *Manager) imported(from Record) func(Record, time.Time) Record {
	pair := Pair{AccessToken: from.AccessToken, RefreshToken: from.RefreshToken, TokenType: from.TokenType, Scope: from.Scope}
	return func(rec Record, now time.Time) Record {
		next := rec.replaced(pair, m.issuer, now)
		next.ExpiresAt, next.UnconfirmedSince, next.Answered = from.ExpiresAt, from.UnconfirmedSince, from.Answered
		if from.Issuer != (Issuer{}) {
			next.Issuer = from.Issuer
		}
		if !from.ObtainedAt.IsZero() {
			next.ObtainedAt = from.ObtainedAt
		}
		next = next.doubting(from.Pending).keepingRefreshToken(rec)
		return next.noting(AccountConfig{RefreshToken: from.RefreshToken}, next.Issuer)
	}
}
