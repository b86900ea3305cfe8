package filestore_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// checkAsNobody opens and checks the store in dir as a user without privileges.
func checkAsNobody(t *testing.T, dir string) (place, failure string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", dir) // the binary's own path may be closed to others
	cmd.Env = append(os.Environ(), helperEnv+"=check")
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if _, failure, ok := strings.Cut(text, "error: "); ok {
		return "", failure
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return text, ""
}

// publicDir returns an empty directory that every user can reach.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "filestore")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	chmod(t, dir, 0o755)
	return dir
}

func TestDirectoryWithoutTheRightToWrite(t *testing.T) {
	dir := filepath.Join(publicDir(t), "store")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		giveAway(t, dir)
	}
	_, failure := checkAsNobody(t, dir)
	for _, want := range []string{dir, "permission denied", "uid ", "--store file:DIR"} {
		if !strings.Contains(failure, want) {
			t.Errorf("got %q, want it to say %q", failure, want)
		}
	}
}

func TestParentWithoutTheRightToWrite(t *testing.T) {
	parent := publicDir(t)
	if os.Geteuid() != 0 {
		chmod(t, parent, 0o555)
	}
	_, failure := checkAsNobody(t, filepath.Join(parent, "store"))
	if !strings.Contains(failure, parent) || !strings.Contains(failure, "permission denied") {
		t.Errorf("got %q, want it to name the directory and the reason", failure)
	}
}

func TestUnprivilegedUserInASharedVolume(t *testing.T) {
	dir := filepath.Join(publicDir(t), "volume")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	chmod(t, dir, 0o777)
	place, failure := checkAsNobody(t, dir)
	if want := filepath.Join(dir, subdirectory); place != want || failure != "" {
		t.Errorf("got %q, %q, want the store in %s", place, failure, want)
	}
}
