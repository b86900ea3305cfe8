package filestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"pandadoc-auth-proxy/tokens"
)

// lockPoll is how often a busy lock is tried again. A save takes a few milliseconds.
const lockPoll = 3 * time.Millisecond

// fileLock is an advisory lock on a file that is held.
type fileLock struct{ f *flock.Flock }

func (l *fileLock) unlock() { _ = l.f.Unlock() } // fails only for a file that is not open

// inPlace says whether the path still leads to the file that is locked. If the file, or its directory,
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
	return &Error{
		"lock", path, fmt.Errorf("%w for longer than %v", errLockWait, s.lockWait),
		"find the process with fuser or lsof; if it is stopped, let it go on or end it",
	}
}

// TryLock implements tokens.Locker with a lock that the kernel frees when the process dies.
func (s *Store) TryLock(ctx context.Context, account string) (unlock func(), ok bool, err error) {
	none := func() {}
	if err := errors.Join(tokens.CheckAccount(account), ctx.Err()); err != nil {
		return none, false, err
	}
	dir, err := s.place(true)
	if err != nil {
		return none, false, err
	}
	l, err := tryLock(filepath.Join(dir, account+refreshSuffix))
	if l == nil {
		return none, false, err
	}
	return sync.OnceFunc(l.unlock), true, nil
}
