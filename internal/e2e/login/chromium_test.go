package login

import (
	"context"
	"fmt"
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

// chromium is a person with a real browser, which has never been here before.
type chromium struct {
	*testing.T
	ctx context.Context

	mu     sync.Mutex // guards the fields below
	asked  []string   // hosts that pages and their parts came from
	errors []string   // that the pages' consoles showed
}

func newChromium(t *testing.T) *chromium {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	flags := []chromedp.ExecAllocatorOption{chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir())}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync",
	} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	ctx, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), flags...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	c := &chromium{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, c.note); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	return c
}

func (c *chromium) note(event any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && !slices.Contains(c.asked, u.Hostname()) {
			c.asked = append(c.asked, u.Hostname())
		}
	case *runtime.EventExceptionThrown:
		c.errors = append(c.errors, e.ExceptionDetails.Text)
	case *log.EventEntryAdded: // what the content security policy refused, among others
		if e.Entry.Source != "network" { // that a page's status is not 200 is no fault of the page
			c.errors = append(c.errors, e.Entry.Text)
		}
	}
}

func (c *chromium) signIn(address, answer string) (page, at string) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 2*patience)
	defer cancel()
	press := chromedp.CSS(fmt.Sprintf("button[value=%s]", answer))
	err := chromedp.Do(ctx,
		chromedp.Navigate(address),
		chromedp.WaitVisible(press),
		chromedp.Click(press),
		chromedp.WaitNotPresent(press),
		chromedp.WaitVisible(chromedp.CSS("h1")),
	)
	if err != nil {
		c.Fatalf("Chromium: %v", err)
	}
	if page, err = chromedp.Run(ctx, chromedp.OuterHTML(chromedp.CSS("html"))); err != nil {
		c.Fatalf("Chromium: %v", err)
	}
	if at, err = chromedp.Run(ctx, chromedp.Location()); err != nil {
		c.Fatalf("Chromium: %v", err)
	}
	c.wantNothingForeign()
	return page, at
}

// wantNothingForeign fails the test if a page asked another machine for anything, or complained.
func (c *chromium) wantNothingForeign() {
	c.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, host := range c.asked {
		if host != "localhost" && !net.ParseIP(host).IsLoopback() {
			c.Errorf("a page asked %s for something", host)
		}
	}
	if len(c.errors) > 0 {
		c.Errorf("the console shows %q", c.errors)
	}
}
