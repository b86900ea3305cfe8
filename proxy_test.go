// End to end: the built program against its own emulator, over loopback. Nothing of the inside is used.
package main_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

const documents = "/public/v1/documents"

func TestSandboxServesDocumentsAtOnce(t *testing.T) {
	p := program.Start(t, nil, "sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	var list struct{ Results []struct{ ID, Name string } }
	if err := json.Unmarshal(p.Want(documents, 200), &list); err != nil || len(list.Results) == 0 {
		t.Errorf("documents: %v, %d of them", err, len(list.Results))
	}
	now, _ := p.Memory()
	t.Logf("first answer %s after the start, with %.1f MB (emulator and all)", time.Since(p.Since).Round(time.Millisecond), float64(now)/1e6)
}

func TestIdleProxyIsSmall(t *testing.T) {
	p := program.Emulate(t).Serve("file:" + t.TempDir())
	first := time.Since(p.Since)
	p.Want(documents, 200)
	now, _ := p.Memory()
	t.Logf("ready after %s, first answer after %s, %.1f MB", first.Round(time.Millisecond), time.Since(p.Since).Round(time.Millisecond), float64(now)/1e6)
	if now > 25e6 {
		t.Errorf("%.1f MB, want less than 25", float64(now)/1e6)
	}
}

// body is size bytes that a seed repeats.
func body(size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{7}), size)
}

func hash(size int64) string {
	h := sha256.New()
	_, _ = io.Copy(h, body(size))
	return hex.EncodeToString(h.Sum(nil))
}

func TestRefusedUploadIsReplayedWhole(t *testing.T) {
	e := program.Emulate(t)
	p := e.Serve("file:" + t.TempDir())
	p.Want(documents, 200)
	// One client of its own: no connection that the 401 has closed is used again.
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 10 * time.Second}}
	for _, size := range []int64{0, 1 << 10, 64 << 10, 3 << 20, 50 << 20} {
		want := hash(size)
		for _, how := range []string{"Content-Length", "chunked", "Expect"} {
			for _, when := range []string{"after the upload", "before it", "in the middle"} {
				t.Run(fmt.Sprintf("%d bytes, %s, 401 %s", size, how, when), func(t *testing.T) {
					switch when {
					case "after the upload":
						e.Expire()
					default:
						read := map[string]int64{"before it": 0, "in the middle": size / 2}[when]
						e.Manage("POST", "/fault", fmt.Sprintf(`{"route":"POST /emulator/echo","kind":"refuse","read_bytes":%d}`, read), nil)
					}
					_, before := p.Memory()
					refreshes, _ := e.TokenCalls()
					req, _ := http.NewRequest("POST", p.URL+"/emulator/echo", body(size))
					if how != "chunked" {
						req.ContentLength = size
					}
					if size == 0 {
						req.Body = http.NoBody
					}
					if how == "Expect" {
						req.Header.Set("Expect", "100-continue")
					}
					resp, err := client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					answer, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					if resp.StatusCode != 200 {
						t.Fatalf("answer %d %s", resp.StatusCode, answer[:min(300, len(answer))])
					}
					if n, got := e.Arrived("/emulator/echo"); n != size || got != want {
						t.Errorf("%d bytes arrived with hash %s, want %d with %s", n, got, size, want)
					}
					if r, _ := e.TokenCalls(); r != refreshes+1 {
						t.Errorf("%d refreshes, want 1", r-refreshes)
					}
					if _, after := p.Memory(); after-before > 30e6 {
						t.Errorf("memory grew by %.1f MB", float64(after-before)/1e6)
					}
				})
			}
		}
	}
	now, most := p.Memory()
	t.Logf("%.1f MB now, %.1f MB at most", float64(now)/1e6, float64(most)/1e6)
}

func TestExpiredTokenCostsOneRefresh(t *testing.T) {
	for _, row := range []struct {
		requests int
		apart    time.Duration
	}{{200, 0}, {60, 20 * time.Millisecond}} {
		t.Run(fmt.Sprintf("%d requests, %s apart", row.requests, row.apart), func(t *testing.T) {
			e := program.Emulate(t)
			p := e.Serve("file:" + t.TempDir())
			p.Want(documents, 200)
			before, _ := e.TokenCalls()
			e.Manage("POST", "/fault", `{"route":"token","kind":"delay","delay":"300ms"}`, nil)
			e.Expire()
			tick := time.NewTicker(max(row.apart, 1))
			defer tick.Stop()
			var wg sync.WaitGroup
			for range row.requests {
				wg.Go(func() { p.Want(documents, 200) })
				<-tick.C
			}
			wg.Wait()
			if r, invalid := e.TokenCalls(); r-before != 1 || invalid != 0 {
				t.Errorf("%d refreshes, %d invalid_grant; want 1, 0", r-before, invalid)
			}
		})
	}
}

func TestKilledBetweenRequestsNothingIsLost(t *testing.T) {
	e := program.Emulate(t)
	store := filepath.Join(t.TempDir(), "store")
	const kills = 8
	for i := range kills {
		p := e.Serve("file:" + store)
		p.Want(documents, 200)
		e.Expire()
		p.Want(documents, 200)
		p.Kill()
		var rec struct {
			Generation int
			Pending    any
		}
		data, err := os.ReadFile(filepath.Join(store, "default.json"))
		if err != nil || json.Unmarshal(data, &rec) != nil {
			t.Fatalf("store after kill %d: %v", i+1, err)
		}
		if rec.Generation != i+3 || rec.Pending != nil {
			t.Errorf("store after kill %d holds generation %d, pending %v; want %d, none", i+1, rec.Generation, rec.Pending, i+3)
		}
	}
	if r, invalid := e.TokenCalls(); r != kills+1 || invalid != 0 {
		t.Errorf("%d refreshes, %d invalid_grant; want %d, 0", r, invalid, kills+1)
	}
}

func TestTwoProcessesOnOneStoreRotateInTurn(t *testing.T) {
	e := program.Emulate(t)
	store := "file:" + t.TempDir()
	both := []*program.Process{e.Serve(store), e.Serve(store)}
	both[0].Want(documents, 200)
	ctx, stop := context.WithCancel(t.Context())
	var served atomic.Int64
	more := make(chan struct{}, 1) // has an element if served has grown
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				both[i%2].Want(documents, 200)
				served.Add(1)
				select {
				case more <- struct{}{}:
				default:
				}
			}
		})
	}
	await := func(requests int64) {
		for target := served.Load() + requests; served.Load() < target; {
			<-more
		}
	}
	before, _ := e.TokenCalls()
	for range 4 {
		await(200)
		e.Expire()
	}
	await(200)
	stop()
	wg.Wait()
	if r, invalid := e.TokenCalls(); r-before != 4 || invalid != 0 {
		t.Errorf("%d refreshes, %d invalid_grant; want 4, 0", r-before, invalid)
	}
	t.Logf("%d requests served", served.Load())
}

func TestRouteThatAlwaysRefusesCostsNoRefresh(t *testing.T) {
	e := program.Emulate(t)
	p := e.Serve("file:" + t.TempDir())
	var list struct{ Results []struct{ ID string } }
	if err := json.Unmarshal(p.Want(documents, 200), &list); err != nil {
		t.Fatal(err)
	}
	before, _ := e.TokenCalls()
	for range 20 {
		resp, err := http.Get(p.URL + documents + "/" + list.Results[0].ID + "/download-protected")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if note := resp.Header.Get("Proxy-Status"); resp.StatusCode != 401 || !strings.Contains(note, "not-retried: token-good") {
			t.Errorf("answer %d, Proxy-Status %q", resp.StatusCode, note)
		}
	}
	if r, _ := e.TokenCalls(); r != before {
		t.Errorf("%d refreshes, want none", r-before)
	}
}

func TestLongAnswersArriveAsTheyAreSent(t *testing.T) {
	const streamed = 64 << 20 // more than memory may grow
	e := program.Emulate(t)
	p := e.Serve("file:" + t.TempDir())
	p.Want(documents, 200)
	before, _ := p.Memory()
	resp, err := http.Get(p.URL + fmt.Sprintf("/emulator/stream?bytes=%d", streamed))
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	_, most := p.Memory()
	if n != streamed || err != nil || most-before > 30e6 {
		t.Errorf("%d bytes, %v, memory grew by %.1f MB", n, err, float64(most-before)/1e6)
	}
	t.Logf("%d MiB through, memory grew by %.1f MB", streamed>>20, float64(most-before)/1e6)
	resp, err = http.Get(p.URL + "/emulator/events?count=3&interval=500ms")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	begin := time.Now()
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	first := time.Since(begin)
	_, _ = io.Copy(io.Discard, resp.Body)
	if all := time.Since(begin); first > all/2 {
		t.Errorf("the first event came after %s of %s", first, all)
	}
}

func TestEarlyRefusalReachesTheClientThatUploads(t *testing.T) {
	e := program.Emulate(t)
	p := e.Serve("file:" + t.TempDir())
	for i := range 10 {
		e.Manage("POST", "/fault", `{"route":"POST /emulator/echo","kind":"status","status":413,"read_bytes":65536}`, nil)
		resp, err := http.Post(p.URL+"/emulator/echo", "application/octet-stream", body(20<<20))
		if err != nil {
			t.Fatalf("upload %d: %v", i, err)
		}
		resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("upload %d: answer %d, want 413", i, resp.StatusCode)
		}
	}
}

// PandaDoc's own client, used in the usual way: it has no credential, and knows nothing but the base URL.
// internal/sandbox/sdk_test.go tells how to install it.
func TestOfficialClientNeedsNothingButTheBaseURL(t *testing.T) {
	modules := os.Getenv("PANDADOC_NODE_CLIENT")
	if modules == "" {
		t.Skip("PANDADOC_NODE_CLIENT does not name a node_modules directory with pandadoc-node-client")
	}
	p := program.Start(t, nil, "sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	client := exec.CommandContext(t.Context(), "node", filepath.Join("internal", "sandbox", "testdata", "sdk", "run.js"), p.URL, p.Info["api"])
	client.Env = []string{"PATH=" + os.Getenv("PATH"), "NODE_PATH=" + modules}
	out, err := client.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "65 of 65 methods called") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
