package cli

import (
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroups is where control groups are mounted.
const cgroups = "/sys/fs/cgroup"

// memoryLimit returns how much memory the control groups of this process allow, or zero if there is no limit.
// The limits of parent groups count too.
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
		// In a container, the path may be that of the host, and only the root is visible.
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

// In version 1, a number from unlimited on means no limit: it writes the largest number of whole pages.
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

// inMemory reports whether files in dir use memory, as in a tmpfs.
func inMemory(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && int64(fs.Type) == unix.TMPFS_MAGIC
}

// undumpable prevents other processes of the same user from reading this process's memory. Root still can.
func undumpable() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// release returns memory to the system: free memory, and the pages of the program file, which the system loads
// again when they are used. Only the start needs two thirds of these pages.
func release() {
	debug.FreeOSMemory()
	program, err := os.Executable()
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range untouched(string(maps), program) {
		// Release only mappings that are the same as the file: changes in others would be lost.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.begin, m.end-m.begin, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ begin, end uintptr }

// untouched returns the mappings of file that are read-only and unchanged. The loader writes to parts of a
// position-independent program before it makes them read-only.
func untouched(smaps, file string) (all []mapping) {
	current, fits, clean := mapping{}, false, 0
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 5 && strings.Contains(fields[0], "-"): // "400000-fc3000 r-xp 00000000 fe:00 10019155 /usr/bin/program"
			from, to, _ := strings.Cut(fields[0], "-")
			begin, err1 := strconv.ParseUint(from, 16, 64)
			end, err2 := strconv.ParseUint(to, 16, 64)
			current, clean = mapping{uintptr(begin), uintptr(end)}, 0
			fits = err1 == nil && err2 == nil && len(fields) == 6 && fields[5] == file && !strings.Contains(fields[1], "w")
		case fits && len(fields) == 3 && (fields[0] == "Anonymous:" || fields[0] == "Swap:") && fields[1] == "0": // copies made by writing
			if clean++; clean == 2 {
				all = append(all, current)
			}
		}
	}
	return all
}
