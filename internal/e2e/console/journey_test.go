package console

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// person uses a page only by mouse and keyboard, and counts the actions.
type person struct {
	*page
	clicks, keys int
	begun        time.Time
}

// press clicks what has that text.
func (p *person) press(text string) {
	p.Helper()
	p.page.press(text)
	p.clicks++
}

// point clicks the first element that a selector finds.
func (p *person) point(selector string) {
	p.Helper()
	p.click(fmt.Sprintf(`document.querySelector(%q)`, selector))
	p.clicks++
}

// strike presses one key several times.
func (p *person) strike(key string, times int) {
	p.Helper()
	for range times {
		p.do(chromedp.KeyEvent(key))
		p.keys++
	}
}

// write types a text into the focused element.
func (p *person) write(text string) {
	p.Helper()
	p.do(chromedp.KeyEvent(text))
	p.keys += len(text)
}

// tabTo presses Tab until the focus is on an element for which a JavaScript expression in e is true. The focus
// must be visible.
func (p *person) tabTo(is string) {
	p.Helper()
	p.stepTo(kb.Tab, is)
}

func (p *person) stepTo(key, is string) {
	p.Helper()
	there := fmt.Sprintf(`((e) => %s)(document.activeElement)`, is)
	p.until(`document.readyState === "complete"`) // in a part of a page, keys lead elsewhere
	for range 40 {
		p.strike(key, 1)
		if eval[bool](p.page, there) {
			if !eval[bool](p.page, `document.activeElement.matches(":focus-visible")`) {
				p.Errorf("the focus does not show where %s", is)
			}
			return
		}
	}
	p.Fatalf("40 keys do not lead to %s; the focus is on %s", is, eval[string](p.page, `document.activeElement.outerHTML.slice(0, 200)`))
}

// spent logs how many actions a part of the task needed, and checks the limit.
func (p *person) spent(what string, clicks, keys int) {
	p.Helper()
	p.Logf("%-45s %2d clicks %3d keys", what, p.clicks, p.keys)
	if p.clicks > clicks || p.keys > keys {
		p.Errorf("%s took %d clicks and %d keys, want at most %d and %d", what, p.clicks, p.keys, clicks, keys)
	}
	p.clicks, p.keys = 0, 0
}

// newPerson opens a sandbox that has been used: a request to a misspelled account failed, and sixty more requests
// came after it.
func newPerson(t *testing.T) (*person, *program.Process) {
	t.Helper()
	b, p := newSandbox(t)
	p.Get("/@salse/public/v1/documents")
	for range 60 {
		p.Get("/public/v1/documents?count=1")
	}
	b.open("#/overview")
	b.until(overviewReady)
	return &person{page: b, begun: time.Now()}, p
}

// arrived checks the result of the task: the document is declined in the account sales, and only once.
func (p *person) arrived(proxy *program.Process) {
	p.Helper()
	var log struct {
		Requests []struct {
			Account, Method string
			Status          int
		}
	}
	if err := json.Unmarshal(eval[json.RawMessage](p.page, `fetch("/api/v1/requests?limit=500").then((r) => r.json())`), &log); err != nil {
		p.Fatal(err)
	}
	sent := 0
	for _, r := range log.Requests {
		if r.Method == "PATCH" && r.Account == "sales" && r.Status == 204 {
			sent++
		}
	}
	if sent != 1 {
		p.Errorf("%d documents were changed by the account sales, want one", sent)
	}
	if list := string(proxy.Want("/public/v1/documents?status=11", 200)); !strings.Contains(list, "document.voided") {
		p.Errorf("no document is voided: %s", list)
	}
	p.Logf("in all %.1f s, most of it the machine's", time.Since(p.begun).Seconds())
}

// copied checks the content of the clipboard.
func (p *person) copiedPowerShell() {
	p.Helper()
	p.until(`[...document.querySelectorAll(".copy button")].some((b) => b.textContent === "Copied")`)
	text := eval[string](p.page, `document.querySelector("#copy-text pre").textContent`)
	for _, want := range []string{"/@sales/public/v1/documents/", "Method = 'PATCH'", `"status": 11`, "Invoke-RestMethod @request"} {
		if !strings.Contains(text, want) {
			p.Errorf("copied %s, want %s in it", text, want)
		}
	}
}

func TestAPersonCancelsADocumentByMouse(t *testing.T) {
	t.Parallel()
	p, proxy := newPerson(t)

	p.press("Connect another account")
	p.until(`document.activeElement.id === "account"`)
	p.write("sales")
	p.press("Connect")
	p.press("Allow")
	p.see(`The account "sales" is signed in`)
	p.press("Continue in the console")
	p.spent("sign in a second account", 4, 5)

	p.press("Try the API")
	p.point("#search")
	p.write("cancel a document")
	p.press("PATCHSet status by hand")
	p.see("12 declined")
	p.spent("find how to cancel a document", 3, 17)

	p.point("label[for=try-account]")
	p.write("s") // typing in the select chooses the entry that begins with the text
	p.until(`document.querySelector("#try-account").value === "sales"`)
	p.press("Choose…")
	p.until(`document.activeElement.matches(".choice select")`)
	p.strike(kb.ArrowDown, 1)
	p.until(`document.querySelector(".try-form [name=id]").value`)
	p.press("Test request")
	p.see("as account sales")
	p.press("Send the PATCH")
	p.see("204 No content")
	p.spent("send it to the right account", 5, 8)

	p.point("#tab-1")
	p.point(".copy .copyable button")
	p.copiedPowerShell()
	p.spent("copy it as PowerShell", 2, 0)

	p.press("Overview")
	p.point("label[for=feed-status]")
	p.write("p")
	p.press("unknown-account")
	p.see("There is no account salse.")
	p.see("The request was not sent to PandaDoc")
	p.spent("find why a request failed", 3, 1)
	p.arrived(proxy)
}

func TestAPersonCancelsADocumentByKeyboard(t *testing.T) {
	t.Parallel()
	p, proxy := newPerson(t)
	text := func(text string) string { return fmt.Sprintf(`e.textContent === %q`, text) }

	p.tabTo(text("Connect another account"))
	p.strike(kb.Enter, 1)
	p.until(`document.activeElement.id === "account"`)
	p.write("sales")
	p.strike(kb.Enter, 1)
	p.see("Allow access?")
	p.tabTo(text("Allow"))
	p.strike(kb.Enter, 1)
	p.see(`The account "sales" is signed in`)
	p.tabTo(text("Continue in the console"))
	p.strike(kb.Enter, 1)
	p.see("You can connect another account")
	p.spent("sign in a second account", 0, 20)

	p.tabTo(text("Try the API"))
	p.strike(kb.Enter, 1)
	p.until(`document.querySelectorAll(".found a").length === 127`)
	p.tabTo(`e.id === "search"`)
	p.write("cancel a document")
	p.strike(kb.Enter, 1)
	p.see("12 declined")
	p.spent("find how to cancel a document", 0, 26)

	p.until(`document.activeElement.id === "try-account"`)
	p.write("s")
	p.until(`document.querySelector("#try-account").value === "sales"`)
	p.tabTo(text("Choose…"))
	p.strike(kb.Enter, 1)
	p.until(`document.activeElement.matches(".choice select")`)
	p.strike(kb.ArrowDown, 1)
	p.until(`document.querySelector(".try-form [name=id]").value`)
	p.tabTo(text("Test request"))
	p.strike(kb.Enter, 1)
	p.see("as account sales")
	p.tabTo(text("Send the PATCH"))
	p.strike(kb.Enter, 1)
	p.see("204 No content")
	p.spent("send it to the right account", 0, 24)

	p.tabTo(`e.matches("[role=tab]")`)
	p.strike(kb.ArrowRight, 1)
	p.tabTo(text("Copy"))
	p.strike(kb.Enter, 1)
	p.copiedPowerShell()
	p.spent("copy it as PowerShell", 0, 9)

	p.tabTo(text("Overview"))
	p.strike(kb.Enter, 1)
	p.until(`document.querySelector("#feed-status")`)
	p.tabTo(`e.id === "feed-status"`)
	p.write("p")
	p.until(`document.querySelectorAll(".requests tbody").length === 1`)
	p.tabTo(text("unknown-account"))
	p.strike(kb.Enter, 1)
	p.see("There is no account salse.")
	p.spent("find why a request failed", 0, 26)
	p.arrived(proxy)
}
