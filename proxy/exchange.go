package proxy

import "time"

// statusClientGone is logged for a client that went away before it had its answer. It is never sent.
const statusClientGone = 499

// What became of the one repetition that a 401 of the API may cause.
const (
	ReplaySucceeded = "replayed" // the repeated request was answered with something else than 401
	ReplayRefused   = "refused-again"
	ReplayFailed    = "failed"      // no new token, or the repeated request got no answer
	ReplayNone      = "not-retried" // see Exchange.Reason
)

// Why the API's 401 stands. The words are also sent, in Proxy-Status.
const (
	ReasonTokenGood         = "token-good"
	ReasonBodyNotKept       = "body-not-kept"
	ReasonAPIKey            = "api-key"
	ReasonRefreshDidNotHelp = "refresh-did-not-help"
)

// Where the copy of a body was kept.
const (
	SpooledInMemory = "memory"
	SpooledOnDisk   = "disk"
)

// Exchange is what happened to one request, for logs and metrics. It holds no secret, no query, and of
// the path only what names the operation. Every field with a closed set of values may be a label.
type Exchange struct {
	Start     time.Time
	RequestID string // the API's, else ours; bounded and printable
	Account   string // empty if the request was refused before its account was known
	Client    string // name of the client key that it came with; empty if none was asked for
	Method    string // as sent if it is one of the API's, else "other"
	Route     string // see routeOf
	Status    int    // as sent; 499 if the client went away
	Code      string // of the Problem that we answered with; empty for an answer of the API

	Attempts int    // requests that were sent to the API
	Replay   string // one of the Replay constants; empty if there was no 401
	Reason   string // one of the Reason constants; empty unless a 401 was passed through for it
	Cut      bool   // the API broke off its answer

	Generation        uint64 // of the token that was sent last; zero if none was, or for an API key
	RefusedGeneration uint64 // of the token that the API refused with a 401; zero if it refused none

	BytesIn   int64  // of the client's body that were read
	BytesOut  int64  // of the answer's body that were written
	Spooled   int64  // the most bytes of the body that were kept for a repetition
	SpooledOn string // one of the Spooled constants; empty if nothing was kept

	Duration time.Duration // from the request's header to the end of the answer
	Upstream time.Duration // from the first attempt to the header of the final answer; zero if nothing was sent
}
