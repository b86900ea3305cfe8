//go:build unix

package filestore_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pandadoc-auth-proxy/tokens/filestore"
	"pandadoc-auth-proxy/tokens/storetest"
)

const subdirectory = "pandadoc-auth-proxy"

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestModesDoNotDependOnTheUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	create(t, s, "acme")
	unlock, _, err := s.TryLock(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	wantMode(t, dir, 0o700)
	for _, name := range names(t, dir) {
		wantMode(t, filepath.Join(dir, name), 0o600)
	}
}

func TestWiderModesOfOurFilesAreNarrowed(t *testing.T) {
	for _, mode := range []os.FileMode{0o644, 0o660, 0o640, 0o604, 0o666, 0o777} {
		t.Run(mode.String(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			create(t, open(t, dir), "acme")
			path := filepath.Join(dir, "acme.json")
			chmod(t, path, mode)
			chmod(t, filepath.Join(dir, "acme.lock"), mode)

			s, warnings := openWarned(t, dir)
			wantMode(t, path, mode&0o700)
			if got := warnings(); len(got) != 2 || !strings.Contains(got[0], path) {
				t.Errorf("got warnings %q, want one for each file", got)
			}
			chmod(t, path, mode) // and under the running program
			if _, err := s.Load(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
			wantMode(t, path, mode&0o700)
			if got := warnings(); len(got) != 3 {
				t.Errorf("got warnings %q, want one more", got)
			}
		})
	}
}

func TestDirectoryOpenToOthers(t *testing.T) {
	for _, mode := range []os.FileMode{0o755, 0o750, 0o777, 0o701, 0o777 | os.ModeSticky, 0o775 | os.ModeSetgid} {
		t.Run(mode.String(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "volume")
			below := filepath.Join(dir, subdirectory)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			chmod(t, dir, mode)

			s, warnings := openWarned(t, dir)
			if got := warnings(); len(got) != 1 || !strings.Contains(got[0], below) {
				t.Errorf("got warnings %q, want one that names %s", got, below)
			}
			rec := create(t, s, "acme")
			wantMode(t, below, 0o700)
			wantMode(t, dir, mode.Perm())
			if got := s.Dir(); got != below {
				t.Errorf("Dir: got %s, want %s", got, below)
			}

			// The operator takes the hint. The records must not seem lost.
			chmod(t, dir, 0o700)
			if got, err := open(t, dir).Load(t.Context(), "acme"); err != nil || got.Version != rec.Version {
				t.Errorf("Load from a directory that was made private: got %v, %v", got, err)
			}
			// A volume that is mounted again widens everything.
			chmod(t, dir, 0o777)
			chmod(t, below, 0o770)
			chmod(t, filepath.Join(below, "acme.json"), 0o660)
			s, warnings = openWarned(t, dir)
			if got, err := s.Load(t.Context(), "acme"); err != nil || got.Version != rec.Version {
				t.Errorf("Load from a widened volume: got %v, %v", got, err)
			}
			wantMode(t, below, 0o700)
			if len(warnings()) != 2 {
				t.Errorf("got warnings %q, want one for the directory and one for the file", warnings())
			}
		})
	}
}

// A directory that was private and holds the records stays the store when something widens it. To
// begin a new one below it would cost every account a login.
func TestWidenedDirectoryWithRecords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	rec := create(t, open(t, dir), "acme")
	chmod(t, dir, 0o755)
	s, warnings := openWarned(t, dir)
	if got, err := s.Load(t.Context(), "acme"); err != nil || got.Version != rec.Version {
		t.Errorf("Load: got %v, %v, want the record", got, err)
	}
	wantMode(t, dir, 0o700)
	if got := warnings(); len(got) != 1 || !strings.Contains(got[0], "0755") {
		t.Errorf("got warnings %q, want one that tells the mode", got)
	}
}

func TestThingsInTheWay(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("not ours to touch"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := func(t *testing.T, path string) {
		if err := os.Symlink(elsewhere, path); err != nil {
			t.Fatal(err)
		}
	}
	broken := func(t *testing.T, path string) {
		if err := os.Symlink(path+"-nowhere", path); err != nil {
			t.Fatal(err)
		}
	}
	pipe := func(t *testing.T, path string) {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	directory := func(t *testing.T, path string) {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	foreign := func(t *testing.T, path string) {
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		giveAway(t, path)
	}
	for _, c := range []struct {
		name, file string
		put        func(*testing.T, string)
		says       string
	}{
		{"record is a link", "acme.json", link, "symbolic link"},
		{"record is a broken link", "acme.json", broken, "symbolic link"},
		{"record is a pipe", "acme.json", pipe, "not a file"},
		{"record is a directory", "acme.json", directory, "not a file"},
		{"record is another's", "acme.json", foreign, "another user"},
		{"lock is a link", "acme.lock", link, "symbolic link"},
		{"lock is a broken link", "acme.lock", broken, "symbolic link"},
		{"lock is a pipe", "acme.lock", pipe, "not a file"},
		{"lock is another's", "acme.lock", foreign, "another user"},
		{"refresh lock is a link", "acme.refresh", link, "symbolic link"},
		{"refresh lock is another's", "acme.refresh", foreign, "another user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			s, path := open(t, dir), filepath.Join(dir, c.file)
			c.put(t, path)
			if c.file == "acme.refresh" {
				_, ok, err := s.TryLock(t.Context(), "acme")
				wantError(t, err, path, c.says)
				if ok {
					t.Error("TryLock gave a lock")
				}
				return
			}
			_, err := s.Save(t.Context(), "acme", storetest.Sample())
			wantError(t, err, path, c.says)
			if c.file == "acme.json" {
				_, err := s.Load(t.Context(), "acme")
				wantError(t, err, path, c.says)
			}
			if _, err := os.Lstat(path); err != nil {
				t.Errorf("what stood in the way is gone: %v", err)
			}
		})
	}
	if got, err := os.ReadFile(elsewhere); err != nil || string(got) != "not ours to touch" {
		t.Errorf("the target of the links was changed: %q, %v", got, err)
	}
	wantMode(t, elsewhere, 0o644)
}

// giveAway makes another user the owner of path, which only root can.
func giveAway(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	if err := os.Lchown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
}

func TestDirectoriesThatAreRefused(t *testing.T) {
	mkdir := func(t *testing.T, path string, mode os.FileMode) {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		chmod(t, path, mode)
	}
	for _, c := range []struct {
		name string
		put  func(t *testing.T, dir string)
		at   string // below dir; empty means dir itself
		says string
	}{
		{"a link to a directory", func(t *testing.T, dir string) {
			mkdir(t, dir+"-target", 0o700)
			if err := os.Symlink(dir+"-target", dir); err != nil {
				t.Fatal(err)
			}
		}, "", "-target"},
		{"a broken link", func(t *testing.T, dir string) {
			if err := os.Symlink(dir+"-target", dir); err != nil {
				t.Fatal(err)
			}
		}, "", "symbolic link"},
		{"a file", func(t *testing.T, dir string) {
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "", "not a directory"},
		{"another's private one", func(t *testing.T, dir string) { mkdir(t, dir, 0o700); giveAway(t, dir) }, "", "another user"},
		{"another's readable one", func(t *testing.T, dir string) { mkdir(t, dir, 0o755); giveAway(t, dir) }, "", "another user"},
		{"another's with records", func(t *testing.T, dir string) {
			mkdir(t, dir, 0o777)
			if err := os.WriteFile(filepath.Join(dir, "acme.json"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			giveAway(t, dir)
		}, "", "another user"},
		{"an open one with a link where ours would be", func(t *testing.T, dir string) {
			mkdir(t, dir, 0o777)
			if err := os.Symlink(t.TempDir(), filepath.Join(dir, subdirectory)); err != nil {
				t.Fatal(err)
			}
		}, subdirectory, "symbolic link"},
		{"an open one with another's where ours would be", func(t *testing.T, dir string) {
			mkdir(t, dir, 0o777)
			mkdir(t, filepath.Join(dir, subdirectory), 0o777)
			giveAway(t, filepath.Join(dir, subdirectory))
		}, subdirectory, "another user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			c.put(t, dir)
			_, err := filestore.Open(filestore.Options{Dir: dir})
			wantError(t, err, filepath.Join(dir, c.at), c.says)
		})
	}
}

// A volume that belongs to root and is open to all, as an emptyDir of Kubernetes.
func TestAnothersSharedDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "volume")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	chmod(t, dir, 0o777)
	giveAway(t, dir)
	s, _ := openWarned(t, dir)
	create(t, s, "acme")
	if got, want := names(t, filepath.Join(dir, subdirectory)), []string{"acme.json", "acme.lock"}; !slices.Equal(got, want) {
		t.Errorf("our own directory holds %q, want %q", got, want)
	}
}

func TestLeftoversAreRemovedAtTheNextOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	rec := create(t, s, "acme")
	put := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(`{"half`), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	dead := []string{put("acme.tmp-123"), put("other.tmp-9"), put(".tmp-7")}
	kept := []string{put("busy.tmp-1"), put("notes.txt"), put("UPPER.tmp-1"), put("acme.json.bak")}
	writing := flockFile(t, filepath.Join(dir, "busy.lock"))
	defer writing()
	if os.Geteuid() == 0 {
		kept = append(kept, put("foreign.tmp-1"))
		giveAway(t, kept[len(kept)-1])
	}

	open(t, dir)
	for _, path := range dead {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s of a dead writer is still there", filepath.Base(path))
		}
	}
	for _, path := range kept {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s was removed", filepath.Base(path))
		}
	}
	if got, err := s.Load(t.Context(), "acme"); err != nil || got.Version != rec.Version {
		t.Errorf("Load: got %v, %v, want the record as it was", got, err)
	}
	if got, err := s.Accounts(t.Context()); err != nil || !slices.Equal(got, []string{"acme"}) {
		t.Errorf("Accounts: got %q, %v, want only acme", got, err)
	}
}

func flockFile(t *testing.T, path string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	return func() { f.Close() }
}
