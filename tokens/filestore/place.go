package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pandadoc-auth-proxy/tokens"
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

// tidy removes what dead writers left in dir and narrows the modes of our files. What it cannot do is
// a warning: nothing here keeps records from being read.
func (s *Store) tidy(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fail("list", dir, err)
	}
	for _, e := range entries {
		account, suffix, ok := strings.Cut(e.Name(), ".")
		if !ok || account != noAccount && !tokens.ValidAccount(account) {
			continue
		}
		if err := s.tidyFile(dir, account, "."+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.warn(fmt.Sprintf("token store: cannot tidy up %s: %v", filepath.Join(dir, e.Name()), err))
		}
	}
	return nil
}

func (s *Store) tidyFile(dir, account, suffix string) error {
	path := filepath.Join(dir, account+suffix)
	if strings.HasPrefix(suffix, tempInfix) {
		return removeLeftover(dir, account, path)
	}
	switch suffix {
	case recordSuffix, lockSuffix, refreshSuffix:
		fi, err := os.Lstat(path)
		if err != nil || !fi.Mode().IsRegular() || !ours(fi) {
			return err // what is not ours is refused when it is used
		}
		return s.narrow(path, fi)
	}
	return nil
}

// removeLeftover removes a temporary file whose writer is dead: a living one holds the lock.
func removeLeftover(dir, account, path string) error {
	fi, err := os.Lstat(path)
	if err != nil || !fi.Mode().IsRegular() || !ours(fi) {
		return err
	}
	lock, err := tryLock(filepath.Join(dir, account+lockSuffix))
	if lock == nil {
		return err
	}
	defer lock.unlock()
	return os.Remove(path)
}
