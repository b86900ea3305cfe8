package kubetest

import "net/http"

// Fault is a fault for a request that changes something.
type Fault int

const (
	// None is no fault.
	None Fault = iota
	// Lost drops the request: it has no effect, and the connection is cut.
	Lost
	// Unanswered carries out the request and cuts the connection.
	Unanswered
	// Twice carries out the request two times, like a proxy that repeats it, and returns the second answer.
	Twice
	// Late carries out the request after a second, even if the client has gone.
	Late
	// Busy answers 503.
	Busy
)

// Meet sets the faults of the next requests that change something.
func (s *Server) Meet(faults ...Fault) { s.locked(func() { s.faults = faults }) }

// GoAway makes the server cut every connection until comeBack is called.
func (s *Server) GoAway() (comeBack func()) {
	s.locked(func() { s.away = true })
	s.CutWatches()
	return func() { s.locked(func() { s.away = false }) }
}

// Hang makes the server answer nothing until resume is called, like a server whose etcd has stopped.
func (s *Server) Hang() (resume func()) {
	hung := make(chan struct{})
	s.locked(func() { s.hung = hung })
	return func() {
		s.locked(func() { s.hung = nil })
		close(hung)
	}
}

// wait waits until the server answers again, or the client has gone.
func (s *Server) wait(r *http.Request) {
	s.mu.Lock()
	hung := s.hung
	s.mu.Unlock()
	if hung == nil {
		return
	}
	select {
	case <-hung:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// CutWatches cuts all watches, like a restart of the server.
func (s *Server) CutWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watches {
		close(w)
	}
	clear(s.watches)
}

// Forget makes watches from older versions end with 410.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version += 10
	s.oldest, s.history = s.version, nil
	close(s.changed)
	s.changed = make(chan struct{})
}
