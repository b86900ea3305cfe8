package programtest

import (
	"os"
	"time"
)

// Binary returns the path of the program that Main has built.
func Binary() string { return os.Getenv(program) }

// Log returns what the process has written to standard error so far.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// PID returns the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends s to the process.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// Wait waits until the process has ended, and all it wrote has been read. It returns how it ended.
func (p *Process) Wait() *os.ProcessState {
	p.t.Helper()
	select {
	case <-p.logged:
	case <-time.After(time.Minute):
		p.t.Fatal("the process has not ended after a minute")
	}
	_ = p.cmd.Wait() // an error says what the state says
	return p.cmd.ProcessState
}
