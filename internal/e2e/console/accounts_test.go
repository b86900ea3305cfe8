package console

import (
	"fmt"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// Fifty accounts with a problem used to be 8,500 pixels of cards.
func TestFiftyAccountsFitOnAPage(t *testing.T) {
	t.Parallel()
	p := program.Emulate(t).Serve("memory:", "--config", crowd(t), "--log-level", "error")
	for i := range 49 {
		p.Get(fmt.Sprintf("/@account-%02d/public/v1/documents", i)) // the API refuses it, and so does the token endpoint
	}
	for _, width := range []int64{1280, 360} {
		b := newBrowser(t, width, 900)
		b.base = strings.Replace(p.Admin, "127.0.0.1", "localhost", 1)
		b.open("#/overview")
		b.until(`document.querySelectorAll(".accounts tbody tr").length >= 50`)
		b.see("Login required: account-00, account-01, account-02, account-03 and 46 more")
		if n := eval[int](b, `document.querySelectorAll(".problem").length`); n > 2 {
			t.Errorf("%d wide: 50 accounts with one problem are %d articles, want them together", width, n)
		}
		if top := eval[float64](b, `document.querySelector(".accounts").getBoundingClientRect().top`); top > 700 {
			t.Errorf("%d wide: the accounts begin %v pixels down, want them on the first screen", width, top)
		}
		b.change("#find-account", "account-07")
		b.until(`document.querySelectorAll(".accounts tbody tr").length === 1`)
	}
}
