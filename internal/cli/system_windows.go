package cli

import (
	"os"
)

// dieWithTrace does nothing: Windows has no SIGQUIT.
func dieWithTrace() {}

// terminalSends is true: a console sends its signals to all programs that use it.
func terminalSends(os.Signal) bool { return true }

// signalOf returns 0: Windows has exit codes only.
func signalOf(*os.ProcessState) int { return 0 }

// stopProcess ends a program: Windows has no way to ask it.
func stopProcess(p *os.Process) { p.Kill() }

// harden does nothing: Windows writes no core files by itself.
func harden() error { return nil }

// openFiles returns 0: no limit is known.
func openFiles() uint64 { return 0 }

// programSignals are signals that mean something only to a program that we started.
func programSignals() []os.Signal { return nil }
