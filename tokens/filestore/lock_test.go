package filestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/storetest"
)

// holdLock opens a store whose account is locked by another, as by a process that was stopped in
// the middle of a save.
func holdLock(t *testing.T, account string) (s *Store, path string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, account+lockSuffix)
	l, err := tryLock(path)
	if l == nil || err != nil {
		t.Fatal(l, err)
	}
	t.Cleanup(l.unlock)
	return s, path
}

func TestSaveDoesNotWaitForEver(t *testing.T) {
	s, path := holdLock(t, "acme")
	s.lockWait = 20 * time.Millisecond
	_, err := s.Save(t.Context(), "acme", storetest.Sample())
	if err == nil || !strings.Contains(err.Error(), " "+path+": ") || !strings.Contains(problem.HintOf(err), "fuser") {
		t.Errorf("got %v, want an error that names %s and how to find its holder", err, path)
	}
	if errors.Is(err, tokens.ErrConflict) {
		t.Error("a busy lock is no conflict")
	}
	if _, err := s.Save(t.Context(), "other", storetest.Sample()); err != nil {
		t.Errorf("another account: %v", err)
	}
	if _, err := s.Load(t.Context(), "acme"); !errors.Is(err, tokens.ErrNotFound) {
		t.Errorf("Load: got %v, want ErrNotFound without a wait", err)
	}
}

func TestSaveWaitsNoLongerThanItsContext(t *testing.T) {
	s, path := holdLock(t, "acme")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := s.Save(ctx, "acme", storetest.Sample())
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want the context's error and the path of the lock", err)
	}
}

func TestSaveGoesOnWhenTheLockIsFree(t *testing.T) {
	s, path := holdLock(t, "acme")
	// The lock that is held lies on a file that has lost its name, as after a restored directory.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), "acme", storetest.Sample()); err != nil {
		t.Error(err)
	}
}

// What was swapped away in the middle of a save was not saved, whatever the file system says.
func TestSaveNoticesThatItsDirectoryWasReplaced(t *testing.T) {
	for name, fill := range map[string]func(t *testing.T, lock string){
		"by an empty one": func(*testing.T, string) {},
		"by one in use": func(t *testing.T, lock string) {
			if err := os.WriteFile(lock, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			path := filepath.Join(dir, "acme"+lockSuffix)
			mkdir := func() {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			mkdir()
			l, err := tryLock(path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.unlock()
			if err := os.Rename(dir, dir+"-moved"); err != nil {
				t.Fatal(err)
			}
			mkdir()
			fill(t, path)
			if err := replace(dir, "acme", []byte("{}"), l); !errors.Is(err, errReplaced) {
				t.Errorf("got %v, want errReplaced", err)
			}
			if _, err := os.Lstat(filepath.Join(dir, "acme"+recordSuffix)); err == nil {
				t.Error("a record was written into the new directory")
			}
		})
	}
}

func TestCheckFindsLocksWithoutEffect(t *testing.T) {
	// A lock file that nobody holds stands for a file system that grants every lock.
	path := filepath.Join(t.TempDir(), "x.lock")
	err := checkLock(path)
	if err == nil || !strings.Contains(err.Error(), " "+path+": ") || !strings.Contains(problem.HintOf(err), "local disk") {
		t.Errorf("got %v, want an error that sends to a local disk", err)
	}
}
