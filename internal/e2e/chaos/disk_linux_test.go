package chaos

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// The disk is full when the pair is to be saved. The test needs a small file system that it can fill: a tmpfs,
// which only root can mount.
func TestDiskFullWhileTheTokenCallRuns(t *testing.T) {
	t.Parallel()
	w := newTestbed(t)
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("chaos", w.dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "size=256k,mode=0700"); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(w.dir, syscall.MNT_DETACH) })
	w.signIn()
	p := w.serve()
	filler := filepath.Join(w.dir, "filler")
	w.plan(always(plan{before: func() { fill(t, filler) }}))
	w.refuse()
	p.want(200)
	p.becomes("degraded: unsaved-rotation")
	p.want(200)
	w.record() // the old record is still there
	pause(size(time.Second, 30*time.Second))
	p.want(200)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	took := w.wantSaved()
	p.becomes("ready")
	t.Logf("disk full: requests answered 200, readyz degraded: unsaved-rotation; on disk %.1f s after there was room", took.Seconds())
	w.wantOneRotation()
}

// The directory of the store becomes read-only while a process runs. The token is still used, the account reports that
// nothing can be saved, and no refresh starts, because it needs a marker.
func TestStoreTurnsReadOnly(t *testing.T) {
	t.Parallel()
	w := newTestbed(t)
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("chaos", w.dir, "tmpfs", 0, "size=256k,mode=0700"); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(w.dir, syscall.MNT_DETACH) })
	w.signIn()
	p := w.serve()
	p.want(200)
	p.becomes("ready")
	if err := syscall.Mount("", w.dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=256k,mode=0700"); err != nil {
		t.Fatal(err)
	}
	p.becomes("degraded: store-unavailable")
	p.want(200)
	w.refuse()
	if got := p.want(503); got.code != "store-unavailable" {
		t.Errorf("GET = %v, want store-unavailable", got)
	}
	if c := w.counts(); c.calls != 0 {
		t.Errorf("%d token calls without a marker", c.calls)
	}
	if err := syscall.Mount("", w.dir, "", syscall.MS_REMOUNT, "size=256k,mode=0700"); err != nil {
		t.Fatal(err)
	}
	until(t, "refresh", func() error { return p.is(200) })
	p.becomes("ready")
	w.wantOneRotation()
}

// fill writes until there is no room for another byte.
func fill(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	block := make([]byte, 4096)
	for len(block) > 0 {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			t.Error(err)
			return
		}
	}
}
