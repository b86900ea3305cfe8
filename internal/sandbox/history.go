package sandbox

import (
	"maps"
	"sync"
	"time"

	"pandadoc-auth-proxy/internal/sandbox/workspace"
)

// historySize is how many requests are remembered.
const historySize = 2000

// Entry is one request in the history. Credentials appear as fingerprints only.
type Entry struct {
	Number    int       `json:"number"` // counts from 1 since the start
	Time      time.Time `json:"time"`
	RequestID string    `json:"request_id"`
	Method    string    `json:"method"`
	// Target is the raw request target, at most 2 KiB of it. The query of the OAuth routes is left out.
	Target string `json:"target"`
	// Operation is its number among PandaDoc's operations, 0 for anything else.
	Operation int `json:"operation,omitempty"`
	// Status is what was sent, 0 when the connection was cut before an answer.
	Status     int     `json:"status"`
	DurationMS float64 `json:"duration_ms"`
	UserAgent  string  `json:"user_agent,omitempty"`

	// Scheme, Token and Generation tell the credential: its scheme, its fingerprint, and the generation
	// of the pair that it belongs to (0 if the emulator never issued it).
	Scheme     string `json:"scheme,omitempty"`
	Token      string `json:"token,omitempty"`
	Generation int    `json:"generation,omitempty"`

	// Grant, Outcome, Issued and Spent are about token calls: the grant type, what came of it, the
	// generation issued, and whether the refresh token had been used before.
	Grant   string `json:"grant,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	Issued  int    `json:"issued,omitempty"`
	Spent   bool   `json:"spent,omitempty"`

	// BodyBytes and BodySHA256 are of the request's body as far as it was read; BodyComplete says
	// whether that was all of it.
	BodyBytes    int64  `json:"body_bytes"`
	BodySHA256   string `json:"body_sha256"`
	BodyComplete bool   `json:"body_complete"`

	// Fault is the kind of the fault that the request met, "early-refusal" for the emulator's own.
	Fault string `json:"fault,omitempty"`
}

// Stats are counters since the start or the last clear.
type Stats struct {
	Requests int         `json:"requests"`
	Statuses map[int]int `json:"statuses"`
	// TokenCalls counts calls of the token endpoint by outcome: "refreshes", "exchanges", and the error
	// codes. A call that a fault answered before it was looked at is in Faults only.
	TokenCalls map[string]int `json:"token_calls"`
	// SpentTokens counts refreshes with a refresh token that had been used before.
	SpentTokens   int `json:"spent_tokens"`
	Unauthorized  int `json:"unauthorized"`   // 401 answers
	EarlyRefusals int `json:"early_refusals"` // good tokens refused by the emulator
	Faults        int `json:"faults"`         // requests that met a fault
}

// history is a ring of the newest requests, and counters over all.
type history struct {
	mu      sync.Mutex // guards the fields below
	ring    []Entry
	size    int
	counted int // requests since the start
	cleared int // of these, how many were there at the last clear
	sums    Stats
}

func newHistory(size int) *history {
	h := &history{size: size}
	h.clear()
	return h
}

// put adds a request, or replaces it if it has a number from an earlier put. It returns the number.
func (h *history) put(e Entry) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Number > 0 {
		if e.Number > h.cleared && e.Number > h.counted-h.size {
			h.ring[h.place(e.Number)] = e
		}
		return e.Number
	}
	h.counted++
	e.Number = h.counted
	if len(h.ring) < h.size {
		h.ring = append(h.ring, e)
	} else {
		h.ring[h.place(e.Number)] = e
	}
	h.sums.count(e)
	return e.Number
}

// place is where a request is in the ring. Callers hold mu.
func (h *history) place(number int) int { return (number - h.cleared - 1) % h.size }

func (s *Stats) count(e Entry) {
	s.Requests++
	s.Statuses[e.Status]++
	if e.Outcome != "" {
		s.TokenCalls[e.Outcome]++
	}
	if e.Spent {
		s.SpentTokens++
	}
	if e.Status == 401 {
		s.Unauthorized++
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
	start := 0
	if len(h.ring) == h.size {
		start = h.place(h.counted + 1)
	}
	return append(append(make([]Entry, 0, len(h.ring)), h.ring[start:]...), h.ring[:start]...)
}

func (h *history) stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sums
	s.Statuses, s.TokenCalls = maps.Clone(s.Statuses), maps.Clone(s.TokenCalls)
	return s
}

func (h *history) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ring, h.cleared = nil, h.counted
	h.sums = Stats{
		Statuses: map[int]int{},
		// The three that everybody asks for are there from the start.
		TokenCalls: map[string]int{outcomeRefreshed: 0, outcomeExchanged: 0, "invalid_grant": 0},
	}
}

// requests are the calls of PandaDoc's operations, for the API log.
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
