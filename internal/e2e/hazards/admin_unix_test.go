//go:build unix

package hazards

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// adminActions are all requests that change something or show traffic on the admin listener.
var adminActions = []struct{ method, path, body string }{
	{"POST", "/api/v1/test", `{"method":"DELETE","target":"/public/v1/documents/1"}`},
	{"POST", "/api/v1/accounts/default/refresh", ""},
	{"POST", "/api/v1/accounts/default/logout", ""},
	{"POST", "/api/v1/accounts/default/login", ""},
	{"POST", "/api/v1/accounts/default/code", `{"state":"x","code":"y"}`},
	{"POST", "/api/v1/links", "{}"},
	{"POST", "/api/v1/links", `{"account":"default"}`},
	{"POST", "/api/v1/session", `{"code":"guessed"}`},
	{"GET", "/api/v1/status", ""},
	{"GET", "/api/v1/requests", ""},
	{"GET", "/api/v1/requests/1", ""},
	{"GET", "/api/v1/accounts/default", ""},
	{"GET", "/api/v1/accounts/default/login-result", ""},
	{"GET", "/connect/default", ""},
	{"GET", "/connect/default?code=guessed", ""},
	{"GET", "/debug/pprof/", ""},
	{"GET", "/nowhere", ""},
}

// U1: the proxied port required a key, but the admin port did not.
func TestTheAdminListenerRequiresAuthenticationToo(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		args func(t *testing.T) []string
	}{
		{"client keys", func(t *testing.T) []string { return []string{"--config", withKey(t)} }},
		{"a required header", func(*testing.T) []string { return []string{"--require-header", "X-From-App: canary-header-1"} }},
		{"a socket alone", func(t *testing.T) []string { return []string{"--listen", "unix:" + filepath.Join(t.TempDir(), "s")} }},
		{"a key file", func(t *testing.T) []string { return []string{"--admin-key-file", filepath.Join(t.TempDir(), "key")} }},
	} {
		t.Run(row.name, func(t *testing.T) {
			api := record(t)
			p := program.Start(t, append(signedIn(), "PANDADOC_CLIENT_ID=id", "PANDADOC_CLIENT_SECRET=canary-secret"), serveArgs(api.URL, append(row.args(t), "--pprof")...)...)
			for _, a := range adminActions {
				for _, authorization := range []string{"", "Bearer guessed", "Bearer "} {
					if got := askAdmin(t, p, a.method, a.path, a.body, authorization); got.StatusCode != http.StatusUnauthorized {
						t.Errorf("U1 %s %s %q: answer %d %s, want 401", a.method, a.path, authorization, got.StatusCode, got.body)
					}
				}
			}
			for _, path := range []string{"/livez", "/readyz", "/metrics"} {
				if got := askAdmin(t, p, "GET", path, "", ""); got.StatusCode != http.StatusOK {
					t.Errorf("%s: answer %d, want 200", path, got.StatusCode)
				}
			}
			if all := api.arrived(); len(all) != 0 {
				t.Errorf("U1: %d requests reached the API, want 0", len(all))
			}
			if out, status := p.Command("", "status"); status != 0 || !strings.Contains(out, "account default") {
				t.Errorf("the command of the same user: status %d, %s", status, out)
			}
		})
	}
}

func askAdmin(t *testing.T, p *program.Process, method, path, body, authorization string) *reply {
	t.Helper()
	header := []string{"Pandadoc-Auth-Proxy: 1", fmt.Sprintf("Content-Length: %d", len(body))}
	if authorization != "" {
		header = append(header, "Authorization: "+authorization)
	}
	got := raw(t, addr(p.Admin), call(method, path, "localhost", header...)+body)
	if got == nil {
		t.Fatalf("%s %s: no answer", method, path)
	}
	return got
}

// U1, the other direction: the link of the command opens the locked console, once.
func TestALinkOpensTheConsoleOnce(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL, "--config", withKey(t))
	out, status := p.Command("", "console", "--no-browser")
	base, code, ok := strings.Cut(strings.TrimSpace(out), "/#/enter/")
	if status != 0 || !ok || !strings.HasPrefix(base, "http://") || len(code) < 40 {
		t.Fatalf("console wrote %q, status %d", out, status)
	}
	opened := askAdmin(t, p, "POST", "/api/v1/session", `{"code":"`+code+`"}`, "")
	var session struct{ Session string }
	if err := json.Unmarshal([]byte(opened.body), &session); err != nil || session.Session == "" {
		t.Fatalf("the link gave %s (%v)", opened.body, err)
	}
	if opened.Header.Get("Set-Cookie") != "" {
		t.Error("the session is a cookie, which other ports of localhost would get as well")
	}
	if got := askAdmin(t, p, "POST", "/api/v1/session", `{"code":"`+code+`"}`, ""); got.code != "link-refused" {
		t.Errorf("the link used again: answer %d %s, want link-refused", got.StatusCode, got.code)
	}
	call := `{"method":"GET","target":"/public/v1/documents"}`
	if got := askAdmin(t, p, "POST", "/api/v1/test", call, "Bearer "+session.Session); got.StatusCode != http.StatusOK {
		t.Errorf("with the session: answer %d %s", got.StatusCode, got.body)
	}
	if n := len(api.arrived()); n != 1 {
		t.Errorf("%d requests reached the API, want the one of the session", n)
	}
	// A script uses the key itself.
	key, err := os.ReadFile(filepath.Join(p.Home(), ".local/state/pandadoc-auth-proxy/admin-key"))
	if err != nil {
		t.Fatal(err)
	}
	if got := askAdmin(t, p, "GET", "/api/v1/status", "", "Bearer "+strings.TrimSpace(string(key))); got.StatusCode != http.StatusOK {
		t.Errorf("with the key: answer %d", got.StatusCode)
	}
	if strings.Contains(p.Log(), code) || strings.Contains(p.Log(), session.Session) || strings.Contains(p.Log(), strings.TrimSpace(string(key))) {
		t.Error("the log shows a code, a session or the key")
	}
}

// U1: another user of the machine can neither connect to the admin socket nor read the key, wherever these files
// are.
func TestTheAdminSocketIsForItsUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can act as another user")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl")
	}
	runtime := publicDir(t)
	p := program.Start(t, append(signedIn(), "XDG_RUNTIME_DIR="+runtime), serveArgs(record(t).URL, "--config", withKey(t))...)
	sockets, _ := filepath.Glob(filepath.Join(runtime, "pandadoc-auth-proxy", "admin-*.sock"))
	if len(sockets) != 1 {
		t.Fatalf("found %d admin sockets in the runtime directory, want one", len(sockets))
	}
	ask := func(user uint32) error {
		c := exec.Command(curl, "--silent", "--fail", "--unix-socket", sockets[0], "http://localhost/api/v1/status")
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		return c.Run()
	}
	if err := ask(0); err != nil {
		t.Errorf("the user of the proxy: %v", err)
	}
	if err := ask(nobody); err == nil {
		t.Error("another user got an answer")
	}
	for path, want := range map[string]os.FileMode{sockets[0]: 0o600, filepath.Dir(sockets[0]): 0o700, strings.TrimSuffix(sockets[0], ".sock") + ".json": 0o600,
		filepath.Join(p.Home(), ".local/state/pandadoc-auth-proxy/admin-key"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want mode %o", path, info, err, want)
		}
	}
}

// squatter is another program on the admin port. It answers every request, in the same form as the proxy.
func squatter(t *testing.T) (at string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"state":"ready\u001b[2Jsquatter","program":"pandadoc-auth-proxy","store":"squatter","accounts":[{"account":"squatter","state":"ready"}],
			"redirect_url":"http://localhost/","authorize_url":"http://squatter.example/","state":"squatter","url":"http://squatter.example/"}`)
	}))
	s.Listener = &counted{s.Listener, asked}
	s.Config.ErrorLog = quiet()
	s.Start()
	t.Cleanup(s.Close)
	return addr(s.URL), asked
}

type counted struct {
	net.Listener
	n *atomic.Int64
}

func (c *counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.n.Add(1)
	}
	return conn, err
}

// U2: status printed the answer of a squatter, and login --paste sent it the code.
func TestAnotherProgramOnTheAdminPortGetsNothing(t *testing.T) {
	t.Parallel()
	at, asked := squatter(t)
	e := program.Emulate(t)
	store := filepath.Join(t.TempDir(), "store")
	run := func(input string, args ...string) (string, int) {
		c := exec.CommandContext(t.Context(), program.Binary(), append(args, "--admin-listen", at, "--store", "file:"+store,
			"--api-url", e.Info["api"], "--token-url", e.Info["token_url"], "--authorize-url", e.Info["authorize_url"])...)
		c.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "PANDADOC_CLIENT_ID=" + e.Info["client_id"], "PANDADOC_CLIENT_SECRET=" + e.Info["client_secret"]}
		c.Stdin = strings.NewReader(input)
		out, _ := c.CombinedOutput()
		return string(out), c.ProcessState.ExitCode()
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"refresh"}, {"logout"}} {
		out, status := run("", args...)
		if strings.Contains(out, "squatter") || strings.Contains(out, "\x1b") {
			t.Errorf("U2 %v printed the squatter's words: %q", args, out)
		}
		if status == 0 && args[0] != "logout" {
			t.Errorf("U2 %v ended with 0 although nobody is signed in: %s", args, out)
		}
	}
	out, _ := run("canary-code-12345", "login", "--paste")
	if strings.Contains(out, "squatter") || !strings.Contains(out, "oauth2/authorize") {
		t.Errorf("U2 login --paste: %q", out)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("U2: the squatter got %d connections, want none", n)
	}
}

// U2 as another user: a command that would have to trust another user's program names that user, and sends no
// request.
func TestACommandNamesTheUserWhoListens(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can act as another user")
	}
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip("the system does not show who listens")
	}
	at, asked := squatter(t)
	dir := publicDir(t)
	bin := filepath.Join(dir, "proxy")
	if out, err := exec.Command("cp", program.Binary(), bin).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"status"}, {"login", "--paste"}, {"explain"}} {
		c := exec.CommandContext(t.Context(), bin, append(args, "--admin-listen", at)...)
		c.Dir, c.Env = dir, []string{"HOME=" + home}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		out, _ := c.CombinedOutput()
		if status := c.ProcessState.ExitCode(); status != 1 || !strings.Contains(string(out), "user root listens on") || strings.Contains(string(out), "squatter") {
			t.Errorf("U2 %v: status %d, %q, want it to name root and to print nothing else", args, status, out)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("U2: the squatter got %d connections, want none", n)
	}
}
