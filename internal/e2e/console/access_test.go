package console

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pandadoc-auth-proxy/internal/e2e/program"
)

var shots = flag.String("shots", "", "a directory for a picture of every page that TestPagesCanBeUsedByEverybody looks at")

// view is a page in one of its states.
type view struct {
	name, where string
	ready       string        // JavaScript that is true when the page is complete
	then        func(b *page) // brings the page into this state; may be nil
}

// form is true when the form of an operation is shown.
func form(number int) string {
	return fmt.Sprintf(`document.querySelector(".found a[aria-current]")?.getAttribute("href") === "#/try/%d" && document.querySelector(".try-form")`, number)
}

const (
	overviewReady = `document.querySelector(".charts figure")`
	setupReady    = `document.querySelectorAll(".step").length === 4`
)

// commonViews are those that depend on the accounts.
var commonViews = []view{
	{"overview", "#/overview", overviewReady, nil},
	{"form with everything", "#/try/2", form(2), func(b *page) {
		b.run(`document.querySelectorAll("details").forEach((e) => e.setAttribute("open", ""))`)
	}},
	{"set-up", "#/setup", setupReady, nil},
}

// views are all views, for a document with that id. The confirmation is the last one, because it covers everything
// else.
func views(id string) []view {
	return append([]view{
		{"overview, explained", "#/overview", overviewReady, func(b *page) {
			b.press("unknown-account")
			b.run(`document.querySelectorAll(".facts").forEach((e) => e.setAttribute("open", ""))`)
		}},
		{"overview, nothing matches", "#/overview", overviewReady, func(b *page) { b.change("#feed-path", "no such path") }},
		{"operations", "#/try", `document.querySelectorAll(".found a").length === 127`, nil},
		{"nothing found", "#/try", `document.querySelectorAll(".found a").length === 127`, func(b *page) { b.search("zzz") }},
		{"form with JSON", "#/try/3", form(3), func(b *page) { b.search("") }},
		{"form with a file", "#/try/5", form(5), nil},
		{"form with a mistake", "#/try/7", form(7), func(b *page) { b.press("Test request") }},
		{"answer", "#/try/2", form(2), func(b *page) { b.send("") }},
		{"refusal", "#/try/22", form(22), func(b *page) {
			b.fill("id", id)
			b.send("")
			b.press("Conductor")
		}},
		{"operation that is kept", "#/try/1", `document.querySelector(".operation .note")`, nil},
	}, append(commonViews, view{"question", "#/try/8", form(8), func(b *page) {
		b.fill("id", id)
		b.press("Test request")
		b.until(`document.querySelector("dialog[open]")`)
	}})...)
}

//go:embed testdata/flaws.js
var flaws string

// crowd is the configuration of fifty accounts. None can sign in, and one has the longest possible name.
func crowd(t *testing.T) (file string) {
	t.Helper()
	var text strings.Builder
	text.WriteString("accounts:\n")
	for i := range 49 {
		fmt.Fprintf(&text, "  account-%02d:\n    refresh-token: not-a-token-of-account-%02d\n", i, i)
	}
	fmt.Fprintf(&text, "  %s:\n    refresh-token: not-a-token-of-the-last\n", strings.Repeat("long", 15))
	file = filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPagesCanBeUsedByEverybody(t *testing.T) {
	t.Parallel()
	e := program.Emulate(t)
	one := e.Serve("memory:")
	one.Get("/public/v1/documents")
	one.Get("/@nobody/x")
	e.Manage("POST", "/fault", `{"route":"api","kind":"status","status":500}`, nil)
	one.Get("/public/v1/templates")
	nobody := program.Start(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--store", "memory:", "--log-level", "error")
	fifty := program.Emulate(t).Serve("memory:", "--config", crowd(t), "--log-level", "error")
	for i := range 3 {
		fifty.Get(fmt.Sprintf("/@account-%02d/public/v1/documents", i)) // these have a problem now; the others have not been used
	}
	for _, width := range []int64{320, 1280} { // WCAG 1.4.10 requires 320
		t.Run(fmt.Sprintf("%d wide", width), func(t *testing.T) {
			t.Parallel()
			b := newBrowser(t, width, 800)
			for _, accounts := range []struct {
				name  string
				at    *program.Process
				views []view
			}{
				{"0 accounts", nobody, commonViews},
				{"1 account", one, views(document(t, one, "document.completed"))},
				{"50 accounts", fifty, commonViews},
			} {
				b.visit(accounts.at)
				for _, v := range accounts.views {
					b.open(v.where)
					b.until(v.ready)
					if v.then != nil {
						v.then(b)
					}
					b.examine(fmt.Sprintf("%s, %d wide, %s", accounts.name, width, v.name))
				}
			}
		})
	}
}

// examine looks for flaws in the page as it is now: all of them in light colours, and the flaws of colours in dark
// ones.
func (b *page) examine(name string) {
	b.Helper()
	b.do(chromedp.KeyEvent(kb.Tab)) // use the keyboard from now on, so that the focus is visible
	for _, look := range []struct{ scheme, at string }{{"dark", "colours"}, {"light", "all"}} {
		b.prefer(look.scheme)
		for _, flaw := range b.flaws(look.at) {
			b.Errorf("%s, %s: %s", name, look.scheme, flaw)
		}
		b.shoot(name + ", " + look.scheme)
	}
}

// flaws returns the flaws that one function of flaws.js finds.
func (b *page) flaws(function string) []string {
	b.Helper()
	return eval[[]string](b, flaws+"."+function+"()")
}

// Pages of a login have no script, and are made in three places.
func TestPagesAroundALoginCanBeUsedByEverybody(t *testing.T) {
	t.Parallel()
	open, locked := sandbox(t), lockedProxy(t)
	for _, width := range []int64{360, 1280} {
		b := newBrowser(t, width, 800)
		b.visit(open)
		check := func(name string) {
			t.Helper()
			b.examine(fmt.Sprintf("%s, %d wide", name, width))
		}
		b.do(chromedp.Navigate(b.base + "/connect/account-2"))
		b.see("Allow access?")
		check("consent")
		b.press("Deny")
		b.see("access_denied")
		check("declined")
		b.press("Try again")
		b.press("Allow")
		b.see("Signed in")
		check("signed in")
		b.do(chromedp.Navigate(strings.Replace(locked.Admin, "127.0.0.1", "localhost", 1) + "/connect/default"))
		b.see("get a new link")
		check("no link")
		b.press("Go to the console")
		b.see("The console is locked")
		check("locked")
	}
}

// shoot writes a picture of the page if pictures are requested. If the page has an answer, it scrolls there first.
func (b *page) shoot(name string) {
	b.Helper()
	if *shots == "" {
		return
	}
	b.run(`(document.querySelector(".answer:not(:empty)") ?? document.body).scrollIntoView()`)
	data, err := chromedp.Run(b.Tab.Context, chromedp.CaptureScreenshot())
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, strings.NewReplacer(" ", "_", "/", "_").Replace(name)+".png"), data, 0o600); err != nil {
		b.Fatal(err)
	}
}

// TestCheckFindsFlaws proves that the check above can fail.
func TestCheckFindsFlaws(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/setup")
	b.until(setupReady)
	b.do(chromedp.KeyEvent(kb.Tab))
	if found := b.flaws("all"); len(found) > 0 {
		t.Fatalf("before: %q", found)
	}
	b.run(`{
		const make = (tag, style = {}, parent = document.querySelector("main")) => {
			const e = parent.appendChild(document.createElement(tag));
			for (const [name, value] of Object.entries(style)) e.style.setProperty(name, value);
			return e;
		};
		make("button");
		make("img");
		make("h4").textContent = "skips";
		make("h1").textContent = "second";
		make("p").id = "said";
		make("label").htmlFor = "nowhere";
		make("p", { color: "#ccc" }).textContent = "faint";
		make("div", { width: "5000px" }).textContent = "wide";
		make("button", { outline: "none" }).textContent = "no focus";
		make("button", { width: "10px", height: "10px", "min-height": 0, padding: 0 }).title = "small";
		const field = make("input", { "border-color": "#eee" });
		field.placeholder = "only a placeholder";
		make("button", { position: "absolute", top: "10px" }).textContent = "under the header";
	}`)
	all, colours := strings.Join(b.flaws("all"), "\n"), strings.Join(b.flaws("colours"), "\n")
	for _, want := range []string{
		"no name: <button", "no alternative: <img", "a heading skips a level: <h4", "there is not one h1", "id used twice: said",
		"for leads nowhere: <label", "wider than its window by", "too small: <button", "no name: <input", "the focus is covered: <button",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q was not found; found %s", want, all)
		}
	}
	for _, want := range []string{"contrast 1.", "the focus does not show: <button style=\"outline", "border contrast"} {
		if !strings.Contains(all, want) || !strings.Contains(colours, want) {
			t.Errorf("%q was not found; found %s, and of colours %s", want, all, colours)
		}
	}
}
