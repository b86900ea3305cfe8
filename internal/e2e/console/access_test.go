package console

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// views are what the checks below look at: every page, with what it can show.
var views = []struct {
	name, where string
	ready       string                   // JavaScript that is true when the page is complete
	then        func(b *page, id string) // brings the page into the state that is meant; may be nil
}{
	{"overview", "#/overview", `document.querySelector(".requests")`, nil},
	{"overview, explained", "#/overview", `document.querySelector(".requests .link")`, func(b *page, _ string) { b.press("unknown-account") }},
	{"operations", "#/try", `document.querySelectorAll(".found a").length === 127`, nil},
	{"form with everything", "#/try/2", `document.querySelector(".try-form")`, func(b *page, _ string) {
		b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach((e) => e.setAttribute("open", ""))`))
	}},
	{"form with JSON", "#/try/3", `document.querySelector("textarea")`, nil},
	{"form with a file", "#/try/5", `document.querySelector("input[type=file]")`, nil},
	{"answer", "#/try/2", `document.querySelector(".try-form")`, func(b *page, _ string) { b.send("") }},
	{"refusal", "#/try/22", `document.querySelector(".try-form")`, func(b *page, id string) {
		b.fill("id", id)
		b.send("")
	}},
	{"question", "#/try/8", `document.querySelector(".try-form")`, func(b *page, id string) {
		b.fill("id", id)
		b.press("Test request")
		b.until(`document.querySelector("dialog[open]")`)
	}},
	{"operation that is kept", "#/try/1", `document.querySelector(".operation .note")`, nil},
	{"set-up", "#/setup", `document.querySelectorAll(".step").length === 4`, nil},
}

// flaws looks for what keeps people from using a page: controls and pictures without a name, headings
// that skip a level, ids that are used twice, text that cannot be read, a page that is wider than its
// window, and targets that are too small for a finger.
const flaws = `(() => {
	const found = [];
	const shown = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !e.closest(".unseen, .skip");
	const what = (e) => e.outerHTML.slice(0, 120);
	for (const e of document.querySelectorAll("button, a[href], input, select, textarea, summary, iframe, [role=img]")) {
		const name = e.getAttribute("aria-label") || e.title || e.textContent.trim() || [...(e.labels ?? [])].map((l) => l.textContent).join("");
		if (!name) found.push("no name: " + what(e));
	}
	for (const e of document.querySelectorAll("img:not([alt])")) found.push("no alternative: " + what(e));
	let level = 0;
	for (const e of document.querySelectorAll("main :is(h1, h2, h3, h4)")) {
		const now = Number(e.tagName[1]);
		if (now > level + 1) found.push("a heading skips a level: " + what(e));
		level = now;
	}
	if (document.querySelectorAll("main h1").length !== 1) found.push("there is not one h1");
	const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
	for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) found.push("id used twice: " + id);
	for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
		for (const e of document.querySelectorAll("[" + attribute + "]")) {
			for (const id of e.getAttribute(attribute).split(" ")) if (!document.getElementById(id)) found.push(attribute + " leads nowhere: " + what(e));
		}
	}
	const colour = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
	const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => {
		for (let at = e; at; at = at.parentElement) {
			const c = colour(getComputedStyle(at).backgroundColor);
			if (c.length === 3 || c[3] === 1) return c;
		}
		return colour(getComputedStyle(document.body).backgroundColor);
	};
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	const seen = new Set();
	while (texts.nextNode()) {
		const e = texts.currentNode.parentElement;
		if (!texts.currentNode.textContent.trim() || !shown(e) || e.closest(":disabled, .button:not([href]), option")) continue;
		const style = getComputedStyle(e);
		const [a, b] = [light(colour(style.color)), light(behind(e))];
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		const size = parseFloat(style.fontSize);
		const enough = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
		const key = style.color + behind(e);
		if (contrast < enough && !seen.has(key)) {
			seen.add(key);
			found.push("contrast " + contrast.toFixed(2) + ": " + what(e));
		}
	}
	const wide = document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth;
	if (wide > 0) {
		const who = [...document.querySelectorAll("body *")].find((e) => e.getBoundingClientRect().right > document.scrollingElement.clientWidth + 1 && !e.closest("pre, .tabs, .unseen"));
		found.push("wider than its window by " + wide + ": " + (who ? what(who) : "?"));
	}
	for (const e of document.querySelectorAll("button, select, input")) {
		const box = e.getBoundingClientRect();
		if (shown(e) && !e.classList.contains("link") && (box.height < 24 || box.width < 24)) found.push("too small: " + what(e));
	}
	return found;
})()`

func TestPagesCanBeUsedByEverybody(t *testing.T) {
	t.Parallel()
	p := program.Start(t, nil, "sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--calm")
	p.Get("/public/v1/documents")
	p.Get("/@nobody/x")
	id := document(t, p, "document.completed")
	for _, window := range []struct {
		width  int64
		scheme string
	}{{360, "light"}, {1280, "dark"}} {
		b := newBrowser(t, window.width, 800)
		b.base = "http://localhost" + p.Admin[len("http://127.0.0.1"):]
		b.prefer(window.scheme)
		for _, v := range views {
			b.do(chromedp.Navigate("about:blank"))
			b.open(v.where)
			b.until(v.ready)
			if v.then != nil {
				v.then(b, id)
			}
			for _, flaw := range eval[[]string](b, flaws) {
				t.Errorf("%s, %s, %d wide: %s", v.name, window.scheme, window.width, flaw)
			}
		}
	}
}

// TestCheckFindsFlaws makes sure that the check above would say something.
func TestCheckFindsFlaws(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/setup")
	b.until(`document.querySelectorAll(".step").length === 4`)
	before := len(eval[[]string](b, flaws))
	b.do(chromedp.Evaluate[chromedp.Void](`{
		const make = (tag, parent = document.querySelector("main")) => parent.appendChild(document.createElement(tag));
		make("button");
		make("img");
		make("h4").textContent = "skips";
		make("h1").textContent = "second";
		make("p").id = "said";
		make("label").htmlFor = "nowhere";
		const faint = make("p");
		faint.textContent = "faint";
		faint.style.setProperty("color", "#ccc");
		const wide = make("div");
		wide.textContent = "wide";
		wide.style.setProperty("width", "5000px");
	}`))
	found := eval[[]string](b, flaws)
	if len(found)-before < 8 {
		t.Errorf("got %d flaws, want 8 more than %d: %q", len(found), before, found)
	}
	t.Log(fmt.Sprint(len(found)-before, " planted flaws found"))
}
