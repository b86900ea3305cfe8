// Package program builds the real program and runs it for end-to-end tests: the emulator alone, and proxies
// that are signed in to it. Everything that it starts ends when the test ends.
package program

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is the variable with the path of the program that Main has built. It is in the environment, because
// packages must have no state.
const program = "PANDADOC_AUTH_PROXY_UNDER_TEST"

// Main builds the program, runs the tests of a package, removes the program, and returns the exit status. If
// PANDADOC_AUTH_PROXY_UNDER_TEST names a program, Main uses that instead.
func Main(m interface{ Run() int }) int {
	if os.Getenv(program) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "pandadoc-auth-proxy-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "pandadoc-auth-proxy")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, "pandadoc-auth-proxy")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	os.Setenv(program, bin)
	return m.Run()
}

// Process is the program, running.
type Process struct {
	t     *testing.T
	cmd   *exec.Cmd
	URL   string // of the proxied port; empty for the emulator alone
	Admin string
	Info  map[string]string // the line on standard output
	Since time.Time

	logged chan struct{} // closed when standard error has ended

	socketOnly bool // there is no TCP port for the admin listener

	mu  sync.Mutex
	log bytes.Buffer // standard error
}

// Start runs the program until it is ready. It ends with the test.
func Start(t *testing.T, env []string, args ...string) *Process {
	t.Helper()
	return StartAs(t, func(*exec.Cmd) {}, env, args...)
}

// StartAs is Start for a command that prepare may change first: its user, its limits, its directory. It does not
// wait for a running refresh; see Wait.
func StartAs(t *testing.T, prepare func(*exec.Cmd), env []string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(Binary(), args...), Since: time.Now(), logged: make(chan struct{})}
	p.cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, env...)
	if os.Getenv(talkative) != "" && !strings.Contains(strings.Join(args, " "), "--emulator-only") {
		p.cmd.Args = append(p.cmd.Args, "--log-level", "trace")
	}
	prepare(p.cmd)
	stdout, err1 := p.cmd.StdoutPipe()
	stderr, err2 := p.cmd.StderrPipe()
	if err := p.cmd.Start(); err != nil || err1 != nil || err2 != nil {
		t.Fatal(err, err1, err2)
	}
	t.Cleanup(func() {
		p.Kill()
		p.checkSecrets()
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Logf("%v wrote:\n%s", args, p.log.Bytes()[max(0, p.log.Len()-4000):])
		}
	})
	p.socketOnly = strings.Contains(strings.Join(append(p.cmd.Env, args...), " "), "PANDADOC_ADMIN_LISTEN=none")
	ready := make(chan bool, 1)
	go p.read(stderr, ready)
	alone := args[0] == "refresh" || strings.Contains(strings.Join(args, " "), "--emulator-only")
	if args[0] == "sandbox" {
		if err := json.NewDecoder(stdout).Decode(&p.Info); err != nil {
			t.Fatalf("the line on standard output: %v", err)
		}
	}
	go io.Copy(io.Discard, stdout)
	if alone {
		return p
	}
	select {
	case ok := <-ready:
		if !ok {
			t.Fatalf("%v ended before it was ready", args)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%v is not ready after 30 s", args)
	}
	return p
}

var (
	readyLine = regexp.MustCompile(`^listening on (\S+) -> `)
	adminLine = regexp.MustCompile(`^admin on (\S+)`)
)

// read keeps standard error and says when both ports have been named.
func (p *Process) read(r io.Reader, ready chan<- bool) {
	defer close(p.logged)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.log.WriteString(lines.Text() + "\n")
		if m := readyLine.FindStringSubmatch(lines.Text()); m != nil && p.URL == "" {
			p.URL = m[1]
		}
		if m := adminLine.FindStringSubmatch(lines.Text()); m != nil && p.Admin == "" {
			p.Admin = m[1]
		}
		done := p.URL != "" && (p.Admin != "" || p.socketOnly)
		p.mu.Unlock()
		if done && ready != nil {
			ready <- true
			ready = nil
		}
	}
	if ready != nil {
		ready <- false
	}
}

// Kill ends the process as a power cut would.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// Memory returns what the process holds in memory now and held at most, in bytes.
func (p *Process) Memory() (now, most int64) {
	p.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	field := func(name string) int64 {
		m := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(data)
		kb, _ := strconv.ParseInt(string(m[1]), 10, 64)
		return kb << 10
	}
	return field("VmRSS"), field("VmHWM")
}

// memoryPatience limits the wait for a program to return memory, which it does half a minute after a burst.
const memoryPatience = time.Minute

// ShrinksTo waits until the process has at most limit bytes of memory, and returns how much it has, in MB.
func (p *Process) ShrinksTo(limit int64) float64 {
	p.t.Helper()
	for end := time.Now().Add(memoryPatience); ; {
		now, _ := p.Memory()
		if now <= limit {
			return float64(now) / (1 << 20)
		}
		if time.Now().After(end) {
			p.t.Fatalf("%.1f MB after %v, want %d", float64(now)/(1<<20), memoryPatience, limit>>20)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// Emulator is the emulator alone, without misbehaviour.
type Emulator struct{ *Process }

// Emulate starts the emulator alone, with a behaviour that tests can rely on.
func Emulate(t *testing.T, args ...string) Emulator {
	t.Helper()
	return Emulator{Start(t, nil, append([]string{"sandbox", "--emulator-only", "--calm"}, args...)...)}
}

// Serve starts a proxy that is signed in to the emulator.
func (e Emulator) Serve(store string, args ...string) *Process {
	e.t.Helper()
	return e.ServeAs(func(*exec.Cmd) {}, store, args...)
}

// ServeAs is Serve for a command that prepare may change first.
func (e Emulator) ServeAs(prepare func(*exec.Cmd), store string, args ...string) *Process {
	e.t.Helper()
	return StartAs(e.t, prepare, []string{
		"PANDADOC_CLIENT_ID=" + e.Info["client_id"], "PANDADOC_CLIENT_SECRET=" + e.Info["client_secret"],
		"PANDADOC_REFRESH_TOKEN=" + e.Info["refresh_token"],
	}, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--store", store, "--log-level", "warning",
		"--api-url", e.Info["api"], "--token-url", e.Info["token_url"], "--authorize-url", e.Info["authorize_url"],
	}, args...)...)
}

// Manage calls the emulator's management address.
func (e Emulator) Manage(method, path, body string, into any) {
	e.t.Helper()
	req, err := http.NewRequest(method, e.Info["manage"]+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 {
		e.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, data)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			e.t.Fatal(err)
		}
	}
}

// Expire ends every access token: the next request meets 401, and a refresh helps.
func (e Emulator) Expire() { e.t.Helper(); e.Manage("POST", "/expire", "", nil) }

// TokenCalls returns the pairs given for refresh tokens, and the invalid_grant answers.
func (e Emulator) TokenCalls() (refreshes, invalid int) {
	e.t.Helper()
	var s struct {
		TokenCalls map[string]int `json:"token_calls"`
	}
	e.Manage("GET", "/stats", "", &s)
	return s.TokenCalls["refreshes"], s.TokenCalls["invalid_grant"]
}

// Arrived returns the size and hash of the body of the newest request that was answered 200.
func (e Emulator) Arrived(path string) (int64, string) {
	e.t.Helper()
	var h struct {
		Entries []struct {
			Target     string
			Status     int
			BodyBytes  int64  `json:"body_bytes"`
			BodySHA256 string `json:"body_sha256"`
		}
	}
	e.Manage("GET", "/history", "", &h)
	for i := len(h.Entries) - 1; i >= 0; i-- {
		if x := h.Entries[i]; x.Target == path && x.Status < 300 {
			return x.BodyBytes, x.BodySHA256
		}
	}
	return -1, ""
}

// Get returns the status and the body.
func (p *Process) Get(path string) (int, []byte) {
	p.t.Helper()
	resp, err := http.Get(p.URL + path)
	if err != nil {
		p.t.Error(err)
		return 0, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Error(err)
	}
	return resp.StatusCode, body
}

// Want fails the test unless GET path is answered with status, and returns the body.
func (p *Process) Want(path string, status int) []byte {
	p.t.Helper()
	got, body := p.Get(path)
	if got != status {
		p.t.Errorf("GET %s = %d %s, want %d", path, got, body[:min(300, len(body))], status)
	}
	return body
}

// FreePort returns a port that nobody uses now, on any address. A redirect URL must name its port before anyone listens.
// The port is below those that systems give to outgoing connections (RFC 6335 section 6, and Linux's own range from
// 32768), or one of them would sometimes take it first. Until the test ends, FreePort listens on the port above it, so
// that no other test gets the same one.
func FreePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := 10_000 + 2*rand.N(5_000) // those of redistest are above
		claim, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+1))
		if err != nil {
			continue
		}
		t.Cleanup(func() { claim.Close() })
		if l, err := net.Listen("tcp", ":"+strconv.Itoa(port)); err == nil {
			l.Close()
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no free port")
	return ""
}
