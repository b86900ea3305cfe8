//go:build unix

package cli

import "golang.org/x/sys/unix"

// noCore keeps the memory of this process, with the tokens in it, out of core files.
func noCore() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }

// openFiles returns how many files this process may have open. The Go runtime has raised it as far as the
// system allows.
func openFiles() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}
