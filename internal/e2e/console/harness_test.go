// Package console tests the web console of the built program as users see it, in a real Chromium. There is
// nothing here to import.
package console

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"pandadoc-auth-proxy/internal/e2e/browser"
	"pandadoc-auth-proxy/internal/e2e/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(browser.Shared(m))) }

// waitLimit limits every wait for an event that happens at once unless the machine is overloaded.
const waitLimit = 30 * time.Second

// page is the console in a browser.
type page struct {
	*testing.T
	*browser.Tab
	base string // of the console
}

// tabs are the idle tabs.
var tabs browser.Tabs

// newBrowser opens a browser with a window of that size. A message in the browser's console fails the test.
func newBrowser(t *testing.T, width, height int64) *page {
	t.Helper()
	b := &page{T: t, Tab: tabs.Open(t)}
	b.do(chromedp.EmulateViewport(width, height))
	b.prefer("light")
	t.Cleanup(func() {
		if foreign := b.Foreign(); len(foreign) > 0 {
			t.Errorf("a page asked %q for something", foreign)
		}
		if all := b.Complaints(); len(all) > 0 {
			t.Errorf("the browser's console shows %q", all)
		}
	})
	return b
}

// sandbox runs the emulator and a proxy that is signed in to it, without misbehaviour.
func sandbox(t *testing.T) *program.Process {
	t.Helper()
	return program.Start(t, nil, "sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--calm")
}

// browse opens a wide window for the console of p.
func browse(t *testing.T, p *program.Process) *page {
	t.Helper()
	b := newBrowser(t, 1280, 900)
	b.visit(p)
	return b
}

// visit makes p the proxy whose console is opened from now on, under the host name of the redirect URL.
func (b *page) visit(p *program.Process) {
	b.base = strings.Replace(p.Admin, "127.0.0.1", "localhost", 1)
}

// newSandbox opens the console of a new sandbox.
func newSandbox(t *testing.T) (*page, *program.Process) {
	t.Helper()
	p := sandbox(t)
	return browse(t, p), p
}

// do runs actions, and fails the test if they do not succeed in time.
func (b *page) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Tab.Context, waitLimit)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatalf("Chromium: %v\npage: %s\nthe browser's console: %q", err, b.pageText(), b.Complaints())
	}
}

// run executes JavaScript without a result.
func (b *page) run(script string) {
	b.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](script))
}

// change sets the value of a field, as if a person had typed or chosen it.
func (b *page) change(field, value string) {
	b.Helper()
	b.until(fmt.Sprintf(`document.querySelector(%q)`, field))
	b.run(fmt.Sprintf(`{
		const field = document.querySelector(%q);
		field.closest("details")?.setAttribute("open", "");
		field.value = %q;
		field.dispatchEvent(new Event("input", { bubbles: true }));
		field.dispatchEvent(new Event("change", { bubbles: true }));
	}`, field, value))
}

// search types words into the search over all operations.
func (b *page) search(words string) { b.Helper(); b.change("#search", words) }

// pageText returns the text of the page, for failures.
func (b *page) pageText() string {
	ctx, cancel := context.WithTimeout(b.Tab.Context, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + (document.querySelector(".operation") ?? document.documentElement).innerText.slice(0, 2000)`))
	if err != nil {
		return err.Error()
	}
	return text
}

// eval returns the value of a JavaScript expression.
func eval[T any](b *page, expression string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Tab.Context, waitLimit)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("Chromium: %s: %v", expression, err)
	}
	return v
}

// until waits until a JavaScript expression is true, on the page that the browser shows by then.
func (b *page) until(expression string) {
	b.Helper()
	await[bool](b, "Boolean("+expression+")")
}

// await waits until a JavaScript expression has a value that is not empty, and returns it. The page itself checks
// this repeatedly. If the browser goes to another page, that page is asked.
func await[T comparable](b *page, expression string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Tab.Context, waitLimit)
	defer cancel()
	look := chromedp.Evaluate[T](fmt.Sprintf(`new Promise((done) => {
		const end = Date.now() + 2000;
		const look = () => {
			let value;
			try { value = (%s); } catch { /* not there yet */ }
			if (value || Date.now() > end) done(value);
			else setTimeout(look, 20);
		};
		look();
	})`, expression), chromedp.EvalAwaitPromise)
	// The page answers within 2 seconds. If it was replaced meanwhile, Chromium may never answer.
	try := func() (T, error) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return chromedp.Run(ctx, look)
	}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	var none T
	for {
		v, err := try()
		if err == nil && v != none {
			return v
		}
		select {
		case <-again.C: // an error means that the page is being replaced
		case <-ctx.Done():
			b.Fatalf("waited for %s: %v\npage: %s", expression, err, b.pageText())
		}
	}
}

// prefer switches between light and dark. It turns animations off, because a click could miss a moving element.
func (b *page) prefer(scheme string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Tab.Context, waitLimit)
	defer cancel()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}); err != nil {
		b.Fatal(err)
	}
}

// see waits until the page shows a text.
func (b *page) see(text string) {
	b.Helper()
	b.until(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// open goes to a page of the console, like "#/try/2".
func (b *page) open(where string) {
	b.Helper()
	b.do(chromedp.Navigate(b.base + "/" + where))
}

// press clicks the button, link or summary with that text.
func (b *page) press(text string) {
	b.Helper()
	b.click(fmt.Sprintf(`[...document.querySelectorAll("button, a, summary")].find((e) => e.offsetParent && !e.disabled && e.textContent.trim().startsWith(%q))`, text))
}

// spot is a position in the window.
type spot struct{ X, Y float64 }

// click clicks an element, which a JavaScript expression finds, as soon as nothing covers it. Like a person, it
// tries again if the page moved under the mouse. Unlike a person's, a click beside the element has no effect.
func (b *page) click(element string) {
	b.Helper()
	for {
		at := await[spot](b, fmt.Sprintf(`(() => {
			const e = %s;
			if (!e) return null;
			e.scrollIntoView({ block: "center" });
			const box = e.getClientRects()[0];
			const at = { X: box.x + box.width / 2, Y: box.y + box.height / 2 };
			if (!e.contains(document.elementFromPoint(at.X, at.Y))) return null;
			window.clicking?.abort();
			const clicking = window.clicking = new AbortController();
			for (const type of ["mousedown", "mouseup", "click"]) addEventListener(type, (event) => {
				if (e.contains(event.target)) {
					if (type === "click") clicking.abort();
					return;
				}
				event.preventDefault();
				event.stopImmediatePropagation();
			}, { capture: true, signal: clicking.signal });
			return at;
		})()`, element))
		b.do(chromedp.MouseClickXY(at.X, at.Y))
		if missed := await[string](b, `String(window.clicking?.signal.aborted === false)`); missed == "false" {
			return
		}
	}
}

// answer waits for an answer and returns its status line.
func (b *page) answer() string {
	b.Helper()
	b.until(`Boolean(document.querySelector(".answer .status")) && !document.querySelector(".send").disabled`)
	return eval[string](b, `document.querySelector(".answer .status").textContent.trim()`)
}

// forgetAnswer removes the last answer, so that answer waits for a new one.
func (b *page) forgetAnswer() {
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".answer")?.replaceChildren()`))
}
