package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
)

// shared is the address of the browser that Shared started: in the environment, because a package has no state.
const shared = "PANDADOC_AUTH_PROXY_TEST_BROWSER"

// Tests are all tests of a package. *testing.M is one.
type Tests interface{ Run() int }

// Shared returns tests that run with one browser, so that not every tab has to start one.
func Shared(tests Tests) Tests { return sharing{tests} }

type sharing struct{ Tests }

// Run implements Tests.
func (s sharing) Run() int {
	program, err := exec.LookPath("chromium")
	if err != nil {
		return s.Tests.Run() // Open skips its test
	}
	profile, err := os.MkdirTemp("", "pandadoc-auth-proxy-chromium-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(profile)
	ctx, stop := chromedp.NewExecAllocator(context.Background(),
		append(flags(program, profile), remote.WebSocket, chromedp.Flag("remote-debugging-port", "0"))...)
	defer stop()
	ctx, end := chromedp.NewContext(ctx)
	defer end()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "Chromium: %v\n", err)
		return 1
	}
	defer chromedp.Cancel(ctx)
	at, err := os.ReadFile(filepath.Join(profile, "DevToolsActivePort")) // port and path, each on a line
	port, path, found := strings.Cut(strings.TrimSpace(string(at)), "\n")
	if err != nil || !found {
		fmt.Fprintf(os.Stderr, "Chromium's address: %q %v\n", at, err)
		return 1
	}
	os.Setenv(shared, "ws://127.0.0.1:"+port+path)
	return s.Tests.Run()
}
