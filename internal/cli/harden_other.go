//go:build unix && !linux

package cli

// harden keeps this process's memory out of core files.
func harden() error { return noCore() }
