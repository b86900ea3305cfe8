//go:build unix

package hazards

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// nobody is another user of the machine.
const nobody = 65534

const clientKey = "canary-client-key-5d1e84a60b2f9c73"

func withKey(t *testing.T) string {
	return write(t, "keys.yaml", "client-keys:\n  app:\n    key: "+clientKey+"\n  acme:\n    key: other-"+clientKey+"\n    account: acme\n")
}

func TestClientKey(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL, "--config", withKey(t), "--log-level", "trace")
	run(t, addr(p.URL), api, []attempt{
		{"B2 no key", get("/a"), "client-key-required"},
		{"B2 wrong key", get("/a", "X-Proxy-Key: "+strings.ToUpper(clientKey)), "client-key-required"},
		{"B2 the right key", get("/a", "X-Proxy-Key: "+clientKey), ""},
		{"B2 the right key as a Bearer token", get("/a", "Authorization: Bearer "+clientKey), ""},
		{"B2 a key for another account", get("/@default/a", "X-Proxy-Key: other-"+clientKey), "bad-request"},
		{"B2 no key and a foreign Host", call("GET", "/a", "evil.example", "X-Proxy-Key: "+clientKey), "host-not-allowed"},
	})
	if got := raw(t, addr(p.URL), get("/a")); got.StatusCode != 401 || got.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("B2: answer %d, WWW-Authenticate %q", got.StatusCode, got.Header.Get("WWW-Authenticate"))
	}
	if bytes.Contains(api.bytesOnTheWire(), []byte(clientKey)) {
		t.Error("B3: the key reached the API")
	}
	if strings.Contains(p.Log(), clientKey) {
		t.Error("B3: the log shows the key")
	}
}

func TestBeyondLoopbackNeedsAKey(t *testing.T) {
	t.Parallel()
	api := record(t)
	out, err := exec.Command(program.Binary(), serveArgs(api.URL, "--listen", ":0")...).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 || !bytes.Contains(out, []byte("is reachable from other machines")) {
		t.Errorf("B1 without a key: %v\n%s", err, out)
	}
	p := serve(t, api.URL, "--listen", "0.0.0.0:0", "--config", withKey(t), "--admin-listen", "0.0.0.0:0")
	_, port, _ := net.SplitHostPort(addr(p.URL))
	if got := raw(t, "127.0.0.1:"+port, get("/a")); got.code != "client-key-required" {
		t.Errorf("B1 with keys: answer %d %s", got.StatusCode, got.code)
	}
	// A neighbour in a container network uses an address that is not loopback, also if the port is published on
	// loopback only.
	if got := raw(t, net.JoinHostPort(otherAddress(t), port), call("GET", "/a", otherAddress(t))); got.code != "client-key-required" || len(api.arrived()) != 0 {
		t.Errorf("U23 a neighbour without a key: answer %d %s, %d requests reached the API", got.StatusCode, got.code, len(api.arrived()))
	}
	text, err := os.ReadFile("../../../docs/deployment.md")
	if err != nil || !regexp.MustCompile(`(?s)docker run -d .* serve --config \S+ --listen 0\.0\.0\.0:8080`).Match(text) || !bytes.Contains(text, []byte("So clients need a key")) {
		t.Errorf("U23: docs/deployment.md does not run the container with client keys (%v)", err)
	}
	for path, want := range map[string]int{"/livez": 200, "/metrics": 200, "/api/v1/status": 403, "/": 403, "/connect/default": 403} {
		_, port, _ := net.SplitHostPort(addr(p.Admin))
		if got := raw(t, net.JoinHostPort(otherAddress(t), port), call("GET", path, otherAddress(t))); got.StatusCode != want {
			t.Errorf("L1 K6 %s beyond loopback: %d, want %d", path, got.StatusCode, want)
		}
	}
}

// otherAddress returns an address of this machine that is not loopback.
func otherAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

// B1: the proxy listens only on the configured port, on both loopback families and nowhere else.
func TestListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	p := serve(t, record(t).URL, "--listen", "localhost:0", "--admin-listen", "localhost:0")
	inodes := socketsOf(t, p.PID())
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile("/proc/net/" + table)
		if err != nil {
			t.Skip("no /proc/net here")
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != "0A" || !inodes[f[9]] {
				continue
			}
			if host, _, _ := strings.Cut(f[1], ":"); host != "0100007F" && host != "00000000000000000000000001000000" {
				t.Errorf("listens on %s", f[1])
			}
			delete(inodes, f[9])
		}
	}
}

func socketsOf(t *testing.T, pid int) map[string]bool {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Skip("the files of a process are not shown here: " + err.Error())
	}
	inodes := map[string]bool{}
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			if m := regexp.MustCompile(`^socket:\[(\d+)\]$`).FindStringSubmatch(to); m != nil {
				inodes[m[1]] = true
			}
		}
	}
	return inodes
}

// B2: only its owner can use a unix socket. The test uses curl, which is not our program.
func TestSocketIsForItsOwner(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can act as another user")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl")
	}
	dir, err := os.MkdirTemp("", "hazards-") // other users can reach it, like a shared directory
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "proxy.sock")
	p := serve(t, record(t).URL, "--listen", "unix:"+socket)
	ask := func(user uint32) error {
		c := exec.Command(curl, "--silent", "--fail", "--unix-socket", socket, "http://localhost/a")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		return c.Run()
	}
	if err := ask(0); err != nil {
		t.Errorf("the owner: %v\n%s", err, p.Log())
	}
	if err := ask(nobody); err == nil {
		t.Error("another user got an answer")
	}
}

// B4 B6: other programs can read nothing of the process, not even programs of the same user.
func TestProcessIsClosedToNeighbours(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can start a process of another user and look at it")
	}
	bin := filepath.Join(publicDir(t), "proxy")
	if out, err := exec.Command("cp", program.Binary(), bin).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	api := record(t)
	p := program.StartAs(t, func(c *exec.Cmd) {
		c.Path, c.Args[0] = bin, bin
		c.Dir = filepath.Dir(bin)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		c.Env = append(c.Env, "HOME=/nonexistent")
	}, signedIn(), serveArgs(api.URL)...)
	proc := fmt.Sprintf("/proc/%d/", p.PID())
	if text, err := os.ReadFile(proc + "cmdline"); err != nil || bytes.Contains(text, []byte("canary")) {
		t.Errorf("B4: the command line is %q, %v", text, err)
	}
	if text, _ := os.ReadFile(proc + "limits"); !regexp.MustCompile(`Max core file size +0 +0 `).Match(text) {
		t.Errorf("B6: core files are not off:\n%s", text)
	}
	// If a process may not be dumped, the kernel gives its files to root.
	if info, err := os.Stat(proc + "environ"); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("B6: the process can be read by its own user: %v %v", info, err)
	}
	look := exec.Command("cat", proc+"environ")
	look.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := look.CombinedOutput(); err == nil || bytes.Contains(out, []byte(accessToken)) {
		t.Errorf("B6: the same user reads %q", out)
	}
	p.Signal(syscall.SIGSEGV)
	p.Wait()
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(bin), "*core*")); len(left) > 0 {
		t.Errorf("B6: core files %v", left)
	}
}

// publicDir returns a directory that other users can reach.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hazards-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// B7: a trace contains no secret.
func TestTraceShowsNoSecret(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	api := newRecorder(func(w http.ResponseWriter, r *http.Request) { <-release })
	api.Start()
	defer api.Close()
	defer close(release)
	p := serve(t, api.URL, "--config", withKey(t), "--log-level", "trace")
	for range 5 { // requests in progress, with a body in memory
		conn := dial(t, addr(p.URL))
		io.WriteString(conn, call("POST", "/a?secret=canary-query", "localhost", "X-Proxy-Key: "+clientKey, "Content-Length: 20")+"canary-body-12345678")
	}
	await(t, "five requests at the API", func() bool { return len(api.arrived()) == 5 })
	p.Signal(syscall.SIGQUIT)
	p.Wait()
	log := p.Log()
	if !strings.Contains(log, "goroutine ") {
		t.Fatalf("no trace: %s", log)
	}
	if strings.Contains(log, "canary") {
		t.Errorf("the trace shows a secret: %s", log)
	}
}

// TLS of the listener: the certificate is read again, and HTTP/2 is not offered.
func TestTLSOnTheListener(t *testing.T) {
	t.Parallel()
	api := record(t)
	authority := newAuthority(t)
	dir := t.TempDir()
	certFile, keyFile := authority.write(t, dir, authority.issue(t, leaf{names: []string{"localhost"}, serial: 1}))
	p := serve(t, api.URL, "--tls-cert", certFile, "--tls-key", keyFile)
	if !strings.HasPrefix(p.URL, "https://") {
		t.Fatalf("the program says that it listens on %s", p.URL)
	}
	serial := func() int64 {
		conn, err := tls.Dial("tcp", addr(p.URL), &tls.Config{RootCAs: authority.pool(), ServerName: "localhost", NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
			t.Errorf("D18: %q is spoken, want http/1.1", got)
		}
		conn.SetDeadline(time.Now().Add(waitLimit))
		io.WriteString(conn, get("/a", "Connection: close"))
		answer, err := io.ReadAll(conn)
		if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
			t.Errorf("answer %q, %v", answer, err)
		}
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("serial %d, want 1", got)
	}
	authority.write(t, dir, authority.issue(t, leaf{names: []string{"localhost"}, serial: 2}))
	await(t, "the new certificate", func() bool { return serial() == 2 })
	if _, err := tls.Dial("tcp", addr(p.URL), &tls.Config{RootCAs: authority.pool(), ServerName: "localhost", MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if got := raw(t, addr(p.URL), get("/a")); got != nil && got.StatusCode != 400 {
		t.Errorf("plain http on the TLS port: %d", got.StatusCode)
	}
}

// C6 D18: on a plain port, the proxy refuses every way to ask for HTTP/2.
func TestHTTP2IsNotSpoken(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL)
	run(t, addr(p.URL), api, []attempt{
		{"D18 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "bad-request"},
		{"D17 upgrade to h2c", get("/a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), ""},
	})
	for _, seen := range api.arrived() {
		if seen.Header.Get("Upgrade") != "" || seen.Header.Get("Http2-Settings") != "" {
			t.Error("D17: the upgrade reached the API")
		}
	}
}

// Policies of the operator, with the built program.
func TestPolicies(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL, "--require-header", "X-From-App: canary-app", "--allow-route", "GET /public/v1/documents*", "--allow-route", "POST /public/v1/documents/*/send")
	app := "X-From-App: canary-app"
	run(t, addr(p.URL), api, []attempt{
		{"SSRF in the application", get("/public/v1/documents"), "header-required"},
		{"the application", get("/public/v1/documents?x=%zz", app), ""},
		{"F7 route in the query", get("/secret?x=/public/v1/documents", app), "route-not-allowed"},
		{"F7 route elsewhere in the path", get("/x/public/v1/documents", app), "route-not-allowed"},
		{"route with dots", get("/public/v1/documents/../contacts", app), "bad-request"},
		{"C15 another method in a header", call("POST", "/public/v1/documents/x/send", "localhost", app, "X-HTTP-Method-Override: DELETE", "Content-Length: 0"), ""},
		{"another method", call("DELETE", "/public/v1/documents/x", "localhost", app), "route-not-allowed"},
	})
	for _, seen := range api.arrived() {
		if seen.Header.Get("X-From-App") != "" || seen.Header.Get("X-Http-Method-Override") != "" {
			t.Errorf("the API saw %v", seen.Header)
		}
	}
	p = serve(t, api.URL, "--read-only")
	run(t, addr(p.URL), api, []attempt{
		{"read", get("/public/v1/documents"), ""},
		{"write", call("POST", "/public/v1/documents", "localhost", "Content-Length: 0"), "route-not-allowed"},
	})
}

// A listener for one account.
func TestListenerOfAnAccount(t *testing.T) {
	t.Parallel()
	api := record(t)
	file := write(t, "accounts.yaml", "accounts:\n  acme:\n    api-key: canary-api-key-of-acme\n")
	p := serve(t, api.URL, "--listen", "acme=127.0.0.1:0", "--config", file)
	run(t, addr(p.URL), api, []attempt{
		{"its own account", get("/a"), ""},
		{"another account", get("/@default/a"), "bad-request"},
		{"another account by the Host", call("GET", "/a", "default.localhost"), "bad-request"},
	})
	if got := api.arrived()[0].Header.Get("Authorization"); got != "API-Key canary-api-key-of-acme" {
		t.Errorf("signed in as %q", got)
	}
}

// H4: connections beyond the limit on files are refused, and the proxy works again after that.
func TestManyConnections(t *testing.T) {
	api := record(t)
	prlimit, err := exec.LookPath("prlimit")
	if err != nil {
		t.Skip("no prlimit")
	}
	p := program.StartAs(t, func(c *exec.Cmd) {
		c.Args = append([]string{prlimit, "--nofile=256:256", c.Path}, c.Args[1:]...)
		c.Path = prlimit
	}, signedIn(), serveArgs(api.URL)...)
	var open []net.Conn
	for range 1000 {
		conn, err := net.Dial("tcp", addr(p.URL))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	if got := raw(t, addr(p.URL), get("/a", "Connection: close")); got == nil || got.StatusCode != 200 {
		t.Errorf("got %+v, want an honest client served in the place of an idle one", got)
	}
	if files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID())); err == nil && len(files) > 160 {
		t.Errorf("%d of 256 files are open: no reserve", len(files))
	}
	if got := raw(t, addr(p.Admin), get("/livez")); got == nil || got.StatusCode != 200 {
		t.Errorf("the admin listener: %+v", got)
	}
	for _, conn := range open {
		conn.Close()
	}
	start := time.Now()
	await(t, "an answer after the flood", func() bool {
		got := raw(t, addr(p.URL), get("/a"))
		return got != nil && got.StatusCode == 200
	})
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("recovered after %v", took)
	}
	t.Logf("recovered after %v, peak of files below 160", time.Since(start).Round(time.Millisecond))
}
