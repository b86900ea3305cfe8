//go:build unix

package redistest

import "syscall"

// Stop makes the server hang, like a machine that is swapping: connections stay open, but nothing is answered. The
// returned function lets the server continue.
func (s *Server) Stop() (resume func()) {
	s.t.Helper()
	if err := s.process.Process.Signal(syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	return func() { _ = s.process.Process.Signal(syscall.SIGCONT) } // it may have been killed
}
