package hazards

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// whole makes the tests of resources as large as the documented limits:
//
//	go test ./internal/e2e/hazards -run 'Slow|Uploads|Flood' -hazards.whole -timeout 30m
var whole = flag.Bool("hazards.whole", false, "full sizes and real limits")

// drip sends one piece after another until the connection breaks or the test ends.
func drip(ctx context.Context, conn net.Conn, every time.Duration, piece string) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(conn, piece); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// prompt connects and sends begin, within limit: on a busy machine a client of the test can be too slow by itself, and
// then it connects again. It returns when the connection was made.
func prompt(t *testing.T, addr, begin string, limit time.Duration) (net.Conn, time.Time) {
	t.Helper()
	for range 100 {
		start := time.Now()
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, begin)
		if time.Since(start) < limit {
			return conn, start
		}
		conn.Close()
	}
	t.Fatalf("no connection sent its header within %v", limit)
	return nil, time.Time{}
}

// H1 H2: slow clients are cut off in time, and a normal client is served at the same time.
func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	headerLimit, bodyLimit := time.Second, 2*time.Second
	args := []string{"--client-header-timeout", "1s", "--client-body-timeout", "2s"}
	if *whole {
		headerLimit, bodyLimit, args = 10*time.Second, time.Minute, nil
	}
	const each = 200
	api := record(t)
	p := serve(t, api.URL, args...)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	type end struct {
		kind   string
		after  time.Duration
		answer string
	}
	ends := make(chan end, 2*each)
	attack := func(kind, begin, piece string) {
		for range each {
			conn, start := prompt(t, addr(p.URL), begin, headerLimit/2)
			go drip(ctx, conn, headerLimit/4, piece)
			go func() {
				defer conn.Close()
				conn.SetReadDeadline(start.Add(10 * bodyLimit))
				answer, err := io.ReadAll(conn)
				e := end{kind, time.Since(start), string(answer[:min(len(answer), 12)])}
				if len(answer) == 0 && errors.Is(err, syscall.ECONNRESET) {
					e.answer = "reset"
				}
				ends <- e
			}()
		}
	}
	attack("header", "GET /a HTTP/1.1\r\nHost: localhost\r\n", "X-A: a\r\n")
	attack("body", call("POST", "/a", "localhost", "Content-Length: 1000000"), "x")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var worst time.Duration
	latest, answers := map[string]time.Duration{}, map[string]int{}
	honest := 0
	for closed := 0; closed < 2*each; {
		select {
		case e := <-ends:
			closed++
			latest[e.kind] = max(latest[e.kind], e.after)
			answers[e.kind+" "+e.answer]++
		case <-tick.C:
			start := time.Now()
			if got := raw(t, addr(p.URL), get("/honest", "Connection: close")); got == nil || got.StatusCode != 200 {
				t.Fatalf("an honest client got %+v", got)
			}
			honest++
			worst = max(worst, time.Since(start))
		}
	}
	// The machine's clock is not exact, so allow some tolerance.
	for kind, limit := range map[string]time.Duration{"header": headerLimit, "body": bodyLimit} {
		if latest[kind] > 2*limit+5*time.Second {
			t.Errorf("the last slow %s was cut off after %v, with a limit of %v", kind, latest[kind], limit)
		}
	}
	// A client of the test that reads half a second late finds a reset instead: it sent more after the proxy had closed
	// the connection.
	if got, late := answers["body HTTP/1.1 408"], answers["body reset"]; got+late != each || late > each/10 {
		t.Errorf("the answers were %v, want 408 for every slow body", answers)
	}
	t.Logf("H1: %d slow headers closed after %v at most (limit %v); H2: %d slow bodies after %v (limit %v)", each, latest["header"].Round(time.Millisecond), headerLimit, each, latest["body"].Round(time.Millisecond), bodyLimit)
	t.Logf("%d honest requests meanwhile, the slowest took %v", honest, worst.Round(time.Millisecond))
}

// H5: bodies are kept for a replay within limits, also if many come at once.
func TestUploadsUnderAMemoryLimit(t *testing.T) {
	const uploads = 200
	size := int64(1 << 20)
	if *whole {
		size = 100e6
	}
	const limit = 256 << 20
	var read atomic.Int32
	release := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	defer letGo()
	api := newRecorder(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != size {
			w.WriteHeader(http.StatusTeapot)
		}
		read.Add(1)
		<-release // so that all copies are needed at once
	})
	api.Start()
	defer api.Close()
	temp := t.TempDir()
	const onDisk = 100 << 20
	p := program.Start(t, append(signedIn(), "GOMEMLIMIT="+fmt.Sprint(limit)), serveArgs(api.URL, "--temp-dir", temp, "--replay-total", "100MiB", "--log-level", "warning")...)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[string]int{}
	done := make(chan struct{})
	for range uploads {
		wg.Go(func() {
			conn, err := net.Dial("tcp", addr(p.URL))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			go func() {
				io.WriteString(conn, call("POST", "/upload", "localhost", fmt.Sprintf("Content-Length: %d", size)))
				io.CopyN(conn, zeros{}, size)
			}()
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				statuses[err.Error()]++
				return
			}
			statuses[res.Status]++
		})
	}
	go func() { wg.Wait(); close(done) }()
	var kept, copies int64
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-tick.C:
			all := read.Load() == uploads
			memory, disk := replayBytes(t, p)
			kept, copies = max(kept, memory+disk), max(copies, disk)
			if all {
				letGo()
			}
		}
	}
	if kept < onDisk/2 {
		t.Errorf("only %d MB were kept: the budget of %d was not tried", kept>>20, onDisk>>20)
	}
	_, most := p.Memory()
	if len(statuses) != 1 || statuses["200 OK"] != uploads {
		t.Errorf("the answers were %v, want %d of 200", statuses, uploads)
	}
	if most > limit {
		t.Errorf("RSS reached %d MB, want less than %d", most>>20, limit>>20)
	}
	if kept > onDisk {
		t.Errorf("%d MB were kept for a replay, want %d at most", kept>>20, onDisk>>20)
	}
	await(t, "the copies to be given back", func() bool { return len(nameless(p)) == 0 })
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("%d files are left in the temporary directory", len(left))
	}
	t.Logf("H5: %d uploads of %d MB at once: RSS at most %.0f MB, %d MB kept for a replay at most (%d on disk), budget %d MB", uploads, size/1e6, float64(most)/1e6, kept>>20, copies>>20, onDisk>>20)
}

// nameless lists the open files of a process that have no name.
func nameless(p *program.Process) (names []string) {
	dir := fmt.Sprintf("/proc/%d/fd", p.PID())
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if to, err := os.Readlink(filepath.Join(dir, f.Name())); err == nil && strings.HasSuffix(to, "(deleted)") {
			names = append(names, to)
		}
	}
	return names
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// replayBytes returns how much is kept for a replay now, from the metrics.
func replayBytes(t *testing.T, p *program.Process) (memory, disk int64) {
	t.Helper()
	text := metrics(t, p)
	return int64(metric(text, `pandadoc_proxy_replay_bytes{where="memory"}`)), int64(metric(text, `pandadoc_proxy_replay_bytes{where="disk"}`))
}

func metrics(t *testing.T, p *program.Process) string {
	t.Helper()
	got := raw(t, addr(p.Admin), get("/metrics", "Connection: close"))
	if got == nil || got.StatusCode != 200 {
		t.Fatalf("metrics: %+v", got)
	}
	return got.body
}

func metric(text, name string) (value float64) {
	if m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text); m != nil {
		fmt.Sscan(m[1], &value)
	}
	return value
}

// H6: the API must refuse an endless body. It streams on until then, and needs neither memory nor disk.
func TestEndlessBody(t *testing.T) {
	const enough = 100 << 20 // more than is kept for a replay, and more than memory may grow
	p := serve(t, crooked(t, func(conn net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.CopyN(io.Discard, req.Body, enough)
			io.WriteString(conn, "HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		}
	}), "--replay-disk", "32MiB")
	_, before := p.Memory()
	conn := dial(t, addr(p.URL))
	go func() {
		io.WriteString(conn, call("POST", "/a", "localhost", "Transfer-Encoding: chunked"))
		chunk := append([]byte("10000\r\n"), append(make([]byte, 1<<16), "\r\n"...)...)
		for {
			if _, err := conn.Write(chunk); err != nil {
				return
			}
		}
	}()
	if got := read(t, bufio.NewReader(conn)); got == nil || got.StatusCode != 413 {
		t.Errorf("answer %+v, want the API's 413", got)
	}
	if _, after := p.Memory(); after-before > 30<<20 {
		t.Errorf("memory grew by %d MB", (after-before)>>20)
	}
	if memory, disk := replayBytes(t, p); memory+disk != 0 {
		t.Errorf("%d bytes are still kept", memory+disk)
	}
}

// H9: the cost of a header is limited.
func TestLargeHeadersCostLittle(t *testing.T) {
	p := serve(t, record(t).URL)
	_, before := p.Memory()
	const clients, lines = 100, 90
	header := strings.Repeat("X-A: "+strings.Repeat("0", 300)+"\r\n", lines) // nearly as large as is allowed
	size := int64(len(header))
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			if got := raw(t, addr(p.URL), get("/a", header+"X-B: b", "Connection: close")); got == nil || got.StatusCode != 200 {
				t.Errorf("answer %+v", got)
			}
		})
	}
	wg.Wait()
	if _, after := p.Memory(); after-before > 100*clients*size/10 {
		t.Errorf("memory grew by %d MB for %d MB of headers", (after-before)>>20, clients*size>>20)
	}
}

// H12: files and goroutines are released, whatever breaks.
func TestNothingLeaks(t *testing.T) {
	api := newRecorder(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "abc")
			panic(http.ErrAbortHandler)
		case "/early":
			w.WriteHeader(413)
		default:
			io.Copy(io.Discard, r.Body)
		}
	})
	// Otherwise the proxy keeps idle connections, as it should. The second limit is for those that never had a
	// request, because their client left while they were being opened.
	api.Config.IdleTimeout, api.Config.ReadHeaderTimeout = 100*time.Millisecond, time.Second
	api.Start()
	defer api.Close()
	p := serve(t, api.URL, "--log-level", "error")
	wires := []string{
		get("/a", "Connection: close"), get("/cut"), get("/a", "Host: evil"), "garbage\r\n\r\n",
		call("POST", "/a", "localhost", "Content-Length: 100000") + "cut short",
		call("POST", "/early", "localhost", "Content-Length: 200000") + strings.Repeat("x", 200000),
		call("POST", "/a", "localhost", "Transfer-Encoding: chunked") + "ffffffff\r\nabc",
		get("/a", "Upgrade: websocket", "Connection: Upgrade"),
	}
	storm := func() {
		var wg sync.WaitGroup
		for range 20 {
			for _, wire := range wires {
				wg.Go(func() {
					conn, err := net.Dial("tcp", addr(p.URL))
					if err != nil {
						t.Error(err)
						return
					}
					io.WriteString(conn, wire)
					conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
					io.Copy(io.Discard, conn)
					conn.Close()
				})
			}
		}
		wg.Wait()
	}
	files, goroutines := openFiles(p), metric(metrics(t, p), "go_goroutines")
	for range 4 {
		storm()
	}
	await(t, fmt.Sprintf("no more than %d files and %.0f goroutines", files+5, goroutines+5), func() bool {
		return openFiles(p) <= files+5 && metric(metrics(t, p), "go_goroutines") <= goroutines+5
	})
}

// H14 H15: neither the log nor the metrics grow with requests of unknown clients.
func TestMemoryIsFreedAfterAFlood(t *testing.T) {
	requests := 3000
	if *whole {
		requests = 100_000
	}
	p := serve(t, record(t).URL)
	series := func() int { return len(regexp.MustCompile(`(?m)^pandadoc_`).FindAllString(metrics(t, p), -1)) }
	flood := func(from int) {
		conn, err := net.Dial("tcp", addr(p.URL))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() {
			var wire bytes.Buffer
			for i := range requests {
				path := fmt.Sprintf("/public/v1/%d/%d", from+i, i)
				wire.WriteString([]string{
					call("GET", path, fmt.Sprintf("host%d.example", i), "Content-Length: 0"),
					call(fmt.Sprintf("ODD%d", i%100), path, "localhost", "Content-Length: 0"),
					call("GET", fmt.Sprintf("/@made-up-%d%s", from+i, path), "localhost"),
				}[i%3])
				if wire.Len() > 1<<16 || i == requests-1 {
					wire.WriteTo(conn)
				}
			}
		}()
		r := bufio.NewReader(conn)
		for range requests {
			if got := read(t, r); got == nil || got.StatusCode < 400 {
				t.Fatalf("answer %+v", got)
			}
		}
	}
	flood(0)
	before, log := series(), len(p.Log())
	flood(requests)
	if after := series(); after != before {
		t.Errorf("H15: %d series, and %d after %d more paths", before, after, requests)
	}
	if log > 100<<10 { // five lines a second, after fifty
		t.Errorf("H14: %d bytes of log for %d refused requests", log, requests)
	}
	t.Logf("H14: %d KB of log for %d refused requests; H15: %d series", log>>10, requests, before)
}

// H11: no work is done for a client that has gone.
func TestGoneClientEndsTheRequest(t *testing.T) {
	gone := make(chan error, 1)
	api := newRecorder(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		gone <- r.Context().Err()
	})
	api.Start()
	defer api.Close()
	p := serve(t, api.URL)
	conn := dial(t, addr(p.URL))
	io.WriteString(conn, get("/slow"))
	await(t, "the request at the API", func() bool { return len(api.arrived()) == 1 })
	start := time.Now()
	conn.Close()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("the API was told after %v", took)
	}
	await(t, "the line of the log", func() bool {
		return slices.ContainsFunc(strings.Split(p.Log(), "\n"), func(l string) bool { return strings.Contains(l, "status=499") })
	})
}
