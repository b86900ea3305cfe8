// Package console uses the web console of the built program as people do, in a real Chromium. There is
// nothing here to import.
package console

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"pandadoc-auth-proxy/internal/e2e/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// patience bounds every wait for something that comes at once on a machine that is not overloaded.
const patience = 30 * time.Second

// browser is a person with a real browser, which has never been here before.
type browser struct {
	*testing.T
	ctx  context.Context
	base string // of the console

	expectErrors bool // what the browser's console shows is not a mistake

	mu     sync.Mutex // guards the fields below
	asked  []string   // hosts that pages and their parts came from
	errors []string   // that the pages' consoles showed
}

// newBrowser opens a browser with a window of that size.
func newBrowser(t *testing.T, width, height int64) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	flags := []chromedp.ExecAllocatorOption{chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir())}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
		"disable-component-update", "disable-sync", "hide-scrollbars",
	} {
		flags = append(flags, chromedp.Flag(name, true))
	}
	ctx, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), flags...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	b := &browser{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	b.do(chromedp.EmulateViewport(width, height))
	b.prefer("light")
	t.Cleanup(b.wantQuiet)
	return b
}

func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme) && !slices.Contains(b.asked, u.Hostname()) {
			b.asked = append(b.asked, u.Hostname())
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.errors = append(b.errors, text)
	case *log.EventEntryAdded: // what the content security policy refused, among others
		b.errors = append(b.errors, e.Entry.Text+" "+e.Entry.URL)
	}
}

// wantQuiet fails the test if a page asked another machine for anything, or complained.
func (b *browser) wantQuiet() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, host := range b.asked {
		if host != "localhost" && host != "127.0.0.1" {
			b.Errorf("a page asked %q for something", host)
		}
	}
	if len(b.errors) > 0 && !b.expectErrors {
		b.Errorf("the browser's console shows %q", b.errors)
	}
}

// do acts, and fails the test if that does not work in time.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if b.ctx.Err() == nil && b.asked == nil { // the first call starts the browser, which lives as long as its context
		if err := chromedp.Do(b.ctx); err != nil {
			b.Fatalf("Chromium: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatalf("Chromium: %v\npage: %s\nthe browser's console: %q", err, b.pageText(), b.errors)
	}
}

// pageText is what the page shows, for failures.
func (b *browser) pageText() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + (document.querySelector(".operation") ?? document.documentElement).innerText.slice(0, 2000)`))
	if err != nil {
		return err.Error()
	}
	return text
}

// eval returns the value of a JavaScript expression.
func eval[T any](b *browser, expression string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("Chromium: %s: %v", expression, err)
	}
	return v
}

// until waits for a JavaScript expression to become true, on whatever page the browser is by then.
func (b *browser) until(expression string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if ok {
			return
		}
		select {
		case <-again.C: // an error is a page that goes or comes
		case <-ctx.Done():
			b.Fatalf("waited for %s: %v\npage: %s", expression, err, b.pageText())
		}
	}
}

// prefer switches between light and dark. Nothing ever moves by itself: a click would miss it.
func (b *browser) prefer(scheme string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}); err != nil {
		b.Fatal(err)
	}
}

// see waits until the page shows a text.
func (b *browser) see(text string) {
	b.Helper()
	b.until(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// open goes to a page of the console, like "#/try/2".
func (b *browser) open(where string) {
	b.Helper()
	b.do(chromedp.Navigate(b.base + "/" + where))
}

// press clicks what has that text: a button, a link or a summary.
func (b *browser) press(text string) {
	b.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll("button, a, summary")].find((e) => e.offsetParent && !e.disabled && e.textContent.trim().startsWith(%q))`, text)
	b.until("Boolean(" + find + ")")
	b.do(chromedp.Evaluate[chromedp.Void](find + `.setAttribute("data-press", "")`))
	b.do(chromedp.Click(chromedp.CSS("[data-press]")))
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("[data-press]").forEach((e) => e.removeAttribute("data-press"))`))
}

// answer waits for an answer and returns its status line.
func (b *browser) answer() string {
	b.Helper()
	b.until(`Boolean(document.querySelector(".answer .status")) && !document.querySelector(".send").disabled`)
	return eval[string](b, `document.querySelector(".answer .status").textContent.trim()`)
}

// forgetAnswer makes sure that the next answer is a new one.
func (b *browser) forgetAnswer() {
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".answer")?.replaceChildren()`))
}
