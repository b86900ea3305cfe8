package kubetest

import "net/http"

// Fault is what happens to a request that changes something.
type Fault int

const (
	// None is no fault.
	None Fault = iota
	// Lost drops the request: nothing is done, and the connection is cut.
	Lost
	// Unanswered does what was asked and cuts the connection.
	Unanswered
	// Twice does what was asked two times, as a proxy in between may, and gives the second answer.
	Twice
	// Late does what was asked after a second, whether somebody listens or not.
	Late
	// Busy answers 503.
	Busy
)

// Meet sets the faults of the next requests that change something.
func (s *Server) Meet(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults
}

// GoAway makes the server cut every connection, until it comes back.
func (s *Server) GoAway(away bool) {
	s.mu.Lock()
	s.away = away
	s.mu.Unlock()
	if away {
		s.CutWatches()
	}
}

// Hang makes the server answer nothing, as one whose etcd has stopped, until resume.
func (s *Server) Hang() (resume func()) {
	hung := make(chan struct{})
	s.mu.Lock()
	s.hung = hung
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.hung = nil
		s.mu.Unlock()
		close(hung)
	}
}

// wait waits until the server answers, or nobody listens any more.
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

// CutWatches cuts all watches, as a restart of the server would.
func (s *Server) CutWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.watches {
		close(w)
	}
	clear(s.watches)
}

// Forget makes watches from before now end with 410.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version += 10
	s.oldest, s.history = s.version, nil
	close(s.changed)
	s.changed = make(chan struct{})
}
