package tokens

import (
	"errors"
	"fmt"
	"time"
)

// State says how an account stands. The words are the same in logs, metrics, answers and commands.
type State string

const (
	// Ready means that requests are signed in and nothing is amiss.
	Ready State = "ready"
	// Degraded means that requests are signed in now, but a refresh or a save is failing.
	Degraded State = "degraded"
	// Unavailable means that there is no usable token now, and that this may mend itself.
	Unavailable State = "unavailable"
	// LoginRequired means that only a new login (or a new seed) helps.
	LoginRequired State = "login-required"
	// Unknown means that the account was not used yet.
	Unknown State = "unknown"
)

// Causes say why an account is not Ready.
const (
	CauseNoTokens        = "not-signed-in"            // nobody ever signed in
	CauseLoggedOut       = "logged-out"               // somebody logged out
	CauseNoRefreshToken  = "no-refresh-token"         // the access token ended and came without a refresh token
	CauseRevoked         = "revoked-or-spent"         // the token endpoint refused the refresh token
	CauseLostInTransit   = "rotation-lost-in-transit" // the same, after a refresh whose answer was never read
	CauseClientRefused   = "client-refused"           // the token endpoint refused the client id or secret
	CauseRefreshFailing  = "refresh-failing"          // the token endpoint does not answer to any use
	CauseRefreshInDoubt  = "refresh-in-doubt"         // a refresh was cut off: waiting before the token is tried again
	CauseUnsavedRotation = "unsaved-rotation"         // the newest pair is in memory only
	CauseStore           = "store-unavailable"        // the store cannot be read or written
	CauseStoreNotWatched = "store-not-watched"        // the store does not report changes now
)

// Status is how one account stands, for people and probes.
type Status struct {
	Account string `json:"account"`
	State   State  `json:"state"`
	Cause   string `json:"cause,omitempty"`
	// Detail is the last error in words, safe to show.
	Detail string `json:"detail,omitempty"`
	// Since is when the account came into this state.
	Since      time.Time `json:"since,omitzero"`
	Scheme     string    `json:"scheme,omitempty"`
	Generation uint64    `json:"generation,omitempty"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
	ObtainedAt time.Time `json:"obtained_at,omitzero"`
	// ProvenAt is when a refresh last succeeded, in this process or in another.
	ProvenAt time.Time `json:"refresh_proven_at,omitzero"`
}

// EventKind names what happened to an account.
type EventKind string

const (
	EventState     EventKind = "state"     // the state or its cause changed
	EventRefreshed EventKind = "refreshed" // the token endpoint gave a new pair
	EventFailed    EventKind = "refresh-failed"
	EventAdopted   EventKind = "adopted" // the store held another's newer pair
	EventTakeover  EventKind = "takeover"
	EventUnsaved   EventKind = "unsaved" // a save after a refresh failed
	EventSaved     EventKind = "saved"   // the unsaved rotation is in the store now
	EventEmergency EventKind = "emergency-file"
	EventLogin     EventKind = "login"
	EventLogout    EventKind = "logout"
	EventProbe     EventKind = "probe"
)

// Event is told to Config.Observe.
type Event struct {
	Account    string
	Kind       EventKind
	Status     Status        // as it is after the event
	Detail     string        // safe to show
	Generation uint64        // what the event is about
	Duration   time.Duration // of the token call, for EventRefreshed and EventFailed
	Err        error         // for EventFailed and EventUnsaved
}

// lookInterval bounds how often the store is asked for the sake of requests that cannot be served.
const lookInterval = time.Second

// verdict says why there is no token and that it is too early to look again; nil if it is worth it.
func (a *account) verdict(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.verdictLocked(now)
}

func (a *account) verdictLocked(now time.Time) error {
	switch {
	case a.lookedAt.IsZero() || now.Sub(a.lookedAt) >= lookInterval:
		return nil
	case a.lookErr != nil:
		return a.storeError(a.lookErr)
	}
	if err := a.hopeless(a.rec); err != nil {
		return err
	}
	return a.cool.err(now)
}

// hopeless says why the record cannot give a new pair, ever; nil if it can.
func (a *account) hopeless(rec Record) error {
	if cause := loginCause(rec); cause != "" {
		return a.loginRequired(cause)
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

func (a *account) loginRequired(cause string) error {
	return a.unavailable(ErrLoginRequired, errors.New(cause))
}

// storeError turns what the store said into what the caller is told.
func (a *account) storeError(err error) error {
	switch {
	case !errors.Is(err, ErrNotFound):
		return &UnavailableError{Err: ErrStoreUnavailable, Cause: err, RetryAfter: lookInterval}
	case a.expected():
		return a.loginRequired(CauseNoTokens)
	}
	return fmt.Errorf("%w: %q", ErrUnknownAccount, a.name)
}

// expected says whether the account exists even if the store has never heard of it.
func (a *account) expected() bool {
	_, configured := a.m.config.Accounts[a.name]
	return configured || a.name == DefaultAccount
}

// exists says whether the account is configured or stored.
func (a *account) exists() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.expected() || a.rec.Generation > 0
}

func (a *account) unavailable(sentinel, cause error) error {
	return &UnavailableError{Err: sentinel, Cause: cause}
}

// status returns how the account stands now.
func (a *account) status(now time.Time) Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.assess(now)
}

// assess works out the state. mu is held.
func (a *account) assess(now time.Time) Status {
	s := Status{
		Account: a.name, Generation: a.rec.Generation, Scheme: Bearer, ExpiresAt: a.rec.ExpiresAt,
		ObtainedAt: a.rec.ObtainedAt, ProvenAt: a.rec.ProvenAt,
	}
	s.State, s.Cause, s.Detail = a.state(now)
	s.Since = now.UTC().Round(0)
	if s.State == a.told.State && s.Cause == a.told.Cause {
		s.Since = a.told.Since
	}
	if !a.config.APIKey.IsZero() {
		s.Scheme = APIKey
	}
	return s
}

// state gives state, cause and detail. mu is held.
func (a *account) state(now time.Time) (State, string, string) {
	switch {
	case !a.config.APIKey.IsZero():
		return Ready, "", ""
	case a.lookedAt.IsZero():
		return Unknown, "", ""
	}
	_, works := a.lastResort(now)
	works = works || a.works(now)
	cause, detail := a.trouble(now)
	switch {
	case works && cause == "" && a.m.watch.trouble() != "":
		return Degraded, CauseStoreNotWatched, a.m.watch.trouble()
	case works && cause == "":
		return Ready, "", ""
	case works:
		return Degraded, cause, detail
	case cause == "": // a refresh token that was not needed yet
		return Unknown, "", ""
	case a.lookErr == nil && loginCause(a.rec) != "", errors.Is(a.lookErr, ErrNotFound):
		return LoginRequired, cause, detail
	}
	return Unavailable, cause, detail
}

// trouble names the worst that is amiss, if anything is. mu is held.
func (a *account) trouble(now time.Time) (cause, detail string) {
	switch {
	case a.unsaved != nil:
		return CauseUnsavedRotation, a.unsaved.reason()
	case errors.Is(a.lookErr, ErrNotFound):
		return CauseNoTokens, ""
	case a.lookErr != nil:
		return CauseStore, a.lookErr.Error()
	}
	if cause := loginCause(a.rec); cause != "" && !(cause == CauseNoRefreshToken && a.works(now)) {
		return cause, rejectedDetail(a.rec)
	}
	switch {
	case a.inDoubt(a.rec, now) && a.works(now):
		return CauseRefreshInDoubt, "a refresh was cut off; its outcome is not known"
	case a.cool.failures > 0:
		return a.cool.name, a.cool.cause.Error()
	}
	return "", ""
}

func rejectedDetail(rec Record) string {
	if !rec.IsRejected() {
		return ""
	}
	return fmt.Sprintf("the token endpoint refused the refresh token (%s) at %s", rec.Rejected.Code, rec.Rejected.At.Format(time.RFC3339))
}
