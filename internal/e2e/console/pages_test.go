package console

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"pandadoc-auth-proxy/internal/e2e/program"
	"pandadoc-auth-proxy/internal/problem"
)

func TestNewcomerSendsARequestInThreeClicks(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("")
	b.see("Recent requests")
	b.press("Try the API")  // one
	b.press("Test request") // two
	if got := b.answer(); got != "200 OK" {
		t.Errorf("got %q, want 200 OK", got)
	}
	b.see("the token was accepted")
	b.press("Overview")
	b.see("passed through")
}

func TestFirstRunWithoutAnAccount(t *testing.T) {
	t.Parallel()
	e := program.Emulate(t)
	p := program.Start(t, []string{
		"PANDADOC_CLIENT_ID=" + e.Info["client_id"], "PANDADOC_CLIENT_SECRET=" + e.Info["client_secret"],
	}, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--store", "file:"+t.TempDir(),
		"--api-url", e.Info["api"], "--token-url", e.Info["token_url"], "--authorize-url", e.Info["authorize_url"])
	b := newBrowser(t, 1280, 900)
	b.base = p.Admin // at the IP address: the login needs the host name, and the page moves to it by itself
	b.open("")
	b.until(`location.hostname === "localhost" && location.hash === "#/setup"`)
	b.see("/oauth2/callback")
	b.press("Connect")
	b.see("This is an emulator of PandaDoc")
	b.press("Allow")
	b.see("Signed in")
	b.press("Continue in the console")
	b.see("You can connect another account")
	b.press("Send a first request")
	b.press("Test request")
	if got := b.answer(); got != "200 OK" {
		t.Errorf("got %q, want 200 OK", got)
	}
}

func TestABrokenAccountShowsItsFix(t *testing.T) {
	t.Parallel()
	e := program.Emulate(t)
	p := e.Serve("memory:")
	p.Want("/public/v1/documents", 200)
	b := browse(t, p)
	b.open("#/overview")
	b.see("Ready")
	e.Manage("POST", "/revoke", "", nil)
	p.Want("/public/v1/documents", 502)
	b.see("Login required: default")
	b.see(problem.Of(problem.RevokedOrSpent).Detail)
	b.see("Requests fail until somebody signs in")
	b.see("pandadoc-auth-proxy login")
	b.see("login-required")
	b.press("Connect")
	b.press("Allow")
	b.press("Continue in the console")
	b.press("Overview")
	b.until(`!document.querySelector(".problem")`)
	p.Want("/public/v1/documents", 200)
}

func TestTheOverviewShowsWhoIsSignedInAndRefreshes(t *testing.T) {
	t.Parallel()
	b, p := newSandbox(t)
	b.open("#/overview")
	b.seeWho()
	if base := eval[string](b, `document.querySelector(".accounts .base code").textContent`); base != p.URL {
		t.Errorf("got base URL %q, want %q", base, p.URL)
	}
	b.press("Details")
	b.until(`document.querySelector(".facts dl")?.innerText.includes("Generation\n2")`)
	b.press("Refresh now")
	b.until(`document.querySelector(".facts dl")?.innerText.includes("Generation\n3")`)
}

// TestEveryOperationHasItsForm opens all 127 forms, one after the other, and compiles the code that can be copied.
func TestEveryOperationHasItsForm(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/try")
	b.until(`document.querySelectorAll(".found a").length === 127`)
	type shown struct {
		Title, Path     string
		Fields, Unnamed int
		Copied, Notes   map[string]string // by language
	}
	var all []shown
	for i := range 127 { // one form at a time, because all together take longer than a wait may on a busy machine
		all = append(all, eval[shown](b, fmt.Sprintf(`(async () => {
			const before = document.querySelector(".operation").firstChild;
			location.hash = document.querySelectorAll(".found a")[%d].getAttribute("href");
			while (document.querySelector(".operation").firstChild === before) await new Promise((next) => setTimeout(next));
			const fields = [...document.querySelectorAll(".try-form :is(input, select, textarea)")];
			const copied = {}, notes = {};
			for (const tab of document.querySelectorAll("[role=tab]")) {
				tab.click();
				copied[tab.textContent] = document.querySelector("#copy-text pre").textContent;
				notes[tab.textContent] = document.querySelector("#copy-text .fine").textContent;
			}
			return {
				Title: document.querySelector(".operation h2").textContent, Path: document.querySelector(".operation .path code").textContent,
				Fields: fields.length, Unnamed: fields.filter((f) => !f.labels?.length && !f.getAttribute("aria-label")).length, Copied: copied, Notes: notes,
			};
		})()`, i)))
	}
	fields, titles, programs := 0, map[string]bool{}, map[string][]string{}
	for _, s := range all {
		fields += s.Fields
		titles[s.Title] = true
		if s.Unnamed > 0 {
			t.Errorf("%s: %d fields without a name", s.Path, s.Unnamed)
		}
		if strings.HasPrefix(s.Path, "/oauth2/") {
			continue
		}
		if len(s.Copied) != 8 {
			t.Errorf("%s: got %d forms to copy, want 8", s.Path, len(s.Copied))
		}
		for language, text := range s.Copied {
			programs[language] = append(programs[language], text)
			text += s.Notes[language]
			if text == "" || strings.Contains(text, "undefined") || strings.Contains(text, "[object") {
				t.Errorf("%s: got to copy %q", s.Path, text)
			}
		}
	}
	if len(titles) < 120 {
		t.Errorf("%d operations with %d titles", len(all), len(titles))
	}
	t.Logf("%d operations with %d fields", len(all), fields)
	for _, compiler := range [][]string{
		{"Python", "python3", "-c", "import json, sys\nfor text in json.load(sys.stdin): compile(text, text, 'exec')"},
		{"Node", "node", "-e", `for (const text of JSON.parse(require("fs").readFileSync(0, "utf8"))) new (require("vm").Script)(text)`},
	} {
		t.Run(compiler[0]+" compiles", func(t *testing.T) {
			if _, err := exec.LookPath(compiler[1]); err != nil {
				t.Skipf("%s is not installed", compiler[1])
			}
			if n := len(programs[compiler[0]]); n != 126 {
				t.Errorf("%d programs, want 126", n)
			}
			run(t, t.TempDir(), asJSON(t, programs[compiler[0]]), nil, compiler[1], compiler[2:]...)
		})
	}
}

func TestSearchFindsOperations(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/try")
	b.until(`document.querySelectorAll(".found a").length === 127`)
	for _, row := range []struct {
		words, count, first string
	}{
		{"send", "", "Send a draft"},
		{"delete contact", "1 of 127", "Delete a contact"},
		{"DELETE v1/templates/", "1 of 127", "Delete a template"},
		{"watermark", "1 of 127", "Download as PDF"},
		{"webhook", "8 of 127", "List webhook subscriptions"},
		{"signature", "", "Embedded signing session"},
		{"cancel a document", "", "Set status by hand"},
		{"withdraw", "", "Set status by hand"},
		{"user", "", "List users"},
		{"log", "", "API call log"},
		{"ai", "", "AI "},
		{"e-mail", "1 of 127", "List contacts"},
		{"constructor", "0 of 127", ""},
		{"invite", "", "List users"},
		{"nothing like this", "0 of 127", ""},
		{"", "127 operations", "List documents"},
	} {
		b.search(row.words)
		if got := eval[string](b, `document.querySelector(".search .count").textContent`); !strings.HasPrefix(got, row.count) {
			t.Errorf("%q: got %q, want %q", row.words, got, row.count)
		}
		if first, _, _ := strings.Cut(b.found(), "\n"); !strings.HasPrefix(first, row.first) {
			t.Errorf("%q: found %q first, want %q", row.words, first, row.first)
		}
	}
	for words, want := range map[string]string{"void": "Set status by hand", "invoice": "quote", "remove contact": "Delete a contact"} {
		b.search(words)
		if found := b.found(); !strings.Contains(strings.ToLower(found), strings.ToLower(want)) {
			t.Errorf("%q finds %q, want %q among it", words, found, want)
		}
	}
	b.search("nothing like this")
	b.see("No operation matches")
	b.search("delete a contact")
	b.do(chromedp.Focus(chromedp.CSS("#search")), chromedp.KeyEvent(kb.Enter))
	b.see("/public/v1/contacts/{id}")
	b.until(`document.activeElement.matches(".try-form [name=id]")`)
}

// found returns the titles that the search shows, each on a line.
func (b *page) found() string {
	b.Helper()
	return eval[string](b, `[...document.querySelectorAll(".found a")].filter((a) => a.offsetParent).map((a) => a.querySelector(".title").textContent).join("\n")`)
}

// TestKeyboardAlone gets from the address bar to an answer without a mouse.
func TestKeyboardAlone(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/try")
	b.until(`document.querySelectorAll(".found a").length === 127`)
	focused := func(what string) {
		t.Helper()
		b.until(fmt.Sprintf(`document.activeElement.matches(%q)`, what))
	}
	tab := func() { b.do(chromedp.KeyEvent(kb.Tab)) }
	for range 20 {
		tab()
		if eval[bool](b, `document.activeElement.id === "search"`) {
			break
		}
	}
	focused("#search")
	b.do(chromedp.KeyEvent("who am"), chromedp.KeyEvent(kb.ArrowDown))
	focused(`.found a[href="#/try/88"]`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.see("/public/v1/members/current")
	focused(".operation")
	for range 10 {
		tab()
		if eval[bool](b, `document.activeElement.classList.contains("send")`) {
			break
		}
	}
	focused(".send")
	b.do(chromedp.KeyEvent(kb.Enter))
	if got := b.answer(); got != "200 OK" {
		t.Errorf("got %q, want 200 OK", got)
	}
	if got := eval[string](b, `document.getElementById("said").textContent`); !strings.HasPrefix(got, "Answer: 200") {
		t.Errorf("a screen reader was told %q, want the answer", got)
	}
	for range 20 {
		tab()
		if eval[bool](b, `document.activeElement.getAttribute("role") === "tab"`) {
			break
		}
	}
	focused("[role=tab]")
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	b.until(`document.activeElement.textContent === "PowerShell" && document.activeElement.getAttribute("aria-selected") === "true"`)
}
