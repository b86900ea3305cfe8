package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"pandadoc-auth-proxy/internal/sandbox/workspace"
)

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
	done := e.behaviour.refuse()
	defer done()
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
