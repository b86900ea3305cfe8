//go:build unix

package filestore

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFlags keep an open from following a link and from waiting at a named pipe.
const openFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK

// owner returns the user that fi belongs to.
func owner(fi fs.FileInfo) int { return int(fi.Sys().(*syscall.Stat_t).Uid) }

func ours(fi fs.FileInfo) bool { return owner(fi) == os.Geteuid() }

// private says whether only the owner has any right.
func private(fi fs.FileInfo) bool { return fi.Mode().Perm()&0o077 == 0 }

func openShared(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDONLY|openFlags, 0) }

func rename(from, to string) error { return os.Rename(from, to) }

// syncDir makes the names in dir durable. Some network file systems cannot, and say so.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fail("synchronise", dir, err)
	}
	defer d.Close()
	err = d.Sync()
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return fail("synchronise", dir, err)
	}
	return nil
}
