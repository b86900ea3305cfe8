package tokens

import "time"

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
