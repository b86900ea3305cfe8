package filestore

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

const openFlags = 0

// Windows has neither owners nor modes in this sense: the directory's access control list decides,
// and the default place lies in the user's own profile.

func owner(fs.FileInfo) int { return 0 }

func ours(fs.FileInfo) bool { return true }

func private(fs.FileInfo) bool { return true }

func whoWeAre() string { return "the user that runs this program" }

func openShared(path string) (f *os.File, err error) {
	err = untilClosed(func() error { f, err = os.Open(path); return err })
	return f, err
}

func rename(from, to string) error {
	return untilClosed(func() error { return os.Rename(from, to) })
}

// untilClosed repeats f while another process, a virus scanner perhaps, has the file open: Windows then
// refuses to replace it, for a moment.
func untilClosed(f func() error) error {
	for range 100 {
		err := f()
		if !errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return f()
}

// syncDir does nothing: NTFS journals names by itself, and a directory cannot be flushed.
func syncDir(string) error { return nil }

// The errors of the operating system that have a fix of their own. Package syscall has names such as ENOSPC on
// Windows too, but no call returns them.

func diskFull() []error {
	return []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}
}
func readOnly() []error     { return []error{windows.ERROR_WRITE_PROTECT} }
func notDirectory() []error { return []error{windows.ERROR_DIRECTORY} }
func mountPoint() []error   { return nil }
func noLocks() []error {
	return []error{windows.ERROR_NOT_SUPPORTED, windows.ERROR_CALL_NOT_IMPLEMENTED, windows.ERROR_INVALID_FUNCTION}
}
