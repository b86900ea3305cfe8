// Package hazards attacks the built program from outside: with raw sockets, a browser, other users of the
// machine, and an API that misbehaves. coverage_test.go lists every known hazard with its test, here or in
// another package; the tables in docs/security.md are generated from it. There is nothing here to import.
package hazards

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// TestMain lets more tests run at once than there are processors, because those that are parallel mostly wait. Tests that
// measure memory, files or times, or load the machine, run before them, one after the other.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "4")
	os.Exit(program.Main(m))
}

// waitLimit limits every wait for an event that happens at once unless the machine is overloaded.
const waitLimit = 30 * time.Second

// accessToken is the token of the proxies in these tests, unless a test uses another.
const accessToken = "canary-access-7f3b9c52d1e84a60"

// recorder is the API. It keeps every request, and every byte of every connection. Bytes that it does not have
// have not left the proxy.
type recorder struct {
	*httptest.Server
	answer http.HandlerFunc // nil answers 200 with {}

	mu       sync.Mutex // guards the fields below
	requests []request
	wire     []byte
	conns    int
}

// request is a request as it reached the API.
type request struct {
	Method, Target, Host string
	Header               http.Header
	Bytes                int64 // of the body; negative if it was cut off
}

func record(t *testing.T) *recorder {
	t.Helper()
	r := newRecorder(nil)
	r.Start()
	t.Cleanup(r.Close)
	return r
}

// newRecorder returns a recorder that does not listen yet.
func newRecorder(answer http.HandlerFunc) *recorder {
	r := &recorder{answer: answer}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
	r.Listener = &tap{r.Listener, r}
	r.Config.ErrorLog = quiet()
	return r
}

func (r *recorder) serve(w http.ResponseWriter, req *http.Request) {
	seen := request{Method: req.Method, Target: req.RequestURI, Host: req.Host, Header: req.Header.Clone()}
	if r.answer == nil {
		var err error
		if seen.Bytes, err = io.Copy(io.Discard, req.Body); err != nil {
			seen.Bytes = -1 // cut off: a server ignores it
		}
	}
	r.mu.Lock()
	r.requests = append(r.requests, seen)
	r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, "{}")
}

// arrived returns the requests up to now.
func (r *recorder) arrived() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// bytesOnTheWire returns all bytes of all connections.
func (r *recorder) bytesOnTheWire() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.wire)
}

// connections returns how many there have been.
func (r *recorder) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns
}

// tap is a listener that lets the recorder see all bytes.
type tap struct {
	net.Listener
	to *recorder
}

func (l *tap) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.to.mu.Lock()
	l.to.conns++
	l.to.mu.Unlock()
	return &tapped{conn, l.to}, nil
}

type tapped struct {
	net.Conn
	to *recorder
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.to.mu.Lock()
	defer c.to.mu.Unlock()
	if room := 4<<20 - len(c.to.wire); room > 0 { // enough for every request of these tests except uploads
		c.to.wire = append(c.to.wire, p[:min(n, room)]...)
	}
	return n, err
}

// serve starts a proxy in front of api, with accessToken.
func serve(t *testing.T, api string, args ...string) *program.Process {
	t.Helper()
	return program.Start(t, signedIn(), serveArgs(api, args...)...)
}

// serveWithKey starts a proxy with an API key: a 401 of the API goes to the client.
func serveWithKey(t *testing.T, api string, args ...string) *program.Process {
	t.Helper()
	return program.Start(t, []string{"PANDADOC_API_KEY=" + accessToken}, serveArgs(api, args...)...)
}

func signedIn() []string { return []string{"PANDADOC_ACCESS_TOKEN=" + accessToken} }

func serveArgs(api string, args ...string) []string {
	all := []string{"serve", "--store", "memory:", "--api-url", api, "--token-url", api + "/oauth2/access_token",
		"--authorize-url", api + "/oauth2/authorize"}
	for flag, value := range map[string]string{"--listen": "127.0.0.1:0", "--admin-listen": "127.0.0.1:0"} {
		if !slices.Contains(args, flag) {
			all = append(all, flag, value)
		}
	}
	return append(all, args...)
}

// addr returns the address in a base URL.
func addr(base string) string {
	_, at, _ := strings.Cut(base, "://")
	return at
}

// reply is an answer on a raw socket.
type reply struct {
	*http.Response
	body   string
	code   string // of a problem of the proxy; empty for an answer of the API
	closed bool   // the connection was closed after an answer that announced it
}

// raw sends wire on a new connection. The reply is nil if there was none.
func raw(t *testing.T, at, wire string) *reply {
	t.Helper()
	conn := dial(t, at)
	defer conn.Close()
	go io.WriteString(conn, wire)
	return read(t, bufio.NewReader(conn))
}

func dial(t *testing.T, at string) net.Conn {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(at, "/") {
		network = "unix"
	}
	conn, err := net.Dial(network, at)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(waitLimit))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func read(t *testing.T, r *bufio.Reader) *reply {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Logf("no answer: %v", err)
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("the answer is cut: %v", err)
	}
	a := &reply{Response: res, body: string(body)}
	if res.Header.Get("Content-Type") == "application/problem+json" {
		var problem struct{ Code string }
		if err := json.Unmarshal(body, &problem); err != nil {
			t.Errorf("the problem %q: %v", body, err)
		}
		a.code = problem.Code
	}
	if res.Close {
		_, err := r.ReadByte()
		a.closed = err != nil
	}
	return a
}

// get writes a request without a body.
func get(target string, header ...string) string { return call("GET", target, "localhost", header...) }

func call(method, target, host string, header ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(append(header, ""), "\r\n") + "\r\n"
}

// command runs the program to its end.
func command(t *testing.T, args ...string) (output string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	c := exec.CommandContext(ctx, program.Binary(), args...)
	c.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), c.ProcessState.ExitCode()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// await calls ok until it returns true, without a fixed time.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(waitLimit); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", waitLimit, what)
		}
	}
}

// openFiles counts the files of a process. It returns 0 if this cannot be seen.
func openFiles(p *program.Process) int {
	files, _ := os.ReadDir("/proc/" + strconv.Itoa(p.PID()) + "/fd")
	return len(files)
}
