package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pandadoc-auth-proxy/tokens"
)

// noAccount is the account of files that belong to none: the probe's.
const noAccount = ""

// Check proves that the store can be read, written and locked: it writes a probe of the size of a
// record, reads it, and removes it. It looks at no record. Errors are those of Load and Save.
func (s *Store) Check(ctx context.Context) error {
	dir, err := s.place(true)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, noAccount+lockSuffix)
	lock, err := s.lock(ctx, path)
	if err != nil {
		return err
	}
	defer lock.unlock()
	if err := checkLock(path); err != nil {
		return err
	}
	return s.checkWrite(dir)
}

// checkLock tries the lock that is held. Some network file systems grant every lock to everybody.
func checkLock(path string) error {
	second, err := tryLock(path)
	if err != nil || second == nil {
		return err
	}
	second.unlock()
	return &Error{"lock", path, errors.New("locks have no effect here"), elsewhere + " on a local disk"}
}

func (s *Store) checkWrite(dir string) error {
	probe := bytes.Repeat([]byte("probe of the token store\n"), 400)
	path, err := writeTemp(dir, noAccount, probe)
	if err != nil {
		return err
	}
	got, err := s.contents(path)
	if err := os.Remove(path); err != nil {
		return fail("remove", path, err)
	}
	if err == nil && !bytes.Equal(got, probe) {
		err = &Error{"read", path, errors.New("gives other bytes than were written"), "check the disk, or " + elsewhere}
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
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
