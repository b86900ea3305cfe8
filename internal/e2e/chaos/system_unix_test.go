//go:build unix && !linux

package chaos

import (
	"errors"
	"os"
	"os/exec"
)

// tie does nothing where the system cannot tie a process to another.
func tie(*exec.Cmd) {}

// exchange swaps what two paths lead to, in steps: for a moment there is nothing.
func exchange(a, b string) error {
	return errors.Join(os.Rename(a, a+".moved"), os.Rename(b, a), os.Rename(a+".moved", b))
}
