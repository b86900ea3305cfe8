package login

import (
	"strings"
	"testing"
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

// login runs the command, and a person does what it says.
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

// paste writes to the command's pipe: a line, or the last text before the pipe is closed.
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
