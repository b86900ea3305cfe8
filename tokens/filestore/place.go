package filestore

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pandadoc-auth-proxy/tokens"
)

// ownDir is the private directory that we make below one that other users can enter. The default place of
// the store has the same name, so it can also be the directory that Open was given.
const ownDir = "pandadoc-auth-proxy"

// find returns the directory of the records. If it does not exist yet, find returns its path and an error
// that matches fs.ErrNotExist. It looks anew each time, because a directory can be unmounted, replaced or
// restored under a running program.
//
// Records are used where they are: in the given directory, or in our own below it. Only if neither has any
// does the mode of the given directory decide.
func (s *Store) find() (string, error) {
	if last := s.last.Load(); last != nil {
		if used, err := hasRecords(*last); err == nil && used {
			return *last, s.own(*last)
		}
	}
	dir, err := s.findRecords()
	if err == nil && dir != "" {
		if err = s.own(dir); err == nil {
			s.last.Store(&dir)
		}
	}
	if dir != "" || err != nil {
		return dir, err
	}
	root, err := statDir(s.root)
	switch {
	case err != nil:
		return s.root, err
	case ours(root) && private(root):
		return s.root, nil
	case !ours(root) && root.Mode().Perm()&0o022 == 0:
		// Another user's private place. If root made a directory in there, that user could not use it.
		return "", refuseForeign(s.root, root)
	}
	below := filepath.Join(s.root, ownDir)
	return below, s.own(below)
}

// findRecords returns the directory that has records, or "".
func (s *Store) findRecords() (string, error) {
	below := filepath.Join(s.root, ownDir)
	here, hereErr := hasRecords(s.root)
	there, thereErr := hasRecords(below)
	switch {
	case hereErr != nil || thereErr != nil:
		return "", cmp.Or(hereErr, thereErr)
	case here && there:
		return "", refuseTwoPlaces(s.root, below)
	case here:
		return s.root, nil
	case there:
		return below, nil
	case filepath.Base(s.root) != ownDir:
		return "", nil
	}
	// The other way round: a store was opened as file:DIR, and is now opened as file:DIR/pandadoc-auth-proxy.
	above := filepath.Dir(s.root)
	if fi, err := os.Lstat(above); err == nil && fi.IsDir() && ours(fi) && private(fi) {
		if used, _ := hasRecords(above); used {
			return above, nil
		}
	}
	return "", nil
}

// prepare is find for a writer: it makes the directory if it is missing.
func (s *Store) prepare() (string, error) {
	if _, err := os.Lstat(s.root); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(s.root, 0o700); err != nil {
			return "", fail("make", s.root, err)
		}
		if err := syncDir(filepath.Dir(s.root)); err != nil {
			return "", err
		}
	}
	dir, err := s.find()
	if !errors.Is(err, fs.ErrNotExist) || dir == s.root {
		return dir, err
	}
	switch err := os.Mkdir(dir, 0o700); {
	case errors.Is(err, fs.ErrExist): // another process was quicker
		return dir, s.own(dir)
	case err != nil:
		return "", fail("make", dir, err)
	}
	s.warn(fmt.Sprintf("token store: other users can enter %s: using %s, which they cannot", s.root, dir))
	return dir, syncDir(s.root)
}

// hasRecords reports whether dir is a directory with records. It stops at the first one, so that a store with
// thousands of accounts is as fast as a small one.
func hasRecords(dir string) (bool, error) {
	fi, err := os.Lstat(dir)
	if err != nil || !fi.IsDir() {
		return false, nil // the first use returns the reason
	}
	d, err := os.Open(dir)
	if err != nil && !ours(fi) {
		return false, nil // a shared volume that can be entered but not listed: its files are not ours
	}
	if err != nil {
		return false, fail("list", dir, err)
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(64)
		for _, e := range entries {
			if looksLikeRecord(dir, e.Name()) {
				return true, nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil: // the records may be elsewhere in it
			return false, fail("list", dir, err)
		}
	}
}

// looksLikeRecord reports whether the file is a record, or could be one that is damaged. Without its lock
// file beside it, it could also be a file of another program, such as package.json.
func looksLikeRecord(dir, name string) bool {
	account, ok := strings.CutSuffix(name, recordSuffix)
	if !ok || !tokens.ValidAccount(account) {
		return false
	}
	if _, err := os.Lstat(filepath.Join(dir, account+lockSuffix)); err == nil {
		return true
	}
	path := filepath.Join(dir, name)
	if fi, err := os.Lstat(path); err != nil || !fi.Mode().IsRegular() || fi.Size() > maxRecord {
		return false
	}
	data, err := os.ReadFile(path)
	var fields map[string]json.RawMessage
	if err != nil || json.Unmarshal(data, &fields) != nil {
		return true
	}
	return fields["schema"] != nil && fields["generation"] != nil
}

// own returns nil if dir is a directory of ours, and removes the rights of other users.
func (s *Store) own(dir string) error {
	fi, err := statDir(dir)
	switch {
	case err != nil:
		return err
	case !ours(fi):
		return refuseForeign(dir, fi)
	}
	return s.narrow(dir, fi)
}

// statDir describes a directory. Everything else is an error.
func statDir(path string) (fs.FileInfo, error) {
	fi, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, fail("use", path, err)
	case fi.Mode()&fs.ModeSymlink != 0:
		return nil, refuseLink(path)
	case !fi.IsDir():
		return nil, withFix("use", path, errors.New("is not a directory"), "move it away, or "+elsewhere)
	}
	return fi, nil
}

// narrow removes the rights of other users from a file or directory of ours.
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
		return withFix("use", path, fmt.Errorf("its mode stays %04o, so that others can read the tokens", now.Mode().Perm()),
			elsewhere+" on a file system with modes")
	}
	s.warn(fmt.Sprintf("token store: %s had mode %04o: changed to %04o", path, fi.Mode().Perm(), now.Mode().Perm()))
	return nil
}

// tidy removes what dead writers left in dir and narrows the modes of our files. If that fails, it only warns, because
// the records can be read all the same.
func (s *Store) tidy(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fail("list", dir, err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if err := s.tidyFile(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.warn(fmt.Sprintf("token store: cannot remove or protect %s: %v", path, err))
		}
	}
	return nil
}

func (s *Store) tidyFile(path string) error {
	account, suffix, _ := strings.Cut(filepath.Base(path), ".")
	suffix = "." + suffix
	temporary := strings.HasPrefix(suffix, tempInfix)
	known := temporary || suffix == recordSuffix || suffix == lockSuffix || suffix == refreshSuffix
	if !known || account != noAccount && !tokens.ValidAccount(account) {
		return nil
	}
	fi, err := os.Lstat(path)
	if err != nil || !fi.Mode().IsRegular() || !ours(fi) {
		return err // what is not ours is refused when it is used
	}
	if !temporary {
		return s.narrow(path, fi)
	}
	lock, err := tryLock(filepath.Join(filepath.Dir(path), account+lockSuffix)) // a running writer holds it
	if lock == nil {
		return err
	}
	defer lock.unlock()
	return os.Remove(path)
}
