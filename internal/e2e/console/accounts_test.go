package console

import (
	"fmt"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// Fifty accounts with a problem filled 8,500 pixels with cards.
func TestFiftyAccountsFitOnAPage(t *testing.T) {
	t.Parallel()
	p := program.Emulate(t).Serve("memory:", "--config", crowd(t), "--log-level", "error")
	for i := range 49 {
		p.Get(fmt.Sprintf("/@account-%02d/public/v1/documents", i)) // the API refuses it, and so does the token endpoint
	}
	for _, width := range []int64{1280, 360} {
		b := newBrowser(t, width, 900)
		b.visit(p)
		b.open("#/overview")
		b.until(`document.querySelectorAll(".accounts tbody tr").length === 20`)
		b.see("Login required: account-00, account-01, account-02, account-03 and 46 more")
		if n := eval[int](b, `document.querySelectorAll(".problem").length`); n > 2 {
			t.Errorf("%d wide: 50 accounts with one problem are %d articles, want them together", width, n)
		}
		if top := eval[float64](b, `document.querySelector(".accounts").getBoundingClientRect().top`); top > 700 {
			t.Errorf("%d wide: the accounts begin %v pixels down, want them on the first screen", width, top)
		}
		if tall := eval[float64](b, `document.querySelector(".accounts").offsetHeight`); tall > map[int64]float64{1280: 1400, 360: 3200}[width] {
			t.Errorf("%d wide: 20 accounts are %v pixels high", width, tall)
		}
		b.press("Show all ")
		b.until(`document.querySelectorAll(".accounts tbody tr").length >= 50`)
		b.change("#find-account", "account-07")
		b.until(`document.querySelectorAll(".accounts tbody tr").length === 1`)
	}
}

// If nobody has chosen an account, the page uses the account of requests without a name. The list began with
// account-10.
func TestAccountsStandInOrder(t *testing.T) {
	t.Parallel()
	p := program.Start(t, nil, "sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--calm", "--accounts", "12")
	b := browse(t, p)
	b.open("#/overview")
	b.until(`document.querySelectorAll(".accounts .state-ready").length === 12`) // accounts in another state come first
	want(t, "first accounts", await[string](b, `[...document.querySelectorAll(".accounts .name")].slice(0, 3).map((e) => e.textContent).join()`), "default,account-2,account-3")
	b.open("#/try/7")
	want(t, "chosen account", await[string](b, `document.querySelector("#try-account")?.value ?? ""`), "default")
}
