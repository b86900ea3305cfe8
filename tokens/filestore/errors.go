package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// Error names the file or directory that is in the way, and the next step.
type Error struct {
	Op   string // what was tried, such as "read"
	Path string
	Err  error
	Fix  string // what a person can do about it; never empty
}

// Error describes a failure. Hint returns the next step.
func (e *Error) Error() string { return fmt.Sprintf("token store: %s %s: %v", e.Op, e.Path, e.Err) }

// Unwrap gives the cause, such as fs.ErrNotExist or tokens.ErrNewerSchema.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what a person can do about it.
func (e *Error) Hint() string { return e.Fix }

const elsewhere = "choose another place with --store file:DIR"

var errReplaced = errors.New("the directory was replaced during the save")

// fail wraps what the operating system said, and adds the fix.
func fail(op, path string, err error) error {
	// The path is named already.
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	}
	return &Error{Op: op, Path: path, Err: err, Fix: fixFor(err)}
}

func fixFor(err error) string {
	is := func(codes []error) bool {
		return slices.ContainsFunc(codes, func(code error) bool { return errors.Is(err, code) })
	}
	switch {
	case is(diskFull()):
		return "make room there; the stored records are unharmed"
	case is(readOnly()):
		return "mount it writable, or " + elsewhere
	case is(notDirectory()):
		return "a file is where a directory is needed: move it away, or " + elsewhere
	case is(mountPoint()):
		return "mount the directory and not the single file, which cannot be replaced while it is a mount point"
	case is(noLocks()):
		return "this file system has no locks: " + elsewhere + " on a local disk"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("give %s the right to, or %s", whoWeAre(), elsewhere)
	case errors.Is(err, errReplaced):
		return "nothing to do if it is tried again"
	}
	return "repair it, or " + elsewhere
}

func refuseLink(path string) error {
	fix := "use the real path instead of the link"
	if target, err := os.Readlink(path); err == nil {
		fix += ", " + target
	}
	return &Error{"use", path, errors.New("is a symbolic link"), fix}
}

func refuseForeign(path string, fi fs.FileInfo) error {
	return &Error{
		"use", path, fmt.Errorf("belongs to another user (uid %d)", owner(fi)),
		fmt.Sprintf("run as that user, or give it to %s with chown, or %s", whoWeAre(), elsewhere),
	}
}

// refuseRecord is about a record that was read and not understood.
func refuseRecord(path, reason string) error {
	return &Error{
		"read", path, errors.New(reason),
		"restore the file from a backup, or move it away and sign in again; it is left as it is",
	}
}

// refuseTwoPlaces is about records both in dir and in below. Which of two records of an account is the newer one
// is for a person to decide.
func refuseTwoPlaces(dir, below string) error {
	return &Error{
		"use", dir, fmt.Errorf("there are records in it and in %s", below),
		fmt.Sprintf("stop all proxies and move the .json files from one of them into the other, of each account the one with the later obtained_at; "+
			"or use only those in %s: --store file:%s", below, below),
	}
}
