//go:build unix

package cli

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithTrace ends the process like an uncaught SIGQUIT: Go's runtime prints the stacks of all goroutines.
func dieWithTrace() {
	signal.Reset(unix.SIGQUIT)
	_ = unix.Kill(unix.Getpid(), unix.SIGQUIT)
}

// terminalSends reports whether the terminal has sent the signal also to the program that we started: it sends
// signals to all processes in the foreground.
func terminalSends(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT && s != syscall.SIGWINCH {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	foreground, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && foreground == unix.Getpgrp()
}

// programSignals are signals that mean something only to a program that we started, as SIGWINCH, which ends httpd.
func programSignals() []os.Signal {
	return []os.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH}
}

// signalOf returns the number of the signal that ended a process.
func signalOf(s *os.ProcessState) int {
	if status, ok := s.Sys().(syscall.WaitStatus); ok {
		return int(status.Signal())
	}
	return 0
}

// stopProcess asks a program to end.
func stopProcess(p *os.Process) { p.Signal(syscall.SIGTERM) }

// harden keeps the memory of this process, which contains tokens, out of core files and unreadable for other
// processes.
func harden() error {
	return errors.Join(unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}), undumpable())
}

// openFiles returns how many files this process may have open. The Go runtime has raised the limit as far as
// the system allows.
func openFiles() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}
