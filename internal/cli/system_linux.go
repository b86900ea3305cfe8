package cli

import (
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroups is where control groups are mounted.
const cgroups = "/sys/fs/cgroup"

// memoryLimit returns how much memory the control groups of this process allow it, or zero if they do not
// limit it. A limit of a group above is one, too.
func memoryLimit() int64 {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	least := int64(0)
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy, controllers, path
		if len(fields) != 3 {
			continue
		}
		root, file := cgroups, "memory.max"
		switch fields[1] {
		case "":
		case "memory": // version 1
			root, file = cgroups+"/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// In a container the path may be the host's, and only its root can be seen.
		for dir := path.Clean("/" + fields[2]); ; dir = path.Dir(dir) {
			if n := readLimit(path.Join(root, dir, file)); n > 0 && (least == 0 || n < least) {
				least = n
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}

// unlimited is where version 1 begins to mean no limit: it writes the largest number of whole pages.
const unlimited = 1 << 62

func readLimit(name string) int64 {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64) // version 2 has "max", too
	if err != nil || n >= unlimited {
		return 0
	}
	return n
}

// machineMemory returns how much memory the machine has, or zero.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return int64(uint64(info.Totalram) * uint64(info.Unit))
}

// inMemory reports whether files in dir take memory, as those of a tmpfs do.
func inMemory(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && int64(fs.Type) == unix.TMPFS_MAGIC
}

// undumpable keeps other processes of the same user, except for root's, from reading this one's memory.
func undumpable() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
