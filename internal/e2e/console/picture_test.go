package console

import (
	"bytes"
	"context"
	"flag"
	"image"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"pandadoc-auth-proxy/internal/e2e/program"
)

var update = flag.Bool("update", false, "take the pictures in docs/ anew")

// pictures are the pictures in docs/.
var pictures = []struct {
	name   string
	width  int64
	height int64
	scheme string
	where  string
	show   func(b *page)
	// white is a point that is white when everything is drawn: Chromium's PDF viewer draws later than the page.
	// The zero Point means that there is nothing to wait for.
	white image.Point
}{
	{name: "console-overview.png", width: 1280, height: 1000, scheme: "light", where: "#/overview", show: func(b *page) {
		b.see("refreshed and repeated")
		b.press("refreshed and repeated")
		b.see("shows the same")
	}},
	{name: "console-try.png", width: 1280, height: 1250, scheme: "light", where: "#/try/2", show: func(b *page) {
		b.fill("count", "1")
		b.send("")
		b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll(".try-form details").forEach((e) => e.removeAttribute("open"))`))
	}},
	{name: "console-setup.png", width: 1280, height: 900, scheme: "light", where: "#/setup", show: func(b *page) {
		b.until(`document.querySelectorAll(".step").length === 4`)
	}},
	{name: "console-dark.png", width: 1280, height: 900, scheme: "dark", where: "#/try/21", show: func(b *page) {
		b.choose("Choose…")
		b.sendUntilReady()
		b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector(".answer").scrollIntoView()`))
	}, white: image.Pt(800, 700)},
}

// TestPictures takes the pictures with -update. Without it, the files must exist and be pictures.
func TestPictures(t *testing.T) {
	docs := filepath.Join("..", "..", "..", "docs")
	if !*update {
		for _, p := range pictures {
			data, err := os.ReadFile(filepath.Join(docs, p.name))
			if err != nil {
				t.Fatalf("%v: take it with go test ./internal/e2e/console -run Pictures -update", err)
			}
			if c, err := png.DecodeConfig(bytes.NewReader(data)); err != nil || c.Width != int(p.width) {
				t.Errorf("%s: %v, %d wide, want %d", p.name, err, c.Width, p.width)
			}
		}
		return
	}
	box := program.Start(t, nil, "sandbox", "--listen", "127.0.0.1:8080", "--admin-listen", "127.0.0.1:8081", "--calm", "--seed", "1")
	traffic(t, box)
	for _, p := range pictures {
		b := newBrowser(t, p.width, p.height)
		b.base = "http://localhost:8081"
		b.prefer(p.scheme)
		b.open(p.where)
		p.show(b)
		b.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
		if p.white == (image.Point{}) {
			b.do(chromedp.Evaluate[chromedp.Void](`scrollTo(0, 0)`))
		}
		if err := os.WriteFile(filepath.Join(docs, p.name), b.picture(p.white), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// picture returns a picture of the window as soon as the point is white.
func (b *page) picture(white image.Point) []byte {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Tab.Context, waitLimit)
	defer cancel()
	again := time.NewTicker(time.Second) // taking a picture keeps the browser from drawing
	defer again.Stop()
	for {
		data, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			b.Fatal(err)
		}
		shown, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			b.Fatal(err)
		}
		if r, g, blue, _ := shown.At(white.X, white.Y).RGBA(); white == (image.Point{}) || r&g&blue == 0xffff {
			return data
		}
		<-again.C
	}
}

// traffic sends requests as in normal use.
func traffic(t *testing.T, p *program.Process) {
	t.Helper()
	for _, path := range []string{"/public/v1/members/current", "/public/v1/templates", "/public/v1/documents?count=10", "/public/v1/contacts"} {
		for range 3 {
			p.Get(path)
		}
	}
	p.Get("/public/v1/documents/no-such-document")
	answer, err := http.Post(p.Info["manage"]+"/expire", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	p.Get("/public/v1/documents")
	p.Get("/@acme/public/v1/documents")
}
