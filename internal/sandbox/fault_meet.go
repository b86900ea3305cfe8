package sandbox

import (
	"net/http"
	"strings"
)

// meetFault does what the fault of the request asks for before the work, and returns true if that was
// the answer. Faults that bend the work itself are set here and take effect in it.
func (e *Emulator) meetFault(x *exchange) (answered bool) {
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
	done := e.mood.refuse()
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
	case status < 400 || x.op.number == tokenOperation:
		x.w.WriteHeader(status)
	default:
		x.writeProblem(standard(status))
	}
}
