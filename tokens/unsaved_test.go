package tokens_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

var errDisk = errors.New("no space left on device")

func TestUnsavedRotationIsServedAndSavedLater(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		old := token(t, m)
		w.failSaveOfPairs(errDisk)
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Error("Refresh:", err)
		}
		tok := token(t, m)
		if tok.Same(old) {
			t.Error("the dead pair is still used")
		}
		wantState(t, m, "degraded: unsaved-rotation")
		time.Sleep(time.Hour)
		if got := token(t, m); !got.Same(tok) || w.record().Generation != 1 {
			t.Errorf("Token = %v, store has %v", got, w.record())
		}
		w.store.setOnSave(nil)
		time.Sleep(15 * time.Second)
		if rec := w.record(); !rec.AccessToken.Equal(tok.Access) || rec.Pending != nil {
			t.Errorf("store has %v, want the pair from memory", rec)
		}
		wantState(t, m, "ready")
		w.wantCalls(1, 1, 0)
	})
}

func TestStoreThatIsGoneWhileTheCallRuns(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		w.server.next(func(*authServer, http.ResponseWriter, *http.Request) bool {
			w.store.fail(errDisk, errDisk)
			return false
		})
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Error("Refresh:", err)
		}
		time.Sleep(time.Minute)
		tok := token(t, m)
		wantState(t, m, "degraded: unsaved-rotation")
		w.store.fail(nil, nil)
		time.Sleep(15 * time.Second)
		if !w.record().AccessToken.Equal(tok.Access) {
			t.Error("not saved after the store came back")
		}
	})
}

func TestLoginElsewhereEndsAnUnsavedRotation(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		w.failSaveOfPairs(errDisk)
		_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		w.store.setOnSave(nil)
		w.put(func(rec *tokens.Record) {
			p := w.server.pair()
			rec.Generation += 2
			rec.AccessToken, rec.RefreshToken, rec.Pending = p.AccessToken, p.RefreshToken, nil
		})
		time.Sleep(15 * time.Second)
		if got, rec := token(t, m), w.record(); !got.Access.Equal(rec.AccessToken) || rec.Generation != 3 {
			t.Errorf("Token = %v, store has %v; want the login's", got, rec)
		}
		wantState(t, m, "ready")
	})
}

func TestCloseWaitsForAnUnsavedRotation(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		w.failSaveOfPairs(errDisk)
		_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		tok := token(t, m)
		time.AfterFunc(20*time.Second, func() { w.store.setOnSave(nil) })
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error("Close:", err)
		}
		if !w.record().AccessToken.Equal(tok.Access) {
			t.Error("Close did not wait for the save")
		}
	})
}

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

// It was written at the end of the drain, and a container is killed before that.
func TestEmergencyFileIsWrittenBeforeThePairIsUsed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
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
		// The process is killed here: nothing more happens. The next one has the same store.
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

func TestEmergencyFileIsUsedWhileTheStoreStillFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
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
	inWorld(t, func(t *testing.T, w *world) {
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

func TestEmergencyFileGoesToTheFirstPlaceThatTakesIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
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

// A file that was planted is not read, does no harm, and is left where it is.
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
			inWorld(t, func(t *testing.T, w *world) {
				w.signedIn()
				kept := w.record()
				kept.Generation++
				kept.AccessToken = tokens.NewSecret("from-the-file")
				if row.change != nil {
					row.change(&kept)
				}
				record, err := tokens.EncodeRecord(kept)
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
				w.failSaveOfPairs(errDisk) // it is not in the way either
				_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
				if n := len(emergencyFiles(t, dir)); n < 1 {
					t.Error("our own emergency file could not be written")
				}
			})
		})
	}
}

func TestRestoredBackupNeverReplacesALivePair(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		backup := w.record()
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		tok := token(t, m)
		w.put(func(rec *tokens.Record) { backup.Version = rec.Version; *rec = backup })
		time.Sleep(30 * time.Second)
		if got := token(t, m); !got.Same(tok) {
			t.Errorf("Token = %v, want %v", got, tok)
		}
		if rec := w.record(); !rec.AccessToken.Equal(tok.Access) {
			t.Error("the newer pair was not written back")
		}
	})
}

func TestRestoredBackupAfterARestartCostsOneAttempt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		backup := w.record()
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		_ = closeNow(m)
		w.put(func(rec *tokens.Record) { backup.Version = rec.Version; *rec = backup })
		m = w.manager()
		old := token(t, m)
		for range 100 {
			if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old)); !errors.Is(err, tokens.ErrLoginRequired) {
				t.Fatal(err)
			}
		}
		w.wantCalls(2, 1, 1)
		wantState(t, m, "login-required: revoked-or-spent")
	})
}

func TestLoginDuringARefreshWins(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		w.server.next(takes(10 * time.Second))
		go m.Refresh(t.Context(), tokens.DefaultAccount)
		time.Sleep(5 * time.Second)
		w.login(m)
		login := token(t, m)
		time.Sleep(time.Minute)
		if got := token(t, m); !got.Same(login) || !w.record().AccessToken.Equal(login.Access) {
			t.Errorf("Token = %v, want the login's", got)
		}
		wantState(t, m, "ready")
	})
}

func TestLogoutDuringARefreshStays(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		w.server.next(takes(10 * time.Second))
		go m.Refresh(t.Context(), tokens.DefaultAccount)
		time.Sleep(5 * time.Second)
		if _, err := m.Logout(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := m.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("Token = %v, want ErrLoginRequired", err)
		}
		if w.record().HasTokens() {
			t.Error("the late pair undid the logout")
		}
	})
}

// The request that waits is told of the logout, and not that the API has refused it.
func TestLogoutDuringARefreshAfterARefusal(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		old := token(t, m)
		w.server.kill(old)
		w.server.next(takes(3 * time.Second))
		told := make(chan error)
		go func() {
			_, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old))
			told <- err
		}()
		time.Sleep(time.Second)
		if _, err := m.Logout(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		if err := <-told; !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("Renew = %v, want ErrLoginRequired", err)
		}
	})
}

func TestLogoutElsewhereIsSeenWithinHalfAMinute(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		other := w.manager()
		if _, err := other.Logout(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if _, err := m.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("Token = %v, want ErrLoginRequired", err)
		}
	})
}

func TestLoginIsKeptWhenTheStoreFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.manager()
		w.store.fail(errDisk, errDisk)
		if _, err := m.Login(t.Context(), tokens.DefaultAccount, w.server.pair()); !errors.Is(err, errDisk) {
			t.Errorf("Login = %v, want the store's error", err)
		}
		token(t, m)
		wantState(t, m, "degraded: unsaved-rotation")
		w.store.fail(nil, nil)
		time.Sleep(15 * time.Second)
		wantState(t, m, "ready")
		if w.record().Generation != 1 {
			t.Error("the login is not in the store")
		}
	})
}

func TestUnsavedPairIsNotRefreshedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		m := w.signedIn()
		w.failSaveOfPairs(errDisk)
		_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		tok := token(t, m)
		w.store.fail(nil, errDisk)
		w.server.kill(tok)
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(tok)); !errors.Is(err, tokens.ErrStoreUnavailable) {
			t.Errorf("Renew = %v, want ErrStoreUnavailable", err)
		}
		w.wantCalls(1, 1, 0)
	})
}

// freeLocks is a store whose refresh locks are all free: their owners are dead.
type freeLocks struct{ *faultyStore }

func (freeLocks) TryLock(context.Context, string) (unlock func(), ok bool, err error) {
	return func() {}, true, nil
}

// A process dies just after it has written its emergency file. Another, which has just looked for such files,
// must see it before it sends the refresh token, which is spent: the marker makes it wait long enough.
func TestEmergencyFileOfAProcessThatDiedJustNow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
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
