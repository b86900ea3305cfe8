package login

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

func TestLoginFromConsentToTheFirstRequest(t *testing.T) {
	t.Parallel()
	people := map[string]func(*testing.T) person{
		"plain HTTP": func(t *testing.T) person { return newPlain(t) },
		"Chromium":   func(t *testing.T) person { return newChromium(t) },
	}
	for name, browser := range people {
		t.Run(name+", with a running proxy", func(t *testing.T) {
			s := newSite(t)
			p := s.serve()
			wantCode(t, p, 502, "login-required")
			s.login(browser(t))
			p.Want(documents, 200) // at once, with the pair of this login
		})
		t.Run(name+", without one", func(t *testing.T) {
			s := newSite(t)
			s.login(browser(t))
			s.serve().Want(documents, 200)
		})
	}
}

// login runs the command, and has a person do what it asks for.
func (s *site) login(who person) {
	s.Helper()
	c := s.begin("login", "--no-browser")
	page, at := who.signIn(c.await(`http://\S+/connect/default\S*`), "allow")
	if !strings.Contains(page, "Signed in") || !strings.HasPrefix(at, "http://"+s.admin+"/oauth2/callback?") {
		s.Errorf("the browser ended at %s with\n%s", at, page)
	}
	if query := queryOf(s.T, at); strings.Contains(page, query.Get("code")) || strings.Contains(page, query.Get("state")) {
		s.Errorf("the last page repeats the code or the state:\n%s", page)
	}
	c.want(0, "account default is signed in, valid until ")
	s.wantExchanges(1)
}

func TestConnectOfARunningProxyNeedsNoCommand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve()
	page, _ := newChromium(t).signIn(p.Admin+"/connect/default", "allow") // under an address, not the redirect URL's host
	if !strings.Contains(page, "Signed in") {
		t.Errorf("the browser ended at\n%s", page)
	}
	p.Want(documents, 200)
	s.wantExchanges(1)
}

func TestLoginByHandOverAPipe(t *testing.T) {
	t.Parallel()
	for name, paste := range map[string]func(back, code string) string{
		"the address":                       func(back, _ string) string { return back },
		"the address, with spaces around":   func(back, _ string) string { return "\n  " + back + "  " },
		"only what stands behind the mark":  func(back, _ string) string { _, query, _ := strings.Cut(back, "?"); return query },
		"the bare code":                     func(_, code string) string { return code },
		"the bare code and an end of input": func(_, code string) string { return code },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			c := s.begin("login", "--paste")
			back := newPlain(t).answer(c.await(`http://\S+/oauth2/authorize\?\S+`), "allow")
			c.paste(paste(back, queryOf(t, back).Get("code")), strings.HasSuffix(name, "end of input"))
			c.want(0, "account default is signed in, valid until ")
			s.wantExchanges(1)
			s.serve().Want(documents, 200)
		})
	}
}

// A proxy without an admin port, whose login was refused, had three generations in memory. A person puts the store right
// and signs in: within half a minute the proxy wrote its dead pair over the new one.
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
				s.stays(p, 200)
				s.emulator.Expire()
				p.Want(documents, 200) // by the refresh token of the login
				if _, invalid := s.emulator.TokenCalls(); invalid != 1 {
					t.Errorf("%d refresh tokens were refused, want the one that was revoked", invalid)
				}
			})
		}
	}
}

// becomes waits until the proxy answers with status, at most as long as it takes to look at the store.
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

// stays asks until every process has looked at the store, and fails the test if the status changes.
func (s *site) stays(p *program.Process, status int) {
	s.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for end := time.Now().Add(31 * time.Second); time.Now().Before(end) && !s.Failed(); <-tick.C {
		p.Want(documents, status)
	}
}

// paste writes to the command's pipe: a line, or the last thing before the pipe is closed.
func (c *command) paste(text string, last bool) {
	c.Helper()
	if !last {
		text += "\n"
	}
	if _, err := c.stdin.Write([]byte(text)); err != nil {
		c.Fatal(err)
	}
	if last {
		c.stdin.Close()
	}
}
