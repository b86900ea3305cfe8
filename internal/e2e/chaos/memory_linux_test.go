package chaos

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// afterStorm is what is left of a program half a minute after a storm.
const afterStorm = 60 << 20

// After 5,000 requests with a revoked token at once, 291 MB stayed with the process for good. They share one
// refresh, and each of them is answered.
func TestMemoryAfterAStormOfRefusals(t *testing.T) {
	const requests = 5000 // each on its own connection: more than the budget allows
	api := program.Emulate(t)
	p := api.Serve("memory:", "--max-in-flight", "6000", "--max-connections", "6000")
	p.Want("/public/v1/members/current", http.StatusOK)
	refreshes, _ := api.TokenCalls()
	api.Expire()
	begun := time.Now()
	statuses := map[int]int{}
	var mu sync.Mutex // guards statuses
	var sending sync.WaitGroup
	for range requests {
		sending.Go(func() {
			status := statusOf(p.URL, "/public/v1/members/current")
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	sending.Wait()
	took := time.Since(begun).Round(time.Millisecond)
	if statuses[http.StatusOK] != requests {
		t.Errorf("statuses %v, want %d times 200", statuses, requests)
	}
	if after, _ := api.TokenCalls(); after != refreshes+1 {
		t.Errorf("%d refreshes, want one", after-refreshes)
	}
	_, most := p.Memory()
	quiet := time.Now()
	t.Parallel() // the others begin only now
	now := p.ShrinksTo(afterStorm)
	t.Logf("%d requests in %v; memory %.0f MB at most, %.1f MB after %v", requests, took, float64(most)/(1<<20), now, time.Since(quiet).Round(time.Second))
}

// statusOf sends a GET on a new connection and returns the status of the answer. Zero means that there was none.
//
// On a busy machine a client may send its request so late that the proxy has closed the silent connection, to make room
// for others. Such a client tries again.
func statusOf(base, path string) (status int) {
	for late := true; late && status == 0; {
		status, late = statusOnce(base, path)
	}
	return status
}

func statusOnce(base, path string) (status int, late bool) {
	begun := time.Now()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		return 0, false
	}
	defer conn.Close()
	io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	late = time.Since(begun) > time.Second/2
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, late
	}
	io.Copy(io.Discard, res.Body)
	return res.StatusCode, late
}
