package tokens

import (
	"errors"
	"fmt"
	"time"
)

// lookInterval bounds how often the store is asked for the sake of requests that cannot be served.
const lookInterval = time.Second

// verdict says why there is no token and that it is too early to look again; nil if it is worth it.
func (k *keeper) verdict(now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.verdictLocked(now)
}

func (k *keeper) verdictLocked(now time.Time) error {
	switch {
	case k.lookedAt.IsZero() || now.Sub(k.lookedAt) >= lookInterval:
		return nil
	case k.lookErr != nil:
		return k.storeError(k.lookErr)
	}
	if err := k.hopeless(k.rec); err != nil {
		return err
	}
	return k.cool.err(now)
}

// hopeless says why the record cannot give a new pair, ever; nil if it can.
func (k *keeper) hopeless(rec Record) error {
	if cause := loginCause(rec); cause != "" {
		return k.loginRequired(cause)
	}
	return nil
}

// loginCause names what only a login can mend; empty if nothing is.
func loginCause(rec Record) string {
	switch {
	case rec.Generation == 0:
		return CauseNoTokens
	case !rec.HasTokens():
		return CauseLoggedOut
	case rec.IsRejected():
		return rec.Rejected.Cause
	case rec.RefreshToken.IsZero():
		return CauseNoRefreshToken
	}
	return ""
}

func (k *keeper) loginRequired(cause string) error {
	return k.unavailable(ErrLoginRequired, errors.New(cause))
}

// storeError turns what the store said into what the caller is told.
func (k *keeper) storeError(err error) error {
	switch {
	case !errors.Is(err, ErrNotFound):
		return &UnavailableError{Err: ErrStoreUnavailable, Cause: err, RetryAfter: lookInterval}
	case k.expected():
		return k.loginRequired(CauseNoTokens)
	}
	return fmt.Errorf("%w: %q", ErrUnknownAccount, k.account)
}

// expected says whether the account exists even if the store has never heard of it.
func (k *keeper) expected() bool {
	_, configured := k.m.config.Accounts[k.account]
	return configured || k.account == DefaultAccount
}

// exists says whether the account is configured or stored.
func (k *keeper) exists() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.expected() || k.rec.Generation > 0
}

func (k *keeper) unavailable(sentinel, cause error) error {
	return &UnavailableError{Err: sentinel, Cause: cause}
}

// status returns how the account stands now.
func (k *keeper) status(now time.Time) Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.assess(now)
}

// assess works out the state. mu is held.
func (k *keeper) assess(now time.Time) Status {
	s := Status{
		Account: k.account, Generation: k.rec.Generation, Scheme: Bearer, ExpiresAt: k.rec.ExpiresAt,
		ObtainedAt: k.rec.ObtainedAt, ProvenAt: k.rec.ProvenAt,
	}
	s.State, s.Cause, s.Detail = k.state(now)
	s.Since = now.UTC().Round(0)
	if s.State == k.told.State && s.Cause == k.told.Cause {
		s.Since = k.told.Since
	}
	if !k.config.APIKey.IsZero() {
		s.Scheme = APIKey
	}
	return s
}

// state gives state, cause and detail. mu is held.
func (k *keeper) state(now time.Time) (State, string, string) {
	switch {
	case !k.config.APIKey.IsZero():
		return Ready, "", ""
	case k.lookedAt.IsZero():
		return Unknown, "", ""
	}
	_, works := k.lastResort(now)
	works = works || k.works(now)
	cause, detail := k.trouble(now)
	switch {
	case works && cause == "":
		return Ready, "", ""
	case works:
		return Degraded, cause, detail
	case cause == "": // a refresh token that was not needed yet
		return Unknown, "", ""
	case k.lookErr == nil && loginCause(k.rec) != "", errors.Is(k.lookErr, ErrNotFound):
		return LoginRequired, cause, detail
	}
	return Unavailable, cause, detail
}

// trouble names the worst that is amiss, if anything is. mu is held.
func (k *keeper) trouble(now time.Time) (cause, detail string) {
	switch {
	case k.unsaved != nil:
		return CauseUnsavedRotation, k.unsaved.reason()
	case errors.Is(k.lookErr, ErrNotFound):
		return CauseNoTokens, ""
	case k.lookErr != nil:
		return CauseStore, k.lookErr.Error()
	}
	if cause := loginCause(k.rec); cause != "" && !(cause == CauseNoRefreshToken && k.works(now)) {
		return cause, rejectedDetail(k.rec)
	}
	switch {
	case k.inDoubt(k.rec, now) && k.works(now):
		return CauseRefreshInDoubt, "a refresh was cut off; its outcome is not known"
	case k.cool.failures > 0:
		return k.cool.name, k.cool.cause.Error()
	}
	return "", ""
}

func rejectedDetail(rec Record) string {
	if !rec.IsRejected() {
		return ""
	}
	return fmt.Sprintf("the token endpoint refused the refresh token (%s) at %s", rec.Rejected.Code, rec.Rejected.At.Format(time.RFC3339))
}
