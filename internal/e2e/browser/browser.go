// Package browser starts a real Chromium for end-to-end tests: a person who has never been here before. It knows
// nothing of what is looked at.
package browser

import (
	"context"
	"net"
	"net/url"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Tab is a page of a browser of its own. Both end with the test.
type Tab struct {
	// Context is what chromedp works with. It has no deadline: one would end the browser.
	Context context.Context

	mu         sync.Mutex // guards the fields below
	asked      []string
	complaints []string
}

// Open starts a browser with one tab, and with more options than those that every test needs. The test is skipped
// where there is no Chromium.
func Open(t *testing.T, more ...chromedp.ExecAllocatorOption) *Tab {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir())}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "hide-scrollbars",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	ctx, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), append(options, more...)...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	b := &Tab{Context: ctx}
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	return b
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
	case *log.EventEntryAdded: // what the content security policy refused, among others
		if e.Entry.Source != "network" { // that an answer is not 200 is no mistake of the page
			b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// Foreign returns the hosts that pages asked for something and that are not this machine.
func (b *Tab) Foreign() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.asked), func(host string) bool {
		return host == "localhost" || net.ParseIP(host).IsLoopback()
	})
}

// Complaints returns what the browser's console shows: exceptions, and what a policy refused.
func (b *Tab) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.complaints)
}
