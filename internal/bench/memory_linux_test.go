package bench

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

const (
	idleMemory     = 17 << 20
	afterStorm     = 60 << 20
	stormSize      = 5000
	atOnce         = 5000 // connections: more than the budget allows
	memoryPatience = time.Minute
)

// A sidecar mostly waits. What only its start needed, the system can have.
func TestMemoryOfAnIdleProxy(t *testing.T) {
	t.Parallel()
	p := program.Emulate(t).Serve("memory:")
	t.Logf("%.1f MB after %v", shrinksTo(t, p, idleMemory), time.Since(p.Since).Round(time.Second))
}

// 291 MB stayed with the process for good after 5,000 requests had met a revoked token together. They share one
// refresh, and each of them is answered.
func TestMemoryAfterAStormOfRefusals(t *testing.T) {
	t.Parallel()
	api := program.Emulate(t)
	p := api.Serve("memory:", "--max-in-flight", "6000", "--max-connections", "6000")
	p.Want("/public/v1/members/current", http.StatusOK)
	refreshes, _ := api.TokenCalls()
	api.Expire()
	begun := time.Now()
	statuses := map[int]int{}
	var mu sync.Mutex // guards statuses
	var under sync.WaitGroup
	slots := make(chan bool, atOnce)
	for range stormSize {
		slots <- true
		under.Go(func() {
			defer func() { <-slots }()
			status := ask(p.URL, "/public/v1/members/current")
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	under.Wait()
	took := time.Since(begun).Round(time.Millisecond)
	if statuses[http.StatusOK] != stormSize {
		t.Errorf("statuses %v, want %d times 200", statuses, stormSize)
	}
	if after, _ := api.TokenCalls(); after != refreshes+1 {
		t.Errorf("%d refreshes, want one", after-refreshes)
	}
	_, most := p.Memory()
	quiet := time.Now()
	now := shrinksTo(t, p, afterStorm)
	t.Logf("%d requests in %v; memory %.0f MB at most, %.1f MB after %v", stormSize, took, float64(most)/(1<<20), now, time.Since(quiet).Round(time.Second))
}

// ask sends a GET on a connection of its own and returns the status of the answer. Zero means that there was none.
func ask(base, path string) int {
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		return 0
	}
	defer conn.Close()
	io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// shrinksTo waits until p has at most that many bytes of memory, and returns how much it has, in MB.
func shrinksTo(t *testing.T, p *program.Process, limit int64) float64 {
	t.Helper()
	for end := time.Now().Add(memoryPatience); ; {
		now, _ := p.Memory()
		if now <= limit {
			return float64(now) / (1 << 20)
		}
		if time.Now().After(end) {
			t.Fatalf("%.1f MB after %v, want %d", float64(now)/(1<<20), memoryPatience, limit>>20)
		}
		<-time.After(100 * time.Millisecond)
	}
}
