package login

import (
	"net/url"
	"strings"
	"testing"
)

// otherState is as long as a real one.
const otherState = "AAAAAAAAAAAAAAAAAAAAAAAAAA"

// A login expires after ten minutes: TestALoginExpiresAfterTenMinutes in internal/admin tests that.
func TestWhatIsPastedWrongly(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		paste func(back *url.URL, query url.Values)
		says  string
	}{
		{"another login's state", func(_ *url.URL, q url.Values) { q.Set("state", otherState) }, "error: this login is not known here: no login was begun with the state in the address"},
		{"no state", func(_ *url.URL, q url.Values) { q.Del("state") }, "error: this login is not known here"},
		{"no code", func(_ *url.URL, q url.Values) { q.Del("code") }, "error: the pasted text contains no code"},
		{"an error", func(_ *url.URL, q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, "error: PandaDoc ended the login with: access_denied"},
		{"an error with another state", func(_ *url.URL, q url.Values) {
			q.Del("code")
			q.Set("error", "access_denied")
			q.Set("state", otherState)
		}, "error: this login is not known here"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t)
			c := s.begin("login", "--paste")
			back, err := url.Parse(newPlain(t).answer(c.await(`http://\S+/oauth2/authorize\?\S+`), "allow"))
			if err != nil {
				t.Fatal(err)
			}
			query := back.Query()
			row.paste(back, query)
			back.RawQuery = query.Encode()
			c.paste(back.String(), false)
			c.want(1, row.says)
			s.wantExchanges(0)
		})
	}
}

func TestTheConsentIsDenied(t *testing.T) {
	t.Parallel()
	for name, browser := range map[string]func(*testing.T) person{
		"plain HTTP": func(t *testing.T) person { return newPlain(t) },
		"Chromium":   func(t *testing.T) person { return newChromium(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			c := s.begin("login", "--no-browser")
			page, _ := browser(t).signIn(c.await(`http://\S+/connect/default\S*`), "deny")
			if !strings.Contains(page, "PandaDoc ended the login with: access_denied") {
				t.Errorf("the last page is\n%s", page)
			}
			c.want(1, "error: PandaDoc ended the login with: access_denied\nhint: ")
			s.wantExchanges(0)
		})
	}
}

func TestAWrongCallbackLeavesTheLoginPending(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.begin("login", "--no-browser")
	browser := newPlain(t)
	back := browser.answer(c.await(`http://\S+/connect/default\S*`), "allow")
	query := queryOf(t, back)
	for name, row := range map[string]struct {
		who   *plain
		query url.Values
		says  string
	}{
		"another state":                {browser, url.Values{"code": query["code"], "state": {otherState}}, "This login is not known here"},
		"no state":                     {browser, url.Values{"code": query["code"]}, "This login is not known here"},
		"an error without a state":     {browser, url.Values{"error": {"access_denied"}}, "This login is not known here"},
		"an error with another state":  {browser, url.Values{"error": {"access_denied"}, "state": {otherState}}, "This login is not known here"},
		"another browser":              {newPlain(t), query, "This login was begun in another browser"},
		"an error by another browser":  {newPlain(t), url.Values{"error": {"access_denied"}, "state": query["state"]}, "This login was begun in another browser"},
		"a code in the place of state": {browser, url.Values{"code": query["code"], "state": query["code"]}, "This login is not known here"},
	} {
		page, _ := row.who.open("http://" + s.admin + "/oauth2/callback?" + row.query.Encode())
		if !strings.Contains(page, row.says) {
			t.Errorf("%s: got\n%s\nwant %q in it", name, page, row.says)
		}
	}
	s.wantExchanges(0)
	if page, _ := browser.open(back); !strings.Contains(page, "Signed in") {
		t.Errorf("the login that was meant ends with\n%s", page)
	}
	c.want(0, "account default is signed in")
	s.wantExchanges(1)
}

func TestALoginIsUsedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.serve()
	browser := newPlain(t)
	back := browser.answer("http://"+s.admin+"/connect/default", "allow")
	browser.open(back)
	if page, _ := browser.open(back); !strings.Contains(page, "This login has ended already: a login works only once.") {
		t.Errorf("the second use ends with\n%s", page)
	}
	s.wantExchanges(1)
	p.Want(documents, 200)
}
