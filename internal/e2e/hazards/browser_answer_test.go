package hazards

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// On plain http, under a name or address that is not a loopback one, browsers do not send which page a request
// comes from. Chromium treats the IPv6 form of 127.0.0.1 like such an address, although it leads to every loopback
// listener.
func pageReachesNothingUnderALANName(t *testing.T, b *visitor) {
	api := generousAPI(t)
	p := serve(t, api.URL, "--allow-host", "proxy.lan")
	port := site(t)
	for _, host := range []string{"proxy.lan", "[::ffff:127.0.0.1]"} {
		b.open("http://evil.test:" + port)
		before := refused(t, p)
		told := b.attack("http://" + host + ":" + portOf(p.URL))
		if n := len(api.bytesOnTheWire()); n != 0 {
			t.Errorf("U5: %d bytes reached the API at %s: %v; the page got %v", n, host, api.arrived(), told)
		}
		if n := refused(t, p) - before; n < 14 {
			t.Errorf("U5: only %d attacks arrived at %s: %v", n, host, told)
		}
	}
	if text := b.open("http://proxy.lan:" + portOf(p.URL) + "/public/v1/documents"); !strings.Contains(text, "origin-not-allowed") {
		t.Errorf("U5: the page shows %s", text)
	}
	// Programs that are not browsers can use these addresses.
	if got := raw(t, addr(p.URL), call("GET", "/a", "proxy.lan", "User-Agent: Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1")); got.StatusCode != 200 {
		t.Errorf("U5: PowerShell is answered %d %s", got.StatusCode, got.body)
	}
}

// A script that deletes something if it runs. It is well-formed in every language of the test.
const (
	deletes  = `fetch('/public/v1/documents/mine',{method:'DELETE'});document.title='ran'`
	htmlPage = `<!doctype html><html><head><script>` + deletes + `</script></head><body onload="` + deletes + `">shown</body></html>`
	svgPage  = `<svg xmlns="http://www.w3.org/2000/svg" onload="` + deletes + `"><script>` + deletes + `</script><text y="20">shown</text></svg>`
	xmlPage  = `<html xmlns="http://www.w3.org/1999/xhtml"><head><script>` + deletes + `</script></head><body>shown</body></html>`
)

// showsPDF finds out if Chromium's viewer is shown: it has its own background around a page.
const showsPDF = `document.contentType === 'application/pdf' && getComputedStyle(document.body).backgroundColor === 'rgb(40, 40, 40)'`

func answerDoesNotRun(t *testing.T, b *visitor) {
	pages := map[string]struct{ contentType, body string }{
		"/page.html": {"text/html; charset=utf-8", htmlPage}, "/page.svg": {"image/svg+xml", svgPage},
		"/page.xml": {"application/xml", xmlPage}, "/page.xhtml": {"application/xhtml+xml", xmlPage}, "/page.pdf": {"application/pdf", onePage()},
	}
	api := newRecorder(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		page, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", page.contentType)
		w.Header().Set("Content-Security-Policy", "script-src * 'unsafe-inline'")
		io.WriteString(w, page.body)
	})
	api.Start()
	t.Cleanup(api.Close)
	p := serve(t, api.URL, "--listen", "localhost:0")
	base := "http://localhost:" + portOf(p.URL)
	for _, path := range []string{"/page.html", "/page.svg", "/page.xml", "/page.xhtml"} {
		if text := b.open(base + path); !strings.Contains(text, "shown") && path != "/page.svg" {
			t.Errorf("U6: %s shows %q", path, text)
		}
		if title := evaluate[string](b, "document.title"); title == "ran" {
			t.Errorf("U6: the script of %s ran", path)
		}
	}
	b.open(base + "/page.pdf")
	if !evaluate[bool](b, showsPDF) {
		t.Error("U6: the PDF is not shown")
	}
	for _, seen := range api.arrived() {
		if seen.Method != "GET" {
			t.Errorf("U6: %s %s reached the API", seen.Method, seen.Target)
		}
	}
}

// evaluate returns the value of a script in the open page.
func evaluate[T any](b *visitor, script string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, waitLimit)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.Fatal(err)
	}
	return value
}

// onePage returns a PDF with one empty page.
func onePage() string {
	var out bytes.Buffer
	var at []int
	out.WriteString("%PDF-1.4\n")
	for i, object := range []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>"} {
		at = append(at, out.Len())
		fmt.Fprintf(&out, "%d 0 obj%sendobj\n", i+1, object)
	}
	table := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&out, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&out, "trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF", len(at)+1, table)
	return out.String()
}
