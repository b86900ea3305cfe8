package proxy

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"pandadoc-auth-proxy/proxy/spool"
)

func TestReplayBudgets(t *testing.T) {
	tests := []struct {
		name      string
		configure func(*Config)
		size      int
		replayed  bool
		where     string
	}{
		{"fits into memory", func(c *Config) { c.ReplayMemory, c.ReplayDisk = 100, 0 }, 100, true, spool.InMemory},
		{"memory only, too long", func(c *Config) { c.ReplayMemory, c.ReplayDisk = 100, 0 }, 101, false, ""},
		{"goes to disk", func(c *Config) { c.ReplayMemory, c.ReplayDisk = 100, 200 }, 200, true, spool.OnDisk},
		{"too long for the disk", func(c *Config) { c.ReplayMemory, c.ReplayDisk = 100, 200 }, 201, false, ""},
		{"disk only", func(c *Config) { c.ReplayMemory, c.ReplayDisk = 0, 200 }, 200, true, spool.OnDisk},
		{"nothing is kept", func(c *Config) { c.ReplayMemory, c.ReplayDisk = 0, 0 }, 1, false, ""},
		{"within the process's budget", func(c *Config) { c.ReplayTotal = 200 }, 200, true, spool.InMemory},
		{"over the process's budget", func(c *Config) { c.ReplayTotal = 200 }, 201, false, ""},
		{"no place for files", func(c *Config) { c.ReplayMemory, c.TempDir = 100, filepath.Join(c.TempDir, "missing") }, 200, false, ""},
	}
	for _, tt := range tests {
		for _, framing := range []string{"Content-Length", "chunked"} {
			t.Run(tt.name+", "+framing, func(t *testing.T) {
				g := newRig(t, rigOptions{valid: "default-2", configure: tt.configure})
				var body io.Reader = bytes.NewReader(payload(tt.size))
				if framing == "chunked" {
					body = chunked(payload(tt.size))
				}
				res, _ := g.do("POST", "/a", body)
				if got := res.StatusCode == 200; got != tt.replayed {
					t.Errorf("answer %d, want replayed %v", res.StatusCode, tt.replayed)
				}
				if !tt.replayed && !strings.Contains(res.Header.Get("Proxy-Status"), ReasonBodyNotKept) {
					t.Errorf("Proxy-Status %q does not say %s", res.Header.Get("Proxy-Status"), ReasonBodyNotKept)
				}
				x := g.exchange(0)
				if tt.replayed && (x.Spooled != int64(tt.size) || x.SpooledOn != tt.where) {
					t.Errorf("told %d bytes %q, want %d %q", x.Spooled, x.SpooledOn, tt.size, tt.where)
				}
				if got, want := g.proxy.budget.Left(), g.proxy.cfg.ReplayTotal; got != want {
					t.Errorf("budget left %d, want %d", got, want)
				}
			})
		}
	}
}

func TestUnusableTempDirIsReportedOnce(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) { c.ReplayMemory, c.TempDir = 10, "/dev/null/x" }})
	for range 3 {
		if res, _ := g.do("POST", "/a", bytes.NewReader(payload(100))); res.StatusCode != 200 {
			t.Errorf("answer %d, want 200", res.StatusCode)
		}
	}
	g.exchange(2)
	if got := strings.Count(g.log.String(), "no temporary file"); got != 1 {
		t.Errorf("said %d times, want once:\n%s", got, g.log)
	}
}

// A temporary file has no name while it is in use, so a crash leaves nothing behind.
func TestTemporaryFilesHaveNoName(t *testing.T) {
	var dir string
	var g *rig
	g = newRig(t, rigOptions{configure: func(c *Config) { dir = c.TempDir }, handler: func(w http.ResponseWriter, r *http.Request) {
		g.upstream.record(r)
		if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
			t.Errorf("the directory holds %v, %v", names, err)
		}
	}})
	g.do("POST", "/a", bytes.NewReader(payload(1<<20)))
	if x := g.exchange(0); x.SpooledOn != spool.OnDisk {
		t.Errorf("spooled on %q, want disk", x.SpooledOn)
	}
}

// H5: memory does not grow with the size of uploads.
func TestLargeUploadsDoNotNeedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 8 large bodies")
	}
	g := newRig(t, rigOptions{valid: "default-2"})
	body := payload(large())
	want := sha(body)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if res, err := g.client.Post(g.url+"/a", "", bytes.NewReader(body)); err != nil || res.StatusCode != 200 {
				t.Errorf("answer %v, %v", res, err)
			} else {
				res.Body.Close()
			}
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 30<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	for _, s := range g.upstream.seen() {
		if s.SHA256 != want {
			t.Errorf("upstream got %d other bytes", s.Bytes)
		}
	}
}

// The tests of the manager cover I1. Here, many concurrent requests are each replayed with their own body.
func TestConcurrentReplays(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		g := newRig(t, rigOptions{http2: h2, valid: "default-2"})
		var wg sync.WaitGroup
		for i := range 100 {
			body := payload(i * 3000)
			wg.Go(func() {
				res, err := g.client.Post(g.url+"/a", "", bytes.NewReader(body))
				if err != nil || res.StatusCode != 200 {
					t.Errorf("answer %v, %v", res, err)
					return
				}
				res.Body.Close()
			})
		}
		wg.Wait()
		got := map[string]int{}
		for _, s := range g.upstream.seen() {
			if s.Header.Get("Authorization") == "Bearer default-2" {
				got[s.SHA256]++
			}
		}
		for i := range 100 {
			if n := got[sha(payload(i*3000))]; n != 1 {
				t.Errorf("HTTP/2 %v: body %d arrived %d times with the good token", h2, i, n)
			}
		}
	}
}
