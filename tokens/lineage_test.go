package tokens_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// remove removes the record from the store, like a person who deletes a file.
func (w *testbed) remove() {
	w.t.Helper()
	w.store.Memory.Remove(tokens.DefaultAccount)
}

// bare returns a Manager that was not started, as in a command that runs without a proxy.
func (w *testbed) bare(f ...func(*tokens.Config)) *tokens.Manager {
	w.t.Helper()
	c := w.config()
	for _, f := range f {
		f(&c)
	}
	m, err := tokens.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = closeNow(m) })
	return m
}

// A running process replaced a new login by its own rejected generation, because that had a higher number.
func TestFreshLoginWinsOverARejectedPairInMemory(t *testing.T) {
	for _, row := range []struct {
		name  string
		store func(w *testbed)
	}{
		{"the record was removed and somebody signed in", func(w *testbed) { w.remove(); w.login(w.bare()) }},
		{"a record of another machine was copied here", func(w *testbed) {
			other := tokens.NewMemory()
			w.login(w.bare(func(c *tokens.Config) { c.Store = other }))
			copied, err := other.Load(context.Background(), tokens.DefaultAccount)
			if err != nil {
				w.t.Fatal(err)
			}
			w.put(func(rec *tokens.Record) { copied.Version = rec.Version; *rec = copied })
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				m := w.signedIn()
				for range 3 {
					if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
						t.Fatal(err)
					}
				}
				old := token(t, m)
				w.server.revoke()
				if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(old)); !errors.Is(err, tokens.ErrLoginRequired) {
					t.Fatalf("Renew = %v, want ErrLoginRequired", err)
				}
				row.store(w)
				fresh := w.record().RefreshToken
				time.Sleep(time.Minute)
				if got := w.record(); !got.RefreshToken.Equal(fresh) {
					t.Errorf("the store holds %v, which is not the login's pair", got)
				}
				if got := token(t, m); !got.Access.Equal(w.record().AccessToken) {
					t.Errorf("Token = %v, want the login's", got)
				}
				wantState(t, m, "ready")
			})
		})
	}
}

// The same while the pair in memory works: the younger lineage wins, regardless of the generation.
func TestYoungerLineageWinsOverAWorkingPair(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		for range 3 {
			if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
				t.Fatal(err)
			}
		}
		w.remove()
		time.Sleep(time.Second)
		w.login(w.bare())
		fresh := w.record()
		time.Sleep(time.Minute)
		if got := w.record(); got.Compare(fresh) != 0 || !token(t, m).Access.Equal(fresh.AccessToken) {
			t.Errorf("the store holds %v and the proxy uses %v, want the login's %v", got, token(t, m), fresh)
		}
	})
}

// A clock that was wrong at an earlier login does not make the next login older.
func TestLoginIsYoungerWhateverTheClockSays(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		w.put(func(rec *tokens.Record) { rec.Lineage.BornAt = time.Now().Add(1000 * time.Hour).UTC() })
		before := w.record()
		w.login(m)
		if got := w.record(); got.Compare(before) <= 0 {
			t.Errorf("the login %v is not newer than %v", got.Lineage, before.Lineage)
		}
	})
}

func TestRecordThatVanishedIsPutBackInDoubt(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.RefreshTimeout = 2 * time.Minute })
		tok := token(t, m)
		w.remove()
		time.Sleep(time.Minute)
		if rec := w.record(); !rec.AccessToken.Equal(tok.Access) || rec.UnconfirmedSince.IsZero() {
			t.Fatalf("the store holds %v, unconfirmed since %v; want our pair, in doubt", rec, rec.UnconfirmedSince)
		}
		w.remove()
		time.Sleep(30 * time.Second) // put back again, at most 30 s ago
		put := w.record().RestoredAt
		w.server.kill(tok)
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(tok)); err != nil {
			t.Error("Renew:", err)
		}
		if waited := time.Since(put); waited < 45*time.Second {
			t.Errorf("the refresh token was sent %v after it was put back, want 45 s for those who hold a newer one", waited)
		}
		w.wantCalls(1, 1, 0)
	})
}

// One process has missed the last rotation, and is the first to put its pair back.
func TestAPairThatMissedARotationIsNotSent(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		cut := &faultyStore{Memory: w.store.Memory}
		behind := w.signedIn(func(c *tokens.Config) { c.Store = cut; c.RefreshTimeout = 2 * time.Minute })
		old := token(t, behind)
		ahead := w.manager()
		cut.fail(errors.New("cut off"), errors.New("cut off"))
		if _, err := ahead.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		w.remove()
		w.store.fail(errors.New("cut off"), errors.New("cut off"))
		cut.fail(nil, nil)
		time.AfterFunc(10*time.Second, func() { w.store.fail(nil, nil) })
		if tok, err := behind.Renew(t.Context(), tokens.DefaultAccount, refused(old)); err != nil || !tok.Same(token(t, ahead)) {
			t.Errorf("Renew = %v, %v; want the pair of the process that had it", tok, err)
		}
		w.wantCalls(1, 1, 0)
	})
}

func TestRejectedPairAndTombstoneAreNotPutBack(t *testing.T) {
	for _, row := range []struct {
		name string
		end  func(t *testing.T, w *testbed, m *tokens.Manager)
	}{
		{"rejected", func(t *testing.T, w *testbed, m *tokens.Manager) {
			w.server.revoke()
			_, _ = m.Renew(t.Context(), tokens.DefaultAccount, refused(token(t, m)))
		}},
		{"a tombstone", func(t *testing.T, w *testbed, m *tokens.Manager) { _, _ = m.Logout(t.Context(), tokens.DefaultAccount) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				m := w.signedIn()
				row.end(t, w, m)
				w.remove()
				time.Sleep(time.Minute)
				if rec, err := w.store.Memory.Load(context.Background(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrNotFound) {
					t.Errorf("the store holds %v, want nothing", rec)
				}
				wantState(t, m, "login-required: not-signed-in")
			})
		})
	}
}

// A logout is a new lineage: neither a backup nor a late flight of another process can undo it.
func TestOlderRecordDoesNotUndoALogout(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		backup := w.record()
		if _, err := m.Logout(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		w.put(func(rec *tokens.Record) { backup.Version = rec.Version; backup.Generation += 7; *rec = backup })
		time.Sleep(time.Minute)
		if w.record().HasTokens() {
			t.Error("the tokens are back after the logout")
		}
		wantState(t, m, "login-required: logged-out")
	})
}

func TestForgottenAccountIsNotListed(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.manager()
		for _, name := range []string{"acme", "other"} {
			if _, err := m.Login(t.Context(), name, w.server.pair()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := m.Forget(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
		for name, m := range map[string]*tokens.Manager{"the process itself": m, "another process": w.manager()} {
			time.Sleep(time.Minute)
			if all := m.Status(); len(all) != 1 || all[0].Account != "other" {
				t.Errorf("%s lists %v, want other alone", name, all)
			}
			if _, err := m.Token(t.Context(), "acme"); !errors.Is(err, tokens.ErrUnknownAccount) {
				t.Errorf("%s: Token = %v, want ErrUnknownAccount", name, err)
			}
		}
		if _, err := m.Login(t.Context(), "acme", w.server.pair()); err != nil {
			t.Fatal(err)
		}
		if got := len(m.Status()); got != 2 {
			t.Errorf("%d accounts after the next login, want 2", got)
		}
	})
}

// The account default exists without a record once a request has used it. It stayed in the list after it was forgotten,
// until the next start.
func TestForgottenDefaultIsNotListed(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.manager()
		w.login(m)
		if _, err := m.Login(t.Context(), "acme", w.server.pair()); err != nil { // if there is no account, default is listed
			t.Fatal(err)
		}
		other := w.manager()
		token(t, other)
		if _, err := m.Forget(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for name, m := range map[string]*tokens.Manager{"the process itself": m, "another process": other} {
			if all := m.Status(); len(all) != 1 || all[0].Account != "acme" {
				t.Errorf("%s lists %v, want acme alone", name, all)
			}
			if _, err := m.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrLoginRequired) {
				t.Errorf("%s: Token = %v, want ErrLoginRequired", name, err)
			}
			if all := m.Status(); len(all) != 2 {
				t.Errorf("%s lists %v after the next request, want default", name, all)
			}
		}
	})
}

func TestRecordOfAnEarlierVersionIsTakenOver(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		data := `{"schema":1,"version":"","generation":4,"access_token":"old-access","refresh_token":"old-refresh","seeds":["00112233445566778899aabb"],"obtained_at":"1999-12-01T00:00:00Z"}`
		rec := decodeRecord(t, data)
		if _, err := w.store.Memory.Save(t.Context(), tokens.DefaultAccount, rec); err != nil {
			t.Fatal(err)
		}
		m := w.manager()
		if got := token(t, m); got.Access.Reveal() != "old-access" {
			t.Errorf("Token = %v, want the stored one", got)
		}
		time.Sleep(time.Minute)
		if got, want := w.record().Issuer, tokens.NewIssuer(apiURL, tokenURL, "id"); got != want {
			t.Errorf("issuer %+v, want that of the configuration, %+v", got, want)
		}
		if w.count(tokens.EventUpgraded) != 1 {
			t.Errorf("%d events about the upgrade, want 1", w.count(tokens.EventUpgraded))
		}
		w.login(m)
		if got := w.record(); got.Lineage == (tokens.Lineage{}) || got.Generation != 5 {
			t.Errorf("after a login: %v of lineage %v", got, got.Lineage)
		}
	})
}

// The store loses the record and it cannot be put back, for example a Secret that was deleted and that the proxy has no
// right to create. The process dropped the pair, and with it the login.
func TestRecordThatIsGoneAndCannotBePutBackStaysInMemory(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		tok := token(t, m)
		w.remove()
		w.store.fail(nil, errDisk)
		time.Sleep(5 * time.Minute)
		if got := token(t, m); !got.Same(tok) {
			t.Errorf("Token = %v, want %v", got, tok)
		}
		wantState(t, m, "degraded: store-unavailable")
		w.store.fail(nil, nil)
		time.Sleep(time.Minute)
		if !w.record().AccessToken.Equal(tok.Access) {
			t.Error("the pair is not in the store again")
		}
	})
}
