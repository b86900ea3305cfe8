//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// loseStore makes a process refresh while its store disappears: its pair is then in memory and in an emergency file.
func (w *testbed) loseStore(p *proxy) {
	w.t.Helper()
	w.plan(always(plan{before: w.takeAway}))
	w.refuse()
	p.want(200)
	p.becomes("degraded: unsaved-rotation")
	w.plan(always(plan{}))
}

// A process ends, in each possible way, while its pair is not in the store. The next process has the pair.
func TestUnsavedPairSurvivesEveryEnd(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  func(p *proxy)
		args []string // of the program
	}{
		{"kill -9 at once", func(p *proxy) { p.Kill() }, nil},
		{"SIGTERM, then kill -9, as docker stop does", func(p *proxy) { p.signal(syscall.SIGTERM); p.Kill() }, nil},
		{"SIGTERM and the end of the drain", func(p *proxy) { p.signal(syscall.SIGTERM); p.Wait() }, []string{"--drain-timeout", "1s"}},
		{"SIGHUP", func(p *proxy) { p.signal(syscall.SIGHUP); p.Wait() }, []string{"--drain-timeout", "1s"}},
		{"two SIGINT", func(p *proxy) {
			p.signal(syscall.SIGINT)
			pause(200 * time.Millisecond) // two signals at once count as one
			p.signal(syscall.SIGINT)
			p.Wait()
		}, nil},
		{"SIGQUIT", func(p *proxy) { p.signal(syscall.SIGQUIT); p.Wait() }, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newSignedIn(t)
			p := w.serve(row.args...)
			w.loseStore(p)
			row.end(p)
			w.putBack()
			next := w.serve()
			next.want(200)
			took := w.wantSaved()
			next.becomes("ready")
			w.wantOneRotation()
			w.wantNoFiles()
			t.Logf("the next process had the pair on disk after %.1f s", took.Seconds())
		})
	}
}

// emergencyFiles returns the files that processes have left outside the store, with the pair in each.
func (w *testbed) emergencyFiles() map[string]string {
	found := map[string]string{}
	_ = filepath.WalkDir(w.temp, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), "refresh-default-") {
				found[path] = string(data)
			}
		}
		return nil
	})
	return found
}

// wantNoFiles fails the test if an emergency file stays.
func (w *testbed) wantNoFiles() {
	w.t.Helper()
	until(w.t, "remove the emergency file", func() error {
		for path := range w.emergencyFiles() {
			return fmt.Errorf("%s is still there", path)
		}
		return nil
	})
}

// The emergency file is private, and is removed when the store has the pair. Without a problem there is no file.
func TestEmergencyFileComesAndGoes(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t)
	p := w.serve()
	w.wantNoFiles()
	w.loseStore(p)
	var found string
	for path := range w.emergencyFiles() {
		found = path
	}
	if info, err := os.Stat(found); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the emergency file %q: %v, %v; want it there with mode 0600", found, info, err)
	}
	w.putBack()
	w.wantSaved()
	w.wantNoFiles()
	p.becomes("ready")
	w.wantOneRotation()
}

// Another user has put files, links and directories at all places where the proxy looks for emergency files. They are
// neither read nor removed, and do not prevent writing.
func TestPlantedEmergencyFilesDoNoHarm(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	w := newSignedIn(t)
	if err := os.Chmod(w.temp, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	first := w.serve()
	w.loseStore(first)
	first.Kill()
	// A copy of a file of the program, with a higher generation, made by another user.
	const nobody = 65534
	var planted []string
	plant := func(path string, make func(string) error) {
		t.Helper()
		if err := errors.Join(make(path), os.Lchown(path, nobody, nobody)); err != nil {
			t.Fatal(err)
		}
		planted = append(planted, path)
	}
	for path, data := range w.emergencyFiles() {
		forged := strings.NewReplacer(`"generation":2`, `"generation":9`, "-default-2", "-default-9").Replace(data)
		plant(path+"x.json", func(path string) error { return os.WriteFile(path, []byte(forged), 0o666) })
		plant(strings.TrimSuffix(path, ".json")+"y.json", func(path string) error { return os.WriteFile(path, []byte(forged), 0o600) })
		plant(strings.TrimSuffix(path, ".json")+"z.json", func(path string) error { return os.Symlink("/etc/passwd", path) })
		plant(strings.TrimSuffix(path, ".json")+"d.json", func(path string) error { return os.Mkdir(path, 0o777) })
	}
	if len(planted) == 0 {
		t.Fatal("the first process left no emergency file")
	}
	w.putBack()
	next := w.serve()
	next.want(200)
	w.wantSaved()
	w.loseStore(next) // the proxy can still write its own
	next.Kill()
	w.putBack()
	last := w.serve()
	last.want(200)
	w.wantSaved()
	for _, path := range planted {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("the planted file was touched: %v", err)
		}
	}
	if rec := w.record(); rec.Generation != 3 {
		t.Errorf("generation %d is on disk, want 3: that of the second rotation", rec.Generation)
	}
	w.wantNoReuse()
}

// When the store comes back, it has another record than the one that the unsaved pair replaces.
func TestLateSaveFindsAnotherRecord(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		while func(w *testbed) // the store is away, at w.dir+".away"
		want  func(w *testbed) error
	}{
		{
			"the record is gone: the pair is saved as the next generation",
			func(w *testbed) { w.must(os.Remove(filepath.Join(w.dir+".away", "default.json"))) },
			func(w *testbed) error { return w.holds(2) },
		},
		{
			"a newer login: it counts, and the pair is dropped",
			func(w *testbed) {
				moved := *w
				moved.dir = w.dir + ".away"
				moved.signIn()
			},
			func(w *testbed) error { return w.holds(2) },
		},
		{
			"a logout: it counts",
			func(w *testbed) {
				moved := *w
				moved.dir = w.dir + ".away"
				moved.signOut()
			},
			func(w *testbed) error {
				if rec := w.record(); rec.HasTokens() {
					return fmt.Errorf("%v has tokens", rec)
				}
				return nil
			},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newSignedIn(t)
			p := w.serve()
			w.loseStore(p)
			row.while(w)
			w.putBack()
			until(t, "settle", func() error { return row.want(w) })
			until(t, "free the refresh lock", func() error {
				if !lockIsFree(t, w.dir) {
					return errors.New("it is held")
				}
				return nil
			})
			if err := row.want(w); err != nil {
				t.Error(err)
			}
			w.wantNoFiles()
			w.wantNoReuse()
		})
	}
}

func (w *testbed) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Error(err)
	}
}

// holds returns nil if the live pair is on disk with that generation.
func (w *testbed) holds(generation uint64) error {
	rec, err := w.store().Load(w.t.Context(), tokens.DefaultAccount)
	if err != nil {
		return err
	}
	live, _ := w.live()
	if got := numberOf(rec.RefreshToken.Reveal()); got != live || rec.Generation != generation {
		return fmt.Errorf("pair %d of generation %d is on disk, want pair %d of generation %d", got, rec.Generation, live, generation)
	}
	return nil
}
