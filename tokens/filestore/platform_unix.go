//go:build unix

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFlags prevent that open follows a link, or waits for the other end of a named pipe.
const openFlags = unix.O_NOFOLLOW | unix.O_NONBLOCK

// owner returns the user that fi belongs to.
func owner(fi fs.FileInfo) int { return int(fi.Sys().(*syscall.Stat_t).Uid) }

func ours(fi fs.FileInfo) bool { return owner(fi) == os.Geteuid() }

// private reports whether only the owner has any right.
func private(fi fs.FileInfo) bool { return fi.Mode().Perm()&0o077 == 0 }

// whoWeAre names the user of this process for a hint.
func whoWeAre() string { return fmt.Sprintf("the user that runs this program (uid %d)", os.Geteuid()) }

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

// The errors of the operating system that have a fix of their own.

func diskFull() []error     { return []error{unix.ENOSPC, unix.EDQUOT} }
func readOnly() []error     { return []error{unix.EROFS} }
func notDirectory() []error { return []error{unix.ENOTDIR} }
func mountPoint() []error   { return []error{unix.EBUSY} }
func noLocks() []error      { return []error{unix.ENOLCK, unix.ENOTSUP, unix.ENOSYS} }
