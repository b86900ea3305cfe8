package chaos

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// tie makes a process end when the test process ends, also if that is killed.
func tie(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// exchange swaps two paths in one step.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
