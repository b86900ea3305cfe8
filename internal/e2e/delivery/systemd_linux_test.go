package delivery

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

const units = "deploy/systemd"

func TestSystemdAcceptsTheUnits(t *testing.T) {
	need(t, "systemd-analyze")
	verifyUnits(t, unitsHere(t))
}

// dropIn verifies the unit together with the lines that a page adds to it.
func dropIn(d *desk, f fence) {
	need(d.T, "systemd-analyze")
	dir := unitsHere(d.T)
	added := filepath.Join(dir, "pandadoc-auth-proxy.service.d")
	if err := os.Mkdir(added, 0o755); err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(added, "override.conf"), []byte(strings.Join(f.lines, "\n")+"\n"), 0o644); err != nil {
		d.Fatal(err)
	}
	verifyUnits(d.T, dir)
}

// unitsHere returns a directory with copies of the units. systemd-analyze verify needs an existing program, so they
// name the built one instead of /usr/bin.
func unitsHere(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"pandadoc-auth-proxy.service", "pandadoc-auth-proxy.socket"} {
		text, err := os.ReadFile(filepath.Join(top(t), units, name))
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.ReplaceAll(string(text), "/usr/bin/pandadoc-auth-proxy", program.Binary()))
		text = []byte(strings.ReplaceAll(string(text), "man:pandadoc-auth-proxy(1)", "https://example.com/"))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func verifyUnits(t *testing.T, dir string) {
	t.Helper()
	if out := run(t, dir, "systemd-analyze", "verify", "--man=no",
		filepath.Join(dir, "pandadoc-auth-proxy.service"), filepath.Join(dir, "pandadoc-auth-proxy.socket")); out != "" {
		t.Errorf("systemd-analyze verify says:\n%s", out)
	}
}

func TestTheServiceHasFewRights(t *testing.T) {
	const most = 1.5
	need(t, "systemd-analyze")
	out := run(t, top(t), "systemd-analyze", "security", "--offline=true", filepath.Join(units, "pandadoc-auth-proxy.service"))
	found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no exposure level in:\n%s", out)
	}
	level, err := strconv.ParseFloat(found[1], 64)
	if err != nil || level > most {
		t.Errorf("got the exposure level %s, want at most %.1f", found[1], most)
	}
}

// The service never started: with DynamicUser, the state directory in the unit is a symbolic link, which the store
// refuses. So the test runs the program with the unit's own settings, in directories like those that systemd
// makes.
func TestTheServiceStartsInTheDirectoriesOfSystemd(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top(t), units, "pandadoc-auth-proxy.service"))
	if err != nil {
		t.Fatal(err)
	}
	e, dir := program.Emulate(t), shortDir(t)
	state, runtime, credentials := filepath.Join(dir, "lib"), filepath.Join(dir, "run"), filepath.Join(dir, "credentials")
	for _, made := range []string{filepath.Join(state, "private/pandadoc-auth-proxy"), filepath.Join(runtime, "pandadoc-auth-proxy"), credentials} {
		if err := os.MkdirAll(made, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("private/pandadoc-auth-proxy", filepath.Join(state, "pandadoc-auth-proxy")); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"PANDADOC_API_URL=" + e.Info["api"], "PANDADOC_TOKEN_URL=" + e.Info["token_url"], "PANDADOC_AUTHORIZE_URL=" + e.Info["authorize_url"],
		"PANDADOC_LISTEN=127.0.0.1:0", "PANDADOC_ADMIN_LISTEN=127.0.0.1:0", "TMPDIR=" + dir, "PANDADOC_REFRESH_TOKEN=" + e.Info["refresh_token"],
	}
	given := map[string]string{"client-id": e.Info["client_id"], "client-secret": e.Info["client_secret"]}
	var command []string
	dynamic := false
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "DynamicUser":
			dynamic = value == "yes"
		case "ExecStart":
			command = strings.Fields(value)
		case "Environment":
			env = append(env, strings.NewReplacer("%t/credentials/%n", credentials, "%S", state, "%t", runtime).Replace(value))
		case "LoadCredential":
			id, _, _ := strings.Cut(value, ":")
			if err := os.WriteFile(filepath.Join(credentials, id), []byte(given[id]), 0o400); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !dynamic || len(command) < 2 {
		t.Fatalf("DynamicUser is %v and ExecStart %q: the directories here are not those of systemd", dynamic, command)
	}
	p := program.StartAs(t, func(c *exec.Cmd) { c.Env = env }, nil, command[1:]...)
	p.Want("/public/v1/documents", http.StatusOK)
	if _, err := os.Stat(filepath.Join(state, "private/pandadoc-auth-proxy/default.json")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(runtime, "pandadoc-auth-proxy/admin.sock")); err != nil {
		t.Error(err)
	}
}

// After five failures in half a second, systemd gave up the service for good. Before systemd 250, as in Ubuntu 22.04, the
// specifier %d does not exist, and the service started without a client id.
func TestTheUnitIsKeptAliveByOlderSystemdToo(t *testing.T) {
	const burst, interval = 5, 10 * time.Second // systemd's own defaults
	text, err := os.ReadFile(filepath.Join(top(t), units, "pandadoc-auth-proxy.service"))
	if err != nil {
		t.Fatal(err)
	}
	pause := 100 * time.Millisecond
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if name == "RestartSec" {
			if pause, err = time.ParseDuration(value); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.HasPrefix(line, "#") && strings.Contains(value, "%d") {
			t.Errorf("%s: systemd 249 does not know %%d", strings.TrimSpace(line))
		}
	}
	if (burst-1)*pause <= interval {
		t.Errorf("with %v between restarts, systemd gives up after %d", pause, burst)
	}
}

// systemd opens the port, and waits until the proxy reports that it is ready.
func TestTheServiceUsesSocketsAndReportsWhenItIsReady(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	file, err := socket.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()

	e := program.Emulate(t)
	p := e.ServeAs(func(cmd *exec.Cmd) {
		// A shell writes its process id into LISTEN_PID and becomes the program, as systemd does after its fork.
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
		cmd.ExtraFiles = []*os.File{file}
	}, "memory:")
	p.Want("/public/v1/documents", http.StatusOK)
	if want := "http://" + socket.Addr().String(); p.URL != want {
		t.Errorf("the proxy listens on %s, want the socket of systemd, %s", p.URL, want)
	}
	if got := notified(t, manager); got != "READY=1" {
		t.Errorf("got %q, want READY=1", got)
	}
	p.Signal(syscall.SIGTERM)
	if got := notified(t, manager); got != "STOPPING=1" {
		t.Errorf("got %q, want STOPPING=1", got)
	}
	if state := p.Wait(); state.ExitCode() != 0 {
		t.Errorf("got %v, want exit status 0", state)
	}
}

func notified(t *testing.T, manager *net.UnixConn) string {
	t.Helper()
	if err := manager.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 256)
	n, err := manager.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return string(buffer[:n])
}
