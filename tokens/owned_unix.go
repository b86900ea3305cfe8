//go:build unix

package tokens

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedByUs reports whether the file belongs to this user, and other users cannot read or write it.
func ownedByUs(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid() && info.Mode().Perm()&0o077 == 0
}
