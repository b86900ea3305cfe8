package tokens_test

import (
	"errors"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

func seeded(refresh, access tokens.Secret) func(*tokens.Config) {
	return func(c *tokens.Config) {
		c.Accounts = map[string]tokens.AccountConfig{tokens.DefaultAccount: {RefreshToken: refresh, AccessToken: access}}
	}
}

func TestSeedIsUsedOnce(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		p := w.server.pair()
		m := w.manager(seeded(p.RefreshToken, tokens.Secret{}))
		first := token(t, m)
		_ = closeNow(m)
		// The next start has the same seed, which is used up by now.
		m = w.manager(seeded(p.RefreshToken, tokens.Secret{}))
		if got := token(t, m); !got.Same(first) {
			t.Errorf("Token after a restart = %v, want %v", got, first)
		}
		w.wantCalls(1, 1, 0)
	})
}

func TestPairOfSeedsNeedsNoRefresh(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		p := w.server.pair()
		m := w.manager(seeded(p.RefreshToken, p.AccessToken))
		if got := token(t, m); !got.Access.Equal(p.AccessToken) {
			t.Error("the access seed is not used")
		}
		wantState(t, m, "ready")
		w.server.kill(token(t, m))
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(token(t, m))); err != nil {
			t.Error(err)
		}
		w.wantCalls(1, 1, 0)
	})
}

func TestNewSeedReplacesTheStoredPair(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		a, b := w.server.pair(), w.server.pair()
		token(t, w.manager(seeded(a.RefreshToken, tokens.Secret{})))
		m := w.manager(seeded(b.RefreshToken, tokens.Secret{}))
		token(t, m)
		if rec := w.record(); rec.Generation != 4 || rec.Previous.Generation != 3 {
			t.Errorf("stored %v, want the fourth generation: seed, pair, seed, pair", rec)
		}
		w.wantCalls(2, 2, 0)
	})
}

func TestLoginIsNewerThanASeedThatItNeverSaw(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		login := token(t, w.signedIn())
		m := w.manager(seeded(w.server.pair().RefreshToken, tokens.Secret{}))
		if got := token(t, m); !got.Same(login) {
			t.Errorf("Token = %v, want the login's", got)
		}
		if n := len(w.record().Seeds); n != 1 {
			t.Errorf("%d seeds noted, want 1", n)
		}
		w.wantCalls(0, 0, 0)
	})
}

func TestSeedPresentAtALoginIsSpent(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		seed := tokens.NewSecret("spent-long-ago")
		m := w.manager(seeded(seed, tokens.Secret{}))
		if _, err := m.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("Token = %v, want ErrLoginRequired", err)
		}
		w.login(m)
		login := token(t, m)
		m = w.manager(seeded(seed, tokens.Secret{}))
		if got := token(t, m); !got.Same(login) {
			t.Error("the old seed undid the login")
		}
	})
}

func TestLogoutIsFinalForOldSeeds(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		p := w.server.pair()
		m := w.manager(seeded(p.RefreshToken, p.AccessToken))
		if _, err := m.Logout(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		wantState(t, m, "login-required: logged-out")
		m = w.manager(seeded(p.RefreshToken, p.AccessToken))
		if _, err := m.Token(t.Context(), tokens.DefaultAccount); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("Token = %v, want ErrLoginRequired", err)
		}
		w.wantCalls(0, 0, 0)
		n := w.server.pair()
		token(t, w.manager(seeded(n.RefreshToken, n.AccessToken)))
	})
}

func TestAccessSeedWithoutRefreshToken(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.manager(seeded(tokens.Secret{}, w.server.pair().AccessToken))
		tok := token(t, m)
		wantState(t, m, "ready")
		w.server.revoke()
		if _, err := m.Renew(t.Context(), tokens.DefaultAccount, refused(tok)); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("Renew = %v, want ErrLoginRequired", err)
		}
		wantState(t, m, "login-required: no-refresh-token")
		w.wantCalls(0, 0, 0)
	})
}

func TestLoginOfAnotherProgramNotesTheSeedsThatItSees(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		spent := seeded(tokens.NewSecret("spent-long-ago"), tokens.Secret{})
		c := w.config()
		spent(&c)
		m, err := tokens.New(c) // like a command that only logs in
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(m)
		w.login(m)
		w.put(func(rec *tokens.Record) { rec.Seeds = append(rec.Seeds, "of another") })
		login := w.record()
		if got := token(t, w.manager(spent)); !got.Access.Equal(login.AccessToken) {
			t.Error("the old seed undid the login")
		}
	})
}

// answer returns a record as import makes it from a pasted answer.
func answer(p tokens.Pair) tokens.Record {
	return tokens.Record{AccessToken: p.AccessToken, RefreshToken: p.RefreshToken}
}

// A container that imported the same file at each start gave the used refresh token a new lineage. It replaced the
// valid pair, and its next use ended the grant.
func TestImportOfTokensThatWereReplacedSince(t *testing.T) {
	for _, row := range []struct {
		name  string
		again func(first tokens.Pair, old tokens.Record) tokens.Record
		turns int
	}{
		{"the same answer, after one refresh", func(first tokens.Pair, _ tokens.Record) tokens.Record { return answer(first) }, 1},
		{"the same answer, after three", func(first tokens.Pair, _ tokens.Record) tokens.Record { return answer(first) }, 3},
		{"a backup of the record", func(_ tokens.Pair, old tokens.Record) tokens.Record { return old }, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				m, first := w.manager(), w.server.pair()
				if _, err := m.Import(t.Context(), tokens.DefaultAccount, answer(first)); err != nil {
					t.Fatal(err)
				}
				old := w.record()
				for range row.turns {
					if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
						t.Fatal(err)
					}
				}
				living := w.record()
				again := row.again(first, old)
				_, err := w.bare().Import(t.Context(), tokens.DefaultAccount, again)
				if problem.HintOf(err) != "continue with the newer ones; to go back to the old ones, first run: pandadoc-auth-proxy logout" {
					t.Errorf("Import = %v, hint %q", err, problem.HintOf(err))
				}
				if got := w.record(); got.Compare(living) != 0 {
					t.Errorf("the store holds %v, want %v", got, living)
				}
				// After a logout, the import is possible.
				if _, err := m.Logout(t.Context(), tokens.DefaultAccount); err != nil {
					t.Fatal(err)
				}
				if _, err := m.Import(t.Context(), tokens.DefaultAccount, again); err != nil {
					t.Error("Import after a logout:", err)
				}
				if !w.record().RefreshToken.Equal(again.RefreshToken) {
					t.Error("the tokens were not taken")
				}
			})
		})
	}
}

// The import would have replaced the lineage during a refresh.
func TestImportOfTheSameTokensChangesNothing(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m, first := w.manager(), w.server.pair()
		if _, err := m.Import(t.Context(), tokens.DefaultAccount, answer(first)); err != nil {
			t.Fatal(err)
		}
		w.server.next(takes(5 * time.Second))
		go m.Refresh(t.Context(), tokens.DefaultAccount)
		time.Sleep(time.Second)
		if _, err := w.bare().Import(t.Context(), tokens.DefaultAccount, answer(first)); err != nil {
			t.Error("Import:", err)
		}
		time.Sleep(10 * time.Second)
		if rec := w.record(); rec.Generation != 2 || rec.RefreshToken.Equal(first.RefreshToken) {
			t.Errorf("the store holds %v, want the pair of the refresh", rec)
		}
	})
}

// A crash during a refresh left a marker, and import then refused such a record for ever.
func TestImportOfARecordWithAMarker(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		p, started := w.server.pair(), time.Now().UTC()
		from := answer(p)
		from.Generation, from.Pending = 3, &tokens.Pending{Owner: "dead", StartedAt: started, Until: started.Add(30 * time.Second)}
		m := w.manager()
		if _, err := m.Import(t.Context(), tokens.DefaultAccount, from); err == nil {
			t.Error("imported in the middle of a refresh")
		}
		time.Sleep(3 * time.Minute)
		if _, err := m.Import(t.Context(), tokens.DefaultAccount, from); err != nil {
			t.Fatal(err)
		}
		if rec := w.record(); !rec.UnconfirmedSince.Equal(started) || rec.Pending != nil {
			t.Errorf("unconfirmed since %v with marker %v, want %v without", rec.UnconfirmedSince, rec.Pending, started)
		}
	})
}

// An access token without a refresh token, from a seed or by import, keeps the stored refresh token and its doubt.
// Import dropped the refresh token, and a seed dropped the doubt.
func TestAccessTokenAloneKeepsTheRefreshToken(t *testing.T) {
	for _, row := range []struct {
		name string
		give func(t *testing.T, w *testbed, access tokens.Secret)
	}{
		{"a seed", func(t *testing.T, w *testbed, access tokens.Secret) { w.manager(seeded(tokens.Secret{}, access)) }},
		{"import", func(t *testing.T, w *testbed, access tokens.Secret) {
			_, _ = w.bare().Import(t.Context(), tokens.DefaultAccount, tokens.Record{AccessToken: access})
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				m := w.signedIn()
				w.put(func(rec *tokens.Record) { rec.Seeds = []string{"of another"} })
				before := w.record()
				w.server.next(takes(5 * time.Second))
				go m.Refresh(t.Context(), tokens.DefaultAccount)
				time.Sleep(time.Second)
				row.give(t, w, tokens.NewSecret("alone-1"))
				time.Sleep(time.Minute) // the refresh has ended
				rotated := w.record().RefreshToken
				if rotated.Equal(before.RefreshToken) {
					t.Fatal("the pair of the refresh that was under way is lost")
				}
				_ = closeNow(m)
				lost := time.Now().UTC()
				w.put(func(rec *tokens.Record) { rec.UnconfirmedSince = lost })
				row.give(t, w, tokens.NewSecret("alone-2"))
				if rec := w.record(); rec.AccessToken.Reveal() != "alone-2" || !rec.RefreshToken.Equal(rotated) || !rec.UnconfirmedSince.Equal(lost) {
					t.Errorf("the store holds %v, unconfirmed since %v; want the new access token, the old refresh token, in doubt", rec, rec.UnconfirmedSince)
				}
			})
		})
	}
}
