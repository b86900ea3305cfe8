package admin

import (
	"encoding/json"
	"time"
)

// Request is what happened to one request on the proxied port. It holds no query, no body and no
// secret, and of the path only the words that name the operation.
type Request struct {
	// ID is the API's request id where it gave one, else ours. Empty for a request that got no answer.
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Account string    `json:"account,omitempty"` // empty if it was refused before its account was known
	Method  string    `json:"method"`
	Route   string    `json:"route"`
	Status  int       `json:"status"`         // 499 if the client went away
	Code    string    `json:"code,omitempty"` // of the answer that the proxy gave itself; empty for one of the API

	Attempts int    `json:"attempts"`         // times it was sent to the API
	Replay   string `json:"replay,omitempty"` // what became of the repetition after a 401; empty if there was no 401
	Reason   string `json:"reason,omitempty"` // why the API's 401 stands
	Cut      bool   `json:"cut,omitempty"`    // the API broke off its answer

	Generation        uint64 `json:"generation,omitempty"`         // of the token that was sent last
	RefusedGeneration uint64 `json:"refused_generation,omitempty"` // of the token that the API refused

	BytesIn   int64  `json:"bytes_in"`
	BytesOut  int64  `json:"bytes_out"`
	Spooled   int64  `json:"spooled,omitempty"`    // the most bytes of the body that were kept for a repetition
	SpooledOn string `json:"spooled_on,omitempty"` // "memory" or "disk"

	Duration Milliseconds `json:"duration_ms"`
	Upstream Milliseconds `json:"upstream_ms"` // until the API's answer began; zero if nothing was sent
}

// The words of Request.Replay and of Request.Reason, as the proxy says them.
const (
	replayed      = "replayed"
	refusedAgain  = "refused-again"
	replayFailed  = "failed"
	notRetried    = "not-retried"
	tokenGood     = "token-good"
	bodyNotKept   = "body-not-kept"
	apiKeyUsed    = "api-key"
	refreshNoHelp = "refresh-did-not-help"

	statusClientGone = 499
)

// refreshed says whether the request went on with a newer token than it had begun with.
func (r Request) refreshed() bool {
	return r.RefusedGeneration > 0 && r.Generation > r.RefusedGeneration
}

// RequestReport is a Request for people.
type RequestReport struct {
	Request
	Refreshed   bool     `json:"refreshed"` // a newer token was got for it
	Replayed    bool     `json:"replayed"`  // it was sent a second time
	Explanation []string `json:"explanation"`
}

func report(r Request) RequestReport {
	return RequestReport{Request: r, Refreshed: r.refreshed(), Replayed: r.Attempts > 1, Explanation: explain(r)}
}

// Milliseconds is a duration that JSON shows as a number of milliseconds.
type Milliseconds time.Duration

// MarshalJSON rounds to microseconds.
func (m Milliseconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(m).Microseconds()) / 1000)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Milliseconds) UnmarshalJSON(data []byte) error {
	var ms float64
	if err := json.Unmarshal(data, &ms); err != nil {
		return err
	}
	*m = Milliseconds(ms * float64(time.Millisecond))
	return nil
}
