package console

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// lockedProxy starts a proxy that requires client keys.
func lockedProxy(t *testing.T) *program.Process {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("client-keys:\n  app:\n    key: canary-client-key-5d1e84a60b2f9c73\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return program.Emulate(t).Serve("file:"+t.TempDir(), "--config", config)
}

// With client keys, the console was still open to everybody on the machine.
func TestALockedConsoleOpensByALink(t *testing.T) {
	t.Parallel()
	p := lockedProxy(t)
	b := browse(t, p)
	b.open("")
	b.see("The console is locked")
	b.see("pandadoc-auth-proxy console")
	out, status := p.Command("", "console", "--no-browser")
	link := strings.TrimSpace(out)
	if status != 0 || !strings.Contains(link, "/#/enter/") {
		t.Fatalf("console wrote %q, status %d", out, status)
	}
	b.do(chromedp.Navigate(link))
	b.see("Recent requests")
	if at := eval[string](b, "location.href"); strings.Contains(at, "enter") {
		t.Errorf("the code stays in the address: %s", at)
	}
	if cookies := eval[string](b, "document.cookie"); cookies != "" {
		t.Errorf("got cookies %q, want none", cookies)
	}
	b.do(chromedp.Reload())
	b.see("Recent requests") // the session remains after a reload
	b.press("Try the API")
	b.press("Test request")
	if got := b.answer(); got != "200 OK" {
		t.Errorf("got %q, want 200 OK", got)
	}
	b.press("Set-up")
	b.press("Connect")
	b.press("Allow")
	b.see("Signed in")
	b.press("Continue in the console")
	b.see("You can connect another account")
	b.do(chromedp.Navigate("about:blank"))
	b.do(chromedp.Evaluate[chromedp.Void]("0"), chromedp.Navigate(link)) // the same link in the same tab: the session is still valid
	b.see("Overview")

	// Another tab already shows the locked page when it opens the used link. It did not say why.
	b = browse(t, p)
	b.open("")
	b.see("The console is locked")
	b.do(chromedp.Navigate(strings.Replace(link, "127.0.0.1", "localhost", 1)))
	b.until(`document.querySelector("main [role=alert]")?.textContent`)
}

// A proxy that was started with serve showed its emulator as "127.0.0.1:40001", and warned that data change there.
func TestTheEnvironmentIsOnEveryPageAndInTheDialog(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) *program.Process{
		"sandbox":                        sandbox,
		"serve before an emulator alone": func(t *testing.T) *program.Process { return program.Emulate(t).Serve("memory:") },
	} {
		t.Run(name, func(t *testing.T) {
			b := browse(t, start(t))
			for _, where := range []string{"#/overview", "#/try/8", "#/setup"} {
				b.open(where)
				b.until(`document.querySelector("header .environment-emulator")?.textContent === "Emulator"`)
			}
			b.open("#/try/8")
			b.until(`document.querySelector(".try-form")`)
			b.see("Still to fill in: {id}")
			if marks := eval[int](b, `document.querySelectorAll("#copy-text mark").length`); marks == 0 {
				t.Error("what is still to fill in is not marked")
			}
			b.fill("id", "abc")
			b.until(`!document.querySelector("#copy-text mark")`)
			b.press("Test request")
			b.see("This goes to the emulator")
			b.do(chromedp.KeyEvent(kb.Escape))
		})
	}
}

func TestTypedValuesSurvive(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/try/2")
	b.until(`document.querySelector(".try-form")`)
	b.fill("count", "7")
	b.open("#/try/7")
	b.until(`document.querySelector(".operation h2").textContent === "Document status"`)
	b.fill("id", "typed-before")
	value := func(name, want string) {
		t.Helper()
		b.until(fmt.Sprintf(`document.querySelector(%q)?.value === %q`, `.try-form [name="`+name+`"]`, want))
	}
	b.do(chromedp.Evaluate[chromedp.Void]("history.back()"))
	value("count", "7")
	b.do(chromedp.Reload())
	value("count", "7")
	b.open("#/try/7")
	value("id", "typed-before")
	b.open("#/try/2")
	b.send("")
	b.see("Sent from here")
	b.fill("count", "3")
	b.press("Again")
	value("count", "7")
}

func TestTheFeedExplainsStandsStillAndFilters(t *testing.T) {
	t.Parallel()
	b, p := newSandbox(t)
	p.Get("/public/v1/documents")
	p.Get("/@nobody/x")
	b.open("#/overview")
	b.seeWho()
	b.press("unknown-account")
	b.see("There is no account nobody")
	b.see("The request was not sent to PandaDoc")
	b.until(`document.querySelector('[aria-expanded="true"]')`)
	p.Get("/public/v1/templates") // a new request is not listed while an explanation is open
	b.see("1 new request: show it")
	b.see("There is no account nobody")
	b.press("1 new request")
	b.see("/public/v1/templates")
	b.see("There is no account nobody")

	top := `document.querySelector(".why:not([hidden])").getBoundingClientRect().top`
	before := eval[float64](b, top)
	for i := range 20 {
		p.Get(fmt.Sprintf("/public/v1/documents?page=%d", i+1))
		b.do(chromedp.Evaluate[chromedp.Void](`document.dispatchEvent(new Event("console:update"))`))
	}
	b.see("20 new requests: show them")
	if after := eval[float64](b, top); after != before {
		t.Errorf("the opened explanation moved from %v to %v", before, after)
	}
	b.press("unknown-account")
	b.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
	b.change("#feed-status", "problem")
	b.until(`document.querySelectorAll(".requests tbody").length === 1`)
	b.change("#feed-status", "")
	b.change("#feed-path", "no such path")
	b.see("No request matches")
	b.press("Show all")
	b.until(`document.querySelectorAll(".requests tbody").length > 20`)
	b.change("#feed-path", "documents")
	b.do(chromedp.Reload())
	b.until(`document.getElementById("feed-path")?.value === "documents" && document.querySelectorAll(".requests tbody").length > 20`)
	b.press("Pause")
	p.Get("/public/v1/documents")
	b.see("new request")
	b.press("Resume")
	b.until(`!document.body.innerText.includes("new request")`)

	// A request of yesterday looked like one of today.
	show := `import("/console/dom.js").then((dom) => dom.timeOfDay(new Date(Date.now() - %d * 864e5).toISOString()).textContent)`
	today, yesterday := eval[string](b, fmt.Sprintf(show, 0)), eval[string](b, fmt.Sprintf(show, 1))
	if strings.Contains(today, ", ") || !strings.Contains(yesterday, ", ") {
		t.Errorf("got %q for today and %q for yesterday, want a date before the second only", today, yesterday)
	}
}

// seeWho waits for the user of the account. The page asks for the user once, which is a request that the list
// shows too.
func (b *page) seeWho() {
	b.Helper()
	b.until(`/@/.test(document.querySelector(".accounts .person")?.textContent ?? "")`)
	b.do(chromedp.Evaluate[chromedp.Void](`document.dispatchEvent(new Event("console:update"))`))
	b.see("/public/v1/members/current")
}
