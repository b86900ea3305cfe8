package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"pandadoc-auth-proxy/internal/sandbox/workspace"
)

// maxFaults bounds the list that callers can fill.
const maxFaults = 1000

// faults are the misbehaviours set by hand.
type faults struct {
	random *random

	mu    sync.Mutex // guards list
	queue []*Fault
}

func newFaults(random *random) *faults { return &faults{random: random} }

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

// take returns the fault for a request and uses it up, or nil.
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

// applyFault does what the fault of the request asks for before the work, and returns true if that was
// the answer. Faults that bend the work itself are set here and take effect in it.
func (e *Emulator) applyFault(x *exchange) (answered bool) {
	f := x.fault
	if f == nil {
		return false
	}
	if f.Delay > 0 {
		sleep(x.r.Context(), f.Delay)
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

// afterWork replaces an answer that a fault held back.
func (x *exchange) afterWork() {
	switch {
	case x.fault.is(FaultDropAfterCommit):
		panic(http.ErrAbortHandler)
	case x.fault.is(FaultStatusAfterCommit):
		x.w.startOver()
		x.answerFault(x.fault.Status)
	}
}

// refuseForFault ends the access token of the request for good, as a server does that forgot it.
func (e *Emulator) refuseForFault(x *exchange) {
	done := e.behaviour.refuse()
	defer done()
	e.credential(x)
	if _, token, ok := strings.Cut(x.r.Header.Get("Authorization"), " "); ok {
		e.grants.revokeAccess(token)
	}
	x.readForFault()
	x.answerFault(http.StatusUnauthorized)
}

// readForFault reads as much of the body as the fault says.
func (x *exchange) readForFault() {
	if x.fault.ReadBytes == nil {
		x.readRest()
		return
	}
	x.body.discard(*x.fault.ReadBytes)
	if !x.body.complete() {
		// Otherwise net/http reads a small rest before it sends the answer.
		x.w.Header().Set("Connection", "close")
	}
}

// answerFault writes the fault's own answer, or PandaDoc's for the status.
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

// htmlOutage is what the network in front of the service says when it does not answer.
const htmlOutage = `<!doctype html><html><head><title>Service unavailable</title></head>` +
	`<body><h1>Service unavailable</h1><p>This page comes from the PandaDoc emulator.</p></body></html>`
