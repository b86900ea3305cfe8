package proxy

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

func TestTheObserverGetsTheTokensThatWereUsed(t *testing.T) {
	g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer default-1" {
			refuse401(w)
		}
	}})
	g.do("GET", "/public/v1/documents", nil)
	g.do("GET", "/public/v1/documents", nil)
	for i, want := range []struct{ refused, used uint64 }{{1, 2}, {0, 2}} {
		if x := g.exchange(i); x.RefusedGeneration != want.refused || x.Generation != want.used {
			t.Errorf("request %d: refused %d, used %d; want %d, %d", i, x.RefusedGeneration, x.Generation, want.refused, want.used)
		}
	}
}

func TestReplayBytesCountsWhatIsKeptNow(t *testing.T) {
	var g *rig
	var inMemory, onDisk int64
	g = newRig(t, rigOptions{handler: func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		inMemory, onDisk = g.proxy.ReplayBytes()
	}})
	for _, row := range []struct{ body, inMemory, onDisk int }{
		{1 << 10, 1 << 10, 0}, {256 << 10, 64 << 10, 192 << 10},
	} {
		g.do("POST", "/public/v1/documents", bytes.NewReader(make([]byte, row.body)))
		if inMemory != int64(row.inMemory) || onDisk != int64(row.onDisk) {
			t.Errorf("%d bytes: %d in memory and %d on disk; want %d, %d", row.body, inMemory, onDisk, row.inMemory, row.onDisk)
		}
		if inMemory, onDisk := g.proxy.ReplayBytes(); inMemory != 0 || onDisk != 0 {
			t.Errorf("afterwards %d in memory and %d on disk are kept; want none", inMemory, onDisk)
		}
	}
}

// 600 requests that were refused for their length left 87 MiB in the list of recent requests: the method was a part of the
// whole request line.
func TestWhatIsReportedKeepsNoRequestLine(t *testing.T) {
	for _, row := range []struct {
		name, target string
		n            int
	}{
		{"a target that is refused", "/" + strings.Repeat("a", 60_000), 250},
		{"a long query", "/public/v1/documents?q=" + strings.Repeat("a", 15_000), 1000},
		{"a long query after an account", "/@acme/public/v1/documents?q=" + strings.Repeat("a", 15_000), 1000},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newRig(t, rigOptions{handler: func(http.ResponseWriter, *http.Request) {}, configure: func(c *Config) { c.AccessLog = nil }})
			g.do("GET", "/public/v1/documents", nil)
			before := heap()
			for range row.n {
				g.do("GET", row.target, nil)
			}
			g.exchange(row.n)
			if more := heap() - before; more > 5<<20 {
				t.Errorf("%d reports hold %d KiB", row.n, more>>10)
			}
		})
	}
}

// 784 clients, as many as a container of 128 MiB serves at once, sent headers of 180 KB and a part of a body. The proxy
// refused them, but kept each header until the rest of the body had come: 180 MB.
func TestARefusedHeaderIsNotKept(t *testing.T) {
	g := newRig(t, rigOptions{})
	before := heap()
	var conns []net.Conn
	for range 250 {
		conn := g.dial()
		defer conn.Close()
		conns = append(conns, conn)
		io.WriteString(conn, "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nX-A: "+strings.Repeat("a", 60_000)+"\r\n\r\n")
		if _, err := conn.Read(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if more := heap() - before; more > 5<<20 {
		t.Errorf("250 requests that were refused hold %d KiB", more>>10)
	}
	for _, conn := range conns { // or net/http would wait half a second for each
		io.WriteString(conn, strings.Repeat("b", 100))
	}
}

// net/http keeps the last request line of a connection, also while the connection is idle.
func TestAConnectionWithALargeRequestLineIsClosed(t *testing.T) {
	g := newRig(t, rigOptions{})
	for _, method := range []string{"GET", "NONE"} {
		if res, _, closed := g.raw(request(method, "/"+strings.Repeat("a", 60_000), "localhost")); res.StatusCode/100 != 4 || !closed {
			t.Errorf("%s: answer %d, closed %v; want an error and a closed connection", method, res.StatusCode, closed)
		}
	}
}

// heap returns how many bytes are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
