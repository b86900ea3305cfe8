package browser

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
)

// shared is the variable with the address of the browser that Shared started. It is in the environment, because
// packages must have no state.
const shared = "PANDADOC_AUTH_PROXY_TEST_BROWSER"

// Tests are all tests of a package. *testing.M is one.
type Tests interface{ Run() int }

// Shared returns tests that run with one browser, so that not every tab has to start one.
func Shared(tests Tests) Tests { return sharing{tests} }

type sharing struct{ Tests }

// Run implements Tests.
func (s sharing) Run() int {
	program, err := exec.LookPath("chromium")
	if err != nil {
		return s.Tests.Run() // Open skips its test
	}
	profile, err := os.MkdirTemp("", "pandadoc-auth-proxy-chromium-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(profile)
	ctx, stop := chromedp.NewExecAllocator(context.Background(),
		append(flags(program, profile), remote.WebSocket, chromedp.Flag("remote-debugging-port", "0"))...)
	defer stop()
	ctx, end := chromedp.NewContext(ctx)
	defer end()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "Chromium: %v\n", err)
		return 1
	}
	defer chromedp.Cancel(ctx)
	at, err := os.ReadFile(filepath.Join(profile, "DevToolsActivePort")) // port and path, each on a line
	port, path, found := strings.Cut(strings.TrimSpace(string(at)), "\n")
	if err != nil || !found {
		fmt.Fprintf(os.Stderr, "Chromium's address: %q %v\n", at, err)
		return 1
	}
	os.Setenv(shared, "ws://127.0.0.1:"+port+path)
	return s.Tests.Run()
}

// Tabs lends the tabs of the browser that Shared has started, to one test after the other: for Chromium, opening a
// new tab takes longer than most tests.
type Tabs struct {
	mu   sync.Mutex // guards the fields below
	idle []*Tab
}

// Open returns a tab for this test, as empty as that of the function Open.
func (all *Tabs) Open(t *testing.T) *Tab {
	t.Helper()
	address := os.Getenv(shared)
	if address == "" {
		return Open(t)
	}
	b := all.take()
	if b == nil {
		var err error
		if b, err = private(context.Background(), address); err != nil {
			t.Fatalf("Chromium: %v", err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() || b.empty() != nil {
			b.close()
			return
		}
		all.put(b)
	})
	return b
}

// take returns an idle tab, or nil.
func (all *Tabs) take() *Tab {
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.idle) == 0 {
		return nil
	}
	b := all.idle[len(all.idle)-1]
	all.idle = all.idle[:len(all.idle)-1]
	return b
}

func (all *Tabs) put(b *Tab) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.idle = append(all.idle, b)
}

// empty leaves the page, and removes all that it has stored and reported.
func (b *Tab) empty() error {
	ctx, cancel := context.WithTimeout(b.Context, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		return err
	}
	for _, method := range []cdp.Command[cdp.Empty, cdp.Empty]{network.ClearBrowserCookies, page.ResetNavigationHistory} {
		if _, err := chromedp.Call(ctx, method, cdp.Empty{}); err != nil {
			return err
		}
	}
	if err := b.clearStorage(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked, b.complaints = nil, nil
	return nil
}

// clearStorage makes the next page of every origin begin without what pages of that origin have stored. The tab's
// sessionStorage can be reached only from such a page.
func (b *Tab) clearStorage(ctx context.Context) error {
	if b.clear != "" {
		old := page.RemoveScriptToEvaluateOnNewDocumentParams{Identifier: b.clear}
		if _, err := chromedp.Call(ctx, page.RemoveScriptToEvaluateOnNewDocument, old); err != nil {
			return err
		}
	}
	script := fmt.Sprintf(`try {
		if (sessionStorage.lent !== %[1]q) {
			sessionStorage.clear();
			localStorage.clear();
			sessionStorage.lent = %[1]q;
		}
	} catch { /* a page that may store nothing */ }`, rand.Text())
	added, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	b.clear = added.Identifier
	return err
}
