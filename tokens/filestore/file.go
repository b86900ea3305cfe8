package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// maxRecord is far above what a record needs. What is larger is no record.
const maxRecord = 1 << 20

// damaged is the hint for a file that is no record.
const damaged = "restore the file from a backup, or move it away and sign in again; it is left as it is"

// read returns the record in path, or tokens.ErrNotFound.
func (s *Store) read(path string) (tokens.Record, error) {
	data, err := s.contents(path)
	if errors.Is(err, fs.ErrNotExist) {
		return tokens.Record{}, tokens.ErrNotFound
	}
	if err != nil {
		return tokens.Record{}, err
	}
	rec, err := s.codec.DecodeStored(strings.TrimSuffix(filepath.Base(path), recordSuffix), data,
		"use the newer version; the file is left as it is", damaged)
	if err != nil {
		fix := problem.HintOf(err)
		if fix == damaged {
			err = errors.New(explain(data, err))
		}
		return tokens.Record{}, withFix("read", path, err, fix)
	}
	return rec, nil
}

// explain describes what is wrong with a damaged record, for the person who must repair it.
func explain(data []byte, err error) string {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return "is empty"
	case len(data) > maxRecord:
		return fmt.Sprintf("is larger than %d bytes", maxRecord)
	case bytes.IndexByte(data, 0) >= 0:
		return "contains zero bytes, as a crash of the machine can leave them"
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return "begins with a byte order mark, as some editors add it"
	}
	return err.Error()
}

// contents returns up to one byte more than a record may have.
func (s *Store) contents(path string) ([]byte, error) {
	f, err := s.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return nil, fail("read", path, err)
	}
	return data, nil
}

// open opens a file of ours for reading, and refuses everything else that can be in its place.
func (s *Store) open(path string) (*os.File, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, fail("read", path, err)
	}
	if err := checkFile(path, fi); err != nil {
		return nil, err
	}
	if err := s.narrow(path, fi); err != nil {
		return nil, err
	}
	f, err := openShared(path)
	if err != nil {
		return nil, fail("read", path, err)
	}
	return f, nil
}

func checkFile(path string, fi fs.FileInfo) error {
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		return refuseLink(path)
	case !fi.Mode().IsRegular():
		return withFix("use", path, errors.New("is not a file"), "move it away")
	case !ours(fi):
		return refuseForeign(path, fi)
	}
	return nil
}

// replace writes data in the place of the account's record. The order makes it durable: the content is on disk
// before the name is changed. lock proves that the directory is still the same.
func replace(dir, account string, data []byte, lock *fileLock) error {
	temp, err := writeTemp(dir, account, data)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, account+recordSuffix)
	err = errReplaced
	if lock.inPlace() {
		err = rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return fail("write", path, err)
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	if !lock.inPlace() {
		return fail("write", path, errReplaced)
	}
	return nil
}

// writeTemp writes a new file and returns its path. Nothing is left behind if it fails.
func writeTemp(dir, account string, data []byte) (path string, err error) {
	f, err := os.CreateTemp(dir, account+tempInfix+"*") // O_EXCL, mode 0600
	if err != nil {
		return "", fail("write into", dir, err)
	}
	_, err = f.Write(data)
	// A delayed write error may be reported only by Close.
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", fail("write", f.Name(), err)
	}
	return f.Name(), nil
}

// lockPoll is how often a busy lock is tried again. A save takes a few milliseconds.
const lockPoll = 3 * time.Millisecond

// fileLock is an advisory lock that this process holds on a file.
type fileLock struct{ f *flock.Flock }

func (l *fileLock) unlock() { _ = l.f.Unlock() } // fails only for a file that is not open

// inPlace reports whether the path still leads to the file that is locked. If the file, or its directory,
// was replaced, then others lock another file, and this lock protects nothing.
func (l *fileLock) inPlace() bool {
	held, err := l.f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Lstat(l.f.Path())
	return err == nil && os.SameFile(held, now)
}

// tryLock takes the lock in path, or returns nil if another process or handle has it.
func tryLock(path string) (*fileLock, error) {
	if fi, err := os.Lstat(path); err == nil {
		if err := checkFile(path, fi); err != nil {
			return nil, err
		}
	}
	f := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR|openFlags), flock.SetPermissions(0o600))
	ok, err := f.TryLock()
	if err != nil {
		return nil, fail("lock", path, err)
	}
	l := &fileLock{f}
	if ok && !l.inPlace() { // replaced between opening and locking
		l.unlock()
		ok = false
	}
	if !ok {
		return nil, nil
	}
	return l, nil
}

// lock waits for the lock in path until ctx ends, and never longer than lockWait: a process that was
// stopped while it holds the lock must not stop all others.
func (s *Store) lock(ctx context.Context, path string) (*fileLock, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.lockWait, errLockWait)
	defer cancel()
	for {
		l, err := tryLock(path)
		if l != nil || err != nil {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, s.busy(ctx, path)
		case <-time.After(lockPoll):
		}
	}
}

var errLockWait = errors.New("another process holds the lock")

func (s *Store) busy(ctx context.Context, path string) error {
	if cause := context.Cause(ctx); !errors.Is(cause, errLockWait) {
		return fmt.Errorf("token store: wait for %s: %w", path, cause)
	}
	return withFix("lock", path, fmt.Errorf("%w for longer than %v", errLockWait, s.lockWait),
		"find the process with fuser or lsof; if it is stopped, let it go on or end it")
}

// TryLock implements tokens.Locker with a lock that the kernel frees when the process dies.
func (s *Store) TryLock(ctx context.Context, account string) (unlock func(), ok bool, err error) {
	if err := errors.Join(tokens.CheckAccount(account), ctx.Err()); err != nil {
		return nil, false, err
	}
	dir, err := s.prepare()
	if err != nil {
		return nil, false, err
	}
	l, err := tryLock(filepath.Join(dir, account+refreshSuffix))
	if l == nil {
		return nil, false, err
	}
	return sync.OnceFunc(l.unlock), true, nil
}
