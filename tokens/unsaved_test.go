package tokens_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

var errDisk = errors.New("no space left on device")

func TestUnsavedRotationIsServedAndSavedLater(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
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
	inTestbed(t, func(t *testing.T, w *testbed) {
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
	inTestbed(t, func(t *testing.T, w *testbed) {
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
	inTestbed(t, func(t *testing.T, w *testbed) {
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

// status and login waited two minutes at their end for a store that accepted no saves.
func TestCloseOfACommandDoesNotWaitLongForASaveAlone(t *testing.T) {
	for name, row := range map[string]struct {
		dirs []string
		want time.Duration
	}{
		"with an emergency file":    {[]string{t.TempDir()}, 5 * time.Second},
		"without, it is all we can": {nil, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				m := w.manager(func(c *tokens.Config) {
					c.EmergencyDirs, c.StoreName, c.SaveTimeout = row.dirs, "memory:test", 5*time.Second
				})
				w.store.fail(nil, errDisk)
				if _, err := m.Login(t.Context(), tokens.DefaultAccount, w.server.pair()); !errors.Is(err, tokens.ErrStoreUnavailable) || !errors.Is(err, errDisk) {
					t.Errorf("Login = %v, want ErrStoreUnavailable because of the disk", err)
				}
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := m.Close(ctx); err == nil {
					t.Error("Close does not tell where the tokens are")
				}
				if took := time.Since(began); took != row.want {
					t.Errorf("Close took %s, want %s", took, row.want)
				}
			})
		})
	}
}

func TestRestoredBackupNeverReplacesALivePair(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
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
	inTestbed(t, func(t *testing.T, w *testbed) {
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
	inTestbed(t, func(t *testing.T, w *testbed) {
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
	inTestbed(t, func(t *testing.T, w *testbed) {
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

// The waiting request gets the error of the logout, and not that of the API's refusal.
func TestLogoutDuringARefreshAfterARefusal(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
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
	inTestbed(t, func(t *testing.T, w *testbed) {
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
	inTestbed(t, func(t *testing.T, w *testbed) {
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
	inTestbed(t, func(t *testing.T, w *testbed) {
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
