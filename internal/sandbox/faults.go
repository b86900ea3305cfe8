package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"pandadoc-auth-proxy/internal/sandbox/workspace"
)

// The kinds of faults.
const (
	// FaultStatus answers Status with Body (or PandaDoc's own body for that status) and changes nothing.
	FaultStatus = "status"
	// FaultRefuse answers 401 and revokes the access token of the request.
	FaultRefuse = "refuse"
	// FaultDelay waits before it handles the request normally.
	FaultDelay = "delay"
	// FaultDrop closes the connection without an answer. The request has no effect.
	FaultDrop = "drop"
	// FaultDropAfterCommit carries out the request, for example a rotation, and closes the connection without an
	// answer.
	FaultDropAfterCommit = "drop_after_commit"
	// FaultStatusAfterCommit carries out the request, but answers Status with Body.
	FaultStatusAfterCommit = "status_after_commit"
	// FaultCut closes the connection in the middle of the answer's body.
	FaultCut = "cut"
	// FaultNoRefreshToken makes a refresh return only an access token. The refresh token stays valid.
	FaultNoRefreshToken = "no_refresh_token"
	// FaultKeepOld keeps the old pair valid after a refresh.
	FaultKeepOld = "keep_old"
	// FaultExpiresIn sends ExpiresIn unchanged in the answer of the token endpoint.
	FaultExpiresIn = "expires_in"
)

// Fault is a misbehaviour that somebody has set. A request gets the first fault whose route matches it.
type Fault struct {
	// Route selects requests: "token", "authorize", "api" (all except these two), "*", "/path" or "METHOD /path".
	// A * at the end matches anything.
	Route string `json:"route"`
	Kind  string `json:"kind"`
	// Count is how many requests get the fault. Zero means one; a negative number means all.
	Count int `json:"count,omitempty"`
	// Probability is the fraction of matching requests that get it. Zero means all.
	Probability float64 `json:"probability,omitempty"`

	// Status, Body, Header and RetryAfter are the answer. A body that starts with < is sent as HTML, any other as
	// JSON, unless Header has a Content-Type.
	Status     int               `json:"status,omitempty"`
	Body       string            `json:"body,omitempty"`
	Header     map[string]string `json:"header,omitempty"`
	RetryAfter string            `json:"retry_after,omitempty"`
	// ReadBytes is how much of the request's body is read before a status or refuse answer. Nil means the whole
	// body. Zero means none of it, and no "100 Continue".
	ReadBytes *int64 `json:"read_bytes,omitempty"`
	// ExpiresIn is raw JSON: 3600, "3600", 1e12, -1, null …
	ExpiresIn json.RawMessage `json:"expires_in,omitempty"`
	// Delay is how long to wait before anything else. Every kind can have it.
	Delay Duration `json:"delay,omitzero"`
}

// Duration is a duration that is text like "250ms" in JSON. Empty text is zero.
type Duration time.Duration

// MarshalText writes the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalJSON reads what MarshalText writes.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	err := json.Unmarshal(data, &text)
	if err == nil {
		var parsed time.Duration
		parsed, err = time.ParseDuration(cmp.Or(text, "0s"))
		*d = Duration(parsed)
	}
	if err != nil {
		return fmt.Errorf("the delay %s is not text like \"250ms\"", data)
	}
	return nil
}

// Validate returns all mistakes together.
func (f Fault) Validate() error {
	var errs []error
	if !validRoute(f.Route) {
		errs = append(errs, fmt.Errorf("route %q: use token, authorize, api, *, /path or METHOD /path", f.Route))
	}
	switch f.Kind {
	case FaultStatus, FaultStatusAfterCommit:
		if f.Status < 200 || f.Status > 599 {
			errs = append(errs, fmt.Errorf("status %d: use 200 to 599", f.Status))
		}
	case FaultDelay:
		if f.Delay <= 0 {
			errs = append(errs, errors.New(`a delay fault needs "delay", such as "250ms"`))
		}
	case FaultExpiresIn:
		if f.ExpiresIn == nil {
			errs = append(errs, errors.New(`an expires_in fault needs "expires_in"`))
		}
	case FaultRefuse, FaultDrop, FaultDropAfterCommit, FaultCut, FaultNoRefreshToken, FaultKeepOld:
	default:
		errs = append(errs, fmt.Errorf("unknown kind %q", f.Kind))
	}
	if f.Delay < 0 || f.Delay > Duration(time.Hour) || f.Probability < 0 || f.Probability > 1 {
		errs = append(errs, errors.New("delay must be 0 to 1h, probability 0 to 1"))
	}
	if f.ReadBytes != nil && *f.ReadBytes < 0 {
		errs = append(errs, errors.New("read_bytes must not be negative"))
	}
	return errors.Join(errs...)
}

func validRoute(route string) bool {
	switch route {
	case "token", "authorize", "api", "*":
		return true
	}
	if method, path, ok := strings.Cut(route, " "); ok {
		return method != "" && strings.HasPrefix(path, "/")
	}
	return strings.HasPrefix(route, "/")
}

// fits reports whether f applies to this request.
func (f *Fault) fits(o *operation, r *http.Request) bool {
	switch f.Route {
	case "*":
		return true
	case "token":
		return o.Number == tokenOperation
	case "authorize":
		return o.consent
	case "api":
		return o.Number != tokenOperation && !o.consent
	}
	method, path, ok := strings.Cut(f.Route, " ")
	if !ok {
		method, path = r.Method, f.Route
	}
	if prefix, open := strings.CutSuffix(path, "*"); open {
		return method == r.Method && strings.HasPrefix(r.URL.Path, prefix)
	}
	return method == r.Method && path == r.URL.Path
}

// is reports whether the fault is of a kind. f is nil for requests without a fault.
func (f *Fault) is(kind string) bool { return f != nil && f.Kind == kind }

// maxFaults limits the list.
const maxFaults = 1000

// faults are the faults that are set.
type faults struct {
	random *random

	mu    sync.Mutex // guards queue
	queue []*Fault
}

func (s *faults) add(f Fault) error {
	if err := f.Validate(); err != nil {
		return fmt.Errorf("sandbox: fault: %w", err)
	}
	if f.Count == 0 {
		f.Count = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= maxFaults {
		return fmt.Errorf("sandbox: more than %d faults are waiting", maxFaults)
	}
	s.queue = append(s.queue, &f)
	return nil
}

// take returns the fault for a request, or nil, and counts it as used.
func (s *faults) take(o *operation, r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.queue {
		if !f.fits(o, r) || f.Probability > 0 && !s.random.chance(f.Probability) {
			continue
		}
		taken := *f
		if f.Count > 0 {
			f.Count--
		}
		if f.Count == 0 {
			s.queue = slices.Delete(s.queue, i, i+1)
		}
		return &taken
	}
	return nil
}

func (s *faults) list() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Fault, len(s.queue))
	for i, f := range s.queue {
		list[i] = *f
	}
	return list
}

func (s *faults) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = nil
}

// applyFault does the part of a fault that comes before the work, and reports whether that was the answer. Faults
// that change the work itself are prepared here.
func (e *Emulator) applyFault(x *exchange) (answered bool) {
	f := x.fault
	if f == nil {
		return false
	}
	if f.Delay > 0 {
		sleep(x.r.Context(), time.Duration(f.Delay))
	}
	switch f.Kind {
	case FaultDrop:
		panic(http.ErrAbortHandler)
	case FaultDropAfterCommit, FaultStatusAfterCommit:
		x.w.swallow = true
	case FaultCut:
		x.w.cut = true
	case FaultStatus:
		x.readForFault()
		x.answerFault(f.Status)
		return true
	case FaultRefuse:
		e.refuseForFault(x)
		return true
	}
	return false
}

// afterWork replaces an answer that a fault has withheld.
func (x *exchange) afterWork() {
	switch {
	case x.fault.is(FaultDropAfterCommit):
		panic(http.ErrAbortHandler)
	case x.fault.is(FaultStatusAfterCommit):
		x.w.startOver()
		x.answerFault(x.fault.Status)
	}
}

// refuseForFault revokes the access token of the request, like a server that has lost it.
func (e *Emulator) refuseForFault(x *exchange) {
	defer e.behaviour.refuse()()
	e.credential(x)
	if _, token, ok := strings.Cut(x.r.Header.Get("Authorization"), " "); ok {
		e.grants.revokeAccess(token)
	}
	x.readForFault()
	x.answerFault(http.StatusUnauthorized)
}

// readForFault reads as much of the body as the fault allows.
func (x *exchange) readForFault() {
	if x.fault.ReadBytes == nil {
		x.readRest()
		return
	}
	x.body.discard(*x.fault.ReadBytes)
	if _, _, complete := x.body.sum(); !complete {
		// Otherwise net/http reads a small rest before it sends the answer.
		x.w.Header().Set("Connection", "close")
	}
}

// answerFault sends the fault's own answer, or PandaDoc's answer for its status.
func (x *exchange) answerFault(status int) {
	f := x.fault
	if f.RetryAfter != "" {
		x.w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Body != "" {
		x.w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(f.Body, "<") {
			x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
		}
	}
	x.setHeader(f.Header)
	switch {
	case f.Body != "":
		x.writeBytes(status, []byte(f.Body))
	case status < 400 || x.op.Number == tokenOperation:
		x.w.WriteHeader(status)
	default:
		x.writeProblem(workspace.Standard(status))
	}
}

// htmlOutage is the page of a gateway in front of the service when the service is down.
const htmlOutage = `<!doctype html><html><head><title>Service unavailable</title></head>` +
	`<body><h1>Service unavailable</h1><p>This page comes from the PandaDoc emulator.</p></body></html>`
