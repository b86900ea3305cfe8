package filestore_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"pandadoc-auth-proxy/internal/problem"
)

const namespaceEnv = "FILESTORE_TEST_NAMESPACE"

// inNamespace runs the calling test once more in a process that may mount, with mounts of its own that
// end with it. It returns true in there; the outer test has nothing more to do.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(namespaceEnv) != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Skipf("cannot mount here: %v", err)
		}
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), namespaceEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || strings.Contains(string(out), "--- SKIP"):
		t.Skipf("cannot mount here: %v\n%s", err, out)
	case err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Errorf("in its namespace: %v\n%s", err, out)
	}
	return false
}

func mount(t *testing.T, source, target, kind string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		t.Fatalf("mount %s: %v", target, err)
	}
}

// tmpfs returns a private directory with little room on a file system of its own.
func tmpfs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=256k,mode=0700")
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestDiskFull(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := tmpfs(t)
	s := open(t, dir)
	rec := create(t, s, "acme")
	before := names(t, dir)

	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	_, err := s.Save(t.Context(), "acme", rec)
	if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), " "+dir) || !strings.Contains(problem.HintOf(err), "make room") {
		t.Errorf("Save: got %v, want the directory, the reason and the fix", err)
	}
	if err := s.Check(t.Context(), ""); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Check: got %v, want ENOSPC", err)
	}
	if got, err := s.Load(t.Context(), "acme"); err != nil || got.Version != rec.Version {
		t.Errorf("Load: got %v, %v, want the record of before", got, err)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), "acme", rec); err != nil {
		t.Errorf("Save once there is room: %v", err)
	}
	if err := s.Check(t.Context(), ""); err != nil {
		t.Errorf("Check once there is room: %v", err)
	}
	if got := temps(t, dir); len(got) > 0 {
		t.Errorf("left: %q beside %q", got, before)
	}
}

func TestReadOnlyPlace(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := tmpfs(t)
	s := open(t, dir)
	rec := create(t, s, "acme")
	mount(t, "", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=256k,mode=0700")

	s = open(t, dir) // as for the status command
	if got, err := s.Load(t.Context(), "acme"); err != nil || got.Version != rec.Version {
		t.Errorf("Load: got %v, %v, want the record", got, err)
	}
	lock := filepath.Join(dir, "acme.lock")
	_, err := s.Save(t.Context(), "acme", rec)
	wantError(t, err, lock, "read-only file system", "mount it writable")
	_, _, err = s.TryLock(t.Context(), "acme")
	wantError(t, err, filepath.Join(dir, "acme.refresh"), "mount it writable")
	wantError(t, s.Check(t.Context(), ""), filepath.Join(dir, ".lock"), "mount it writable")

	mount(t, "", dir, "", unix.MS_REMOUNT, "size=256k,mode=0700")
	if _, err := s.Save(t.Context(), "acme", rec); err != nil {
		t.Errorf("Save once it is writable: %v", err)
	}
}

// A single file that is mounted into a container cannot be replaced.
func TestMountedFile(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	rec := create(t, s, "acme")
	path := filepath.Join(dir, "acme.json")
	mount(t, path, path, "", unix.MS_BIND, "")
	t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })

	if _, err := s.Load(t.Context(), "acme"); err != nil {
		t.Errorf("Load: %v", err)
	}
	_, err := s.Save(t.Context(), "acme", rec)
	wantError(t, err, path, "mount the directory")
	if got := temps(t, dir); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
}

// A volume that goes away uncovers the empty directory below it. It is not ours, and nothing may
// be stored there unseen.
func TestUnmountedWhileInUse(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	if os.Getuid() != 0 {
		t.Skip("needs another user")
	}
	dir := t.TempDir()
	chmod(t, dir, 0o755)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Skipf("cannot give the directory to another user: %v", err)
	}
	mount(t, "tmpfs", dir, "tmpfs", 0, "mode=0700")
	s := open(t, dir)
	rec := create(t, s, "acme")
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	_, err := s.Load(t.Context(), "acme")
	wantError(t, err, dir, "another user")
	_, err = s.Save(t.Context(), "acme", rec)
	wantError(t, err, dir, "another user")
}
