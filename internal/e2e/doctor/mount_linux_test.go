package doctor

import (
	"os"
	"os/exec"
	"syscall"
)

// readOnlyStore needs mounts, and only Linux lets a test have some of its own.
func readOnlyStore() []fault {
	return []fault{
		{
			name:  "the store cannot be written",
			plant: func(w *installation) { w.signIn(); w.mountReadOnly() },
			check: "store", seen: "read-only file system", fix: "mount it writable", exit: 1, also: []string{"files"},
		},
	}
}

// mountReadOnly gives the program a read-only file system for its store, because file modes do not stop root. The
// mount is in a namespace of the program and ends with it.
func (w *installation) mountReadOnly() {
	w.Helper()
	const script = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"`
	w.prepare = func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"sh", "-c", script, w.dir, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		if uid := os.Geteuid(); uid != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		}
	}
}
