package admin

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

func TestACodeWorksOnceInItsTimeAndForItsPurpose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := credentials{lifetime: linkLifetime}
		code := c.issue(forLogin + "acme")
		check(t, "for another account", c.spend(code, forLogin+"other"), false)
		check(t, "for the console", c.spend(code, forConsole), false)
		check(t, "empty", c.spend("", forLogin+"acme"), false)
		check(t, "for its account", c.spend(code, forLogin+"acme"), true)
		check(t, "again", c.spend(code, forLogin+"acme"), false)
		late := c.issue(forConsole)
		time.Sleep(linkLifetime)
		check(t, "after its time", c.spend(late, forConsole), false)
		first := c.issue(forConsole)
		for range maxCredentials {
			c.issue(forConsole)
		}
		check(t, "the oldest of too many", c.valid(first, forConsole), false)
		check(t, "remembered", len(c.known), maxCredentials)
	})
}

func TestTheKeyFileIsMadeOnceAndIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin-key")
	made, err := KeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(made.Reveal()); n < 43 { // 256 bits in base64
		t.Errorf("got a key of %d characters, want 43", n)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v %v, want mode 0600", info, err)
	}
	again, err := KeyFile(path)
	if err != nil || again.Reveal() != made.Reveal() {
		t.Errorf("the second start got another key (%v)", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := KeyFile(path); err == nil || problem.HintOf(err) == "" {
		t.Errorf("a key that others can read: got %v, want it refused with a hint", err)
	}
	if err := errors.Join(os.WriteFile(path, []byte("short\n"), 0o600), os.Chmod(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := KeyFile(path); err == nil {
		t.Error("a file with a word in it is taken for a key")
	}
}

// Of two proxies that started at the same time, one read the key file before the other had written the key, and ended
// with "this is not an admin key".
func TestProxiesThatStartTogetherHaveOneKey(t *testing.T) {
	for range 100 {
		path := filepath.Join(t.TempDir(), "admin-key")
		var keys [4]string
		var starts sync.WaitGroup
		for i := range keys {
			starts.Go(func() {
				key, err := KeyFile(path)
				if err != nil {
					t.Error(err)
				}
				keys[i] = key.Reveal()
			})
		}
		starts.Wait()
		if len(slices.Compact(keys[:])) != 1 {
			t.Fatal("the proxies have different keys")
		}
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
			t.Fatalf("left are %v (%v), want the key file only", left, err)
		}
	}
}

func TestALoginLinkOfALockedListenerBeginsOneLogin(t *testing.T) {
	x := newTesterWith(t, func(c *Config) {
		c.Key = tokens.NewSecret(strings.Repeat("k", 43))
		address := *c.Login.RedirectURL
		address.Path = ""
		c.Address = &address
	}, account("acme", tokens.LoginRequired, problem.LoggedOut))
	key := []string{RequestHeader, "1", "Authorization", "Bearer " + strings.Repeat("k", 43)}
	var link Link
	x.send(http.MethodPost, "/api/v1/links", `{"account":"acme"}`, key...).decode(t, &link)
	check(t, "for another account", x.send(http.MethodGet, strings.Replace(link.URL, "/acme", "/other", 1), "").status, http.StatusUnauthorized)
	x.send(http.MethodHead, link.URL, "") // a program that shows previews of links used this one up
	check(t, "the link", x.send(http.MethodGet, link.URL, "").status, http.StatusFound)
	check(t, "the link again", x.send(http.MethodGet, link.URL, "").status, http.StatusUnauthorized)
}
