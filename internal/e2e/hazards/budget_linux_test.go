package hazards

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// idleMemory is what is left of a program that has nothing to do.
const idleMemory = 17 << 20

// A sidecar is mostly idle. The system gets the memory back that only the start needed.
func TestMemoryOfAnIdleProxy(t *testing.T) {
	p := program.Emulate(t).Serve("memory:")
	t.Parallel() // pauses until the tests that are not parallel have ended
	t.Logf("%.1f MB after %v", p.ShrinksTo(idleMemory), time.Since(p.Since).Round(time.Second))
}

const containerMemory = 128 << 20

// throughShell runs a line of shell before a command, in the same process.
func throughShell(line string) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		c.Args = append([]string{"sh", "-c", line + ` && exec "$@"`, "sh", c.Path}, c.Args[1:]...)
		c.Path = "/bin/sh"
	}
}

// container returns a function that starts a command with containerMemory: in its own control group or, if this
// machine does not allow that, with the limit in the environment.
func container(t *testing.T) (prepare func(*exec.Cmd), env []string, killed func() bool) {
	t.Helper()
	for _, v := range []struct{ root, limit, events string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"},
		{"/sys/fs/cgroup", "memory.max", "memory.events"},
	} {
		dir := filepath.Join(v.root, fmt.Sprintf("pandadoc-auth-proxy-test-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-")))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		if os.WriteFile(filepath.Join(dir, v.limit), []byte(fmt.Sprint(containerMemory)), 0) != nil {
			os.Remove(dir)
			continue
		}
		_ = os.WriteFile(filepath.Join(dir, "memory.swappiness"), []byte("0"), 0)
		t.Logf("in a control group of %d MiB", containerMemory>>20)
		return throughShell("echo $$ >" + dir + "/cgroup.procs"), nil, func() bool {
			events, _ := os.ReadFile(filepath.Join(dir, v.events))
			return strings.Contains(string(events), "oom_kill ") && !strings.Contains(string(events), "oom_kill 0")
		}
	}
	t.Log("this machine has no control group for a test: GOMEMLIMIT instead")
	return func(*exec.Cmd) {}, []string{fmt.Sprintf("GOMEMLIMIT=%d", containerMemory*8/10)}, func() bool { return false }
}

// U3: thousands of clients never finish their header, or the TLS handshake before it. None has been authenticated.
func TestUnfinishedHeadersInASmallContainer(t *testing.T) {
	oneLine := "GET / HTTP/1.1\r\nHost: localhost\r\nA: " + strings.Repeat("a", 30<<10)
	manyLines := "GET / HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("a1:\r\n", 6<<10)
	for _, row := range []struct {
		name, scheme, text string
		clients            int // without a budget, this would need more memory than there is
	}{
		{"proxied, one long line", "http", oneLine, 4000}, {"proxied, many short lines", "http", manyLines, 2000},
		{"proxied, a handshake", "https", unfinishedHello(), 2000},
		{"admin, one long line", "admin", oneLine, 4000}, {"admin, many short lines", "admin", manyLines, 2000},
	} {
		t.Run(row.name, func(t *testing.T) {
			var secure []string
			if row.scheme == "https" {
				authority := newAuthority(t)
				cert, key := authority.write(t, t.TempDir(), authority.issue(t, leaf{names: []string{"localhost"}, serial: 1}))
				secure = []string{"--tls-cert", cert, "--tls-key", key}
			}
			prepare, env, killed := container(t)
			p := program.StartAs(t, prepare, append(signedIn(), env...), serveArgs(record(t).URL, secure...)...)
			at := addr(p.URL)
			if row.scheme == "admin" {
				at = addr(p.Admin)
			}
			attack(t, row.clients, at, row.text)
			stillServes(t, p)
			if got := metric(metrics(t, p), "go_gc_gomemlimit_bytes"); got < containerMemory*79/100 || got > containerMemory*8/10 {
				t.Errorf("the memory limit of the runtime is %.0f, want 80 %% of %d", got, containerMemory)
			}
			if killed() {
				t.Error("the control group had to kill")
			}
			_, most := p.Memory()
			if most > containerMemory {
				t.Errorf("RSS reached %d MB", most>>20)
			}
			t.Logf("U3: RSS at most %d MB", most>>20)
		})
	}
}

// U3: the API does not answer, and the requests in flight need more memory than there is.
func TestRequestsInFlightInASmallContainer(t *testing.T) {
	release := make(chan bool)
	api := newRecorder(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == "POST" {
			<-release
		}
	})
	api.Start()
	defer api.Close()
	defer close(release)
	prepare, env, killed := container(t)
	p := program.StartAs(t, prepare, append(signedIn(), env...), serveArgs(api.URL)...)
	var lines []string
	for i := range 90 {
		lines = append(lines, fmt.Sprintf("A%d: %s", i, strings.Repeat("a", 300)))
	}
	body := strings.Repeat("b", 60<<10)
	attack(t, 1500, addr(p.URL), call("POST", "/a", "localhost", append(lines, fmt.Sprintf("Content-Length: %d", len(body)))...)+body)
	stillServes(t, p)
	if killed() {
		t.Error("the control group had to kill")
	}
	if got := metric(metrics(t, p), `pandadoc_proxy_refused_total{code="overloaded"}`); got == 0 {
		t.Error("no request was refused for its header")
	}
	_, most := p.Memory()
	t.Logf("U3: RSS at most %d MB", most>>20)
}

// unfinishedHello is a ClientHello of 64 KiB without its last bytes, in records of 16 KiB.
func unfinishedHello() string {
	const record = "\x16\x03\x01\x40\x00"
	first := "\x01\x00\xff\xfc\x03\x03"
	rest := strings.Repeat(record+strings.Repeat("h", 16<<10), 2)
	return record + first + strings.Repeat("h", 16<<10-len(first)) + rest + record + strings.Repeat("h", 12<<10)
}

// stillServes sends a request to both ports. Like an ordinary client, it comes back if the answer says that there
// is no room yet.
func stillServes(t *testing.T, p *program.Process) {
	t.Helper()
	honest := &http.Client{Timeout: waitLimit, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // it only matters that there is an answer
	}}
	for _, target := range []string{p.URL + "/public/v1/members/current", p.Admin + "/livez"} {
		await(t, target+" to answer 200", func() bool {
			res, err := honest.Get(target)
			if err != nil {
				t.Errorf("%s: %v", target, err)
				return true
			}
			defer res.Body.Close()
			if res.StatusCode != 200 && (res.StatusCode != 503 || res.Header.Get("Retry-After") == "") {
				t.Errorf("%s: got %d, want 200", target, res.StatusCode)
				return true
			}
			return res.StatusCode == 200
		})
	}
}

// attack opens connections, sends a part of a header on each, and keeps them open until the test ends.
func attack(t *testing.T, connections int, at, text string) {
	t.Helper()
	var attackers sync.WaitGroup
	slots := make(chan struct{}, 64)
	for range connections {
		slots <- struct{}{}
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		attackers.Go(func() {
			defer func() { <-slots }()
			io.WriteString(conn, text) // it may be closed in the meantime, as it should
		})
	}
	attackers.Wait()
}

// U4: more idle connections to the admin listener than the process may have files.
func TestIdleConnectionsTakeNoDescriptors(t *testing.T) {
	fewFiles := throughShell("ulimit -n 1024")
	t.Run("admin", func(t *testing.T) {
		e := program.Emulate(t)
		p := program.StartAs(t, fewFiles, []string{
			"PANDADOC_CLIENT_ID=" + e.Info["client_id"], "PANDADOC_CLIENT_SECRET=" + e.Info["client_secret"],
			"PANDADOC_REFRESH_TOKEN=" + e.Info["refresh_token"],
		}, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--store", "file:"+t.TempDir(),
			"--api-url", e.Info["api"], "--token-url", e.Info["token_url"], "--authorize-url", e.Info["authorize_url"])
		p.Want("/public/v1/members/current", 200)
		attack(t, 1300, addr(p.Admin), "")
		stillServes(t, p)
		before, _ := e.TokenCalls()
		e.Expire()
		p.Want("/public/v1/members/current", 200)
		if after, _ := e.TokenCalls(); after != before+1 {
			t.Errorf("got %d refreshes, want 1", after-before)
		}
	})
	t.Run("proxied", func(t *testing.T) {
		p := program.StartAs(t, fewFiles, signedIn(), serveArgs(record(t).URL)...)
		attack(t, 1300, addr(p.URL), "")
		stillServes(t, p)
	})
}

// U3: copies of bodies in a tmpfs use memory too: at most a quarter of it.
func TestCopiesInATmpfsAreBounded(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "pandadoc-auth-proxy-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	arrived, release := make(chan bool), make(chan bool)
	api := newRecorder(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		arrived <- true
		<-release
	})
	api.Start()
	defer api.Close()
	p := program.StartAs(t, func(*exec.Cmd) {}, append(signedIn(), fmt.Sprintf("GOMEMLIMIT=%d", 64<<20)), serveArgs(api.URL, "--temp-dir", dir)...)
	for _, row := range []struct {
		size int64
		kept bool
	}{{10 << 20, true}, {20 << 20, false}} {
		conn := dial(t, addr(p.URL))
		go func() {
			io.WriteString(conn, call("POST", "/upload", "localhost", fmt.Sprintf("Content-Length: %d", row.size), "Connection: close"))
			io.CopyN(conn, zeros{}, row.size)
		}()
		<-arrived
		memory, disk := replayBytes(t, p)
		if kept := memory+disk == row.size; kept != row.kept {
			t.Errorf("of %d bytes %d are kept, want all: %v", row.size, memory+disk, row.kept)
		}
		release <- true
		read(t, bufio.NewReader(conn))
	}
}
