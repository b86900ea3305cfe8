package login

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"pandadoc-auth-proxy/internal/e2e/browser"
)

// chromium is a person with a real browser and a new profile.
type chromium struct {
	*testing.T
	tab *browser.Tab
}

func newChromium(t *testing.T) *chromium {
	t.Helper()
	return &chromium{t, browser.Open(t)}
}

func (c *chromium) signIn(address, answer string) (page, at string) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.tab.Context, 2*waitLimit)
	defer cancel()
	press := chromedp.CSS(fmt.Sprintf("button[value=%s]", answer))
	err := chromedp.Do(ctx,
		chromedp.Navigate(address),
		chromedp.WaitVisible(press),
		chromedp.Click(press),
		chromedp.WaitNotPresent(press),
		chromedp.WaitVisible(chromedp.CSS("h1")),
	)
	if err != nil {
		c.Fatalf("Chromium: %v", err)
	}
	if page, err = chromedp.Run(ctx, chromedp.OuterHTML(chromedp.CSS("html"))); err != nil {
		c.Fatalf("Chromium: %v", err)
	}
	if at, err = chromedp.Run(ctx, chromedp.Location()); err != nil {
		c.Fatalf("Chromium: %v", err)
	}
	c.wantNothingForeign()
	return page, at
}

// wantNothingForeign fails the test if a page sent a request to another machine, or complained in the browser's
// console.
func (c *chromium) wantNothingForeign() {
	c.Helper()
	if foreign := c.tab.Foreign(); len(foreign) > 0 {
		c.Errorf("a page asked %q for something", foreign)
	}
	if all := c.tab.Complaints(); len(all) > 0 {
		c.Errorf("the console shows %q", all)
	}
}
