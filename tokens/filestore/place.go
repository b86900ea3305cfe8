package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ownDir is the directory that we make for ourselves where the given one is open to others.
const ownDir = "pandadoc-auth-proxy"

// place returns the directory of the records. It looks anew each time, because a directory can be
// unmounted, replaced or restored under a running program. With create it makes what is missing;
// without, a missing directory is an error that matches fs.ErrNotExist.
//
// A private directory of ours below the given one always comes first, also when the given one was
// made private later: the records are where they were put, and must not seem lost.
func (s *Store) place(create bool) (string, error) {
	root, err := s.rootDir(create)
	if err != nil {
		return "", err
	}
	below := filepath.Join(s.root, ownDir)
	if fi, err := os.Lstat(below); err == nil && fi.IsDir() && ours(fi) {
		return below, s.narrow(below, fi)
	}
	if ours(root) && private(root) {
		return s.root, nil
	}
	return s.openToOthers(root, below, create)
}

// rootDir describes the given directory, and refuses what is none.
func (s *Store) rootDir(create bool) (fs.FileInfo, error) {
	fi, err := os.Lstat(s.root)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(s.root); err != nil {
			return nil, err
		}
		fi, err = os.Lstat(s.root)
	}
	if err != nil {
		return nil, fail("use", s.root, err)
	}
	return fi, checkDir(s.root, fi)
}

func checkDir(path string, fi fs.FileInfo) error {
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		return refuseLink(path)
	case !fi.IsDir():
		return &Error{"use", path, errors.New("is not a directory"), "move it away, or " + elsewhere}
	}
	return nil
}

// openToOthers decides about a directory that other users can enter, or that is theirs.
func (s *Store) openToOthers(root fs.FileInfo, below string, create bool) (string, error) {
	names, err := accountsIn(s.root)
	if err != nil {
		return "", err
	}
	switch {
	case len(names) > 0 && ours(root):
		return s.root, s.narrow(s.root, root) // it is the store's own, and something widened it
	case !ours(root) && (len(names) > 0 || root.Mode().Perm()&0o022 == 0):
		// This is another user's store, or may be. If root made itself a directory in there, there
		// would be two stores, each without the other's newest tokens.
		return "", refuseForeign(s.root, root)
	case !create:
		return "", &Error{"use", below, fs.ErrNotExist, elsewhere}
	}
	return below, s.makeOwn(below)
}

// makeOwn makes our private directory. Another process may be doing the same.
func (s *Store) makeOwn(below string) error {
	err := os.Mkdir(below, 0o700)
	if err == nil {
		s.warn(fmt.Sprintf("token store: others can enter %s: using %s, which they cannot", s.root, below))
		return syncDir(s.root)
	}
	if !errors.Is(err, fs.ErrExist) {
		return fail("make", below, err)
	}
	fi, err := os.Lstat(below)
	if err != nil {
		return fail("use", below, err)
	}
	if err := checkDir(below, fi); err != nil {
		return err
	}
	if !ours(fi) {
		return refuseForeign(below, fi)
	}
	return s.narrow(below, fi)
}

// makeDir makes path and the directories above it, private and durable.
func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fail("make", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// narrow takes the rights of others from a file or directory of ours.
func (s *Store) narrow(path string, fi fs.FileInfo) error {
	if private(fi) {
		return nil
	}
	if err := os.Chmod(path, fi.Mode().Perm()&0o700); err != nil {
		return fail("narrow the mode of", path, err)
	}
	now, err := os.Lstat(path)
	if err != nil {
		return fail("use", path, err)
	}
	if !private(now) {
		return &Error{
			"use", path, fmt.Errorf("its mode stays %04o, so that others can read the tokens", now.Mode().Perm()),
			elsewhere + " on a file system with modes",
		}
	}
	s.warn(fmt.Sprintf("token store: %s had mode %04o: narrowed to %04o", path, fi.Mode().Perm(), now.Mode().Perm()))
	return nil
}
