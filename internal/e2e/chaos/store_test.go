//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/filestore"
)

// savedSoon is how soon an unsaved pair must be on disk after the store is back.
const savedSoon = 20 * time.Second

// takeAway replaces the store's directory by a file, in one step: otherwise a proxy could find nothing there and
// make a new directory. (chmod does not stop root.)
func (w *testbed) takeAway() {
	if err := errors.Join(os.WriteFile(w.dir+".away", []byte("not a directory\n"), 0o600), exchange(w.dir, w.dir+".away")); err != nil {
		w.t.Error(err)
	}
}

func (w *testbed) putBack() {
	w.t.Helper()
	if err := errors.Join(exchange(w.dir, w.dir+".away"), os.Remove(w.dir+".away")); err != nil {
		w.t.Fatal(err)
	}
}

// wantSaved waits until the live pair is on disk, and returns how long that took.
func (w *testbed) wantSaved() time.Duration {
	w.t.Helper()
	began := time.Now()
	live, _ := w.live()
	err := within(savedSoon, func() error {
		if got := w.saved(); got != live {
			return fmt.Errorf("pair %d is on disk, pair %d is live", got, live)
		}
		return nil
	})
	if err != nil {
		w.t.Errorf("after %v: %v", savedSoon, err)
	}
	return time.Since(began)
}

// The store disappears while the token call runs. The new pair is used, kept in memory, and saved as soon as the
// store is back.
func TestStoreReplacedWhileTheTokenCallRuns(t *testing.T) {
	t.Parallel()
	away := size(2*time.Second, 30*time.Second)
	w := newSignedIn(t)
	before := w.record().Generation
	p := w.serve()
	w.plan(always(plan{before: w.takeAway}))
	w.refuse()
	p.want(200)
	p.becomes("degraded: unsaved-rotation")
	requests := 1
	for end := time.Now().Add(away); time.Now().Before(end); requests++ {
		p.want(200)
		pause(10 * time.Millisecond)
	}
	if got := p.ready(); got != "degraded: unsaved-rotation" {
		t.Errorf("readyz says %q", got)
	}
	if lockIsFree(t, w.dir+".away") {
		t.Error("the refresh lock is free while the rotation is unsaved: another process would send the spent token")
	}
	w.putBack()
	took := w.wantSaved()
	p.becomes("ready")
	until(t, "free the refresh lock after the late save", func() error {
		if !lockIsFree(t, w.dir) {
			return errors.New("it is held")
		}
		return nil
	})
	if got := w.record().Generation; got != before+1 {
		t.Errorf("the late save made generation %d of %d, want the next one", got, before)
	}
	t.Logf("store away for %v: %d requests answered 200, readyz degraded: unsaved-rotation; on disk %.1f s after the store came back",
		away, requests, took.Seconds())
	w.wantOneRotation()
}

// lockIsFree reports whether another process could take the refresh lock in the store's directory dir.
func lockIsFree(t *testing.T, dir string) bool {
	t.Helper()
	s, err := filestore.Open(filestore.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	unlock, ok, err := s.TryLock(t.Context(), tokens.DefaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	if ok {
		unlock()
	}
	return ok
}

func (w *testbed) wantOneRotation() {
	w.t.Helper()
	if c := w.counts(); c.calls != 1 || c.rotations != 1 || c.invalid != 0 {
		w.t.Errorf("token endpoint: %+v, want one rotation", c)
	}
	w.wantNoReuse()
}

// SIGTERM while the pair is unsaved. The process waits for the store, and at the end leaves an emergency file,
// which the next process reads.
func TestTerminatedWithAnUnsavedPair(t *testing.T) {
	t.Parallel()
	drain := size(2*time.Second, 15*time.Second)
	w := newSignedIn(t)
	p := w.serve("--drain-timeout", drain.String())
	w.plan(always(plan{before: w.takeAway}))
	w.refuse()
	p.want(200)
	p.becomes("degraded: unsaved-rotation")
	began := time.Now()
	p.signal(syscall.SIGTERM)
	p.Wait()
	waited := time.Since(began)
	if waited < drain-100*time.Millisecond {
		t.Errorf("ended %v after SIGTERM, want it to wait %v for the store", waited, drain)
	}
	files, err := filepath.Glob(filepath.Join(w.temp, "pandadoc-auth-proxy", "pandadoc-auth-proxy-emergency-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("emergency files: %q, %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("emergency file: %v, %v", info, err)
	}
	if !strings.Contains(p.Log(), files[0]) {
		t.Errorf("the log does not name %s:\n%s", files[0], p.Log())
	}
	w.putBack()
	next := w.serve()
	next.want(200)
	took := w.wantSaved()
	if _, err := os.Stat(files[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the emergency file is still there: %v", err)
	}
	t.Logf("SIGTERM with an unsaved pair: waited %.1f s, left an emergency file; the next process had it on disk after %.1f s", waited.Seconds(), took.Seconds())
	w.wantOneRotation()
}

// The same with SIGTERM, but the store comes back in time: no emergency file is needed.
func TestTerminatedWhileTheStoreComesBack(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t)
	p := w.serve("--drain-timeout", "1m")
	w.plan(always(plan{before: w.takeAway}))
	w.refuse()
	p.want(200)
	p.becomes("degraded: unsaved-rotation")
	p.signal(syscall.SIGTERM)
	until(t, "begin to stop", func() error {
		if !strings.Contains(p.Log(), "stopping") {
			return errors.New("the log does not say so")
		}
		return nil
	})
	w.putBack()
	if state := p.Wait(); state.ExitCode() != 0 {
		t.Errorf("exit status %d", state.ExitCode())
	}
	w.wantSaved()
	if left, _ := filepath.Glob(filepath.Join(w.temp, "pandadoc-auth-proxy-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	w.wantOneRotation()
}
