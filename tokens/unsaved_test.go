package tokens_test

import (
	"context"
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

func TestEmergencyFileIsTheLastResortAndIsAdopted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		prefix := filepath.Join(t.TempDir(), "pandadoc-auth-proxy-1234-")
		emergency := func(c *tokens.Config) { c.EmergencyPrefix = prefix }
		m := w.signedIn(emergency)
		w.failSaveOfPairs(errDisk)
		_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
		tok := token(t, m)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := m.Close(ctx); err == nil {
			t.Error("Close said nothing of the unsaved pair")
		}
		info, err := os.Stat(prefix + "default.json")
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("emergency file: %v, %v", info, err)
		}
		if w.count(tokens.EventEmergency) != 1 {
			t.Error("the emergency file was not told")
		}
		w.store.setOnSave(nil)
		m = w.manager(emergency)
		if got := token(t, m); !got.Same(tok) {
			t.Errorf("Token after the restart = %v, want %v", got, tok)
		}
		if _, err := os.Stat(prefix + "default.json"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the emergency file is still there: %v", err)
		}
		if !w.record().AccessToken.Equal(tok.Access) {
			t.Error("the pair is not in the store")
		}
	})
}

func TestEmergencyFileOfAnotherGrantIsNotAdopted(t *testing.T) {
	for _, row := range []struct {
		name string
		mode os.FileMode
		link bool
		gone bool // the store holds another login
	}{
		{name: "readable by others", mode: 0o644},
		{name: "a symbolic link", mode: 0o600, link: true},
		{name: "the store has moved on", mode: 0o600, gone: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.signedIn()
				rec := w.record()
				kept := rec.Clone()
				kept.Generation++
				kept.AccessToken = tokens.NewSecret("from-the-file")
				kept.Previous = &tokens.Previous{Generation: rec.Generation, RefreshFingerprint: rec.RefreshToken.Fingerprint("refresh_token")}
				if row.gone {
					kept.Previous.RefreshFingerprint = "another"
				}
				data, err := tokens.EncodeRecord(kept)
				if err != nil {
					t.Fatal(err)
				}
				prefix := filepath.Join(t.TempDir(), "x-")
				path := prefix + "default.json"
				if row.link {
					path = prefix + "elsewhere"
					if err := os.Symlink(path, prefix+"default.json"); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(path, data, row.mode); err != nil {
					t.Fatal(err)
				}
				m := w.manager(func(c *tokens.Config) { c.EmergencyPrefix = prefix })
				if got := token(t, m); got.Access.Reveal() == "from-the-file" {
					t.Error("the file was adopted")
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
