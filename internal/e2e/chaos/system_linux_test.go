package chaos

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// tie makes a process end with the harness, also if the harness is killed.
func tie(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// exchange swaps what two paths lead to, in one step.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
