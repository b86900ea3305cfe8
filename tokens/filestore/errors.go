package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Error names the file or directory that is in the way, and the next step.
type Error struct {
	Op   string // what was tried, such as "read"
	Path string
	Err  error
	Fix  string // what a person can do about it; never empty
}

func (e *Error) Error() string {
	return fmt.Sprintf("token store: %s %s: %v: %s", e.Op, e.Path, e.Err, e.Fix)
}

// Unwrap gives the cause, such as fs.ErrNotExist or tokens.ErrNewerSchema.
func (e *Error) Unwrap() error { return e.Err }

const elsewhere = "choose another place with --store file:DIR"

var errReplaced = errors.New("the directory was replaced during the save")

// fail wraps what the operating system said, and adds the fix.
func fail(op, path string, err error) error {
	err = bare(err)
	return &Error{Op: op, Path: path, Err: err, Fix: fixFor(err)}
}

// bare takes the path out of err, which would be shown twice.
func bare(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}

func fixFor(err error) string {
	is := func(codes ...syscall.Errno) bool {
		for _, c := range codes {
			if errors.Is(err, c) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.ENOSPC, syscall.EDQUOT):
		return "make room there; what was stored before is unharmed"
	case is(syscall.EROFS):
		return "mount it writable, or " + elsewhere
	case is(syscall.ENOTDIR):
		return "a file stands where a directory is needed: move it away, or " + elsewhere
	case is(syscall.EBUSY):
		return "mount the directory and not the single file, which cannot be replaced while it is a mount point"
	case is(syscall.ENOLCK, syscall.ENOTSUP, syscall.ENOSYS):
		return "this file system has no locks: " + elsewhere + " on a local disk"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("give the user that runs this program (uid %d) the right to, or %s", os.Geteuid(), elsewhere)
	case errors.Is(err, errReplaced):
		return "nothing to do if it is tried again"
	}
	return "mend it, or " + elsewhere
}

func refuseLink(path string) error {
	fix := "name the place itself instead of the link"
	if target, err := os.Readlink(path); err == nil {
		fix += ", " + target
	}
	return &Error{"use", path, errors.New("is a symbolic link"), fix}
}

func refuseForeign(path string, fi fs.FileInfo) error {
	return &Error{
		"use", path, fmt.Errorf("belongs to another user (uid %d)", owner(fi)),
		fmt.Sprintf("run as that user, or give it to uid %d with chown, or %s", os.Geteuid(), elsewhere),
	}
}

// refuseRecord is about a record that was read and not understood.
func refuseRecord(path, reason string) error {
	return &Error{
		"read", path, errors.New(reason),
		"restore the file from a backup, or move it away and sign in again; it is left as it is",
	}
}
