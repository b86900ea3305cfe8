package console

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// hold makes requests of the page for part of an address wait until release.
func (b *page) hold(part string) {
	b.Helper()
	b.run(`{
		const real = window.fetch;
		window.fetch = async (path, options) => {
			if (path.includes("` + part + `")) await new Promise((go) => { window.release = go; });
			return real(path, options);
		};
	}`)
}

// release lets the request go that waits.
func (b *page) release() {
	b.Helper()
	b.until(`window.release`)
	b.run(`window.release(); delete window.release`)
}

// "Again" filled the form with what it had when the answer came, and not with what had been sent.
func TestAgainBringsBackWhatWasSent(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/try/2")
	b.fill("count", "3")
	b.hold("/api/v1/test")
	b.press("Test request")
	b.until(`window.release`)
	b.fill("count", "5")
	b.release()
	b.answer()
	b.see("count=3")
	b.press("Again")
	want(t, "count", eval[string](b, `document.querySelector("[name=count]").value`), "3")

	// The answer to an operation that is not shown any more stayed in memory, and was announced.
	b.press("Test request")
	b.until(`window.release`)
	b.run(`window.made = 0; { const real = URL.createObjectURL; URL.createObjectURL = (blob) => { window.made++; return real(blob); }; }`)
	b.run(`location.hash = "#/try/3"`)
	b.see("Create a document")
	b.release()
	b.until(`document.querySelectorAll(".history li").length === 2`)
	want(t, "announced", eval[string](b, `document.getElementById("said").textContent.slice(0, 4)`), "POST")
	if made := eval[int](b, `window.made`); made != 0 {
		t.Errorf("%d answers that nobody sees are kept", made)
	}
}

// While the list of operations was being loaded, the address went to another operation, and the first one opened.
func TestTheAddressNamesTheOperation(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/overview")
	b.see("Recent requests")
	b.hold("operations.json")
	b.run(`location.hash = "#/try/2"`)
	b.until(`window.release`)
	b.run(`location.hash = "#/try/7"`)
	b.release()
	want(t, "operation", await[string](b, `document.querySelector("nav.operations [aria-current]")?.getAttribute("href") ?? ""`), "#/try/7")
}

// A person opened an explanation and then filtered the list, and the list stood still: it waited for the explanation,
// which was not shown any more, to be closed.
func TestTheListGoesOnWhenAnExplanationIsFilteredOut(t *testing.T) {
	t.Parallel()
	b, p := newSandbox(t)
	p.Want("/public/v1/documents", 200)
	b.open("#/overview")
	b.click(`document.querySelector(".requests button")`)
	b.until(`document.querySelector(".requests tr.why:not([hidden])")`)
	b.change("#feed-status", "4")
	b.see("No request matches")
	for _, path := range []string{"/public/v1/documents/none", "/public/v1/templates/none"} {
		p.Want(path, 404)
		b.until(`[...document.querySelectorAll(".requests .route")].some((e) => e.textContent.startsWith("` + strings.TrimSuffix(path, "/none") + `"))`)
	}
}

// Somebody else signed in to an account that worked, and the console showed the user before until it was opened again.
func TestTheNewUserOfAnAccountIsShown(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/overview")
	b.until(`document.querySelector(".accounts .person")?.textContent`)
	b.run(`{
		const real = window.fetch;
		window.fetch = async (path, options) => {
			if (path.includes("/person")) return Response.json({ name: "The Next User" });
			const answer = await real(path, options);
			if (!path.includes("/status")) return answer;
			const status = await answer.json();
			status.accounts[0].obtained_at = "2030-01-01T00:00:00Z";
			return Response.json(status);
		};
	}`)
	b.see("The Next User")
}

// A proxy that hung was shown as ready: the page waited for its answer for ever.
func TestAProxyThatHangsIsShownAsSilent(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/overview")
	b.see("Ready")
	b.run(`{
		const timeout = AbortSignal.timeout;
		AbortSignal.timeout = () => timeout.call(AbortSignal, 200);
		window.fetch = (_, { signal }) => new Promise((_, fail) => { signal?.addEventListener("abort", () => fail(signal.reason)); });
	}`)
	b.see("The proxy does not answer")
}

// The first question failed, and the page stayed empty although the next ones were answered.
func TestThePageOpensAfterAFailure(t *testing.T) {
	t.Parallel()
	p := sandbox(t)
	at, err := url.Parse(p.Admin)
	if err != nil {
		t.Fatal(err)
	}
	var failed atomic.Bool
	forward := httputil.NewSingleHostReverseProxy(at)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/status" && !failed.Swap(true) {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	b := newBrowser(t, 1280, 900)
	b.base = front.URL
	b.open("#/overview")
	b.see("The proxy does not answer")
	b.run(`document.dispatchEvent(new Event("visibilitychange"))`) // instead of 15 seconds
	b.see("Recent requests")
}

// Where a script cannot use the clipboard, the page told the user to press Ctrl+C, but nothing was selected.
func TestTextIsSelectedWhereItCannotBeCopied(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/setup")
	b.see("Register an application")
	b.run(`navigator.clipboard.writeText = () => Promise.reject(); document.execCommand = () => false`)
	b.click(`document.querySelector("#step-register").parentElement.querySelector("button")`)
	b.see("Press Ctrl+C")
	got := eval[string](b, `document.activeElement.value?.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd) ?? ""`)
	if !strings.HasSuffix(got, "/oauth2/callback") {
		t.Errorf("selected is %q, want the redirect URL", got)
	}
	b.press("Overview")
	b.see("Recent requests")
	if n := eval[int](b, `document.querySelectorAll("textarea").length`); n != 0 {
		t.Errorf("%d fields for copying are left", n)
	}
}

// Ids of the account that was chosen before were offered for the account that is chosen now.
func TestIDsOfAnotherAccountAreNotOffered(t *testing.T) {
	t.Parallel()
	b := browse(t, program.Start(t, nil, "sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--calm", "--accounts", "2"))
	b.open("#/try/3")
	b.see("Choose a template")
	b.hold("/api/v1/test")
	b.press("Choose a template")
	b.until(`window.release`)
	b.change("#try-account", "account-2")
	b.release()
	want(t, "offered", await[string](b, `document.querySelector(".choice :is(select, p)")?.tagName`), "P")
}
