//go:build unix && !linux

package chaos

import "os/exec"

// tie does nothing where the system cannot tie a process to another.
func tie(*exec.Cmd) {}
