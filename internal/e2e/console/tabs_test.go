package console

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/browser"
)

// The next test in the same tab must not see what a test has stored, or what the browser has reported to it.
func TestATabIsLentEmpty(t *testing.T) {
	t.Parallel()
	var origins []string
	for range 2 {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<title>stored</title>")
		}))
		defer s.Close()
		origins = append(origins, s.URL)
	}
	const stored = `[document.cookie, sessionStorage.a, localStorage.a, history.length].join()`
	var tabs browser.Tabs
	var before *browser.Tab
	t.Run("before", func(t *testing.T) {
		b := &page{T: t, Tab: tabs.Open(t)}
		before = b.Tab
		for i, origin := range origins {
			b.base = origin
			b.open("")
			eval[bool](b, `new Promise((done) => {
				document.cookie = "a=b";
				sessionStorage.a = localStorage.a = "b";
				setTimeout(() => {
					setTimeout(() => done(true));
					throw new Error("said");
				});
			})`)
			b.open("again")
			want(t, "stored", eval[string](b, stored), fmt.Sprintf("a=b,b,b,%d", 2*i+3))
		}
		if len(b.Complaints()) == 0 {
			t.Error("the exception was not noted")
		}
	})
	t.Run("after", func(t *testing.T) {
		b := &page{T: t, Tab: tabs.Open(t)}
		if b.Tab != before {
			t.Fatal("the tab was not lent again")
		}
		for i, origin := range origins {
			b.base = origin
			b.open("")
			want(t, "stored", eval[string](b, stored), fmt.Sprintf(",,,%d", 2*i+2))
			b.run(`sessionStorage.a = "kept"`)
			b.open("again")
			want(t, "stored by the same test", eval[string](b, `sessionStorage.a`), "kept")
		}
		if all := b.Complaints(); len(all) > 0 {
			t.Errorf("got %q of the test before", all)
		}
	})
}
