package cli

import (
	"errors"

	"golang.org/x/sys/unix"
)

// harden keeps other processes of the same user, except for root's, from reading this one's memory, and
// its memory out of core files.
func harden() error {
	return errors.Join(noCore(), unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}
