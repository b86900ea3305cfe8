package chaos

import (
	"os/exec"
	"syscall"
)

// tie makes a process end with the harness, also if the harness is killed.
func tie(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
