package hazards

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// canary is in every secret of these tests, and in everything else that only the client and the API may see.
const canary = "canary"

// canaryAPI is a PandaDoc in which every secret is marked. It repeats secrets everywhere a careless server might.
type canaryAPI struct {
	*httptest.Server

	mu        sync.Mutex // guards the fields below
	pair      int        // the newest
	valid     bool       // whether the API accepts it
	behaviour string     // of the token endpoint: empty for success
}

func newCanaryAPI(t *testing.T) *canaryAPI {
	s := &canaryAPI{valid: true}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

// set changes how the next requests are answered.
func (s *canaryAPI) set(valid bool, behaviour string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.valid, s.behaviour = valid, behaviour
}

func (s *canaryAPI) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/oauth2/access_token" {
		s.token(w, string(body))
		return
	}
	switch {
	case r.URL.Path == "/garbage":
		s.hijack(w, "HTTP/1.1 200 OK\r\nX-Canary: canary-header\x00\r\n\r\n")
	case r.URL.Path == "/unsolicited":
		s.hijack(w, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-A: canary-unsolicited\r\n\r\n")
	case r.URL.Path == "/drop":
		s.hijack(w, "")
	case !s.valid || r.Header.Get("Authorization") != fmt.Sprintf("Bearer canary-access-%d", s.pair):
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"type":"authentication_error","detail":"refused"}`)
	default:
		w.Header().Set("X-Request-Id", "api-1")
		w.Header().Set("Set-Cookie", "s=canary-cookie-of-the-api")
		io.WriteString(w, `{"results":[]}`)
	}
}

func (s *canaryAPI) token(w http.ResponseWriter, form string) {
	switch s.behaviour {
	case "":
		s.pair, s.valid = s.pair+1, true
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"canary-access-%d","refresh_token":"canary-refresh-%d","token_type":"Bearer","expires_in":31535999,"scope":"read write"}`, s.pair, s.pair)
	case "html":
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, "<html>"+form+"</html>")
	case "description":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"error": "invalid_scope", "error_description": form})
	case "redirect":
		w.Header().Set("Location", "http://127.0.0.1:1/?"+form)
		w.WriteHeader(http.StatusTemporaryRedirect)
	case "nonsense":
		io.WriteString(w, `{"access_token":{"canary-in-json":`+form)
	case "header":
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token":"canary\r\nX-Evil: canary","token_type":"Bearer"}`)
	case "revoked":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"invalid_grant","error_description":"revoked"}`)
	}
}

func (s *canaryAPI) hijack(w http.ResponseWriter, wire string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	io.WriteString(conn, wire)
	conn.Close()
}

// adminKey is the admin key of a markedProgram.
const adminKey = "canary-admin-key-0123456789abcdef0123456789"

// markedProgram is a program in which every secret is marked, with everything that can be observed of it.
type markedProgram struct {
	*testing.T
	api   *canaryAPI
	p     *program.Process
	env   []string
	home  string
	store string
	heard strings.Builder // our own answers, and the output of commands
}

func newMarkedProgram(t *testing.T, format string) *markedProgram {
	t.Helper()
	c := &markedProgram{T: t, api: newCanaryAPI(t), home: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
	temp := filepath.Join(c.home, "tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	config := write(t, "config.yaml", "client-keys:\n  app:\n    key: canary-client-key-0123456789\naccounts:\n  keyed:\n    api-key: canary-api-key-0123456789\n")
	c.env = []string{
		"HOME=" + c.home, "TMPDIR=" + temp, "PANDADOC_CONFIG=" + config,
		"PANDADOC_CLIENT_ID=client-id-of-the-test", "PANDADOC_CLIENT_SECRET=canary-client-secret", "PANDADOC_REFRESH_TOKEN=canary-refresh-seed",
		"PANDADOC_API_URL=" + c.api.URL, "PANDADOC_TOKEN_URL=" + c.api.URL + "/oauth2/access_token", "PANDADOC_AUTHORIZE_URL=" + c.api.URL + "/oauth2/authorize",
		"PANDADOC_STORE=file:" + c.store, "PANDADOC_REQUIRE_HEADER=X-App: canary-header-value",
		"PANDADOC_ADMIN_KEY_FILE=" + write(t, "admin-key", adminKey+"\n"),
	}
	c.p = program.Start(t, c.env, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
		"--log-level", "trace", "--log-format", format, "--refresh-timeout", "2s", "--replay-memory", "8")
	return c
}

// ask sends a request in which every part is marked, and keeps the answer if it comes from the proxy itself.
func (c *markedProgram) ask(method, path string, want int) {
	c.Helper()
	body := "{\"canary-body\":\"" + strings.Repeat("canary", 100) + "\"}"
	got := raw(c.T, addr(c.p.URL), call(method, path+"?canary-query=canary", "localhost", "X-Proxy-Key: canary-client-key-0123456789",
		"X-App: canary-header-value", "Authorization: Bearer canary-of-the-client", "Cookie: c=canary-cookie", "X-Custom: canary", "Referer: http://canary/",
		fmt.Sprintf("Content-Length: %d", len(body)))+body)
	if got == nil || want != 0 && got.StatusCode != want {
		c.Errorf("%s %s: %+v, want %d", method, path, got, want)
	}
	if got != nil {
		fmt.Fprintln(&c.heard, got.Header, got.body)
	}
}

// refuse sends a request that the guard refuses. The answer must not repeat it, except for the host or origin that
// it names on purpose.
func (c *markedProgram) refuse(wire string) {
	c.Helper()
	if got := raw(c.T, addr(c.p.URL), wire); got != nil {
		fmt.Fprintln(&c.heard, got.Header, got.body)
	}
}

// admin sends a request to the admin listener and keeps the answer. cookie is the cookie that a browser would
// send.
func (c *markedProgram) admin(method, path, cookie, body string) *reply {
	c.Helper()
	got := raw(c.T, addr(c.p.Admin), call(method, path, "localhost:"+portOf(c.p.Admin), "Pandadoc-Auth-Proxy: 1", "Authorization: Bearer "+adminKey, "Cookie: "+cookie, fmt.Sprintf("Content-Length: %d", len(body)), "Content-Type: application/json")+body)
	if got == nil {
		c.Fatalf("%s %s: no answer", method, path)
	}
	fmt.Fprintln(&c.heard, got.Header, got.body)
	return got
}

// run runs a command, which talks to the running proxy, and keeps its output.
func (c *markedProgram) run(args ...string) {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), program.Binary(), args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "PANDADOC_ADMIN_LISTEN=" + addr(c.p.Admin)}, c.env...)
	out, _ := cmd.CombinedOutput() // the exit status does not matter here
	c.heard.Write(out)
}

// login signs an account in with a code, as a browser and PandaDoc would.
func (c *markedProgram) login(account string) {
	c.Helper()
	start := c.connect(account)
	if to := start.Header.Get("Location"); start.StatusCode/100 == 3 && !strings.HasPrefix(to, c.api.URL) { // first to the host of the redirect URL
		_, path, _ := strings.Cut(strings.TrimPrefix(to, "http://"), "/")
		start = c.admin("GET", "/"+path, "", "")
	}
	_, query, _ := strings.Cut(start.Header.Get("Location"), "?")
	state := queryValue(query, "state")
	cookie, _, _ := strings.Cut(start.Header.Get("Set-Cookie"), ";")
	if state == "" || cookie == "" {
		c.Fatalf("no login: %+v", start)
	}
	if got := c.admin("GET", "/oauth2/callback?code=canary-code&state="+state, cookie, ""); got.StatusCode != 200 {
		c.Errorf("callback: %d %s", got.StatusCode, got.body)
	}
}

func queryValue(query, name string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// sing causes everything that could make the program print a secret.
func (c *markedProgram) sing() {
	c.ask("GET", "/public/v1/documents/canary-id", 200)
	c.ask("POST", "/public/v1/documents", 200)
	c.api.set(false, "") // a 401, a refresh, a replay from disk
	c.ask("POST", "/public/v1/documents", 200)
	for _, path := range []string{"/garbage", "/drop", "/@keyed/garbage"} {
		c.ask("POST", path, 502)
	}
	c.ask("GET", "/unsolicited", 200)
	c.ask("GET", "/@keyed/public/v1/documents", 401)
	c.ask("GET", "/@nobody/x", 404)
	c.ask("GET", "/oauth2/canary", 403)
	c.ask("FETCH", "/canary", 405)
	c.refuse(get("/canary?access_token=canary", "X-App: canary-header-value"))
	c.refuse(call("GET", "/canary", "foreign.example"))
	c.refuse(get("/canary", "Origin: http://foreign.example"))
	c.refuse(get("/a", "X-App: canary-wrong"))
	c.refuse(get("/a", "X-App: canary-header-value", "X-Proxy-Key: canary-wrong-key"))
	c.refuse("GET /canary HTTP/9.canary\r\n\r\n")
	c.refuse(get("/canary%zz"))
	c.refuse(call("POST", "/a", "localhost", "X-App: canary-header-value", "X-Proxy-Key: canary-client-key-0123456789", "Transfer-Encoding: chunked") + "canary\r\n")

	c.login("acme")
	c.admin("GET", "/oauth2/callback?code=canary-code&state=canary-state", "", "")
	c.admin("GET", "/oauth2/callback?error=canary-error&error_description=canary&state=canary", "", "")
	c.admin("POST", "/api/v1/accounts/acme/code", "", `{"code":"canary-code","state":"canary-state"}`)
	c.admin("POST", "/api/v1/test", "", `{"method":"POST","target":"/public/v1/documents?canary","headers":{"X-A":"canary"},"body":"x"}`)
	c.run("refresh")
	for _, behaviour := range []string{"description", "redirect", "header", "nonsense", "html", "revoked"} {
		c.api.set(true, "") // a new login repairs what the last behaviour has left
		c.login("default")
		c.ask("POST", "/public/v1/documents", 200)
		c.api.set(false, behaviour)
		c.run("refresh")
		c.ask("POST", "/public/v1/documents", 0)
		c.failLogin(behaviour)
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/api/v1/status", "/api/v1/requests", "/", "/api/v1/accounts/default", "/canary", "/api/v1/requests/canary"} {
		c.admin("GET", path, "", "")
	}
	c.run("status")
	c.run("status", "--json")
	c.run("explain", "api-1")
	c.run("logout", "--account", "acme")
	c.p.Signal(syscall.SIGTERM)
	c.p.Wait()
}

// connect begins a login by a link, which works once.
func (c *markedProgram) connect(account string) *reply {
	c.Helper()
	var link struct{ URL string }
	made := c.admin("POST", "/api/v1/links", "", `{"account":"`+account+`"}`)
	if err := json.Unmarshal([]byte(made.body), &link); err != nil {
		c.Fatalf("no link: %s", made.body)
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(link.URL, "http://"), "/")
	return c.admin("GET", "/"+path, "", "")
}

// failLogin lets a code fail.
func (c *markedProgram) failLogin(behaviour string) {
	start := c.connect("acme")
	_, query, _ := strings.Cut(start.Header.Get("Location"), "?")
	cookie, _, _ := strings.Cut(start.Header.Get("Set-Cookie"), ";")
	if got := c.admin("GET", "/oauth2/callback?code=canary-code-"+behaviour+"&state="+queryValue(query, "state"), cookie, ""); got.StatusCode < 400 {
		c.Errorf("a code in behaviour %s: %d", behaviour, got.StatusCode)
	}
}

// M1: no secret is anywhere except in the store, with the most detailed log. These rows are covered too: client
// keys (B3), internal details in answers (G14), codes (K4), metrics and pages (L1), texts that a token endpoint
// repeats (M2) or invents (I20), requests to it, and queries (M3).
func TestCanary(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, format := range []string{"text", "json"} {
		t.Run("M1 "+format, func(t *testing.T) {
			t.Parallel()
			c := newMarkedProgram(t, format)
			c.sing()
			hits := 0
			silent := func(what, text string) {
				t.Helper()
				for line := range strings.Lines(text) {
					if at := strings.Index(line, canary); at >= 0 {
						hits++
						t.Errorf("%s: %s", what, line[max(0, at-200):min(len(line), at+100)])
					}
				}
			}
			silent("the log", c.p.Log())
			silent("an answer", c.heard.String())
			err := filepath.WalkDir(c.home, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				text, err := os.ReadFile(path)
				silent(path, string(text))
				return err
			})
			if err != nil {
				t.Error(err)
			}
			// The canaries must have been used, otherwise the test proves nothing.
			kept, err := os.ReadFile(filepath.Join(c.store, "default.json"))
			if err != nil || !strings.Contains(string(kept), "canary-refresh-") {
				t.Errorf("the store holds %q, %v", kept, err)
			}
			for _, want := range []string{"level=info", "request"} {
				if format == "text" && !strings.Contains(c.p.Log(), want) {
					t.Errorf("the log lacks %q", want)
				}
			}
			t.Logf("%d KB of log, %d KB of answers and output, %d hits", len(c.p.Log())>>10, c.heard.Len()>>10, hits)
		})
	}
}

// M5: a client cannot begin a new line in the log.
func TestLogCannotBeForged(t *testing.T) {
	t.Parallel()
	p := serve(t, record(t).URL, "--log-level", "trace", "--log-format", "json")
	for _, target := range []string{"/%1b[31mred", "/\u2028level=error", "/x%22,%22level%22:%22error"} {
		raw(t, addr(p.URL), get(target, "X-Request-Id: a\u2028b", "Connection: close"))
	}
	await(t, "three lines", func() bool { return strings.Count(p.Log(), `"msg":"request"`) == 3 })
	for line := range strings.Lines(p.Log()) {
		if strings.ContainsAny(line, "\x1b\u2028") || strings.Contains(line, `"level":"error"`) {
			t.Errorf("M5: the log has %q", line)
		}
	}
}
