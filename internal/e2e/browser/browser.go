// Package browser starts a real Chromium with a new profile for end-to-end tests. It does not depend on the
// tested pages.
package browser

import (
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
)

// Tab is a page for one test. It is closed at the end of the test, or lent to the next one by Tabs.
type Tab struct {
	// Context is the context for chromedp. It has no deadline, because a deadline would end the browser.
	Context context.Context

	close func()
	clear page.ScriptIdentifier // of the script that forgets what earlier tests stored; empty before it is lent again

	mu         sync.Mutex // guards the fields below
	asked      []string
	complaints []string
}

// Open opens a tab. Without options it opens the tab in the browser that Shared has started, like a private window: no
// tab sees what another has stored. With options, or without Shared, it starts a new browser. The test is skipped if
// Chromium is not installed.
func Open(t *testing.T, options ...chromedp.ExecAllocatorOption) *Tab {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	ctx := context.WithoutCancel(t.Context())
	var b *Tab
	if address := os.Getenv(shared); address != "" && len(options) == 0 {
		b, err = private(ctx, address)
	} else {
		ctx, stop := chromedp.NewExecAllocator(ctx, append(flags(program, t.TempDir()), options...)...)
		b, err = open(ctx, stop)
	}
	if err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	t.Cleanup(b.close)
	return b
}

// private opens a tab in the browser at address, which shares nothing with other tabs.
func private(ctx context.Context, address string) (*Tab, error) {
	ctx, stop := remote.NewAllocator(ctx, address, remote.NoModifyURL)
	return open(ctx, stop, chromedp.WithNewBrowserContext())
}

// open opens a tab. The tab calls stop when it is closed.
func open(ctx context.Context, stop context.CancelFunc, options ...chromedp.ContextOption) (*Tab, error) {
	ctx, closeTab := chromedp.NewContext(ctx, options...)
	b := &Tab{Context: ctx, close: func() {
		closeTab()
		stop()
	}}
	err := chromedp.Listen(ctx, b.note)
	if err == nil {
		err = chromedp.Do(ctx)
	}
	if err == nil {
		// Every tab behaves as the active one and shows its focus, regardless of other tabs.
		_, err = chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// flags start a Chromium without a history, which sends no requests of its own.
func flags(program, profile string) []chromedp.ExecAllocatorOption {
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(program), chromedp.UserDataDir(profile)}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "hide-scrollbars",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	return options
}

func (b *Tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err == nil && slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) && !slices.Contains(b.asked, u.Hostname()) {
			b.asked = append(b.asked, u.Hostname())
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.complaints = append(b.complaints, text)
	case *log.EventEntryAdded: // for example violations of the content security policy
		if e.Entry.Source != "network" { // an answer that is not 200 is not a mistake of the page
			b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// Foreign returns the hosts other than this machine to which pages sent requests.
func (b *Tab) Foreign() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.asked), func(host string) bool {
		return host == "localhost" || net.ParseIP(host).IsLoopback()
	})
}

// Complaints returns the messages of the browser's console: exceptions, and violations of a policy.
func (b *Tab) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.complaints)
}
