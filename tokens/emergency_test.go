package tokens_test

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// emergencyFiles returns the paths of the emergency files in dir.
func emergencyFiles(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "pandadoc-auth-proxy-emergency-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func emergencyIn(dirs ...string) func(*tokens.Config) {
	return func(c *tokens.Config) { c.EmergencyDirs, c.StoreName = dirs, "memory:test" }
}

// The file was written only at the end of the drain, but a container is killed before that.
func TestEmergencyFileIsWrittenBeforeThePairIsUsed(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		dir := t.TempDir()
		m := w.signedIn(emergencyIn(filepath.Join(dir, "missing", "is-made")))
		old := token(t, m)
		w.failSaveOfPairs(errDisk)
		files := func() []string { return emergencyFiles(t, filepath.Join(dir, "missing", "is-made")) }
		_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		tok := token(t, m)
		if tok.Same(old) || len(files()) != 1 {
			t.Fatalf("the new pair is in use: %v, with emergency files %q", !tok.Same(old), files())
		}
		info, err := os.Stat(files()[0])
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("emergency file: %v, %v", info, err)
		}
		// The process is killed here, and the next one has the same store.
		w.store.setOnSave(nil)
		next := w.manager(emergencyIn(filepath.Join(dir, "missing", "is-made")))
		if got := token(t, next); !got.Same(tok) {
			t.Errorf("Token after the restart = %v, want %v", got, tok)
		}
		if len(files()) != 0 {
			t.Errorf("the emergency file is still there: %q", files())
		}
		if !w.record().AccessToken.Equal(tok.Access) {
			t.Error("the pair is not in the store")
		}
		w.wantCalls(1, 1, 0)
	})
}

// A store that hangs does not fail at once: for ten seconds, until the time-out, the pair was only in memory, and a
// container is killed ten seconds after its SIGTERM.
func TestEmergencyFileIsWrittenWhileTheStoreHangs(t *testing.T) {
	for _, row := range []struct {
		name   string
		obtain func(t *testing.T, w *testbed, m *tokens.Manager)
	}{
		{"a refresh", func(t *testing.T, w *testbed, m *tokens.Manager) {
			_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		}},
		{"a login", func(t *testing.T, w *testbed, m *tokens.Manager) { w.login(m) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				dir := t.TempDir()
				m := w.signedIn(emergencyIn(dir))
				old := token(t, m)
				w.store.setOnSave(func(rec tokens.Record) error {
					if !rec.AccessToken.Equal(old.Access) {
						time.Sleep(9 * time.Second)
					}
					return nil
				})
				done := make(chan struct{})
				go func() {
					defer close(done)
					row.obtain(t, w, m)
				}()
				time.Sleep(2 * time.Second)
				if n := len(emergencyFiles(t, dir)); n != 1 {
					t.Errorf("%d emergency files while the store hangs, want 1", n)
				}
				<-done
				if files := emergencyFiles(t, dir); len(files) != 0 {
					t.Errorf("left behind: %q", files)
				}
				if got := token(t, m); got.Same(old) || !w.record().AccessToken.Equal(got.Access) {
					t.Errorf("Token = %v, store has %v", got, w.record())
				}
			})
		})
	}
}

// If the store saves a pair at once, no file is written.
func TestNoEmergencyFileWithoutNeed(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		dir := filepath.Join(t.TempDir(), "not-made")
		m := w.signedIn(emergencyIn(dir))
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := os.Lstat(dir); err == nil {
			t.Error("the directory of emergency files was made")
		}
	})
}

func TestEmergencyFileIsUsedWhileTheStoreStillFails(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		dir := t.TempDir()
		m := w.signedIn(emergencyIn(dir))
		w.failSaveOfPairs(errDisk)
		_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		tok := token(t, m)
		w.store.fail(nil, errDisk)
		next := w.manager(emergencyIn(dir))
		if got := token(t, next); !got.Same(tok) {
			t.Errorf("Token = %v, want %v", got, tok)
		}
		wantState(t, next, "degraded: unsaved-rotation")
		if n := len(emergencyFiles(t, dir)); n != 1 {
			t.Errorf("%d emergency files, want one for one pair", n)
		}
	})
}

func TestEmergencyFileIsRemovedWhenTheStoreHasThePair(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		dir := t.TempDir()
		m := w.signedIn(emergencyIn(dir))
		w.failSaveOfPairs(errDisk)
		_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		if n := len(emergencyFiles(t, dir)); n != 1 {
			t.Fatalf("%d emergency files, want 1", n)
		}
		w.store.setOnSave(nil)
		time.Sleep(15 * time.Second)
		wantState(t, m, "ready")
		if files := emergencyFiles(t, dir); len(files) != 0 {
			t.Errorf("left behind: %q", files)
		}
	})
}

func TestEmergencyFileGoesToTheFirstWritableDirectory(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		blocked, second := filepath.Join(t.TempDir(), "a-file"), t.TempDir()
		if err := os.WriteFile(blocked, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		m := w.signedIn(emergencyIn(blocked, second))
		w.failSaveOfPairs(errDisk)
		_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		if n := len(emergencyFiles(t, second)); n != 1 {
			t.Errorf("%d emergency files in the second place, want 1", n)
		}
		wantState(t, m, "degraded: unsaved-rotation")
	})
}

// A planted file is not used, does no harm, and is not removed.
func TestEmergencyFileThatIsNotAdopted(t *testing.T) {
	for _, row := range []struct {
		name    string
		mode    os.FileMode
		link    bool
		store   string
		account string
		change  func(*tokens.Record)
		stays   bool
	}{
		{name: "readable by others", mode: 0o644, stays: true},
		{name: "a symbolic link", mode: 0o600, link: true, stays: true},
		{name: "of another store", mode: 0o600, store: "file:/elsewhere", stays: true},
		{name: "of another account", mode: 0o600, account: "acme", stays: true},
		{name: "of an older lineage", mode: 0o600, change: func(r *tokens.Record) { r.Lineage.BornAt = r.Lineage.BornAt.Add(-time.Hour) }},
		{name: "of the same pair", mode: 0o600, change: func(r *tokens.Record) { r.Generation-- }},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				w.signedIn()
				kept := w.record()
				kept.Generation++
				kept.AccessToken = tokens.NewSecret("from-the-file")
				if row.change != nil {
					row.change(&kept)
				}
				record, err := (*tokens.Codec)(nil).Encode("acme", kept)
				if err != nil {
					t.Fatal(err)
				}
				data, err := json.Marshal(map[string]any{
					"store": cmp.Or(row.store, "memory:test"), "account": cmp.Or(row.account, tokens.DefaultAccount), "record": json.RawMessage(record),
				})
				if err != nil {
					t.Fatal(err)
				}
				dir := t.TempDir()
				path := filepath.Join(dir, "pandadoc-auth-proxy-emergency-planted.json")
				target := path
				if row.link {
					target = filepath.Join(dir, "elsewhere")
					if err := os.Symlink(target, path); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(target, data, row.mode); err != nil {
					t.Fatal(err)
				}
				m := w.manager(emergencyIn(dir))
				if got := token(t, m); got.Access.Reveal() == "from-the-file" {
					t.Error("the file was adopted")
				}
				if _, err := os.Lstat(path); (err == nil) != row.stays {
					t.Errorf("Lstat = %v, want that it stays: %v", err, row.stays)
				}
				w.failSaveOfPairs(errDisk) // the planted file does not prevent that
				_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
				if n := len(emergencyFiles(t, dir)); n < 1 {
					t.Error("our own emergency file could not be written")
				}
			})
		})
	}
}

// freeLocks is a store whose refresh locks are all free: their owners are dead.
type freeLocks struct{ *faultyStore }

func (freeLocks) TryLock(context.Context, string) (unlock func(), ok bool, err error) {
	return func() {}, true, nil
}

// A process dies right after it has written its emergency file. Another process, which has just looked for such files,
// must find it before it sends the used refresh token. The marker makes it wait long enough.
func TestEmergencyFileOfAProcessThatDiedJustNow(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		dir := t.TempDir()
		a := w.signedIn(emergencyIn(dir))
		old := token(t, a)
		b := w.manager(emergencyIn(dir), func(c *tokens.Config) { c.Store = freeLocks{w.store}; c.RefreshTimeout = 5 * time.Minute })
		token(t, b)
		w.failSaveOfPairs(errDisk)
		w.server.kill(old)
		tok, err := a.Renew(t.Context(), tokens.DefaultAccount, refused(old))
		if err != nil {
			t.Fatal(err)
		}
		_ = closeNow(a)
		w.store.setOnSave(nil)
		if got, err := b.Renew(t.Context(), tokens.DefaultAccount, refused(old)); err != nil || !got.Same(tok) {
			t.Errorf("Renew = %v, %v; want the pair of the file", got, err)
		}
		w.wantCalls(1, 1, 0)
	})
}

// If memory was full, every round over the store adopted the emergency file of an account once more: each time with
// another goroutine that tried to save it, and with another line in the log. And the account was shown as not read.
func TestEmergencyFileOfAnAccountThatIsNotInMemory(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		dir := t.TempDir()
		m := w.signedIn(emergencyIn(dir))
		if _, err := m.Login(t.Context(), "zulu", w.server.pair()); err != nil {
			t.Fatal(err)
		}
		w.store.fail(nil, errDisk)
		if _, err := m.Login(t.Context(), "zulu", w.server.pair()); err == nil {
			t.Fatal("a login was saved in a store that fails")
		}
		_ = closeNow(m)
		before := w.count(tokens.EventUnsaved)

		next := w.manager(emergencyIn(dir), func(c *tokens.Config) { c.MaxAccounts = 1 })
		token(t, next) // the default account is in memory
		time.Sleep(5 * time.Minute)
		if n := w.count(tokens.EventUnsaved) - before; n != 1 {
			t.Errorf("the emergency file was adopted %d times, want once", n)
		}
		for _, s := range next.Status() {
			if s.Account == "zulu" && s.Cause != problem.UnsavedRotation {
				t.Errorf("zulu is %s: %s, want unsaved-rotation", s.State, s.Cause)
			}
		}
		w.store.fail(nil, nil)
		time.Sleep(time.Minute)
		if files := emergencyFiles(t, dir); len(files) != 0 {
			t.Errorf("left behind: %q", files)
		}
	})
}
