// Package doctor breaks the environment of the built program in every known way, and checks that its command
// doctor finds the problem. There is nothing here to import.
package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

const documents = "/public/v1/documents"

// finding is one line of the doctor's JSON.
type finding struct {
	Check  string
	Result string
	Seen   string
	Fix    string
	Login  bool `json:"login_required"`
}

func (f finding) String() string {
	return fmt.Sprintf("%s %s: %s (fix: %s)", f.Result, f.Check, f.Seen, f.Fix)
}

// diagnosis is what a doctor said, and how it ended.
type diagnosis struct {
	Result   string
	Login    bool `json:"login_required"`
	Failed   int
	Warnings int
	Checks   []finding
	status   int
	output   string // all of it
}

// installation is a working installation, for a test to break: an emulator, a store with a login in it, and ports
// that nobody uses.
type installation struct {
	*testing.T
	emulator program.Emulator
	dir      string            // of the store
	env      map[string]string // PANDADOC_ left out
	plain    []string          // of the environment, as they are
	args     []string
	prepare  func(*exec.Cmd)
	secrets  []string // that must not be shown
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	w := &installation{T: t, emulator: program.Emulate(t), dir: filepath.Join(t.TempDir(), "store"), prepare: func(*exec.Cmd) {}}
	info := w.emulator.Info
	w.env = map[string]string{
		"API_URL": info["api"], "TOKEN_URL": info["token_url"], "AUTHORIZE_URL": info["authorize_url"],
		"CLIENT_ID": info["client_id"], "CLIENT_SECRET": info["client_secret"], "REFRESH_TOKEN": info["refresh_token"],
		"STORE": "file:" + w.dir, "LISTEN": "localhost:" + program.FreePort(t), "ADMIN_LISTEN": "localhost:" + program.FreePort(t),
	}
	w.secrets = []string{info["client_secret"], info["refresh_token"]}
	return w
}

func (w *installation) environ() []string {
	all := slices.Clone(w.plain)
	for name, value := range w.env {
		all = append(all, "PANDADOC_"+name+"="+value)
	}
	return all
}

// serve starts a proxy with the installation's settings.
func (w *installation) serve(args ...string) *program.Process {
	w.Helper()
	return program.Start(w.T, w.environ(), append([]string{"serve", "--log-level", "warning"}, args...)...)
}

// signIn makes a proxy use the seed once, so that the store holds tokens, and ends it.
func (w *installation) signIn() {
	w.Helper()
	p := w.serve()
	p.Want(documents, 200)
	p.Kill()
	rec := w.record()
	w.secrets = append(w.secrets, rec["access_token"].(string), rec["refresh_token"].(string))
}

// record returns the stored record as it is.
func (w *installation) record() map[string]any {
	w.Helper()
	data, err := os.ReadFile(w.recordPath())
	if err != nil {
		w.Fatal(err)
	}
	rec := map[string]any{}
	if err := json.Unmarshal(data, &rec); err != nil {
		w.Fatal(err)
	}
	return rec
}

func (w *installation) recordPath() string { return filepath.Join(w.dir, "default.json") }

// rewrite changes fields of the stored record.
func (w *installation) rewrite(fields map[string]any) {
	w.Helper()
	rec := w.record()
	maps.Copy(rec, fields)
	data, err := json.Marshal(rec)
	if err != nil {
		w.Fatal(err)
	}
	w.write(w.recordPath(), string(data))
}

func (w *installation) write(path, text string) {
	w.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// fileIn writes a file beside the store and returns its path.
func (w *installation) fileIn(name, text string) string {
	w.Helper()
	path := filepath.Join(filepath.Dir(w.dir), name)
	w.write(path, text)
	return path
}

// run runs the program once and returns what it printed.
func (w *installation) run(args ...string) (status int, stdout, stderr string) {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), program.Binary(), args...)
	cmd.Env = append([]string{"HOME=" + filepath.Dir(w.dir), "PATH=" + os.Getenv("PATH")}, w.environ()...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	w.prepare(cmd)
	exit := (*exec.ExitError)(nil)
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// doctor runs the doctor, and checks what holds for all that it says.
func (w *installation) doctor(args ...string) diagnosis {
	w.Helper()
	refreshes, invalid := w.emulator.TokenCalls()
	status, out, errs := w.run(slices.Concat([]string{"doctor", "--json"}, w.args, args)...)
	d := diagnosis{status: status, output: out + errs}
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		w.Fatalf("not JSON: %v\n%s", err, d.output)
	}
	if r, i := w.emulator.TokenCalls(); (r != refreshes || i != invalid) && !slices.Contains(args, "--refresh") {
		w.Errorf("the doctor spent a refresh token: %d refreshes, %d refusals", r-refreshes, i-invalid)
	}
	for _, secret := range w.secrets {
		if secret != "" && strings.Contains(d.output, secret) {
			w.Errorf("the doctor shows a secret:\n%s", d.output)
		}
	}
	for _, f := range d.Checks {
		if (f.Result == "warn" || f.Result == "fail") == (f.Fix == "") {
			w.Errorf("a fix is there exactly for what is wrong: %s", f)
		}
	}
	return d
}

func (d diagnosis) String() string {
	var lines []string
	for _, f := range d.Checks {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n")
}

// find returns the findings of a check that are not ok.
func (d diagnosis) find(check string) (found []finding) {
	for _, f := range d.Checks {
		if f.Check == check && (f.Result == "warn" || f.Result == "fail") {
			found = append(found, f)
		}
	}
	return found
}

// others names the checks besides check that complain.
func (d diagnosis) others(check string) (names []string) {
	for _, f := range d.Checks {
		if f.Check != check && (f.Result == "warn" || f.Result == "fail") && !slices.Contains(names, f.Check) {
			names = append(names, f.Check)
		}
	}
	return names
}

// fakeAPI is an API with the behaviour of a row, instead of the emulator.
type fakeAPI struct {
	bearer, key string // what it accepts; empty for nothing
	clock       time.Duration
	status      int    // of every answer, if it is not zero
	document    string // name of the one document
}

func (c fakeAPI) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Date", time.Now().Add(c.clock).UTC().Format(http.TimeFormat))
	credential := r.Header.Get("Authorization")
	switch {
	case c.status != 0:
		rw.WriteHeader(c.status)
	case credential == "" || credential != "Bearer "+c.bearer && credential != "API-Key "+c.key:
		rw.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(rw, `{"type":"authentication_error","detail":"Invalid key."}`)
	case r.URL.Path == "/public/v1/members/current":
		fmt.Fprint(rw, `{"email":"kim@example.com","first_name":"Kim","last_name":"Sample","workspace":"w","workspace_name":"Sales"}`)
	default:
		json.NewEncoder(rw).Encode(map[string]any{"results": []any{map[string]string{"name": c.document}}})
	}
}

// use makes the installation's API the fakeAPI, and returns its URL.
func (w *installation) use(c fakeAPI) {
	w.Helper()
	server := httptest.NewServer(c)
	w.Cleanup(server.Close)
	w.env["API_URL"], w.env["TOKEN_URL"] = server.URL, server.URL+"/oauth2/access_token"
}

// onlyKey makes the installation one with an API key and nothing else.
func (w *installation) onlyKey(key string) {
	delete(w.env, "REFRESH_TOKEN")
	w.env["API_KEY"] = key
	w.secrets = append(w.secrets, key)
}
