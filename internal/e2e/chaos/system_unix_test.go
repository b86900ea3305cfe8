//go:build unix && !linux

package chaos

import (
	"errors"
	"os"
	"os/exec"
)

// tie does nothing: the system cannot do this.
func tie(*exec.Cmd) {}

// exchange swaps two paths, but not in one step: for a moment the first one does not exist.
func exchange(a, b string) error {
	return errors.Join(os.Rename(a, a+".moved"), os.Rename(b, a), os.Rename(a+".moved", b))
}
