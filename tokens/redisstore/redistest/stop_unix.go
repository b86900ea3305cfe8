//go:build unix

package redistest

import "syscall"

// Stop makes the server hang, as a machine does that swaps: connections stay open and nothing is answered. The
// function that it returns lets it go on.
func (s *Server) Stop() (resume func()) {
	s.t.Helper()
	if err := s.process.Process.Signal(syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	return func() { _ = s.process.Process.Signal(syscall.SIGCONT) } // it may have been killed
}
