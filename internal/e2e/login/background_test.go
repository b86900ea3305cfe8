package login

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// A proxy without an admin port, whose login was refused, had three generations in memory. A person repaired the
// store and signed in. Within half a minute, the proxy overwrote the new pair with its own invalid one:
// TestLoginCountsAfterARejection in internal/e2e/chaos waits for that.
func TestLoginUnderARunningProxyWithoutAnAdminPort(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(file string, first []byte) error{
		"the record is removed":                func(file string, _ []byte) error { return os.Remove(file) },
		"the record of another time is put in": func(file string, first []byte) error { return os.WriteFile(file, first, 0o600) },
		"the record stays":                     func(string, []byte) error { return nil },
	} {
		for _, socket := range []string{"", "none"} {
			t.Run(name+", admin socket "+socket, func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				s.admin = "none"
				p := s.serve(s.seed(), "PANDADOC_ADMIN_SOCKET="+socket)
				file := filepath.Join(strings.TrimPrefix(s.store, "file:"), "default.json")
				p.Want(documents, 200)
				first, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					s.emulator.Expire()
					p.Want(documents, 200)
				}
				s.emulator.Manage("POST", "/revoke", "", nil)
				wantCode(t, p, 502, "login-required")
				if err := spoil(file, first); err != nil {
					t.Fatal(err)
				}
				c := s.begin("login", "--paste")
				c.paste(newPlain(t).answer(c.await(`http://\S+/oauth2/authorize\?\S+`), "allow"), false)
				c.want(0, "account default is signed in, valid until ")
				s.becomes(p, 200)
				s.emulator.Expire()
				p.Want(documents, 200) // by the refresh token of the login
				if _, invalid := s.emulator.TokenCalls(); invalid != 1 {
					t.Errorf("%d refresh tokens were refused, want the one that was revoked", invalid)
				}
			})
		}
	}
}

// becomes waits until the proxy answers with status, for no longer than the next read of the store takes.
func (s *site) becomes(p *program.Process, status int) {
	s.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(31 * time.Second); ; <-tick.C {
		got, body := p.Get(documents)
		if got == status {
			return
		}
		if time.Now().After(end) {
			s.Fatalf("%d %s after 31 s, want %d", got, body, status)
		}
	}
}

// The proxy has the tokens in memory when a command that cannot reach it logs out in the store. internal/e2e/chaos tests
// how soon it notices that by itself.
func TestALogoutInTheStoreIsFinal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve(s.seed())
	p.Want(documents, 200)
	s.begin("logout", "--admin-listen", "none").want(0, "account default is logged out")
	s.wantNoResurrection(p)
}

// wantNoResurrection tries what might bring an account back, then what must.
func (s *site) wantNoResurrection(p *program.Process) {
	s.Helper()
	refreshes, _ := s.emulator.TokenCalls()
	s.emulator.Expire()
	wantCode(s.T, p, 502, "login-required")
	s.begin("refresh").want(3, "error: account default was logged out")
	p.Kill()
	p = s.serve(s.seed()) // the earlier seed, which the tombstone remembers
	wantCode(s.T, p, 502, "login-required")
	s.begin("status").want(3, "account default: login-required (logged-out)")
	if now, invalid := s.emulator.TokenCalls(); now != refreshes || invalid != 0 {
		s.Errorf("got %d refreshes and %d invalid_grant since the logout, want none", now-refreshes, invalid)
	}
	s.login(newPlain(s.T))
	p.Want(documents, 200)

	s.begin("logout").want(0, "account default is logged out")
	p.Kill()
	s.serve("PANDADOC_REFRESH_TOKEN="+s.newSeed()).Want(documents, 200)
}
