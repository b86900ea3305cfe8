package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"slices"
	"testing"
)

func nullLog() *log.Logger { return log.New(io.Discard, "", 0) }

// payload returns n bytes that compress badly and have no repeated parts.
func payload(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// large is the length of a body that fits into no buffer and no window. Under the race detector every byte costs at
// each step on its way, and races do not depend on their number: 18 rows of 100 MiB took most of the package's time.
func large() int {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return 20 << 20
	}
	return 100 << 20
}

// chunked hides the length of a body from net/http's client.
func chunked(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b)) }

func TestReplayMatrix(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 1 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 3 << 20}
	if !testing.Short() {
		sizes = append(sizes, large())
	}
	for _, size := range sizes {
		body := payload(size)
		want := sha(body)
		for _, protocol := range []string{"HTTP/1", "HTTP/2"} {
			for _, framing := range []string{"Content-Length", "chunked", "Expect"} {
				for _, refused := range []string{"before the body", "in the middle", "after the body"} {
					t.Run(fmt.Sprintf("%d bytes, %s, %s, 401 %s", size, protocol, framing, refused), func(t *testing.T) {
						testReplay(t, body, want, protocol == "HTTP/2", framing, refused)
					})
				}
			}
		}
	}
}

func testReplay(t *testing.T, body []byte, want string, h2 bool, framing, refused string) {
	var g *rig
	g = newRig(t, rigOptions{http2: h2, handler: func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer default-1" {
			switch refused {
			case "in the middle":
				io.CopyN(io.Discard, r.Body, int64(len(body)/2))
			case "after the body":
				io.Copy(io.Discard, r.Body)
			}
			refuse401(w)
			return
		}
		g.upstream.record(r)
		io.WriteString(w, "done")
	}})
	var reader io.Reader = bytes.NewReader(body)
	if framing == "chunked" {
		reader = chunked(body)
	}
	header := []string{"Content-Type", "application/octet-stream"}
	if framing == "Expect" {
		header = append(header, "Expect", "100-continue")
	}
	res, answer := g.do("POST", "/public/v1/documents?upload", reader, header...)
	if res.StatusCode != 200 || answer != "done" {
		t.Fatalf("answer %d %q, want 200 done", res.StatusCode, answer)
	}
	requests := g.upstream.seen()
	if len(requests) != 1 || requests[0].SHA256 != want || requests[0].Bytes != int64(len(body)) {
		t.Errorf("upstream got %+v, want the %d bytes once", requests, len(body))
	}
	if got := g.tokens.count(); got != 1 {
		t.Errorf("%d renewals, want 1", got)
	}
	x := g.exchange(0)
	if x.Attempts != 2 || x.Replay != ReplaySucceeded {
		t.Errorf("told of %d attempts and replay %q, want 2 and %q", x.Attempts, x.Replay, ReplaySucceeded)
	}
	if got, want := g.proxy.budget.Left(), g.proxy.cfg.ReplayTotal; got != want {
		t.Errorf("budget left %d, want all %d back", got, want)
	}
}
