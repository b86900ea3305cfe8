package tokens

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

// State is the state of an account. Logs, metrics, answers and commands use the same words.
type State string

const (
	// Ready means that requests get a token and there is no problem.
	Ready State = "ready"
	// Degraded means that requests get a token now, but a refresh or a save is failing.
	Degraded State = "degraded"
	// Unavailable means that there is no usable token now, and that the account may recover by itself.
	Unavailable State = "unavailable"
	// LoginRequired means that only a new login (or a new seed) helps.
	LoginRequired State = "login-required"
	// Unknown means that the account was not read or not used yet.
	Unknown State = "unknown"
)

// Status is the state of one account, for people and probes.
type Status struct {
	Account string `json:"account"`
	State   State  `json:"state"`
	// Cause is the reason why the account is not Ready. Package problem has the text.
	Cause problem.Code `json:"cause,omitempty"`
	// Detail is the last error in words, safe to show.
	Detail string `json:"detail,omitempty"`
	// StoredIssuer and ConfiguredIssuer are set for problem.OtherIssuer.
	StoredIssuer     string `json:"stored_issuer,omitempty"`
	ConfiguredIssuer string `json:"configured_issuer,omitempty"`
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
	EventAdopted   EventKind = "adopted"  // the store held another's newer pair
	EventRestored  EventKind = "restored" // the store had lost a record, and has it again
	EventUpgraded  EventKind = "upgraded" // a record of an earlier version was taken over
	EventTakeover  EventKind = "takeover"
	EventUnsaved   EventKind = "unsaved"        // a save after a refresh failed
	EventSaved     EventKind = "saved"          // the unsaved rotation is in the store now
	EventEmergency EventKind = "emergency-file" // the newest pair was read from an emergency file
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

// Status returns the state of all known accounts, sorted by name, without I/O. DefaultAccount is among them if it
// is configured, stored or used, or if there is no other.
func (m *Manager) Status() []Status {
	var all []Status
	now := time.Now()
	m.mu.Lock()
	for _, p := range m.parked {
		if !p.gone {
			all = append(all, p.status)
		}
	}
	m.mu.Unlock()
	m.each(func(a *account) {
		if a.exists() {
			all = append(all, a.status(now))
		}
	})
	if a := m.loaded(DefaultAccount); a != nil && len(all) == 0 {
		all = append(all, a.status(now))
	}
	slices.SortFunc(all, func(x, y Status) int { return cmp.Compare(x.Account, y.Account) })
	return slices.CompactFunc(all, func(x, y Status) bool { return x.Account == y.Account })
}

// report sends an event to the observer, with the current state.
func (a *account) report(e Event) {
	a.mu.Lock()
	status := a.assessLocked(time.Now())
	changed := false
	if a.existsLocked() { // accounts that do not exist are not reported
		changed = status.State != a.told.State || status.Cause != a.told.Cause
		a.told = status
	}
	a.mu.Unlock()
	if a.m.config.Observe == nil {
		return
	}
	if changed {
		a.m.config.Observe(Event{Account: a.name, Kind: EventState, Status: status, Generation: status.Generation, Detail: status.Detail})
	}
	if e.Kind != EventState {
		e.Account, e.Status = a.name, status
		a.m.config.Observe(e)
	}
}

// status returns the current status of the account.
func (a *account) status(now time.Time) Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.assessLocked(now)
}

// assessLocked returns the status of the account.
func (a *account) assessLocked(now time.Time) Status {
	s := Status{
		Account: a.name, Generation: a.rec.Generation, Scheme: Bearer, ExpiresAt: a.rec.ExpiresAt,
		ObtainedAt: a.rec.ObtainedAt, ProvenAt: a.rec.ProvenAt,
	}
	s.State, s.Cause, s.Detail = a.stateLocked(now)
	s.Since = now.UTC().Round(0)
	if s.State == a.told.State && s.Cause == a.told.Cause {
		s.Since = a.told.Since
	}
	if s.Cause == problem.OtherIssuer {
		s.StoredIssuer, s.ConfiguredIssuer = a.rec.Issuer.String(), a.m.issuer.String()
	}
	if a.keyed {
		s.Scheme = APIKey
	}
	return s
}

// stateLocked returns the state, the cause and the detail.
func (a *account) stateLocked(now time.Time) (State, problem.Code, string) {
	switch {
	case a.keyed && a.keyRefusals >= maxRefusals:
		return Degraded, problem.APIKeyRefused, ""
	case a.keyed:
		return Ready, "", ""
	case a.loadedAt.IsZero() && a.unsaved == nil:
		return Unknown, "", ""
	}
	_, works := a.lastResort(now)
	cause, detail := a.troubleLocked(now)
	switch {
	case works && cause == "":
		return Ready, "", ""
	case works:
		return Degraded, cause, detail
	case a.waiting != "":
		return Unavailable, a.waiting, "requests wait for a token"
	case cause == "" && a.refused && a.flight != nil: // a refresh decides in a moment
		return a.told.State, a.told.Cause, a.told.Detail
	case cause == "": // a refresh token that was not needed yet
		return Unknown, "", ""
	case a.loadErr == nil && a.loginCause(a.rec) != "":
		return LoginRequired, cause, detail
	}
	return Unavailable, cause, detail
}

// troubleLocked returns the most serious problem, if there is one.
func (a *account) troubleLocked(now time.Time) (cause problem.Code, detail string) {
	switch {
	case a.unsaved != nil:
		return problem.UnsavedRotation, a.unsaved.err.Error()
	case a.loadErr != nil:
		return problem.StoreUnavailable, a.loadErr.Error()
	}
	storeErr := a.m.writeError()
	if cause := a.loginCause(a.rec); cause != "" && !(cause == problem.NoRefreshToken && a.works(now)) {
		switch r := a.rec.Rejected; {
		case storeErr != nil:
			detail = "a login cannot be saved now: " + storeErr.Error()
		case cause != problem.OtherIssuer && a.rec.IsRejected():
			detail = fmt.Sprintf("the token endpoint refused the refresh token (%s) at %s", r.Code, r.At.Format(time.RFC3339))
		}
		return cause, detail
	}
	switch {
	case a.works(now) && a.holdsLocked(now) && a.unhelpful:
		return problem.RefreshDidNotHelp, ""
	case a.inDoubt(a.rec, now) && a.works(now):
		return problem.RefreshInDoubt, ""
	case a.cool.failures > 0:
		return coolCause(a.cool.sentinel), a.cool.cause.Error()
	case storeErr != nil:
		return problem.StoreUnavailable, storeErr.Error()
	case a.works(now) && a.m.watch.trouble() != "":
		return problem.StoreNotWatched, a.m.watch.trouble()
	}
	return "", ""
}

func coolCause(sentinel error) problem.Code {
	switch {
	case errors.Is(sentinel, ErrClientNotConfigured):
		return problem.ClientNotConfigured
	case errors.Is(sentinel, ErrClientRefused):
		return problem.ClientRefused
	case errors.Is(sentinel, ErrStoreUnavailable):
		return problem.StoreUnavailable
	}
	return problem.RefreshFailing
}

// writeError returns why the store cannot be written to, as far as was tried.
func (m *Manager) writeError() error {
	m.life.Lock()
	defer m.life.Unlock()
	return m.storeErr
}

// Errors that a Manager returns instead of a token. Compare them with errors.Is. UnavailableError has the time
// after which to ask again.
var (
	// ErrTokenGood is returned by Renew when the API still accepts the refused token elsewhere: the
	// refusal was not about the token.
	ErrTokenGood = errors.New("the API refused the request, but not because of its token")
	// ErrAPIKey is returned by Renew for an account that signs in with an API key: nothing can be renewed.
	ErrAPIKey = errors.New("an API key cannot be refreshed")
	// ErrRefreshDidNotHelp is returned by Renew while a token that was refreshed because of a 401 meets
	// 401 again: another refresh is held back for a while.
	ErrRefreshDidNotHelp = errors.New("a refresh did not help against this refusal")
	// ErrLoginRequired means that there is no refresh token, or that it is spent, revoked or of another issuer:
	// only a person can help. A *CauseError has the cause.
	ErrLoginRequired = errors.New("login required")
	// ErrClientNotConfigured means that a refresh is due and no client id is configured.
	ErrClientNotConfigured = errors.New("no client id and secret are configured")
	// ErrClientRefused means that the token endpoint does not accept the client id or secret.
	ErrClientRefused = errors.New("the token endpoint refused the client id or secret")
	// ErrRefreshUnavailable means that there is no usable token now and that the token endpoint did not
	// give one; it may recover by itself.
	ErrRefreshUnavailable = errors.New("token endpoint unavailable")
	// ErrStoreUnavailable means that there is no usable token in memory and that the store cannot be
	// read or written.
	ErrStoreUnavailable = errors.New("the token store is not available")
	// ErrUnknownAccount means that no such account is configured or stored.
	ErrUnknownAccount = errors.New("no such account")
)

// Errors that a Store returns.
var (
	// ErrNotFound is returned by Load when the store holds no record of the account.
	ErrNotFound = errors.New("no record")
	// ErrConflict is returned by Save when the stored record is not the one that the new one was based on.
	ErrConflict = errors.New("another process has changed the record")
)

// UnavailableError has the time after which to ask again. Err is one of the errors above. Cause is the reason for
// it, and is safe to show.
type UnavailableError struct {
	Err        error
	Cause      error
	RetryAfter time.Duration // zero means unknown
}

func (e *UnavailableError) Error() string {
	if e.Cause == nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v: %v", e.Err, e.Cause)
}

// Unwrap returns both, so that errors.Is finds the error above, and errors.As finds the cause.
func (e *UnavailableError) Unwrap() []error { return []error{e.Err, e.Cause} }

// CauseError is why an account needs a login.
type CauseError struct {
	Code problem.Code
	// Stored and Configured name the issuer of the stored tokens and that of the configuration, for
	// problem.OtherIssuer.
	Stored, Configured string
}

func (e *CauseError) Error() string {
	if e.Code == problem.OtherIssuer {
		return fmt.Sprintf("%s: the tokens belong to %s, but the configuration names %s", e.Code, e.Stored, e.Configured)
	}
	return string(e.Code)
}

// EndpointError is a complete answer of the token endpoint without a pair of tokens. Code and Description are
// limited in length and have no control characters; the body is not kept.
type EndpointError struct {
	Status      int           // HTTP status
	Code        string        // "error" of RFC 6749 section 5.2; empty if the answer had none
	Description string        // "error_description"; often empty
	RetryAfter  time.Duration // from Retry-After; zero if absent
}

func (e *EndpointError) Error() string {
	switch {
	case e.Code == "":
		return fmt.Sprintf("the token endpoint answered %d", e.Status)
	case e.Description == "":
		return fmt.Sprintf("the token endpoint answered %d %s", e.Status, e.Code)
	}
	return fmt.Sprintf("the token endpoint answered %d %s (%s)", e.Status, e.Code, e.Description)
}
