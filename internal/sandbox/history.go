package sandbox

import (
	"maps"
	"slices"
	"sync"
	"time"

	"pandadoc-auth-proxy/internal/sandbox/workspace"
)

// historySize is how many requests are kept.
const historySize = 2000

// Entry is one request in the history. Credentials appear as fingerprints only.
type Entry struct {
	Number    int       `json:"number"` // counts from 1 since the start
	Time      time.Time `json:"time"`
	RequestID string    `json:"request_id"`
	Method    string    `json:"method"`
	// Target is the raw request target, at most 2 KiB of it. The query of the OAuth routes is left out.
	Target string `json:"target"`
	// Operation is the number of PandaDoc's operation, or 0 for other requests.
	Operation int `json:"operation,omitempty"`
	// Status is the status that was sent, or 0 if the connection was cut before an answer.
	Status     int     `json:"status"`
	DurationMS float64 `json:"duration_ms"`
	UserAgent  string  `json:"user_agent,omitempty"`

	// Scheme, Token and Generation describe the credential: its scheme, its fingerprint, and the generation of
	// its pair (0 if the emulator never issued it).
	Scheme     string `json:"scheme,omitempty"`
	Token      string `json:"token,omitempty"`
	Generation int    `json:"generation,omitempty"`

	// Grant, Outcome, Issued and Spent describe token calls: the grant type, the result, the generation that was
	// issued, and whether the refresh token had been used before.
	Grant   string `json:"grant,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	Issued  int    `json:"issued,omitempty"`
	Spent   bool   `json:"spent,omitempty"`

	// BodyBytes and BodySHA256 describe the part of the request's body that was read. BodyComplete means that
	// this was all of it.
	BodyBytes    int64  `json:"body_bytes"`
	BodySHA256   string `json:"body_sha256"`
	BodyComplete bool   `json:"body_complete"`

	// Fault is the kind of the fault that the request got, or "early-refusal".
	Fault string `json:"fault,omitempty"`
}

// Stats are counters since the start or the last clear.
type Stats struct {
	Requests int         `json:"requests"`
	Statuses map[int]int `json:"statuses"`
	// TokenCalls counts calls of the token endpoint by result: "refreshes", "exchanges", and the error codes. A
	// call that a fault answered without carrying it out is counted in Faults only.
	TokenCalls map[string]int `json:"token_calls"`
	// SpentTokens counts refreshes with a refresh token that had been used before.
	SpentTokens   int `json:"spent_tokens"`
	Unauthorized  int `json:"unauthorized"`   // 401 answers
	EarlyRefusals int `json:"early_refusals"` // valid tokens that the emulator refused
	Faults        int `json:"faults"`         // requests that got a fault
}

// history has the newest requests, and counters of all requests.
type history struct {
	size int // how many requests entries returns

	mu      sync.Mutex // guards the fields below
	kept    []Entry    // oldest first, up to twice size, so that making room is rare
	counted int        // requests since the start
	sums    Stats
}

func newHistory(size int) *history {
	h := &history{size: size}
	h.clear()
	return h
}

// put adds a request, or replaces it if it already has a number. It returns the number.
func (h *history) put(e Entry) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Number > 0 {
		if i := e.Number - 1 - (h.counted - len(h.kept)); i >= 0 { // otherwise it was removed
			h.kept[i] = e
		}
		return e.Number
	}
	h.counted++
	e.Number = h.counted
	if len(h.kept) == 2*h.size {
		h.kept = slices.Delete(h.kept, 0, h.size)
	}
	h.kept = append(h.kept, e)
	h.sums.count(e)
	return e.Number
}

func (s *Stats) count(e Entry) {
	s.Requests++
	s.Statuses[e.Status]++
	if e.Outcome != "" {
		s.TokenCalls[e.Outcome]++
	}
	if e.Spent {
		s.SpentTokens++
	}
	switch e.Fault {
	case "":
	case earlyRefusal:
		s.EarlyRefusals++
	default:
		s.Faults++
	}
}

// entries returns a copy, oldest first.
func (h *history) entries() []Entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Entry{}, h.kept[max(0, len(h.kept)-h.size):]...)
}

func (h *history) stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sums
	s.Unauthorized = s.Statuses[401]
	s.Statuses, s.TokenCalls = maps.Clone(s.Statuses), maps.Clone(s.TokenCalls)
	return s
}

func (h *history) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept = nil
	h.sums = Stats{
		Statuses: map[int]int{},
		// These three are always present, so that clients need no check.
		TokenCalls: map[string]int{outcomeRefreshed: 0, outcomeExchanged: 0, "invalid_grant": 0},
	}
}

// requests returns the calls of PandaDoc's operations, for the API log.
func (h *history) requests() []workspace.Request {
	var list []workspace.Request
	for _, e := range h.entries() {
		if e.Operation != 0 {
			list = append(list, workspace.Request{
				ID: e.RequestID, Method: e.Method, Target: e.Target, Status: e.Status, Time: e.Time,
				Duration: time.Duration(e.DurationMS * float64(time.Millisecond)), Scheme: e.Scheme, Token: e.Token,
			})
		}
	}
	return list
}
