package hazards

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// commandIn runs a command with an environment of its own, and returns what it printed and how it ended.
func commandIn(t *testing.T, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit) // limits a proxy that should not have started
	defer cancel()
	cmd := exec.CommandContext(ctx, program.Binary(), args...)
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}, env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// notStarted starts a proxy that must refuse to start, and checks its report.
func notStarted(t *testing.T, env, args []string, want ...string) {
	t.Helper()
	_, stderr, status := commandIn(t, env, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "none", "--store", "memory:"}, args...)...)
	if status != 2 || strings.Contains(stderr, "listening on") {
		t.Errorf("%v %v: exit status %d\n%s", env, args, status, stderr)
	}
	for _, text := range want {
		if !strings.Contains(stderr, text) {
			t.Errorf("%v %v: %q is not in\n%s", env, args, text, stderr)
		}
	}
}

// U14: in the first version, one function accepted "read_only: true" and another did not find it. So nothing was
// refused, and doctor reported no problem. This test tries every setting of serve in other common spellings. Each
// is refused, with the right name.
func TestSettingsInAnotherSpelling(t *testing.T) {
	t.Parallel()
	help, _, _ := commandIn(t, nil, "serve", "--help")
	names := regexp.MustCompile(`(?m)^ {2,6}(?:-h, )?--([a-z-]+)`).FindAllStringSubmatch(help, -1)
	if len(names) < 40 {
		t.Fatalf("got %d settings in\n%s", len(names), help)
	}
	var file strings.Builder
	var wrong []string
	line := 0
	add := func(spelling, right string) {
		line++
		file.WriteString(spelling + ": x\n")
		wrong = append(wrong, spelling+": unknown name\nhint: write "+right+":")
	}
	for _, m := range names {
		name := m[1]
		if name == "help" || name == "version" || name == "config" {
			continue
		}
		for _, spelling := range []string{strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], strings.ReplaceAll(name, "-", "_"), "--" + name} {
			if spelling != name {
				add(spelling, name)
			}
		}
	}
	for _, secret := range []string{"client_id", "client_secret", "refresh_token", "access_token", "api_key", "Client-Keys", "client_keys", "ACCOUNTS"} {
		add(secret, strings.ReplaceAll(strings.ToLower(secret), "_", "-"))
	}
	notStarted(t, nil, []string{"--config", write(t, "config.yaml", file.String())}, wrong...)
	t.Logf("%d spellings of %d settings", line, len(names)-3)
}

// U14: a value that would mean "everything", or nothing at all, is refused in every place.
func TestSettingsWithoutEffect(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, file string
		env, args  []string
		want       string
	}{
		{"an empty list of routes", "allow-route: []\n", nil, nil, "allow-route: the list is empty, which would allow everything"},
		{"routes without a value", "allow-route:\n", nil, nil, "allow-route: a plain value is expected"},
		{"an empty route", "", nil, []string{"--allow-route="}, "--allow-route: "},
		{"an empty variable of routes", "", []string{"PANDADOC_ALLOW_ROUTE= "}, nil, "PANDADOC_ALLOW_ROUTE: the value is empty, which would allow everything"},
		{"a required header without a value", "require-header: ''\n", nil, nil, "require-header: the value is empty"},
		{"an empty required header", "", nil, []string{"--require-header="}, "--require-header: the value is empty"},
		{"an empty variable of the header", "", []string{"PANDADOC_REQUIRE_HEADER="}, nil, "PANDADOC_REQUIRE_HEADER: the value is empty"},
		{"a required header of spaces", "", nil, []string{"--require-header= : "}, "--require-header: "},
		{"read-only of nothing", "read-only: ''\n", nil, nil, `read-only: "" is neither true nor false`},
		{"an empty variable of read-only", "", []string{"PANDADOC_READ_ONLY="}, nil, "PANDADOC_READ_ONLY: the value is empty"},
		{"an empty list of hosts", "allow-host: []\n", nil, nil, "allow-host: the list is empty"},
		{"no client keys", "client-keys: {}\n", nil, nil, "client-keys: client key names are expected below it"},
		{"no accounts", "accounts: {}\n", nil, nil, "accounts: account names are expected below it"},
		{"an empty variable of the admin key", "", []string{"PANDADOC_ADMIN_KEY_FILE="}, nil, "PANDADOC_ADMIN_KEY_FILE: the value is empty, which would leave the admin listener open"},
		{"an empty variable of TLS", "", []string{"PANDADOC_TLS_CERT=", "PANDADOC_TLS_KEY="}, nil, "PANDADOC_TLS_CERT: the value is empty, which would serve without TLS"},
		{"an empty variable of the store's key", "", []string{"PANDADOC_STORE_KEY_FILE="}, nil, "PANDADOC_STORE_KEY_FILE: the value is empty, which would store unencrypted tokens"},
		{"a forward proxy without a name", "", []string{"HTTPS_PROXY=http://"}, nil, "HTTPS_PROXY: not a valid address"},
		{"a forward proxy with half an address", "", []string{"https_proxy=http://[::1"}, nil, "HTTPS_PROXY: not a valid address"},
		{"a forward proxy at no port", "", []string{"HTTPS_PROXY=proxy.example:99999"}, nil, "HTTPS_PROXY: not a valid address"},
		{"a level that is none", "log-level: nonsense\n", nil, nil, `log-level: "nonsense" is not a level`},
		{"another file", "config: other.yaml\n", nil, nil, "config: a configuration file cannot name another one"},
		{"a flag of another command", "paste: true\n", nil, nil, "paste: unknown name"},
		{"a key of an account in another spelling", "accounts:\n  acme:\n    Api_Key: x\n", nil, nil, "acme.Api_Key: unknown name\nhint: write api-key:"},
		{"a key of a client key in another spelling", "client-keys:\n  app:\n    Key: x\n", nil, nil, "app.Key: unknown name\nhint: write key:"},
		{"the same setting twice", "read-only: true\nread-only: false\n", nil, nil, "already defined"},
		{"the refresh token of another account", "accounts:\n  a: {refresh-token: same-token}\n  b: {refresh-token: same-token}\n", nil, nil, `accounts "a" and "b" have the same refresh token`},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := row.args
			if row.file != "" {
				args = append(args, "--config", write(t, "config.yaml", row.file))
			}
			notStarted(t, row.env, args, row.want)
		})
	}
}

// U14: editors add a byte order mark at the front, and names of stores end with a colon.
func TestSettingsThatLookOdd(t *testing.T) {
	t.Parallel()
	api := record(t)
	for name, text := range map[string]string{
		"byte order mark": "\ufeffread-only: true\n", "memory store": "read-only: true\nstore: memory: # not kept\n",
		"line breaks of Windows": "read-only: true\r\nstore: memory:\r\n", "quotes": "\"read-only\": 'true'\n",
	} {
		t.Run(name, func(t *testing.T) {
			config := write(t, "config.yaml", text)
			p := program.Start(t, signedIn(), "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--api-url", api.URL, "--config", config)
			resp, err := http.Post(p.URL+"/public/v1/documents", "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden || len(api.arrived()) != 0 {
				t.Errorf("got %d, and %d requests arrived: read-only is not in force", resp.StatusCode, len(api.arrived()))
			}
		})
	}
}

// U15: Docker does not remove quotes in an env file, so they would become part of the secret.
func TestQuotesAroundSecrets(t *testing.T) {
	t.Parallel()
	for _, quoted := range []string{`"hunter2hunter2"`, "'hunter2hunter2'", "`hunter2hunter2`", `"hunter2hunter2`, " hunter2hunter2", "hunter2hunter2\t", "hunter2\u00a0hunter2"} {
		var values, files, wrong, wrongFiles []string
		for _, name := range []string{"CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "ACCESS_TOKEN", "API_KEY"} {
			values, wrong = append(values, "PANDADOC_"+name+"="+quoted), append(wrong, "PANDADOC_"+name+": the secret ")
			file := write(t, "secret", quoted)
			files, wrongFiles = append(files, "PANDADOC_"+name+"_FILE="+file), append(wrongFiles, "PANDADOC_"+name+"_FILE: "+file)
		}
		notStarted(t, values, nil, append(wrong, "without quotes")...)
		notStarted(t, files, nil, append(wrongFiles, "without quotes")...)
		_, stderr, _ := commandIn(t, []string{"PANDADOC_API_KEY=" + quoted}, "serve")
		if strings.Contains(stderr, "hunter2") {
			t.Errorf("the secret is shown:\n%s", stderr)
		}
	}
	quotedKey := write(t, "config.yaml", "client-keys:\n  app:\n    key-file: "+write(t, "key", `"0123456789abcdef0123456789abcdef"`)+"\n")
	notStarted(t, nil, []string{"--config", quotedKey}, "the secret has quotes around it")
}

// U24: a person who can write to such a file decides where the tokens go.
func TestFilesThatOthersCanWrite(t *testing.T) {
	t.Parallel()
	file := func(mode os.FileMode, text string) string {
		path := write(t, "file", text)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := newAuthority(t)
	cert, tlsKey := authority.write(t, t.TempDir(), authority.issue(t, leaf{names: []string{"localhost"}, serial: 1}))
	for _, mode := range []os.FileMode{0o666, 0o622, 0o602, 0o620} {
		for _, pem := range []string{cert, tlsKey} {
			os.Chmod(pem, mode)
			notStarted(t, nil, []string{"--tls-cert", cert, "--tls-key", tlsKey}, "other users can write to "+pem, "hint: run: chmod go-w "+pem)
			os.Chmod(pem, 0o600)
		}
		os.Chmod(cert, mode)
		notStarted(t, nil, []string{"--ca-file", cert}, "other users can write to "+cert)
		os.Chmod(cert, 0o600)
		config := file(mode, "read-only: true\n")
		notStarted(t, nil, []string{"--config", config}, "other users can write to "+config, "hint: run: chmod go-w "+config)
		var secrets, wrong []string
		for _, name := range []string{"client-id", "client-secret", "refresh-token", "access-token", "api-key"} {
			secret := file(mode, "0123456789abcdef")
			secrets, wrong = append(secrets, "--"+name+"-file", secret), append(wrong, "other users can write to "+secret)
		}
		notStarted(t, nil, secrets, wrong...)
		key := file(mode, "0123456789abcdef0123456789abcdef")
		notStarted(t, nil, []string{"--config", write(t, "config.yaml", "client-keys:\n  app:\n    key-file: "+key+"\n")}, "other users can write to "+key)
		out, _, status := commandIn(t, nil, "doctor", "--admin-listen", "none", "--api-url", "http://127.0.0.1:1", "--token-url", "http://127.0.0.1:1/t", "--config", config)
		if status == 0 || !strings.Contains(out, "other users can write to "+config) {
			t.Errorf("doctor: %d\n%s", status, out)
		}
	}

	// If other users can only read the file, that is a warning, which doctor repeats.
	readable := file(0o644, "0123456789abcdef")
	p := program.Start(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--store", "memory:", "--api-key-file", readable)
	await(t, "the warning", func() bool { return strings.Contains(p.Log(), "other users of this machine can read "+readable) })
	inline := file(0o644, "api-key: 0123456789abcdef\n")
	out, _, _ := commandIn(t, nil, "doctor", "--admin-listen", "none", "--api-url", "http://127.0.0.1:1", "--token-url", "http://127.0.0.1:1/t", "--config", inline)
	if !strings.Contains(out, "other users of this machine can read "+inline) {
		t.Errorf("doctor does not name the file that others can read:\n%s", out)
	}
}

// U12: another person's server must not control our terminal: colours, the title, the clipboard, or a line that
// looks like ours.
func TestControlCharactersOfOthers(t *testing.T) {
	t.Parallel()
	const evil = "\x1b]52;c;aGk=\a\x1b[2J\u009b31m\r\x7f\u202e" + "\nerror: forged"
	clean := func(what, text string) {
		t.Helper()
		if i := strings.IndexFunc(text, func(r rune) bool {
			return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r <= 0x9f || r == '\u202e' || r == '\u2028'
		}); i >= 0 {
			t.Errorf("%s prints a control character: %q", what, text[i:min(len(text), i+20)])
		}
		if strings.Contains(text, "\nerror: forged") {
			t.Errorf("%s prints a line of somebody else:\n%s", what, text)
		}
	}
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"error": "invalid_" + evil, "error_description": evil})
	}))
	t.Cleanup(endpoint.Close)
	member := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"email": evil, "first_name": evil, "workspace_name": evil})
	}))
	t.Cleanup(member.Close)
	env := []string{"PANDADOC_CLIENT_ID=id", "PANDADOC_CLIENT_SECRET=secret", "PANDADOC_REFRESH_TOKEN=token-0123456789"}
	home := "file:" + filepath.Join(t.TempDir(), "store")
	settings := []string{"--api-url", member.URL, "--token-url", endpoint.URL + "/t", "--admin-listen", "none", "--store", home}
	for _, args := range [][]string{{"refresh"}, {"status"}, {"status", "--json"}, {"doctor", "--refresh"}, {"doctor", "--json"}, {"logout", "--account", "a" + evil}} {
		out, errs, _ := commandIn(t, env, append(args, settings...)...)
		clean(strings.Join(args[:1], " "), out+errs)
	}
	out, errs, _ := commandIn(t, []string{"PANDADOC_ACCESS_TOKEN=token-0123456789"}, append([]string{"doctor"}, settings...)...)
	clean("doctor", out+errs)

	// A program on the admin port that is not a proxy.
	squatter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, `{"program":"pandadoc-auth-proxy","detail":"\u001b[2J\u009bforged","hint":"\u001b]0;x\u0007"}`)
	}))
	t.Cleanup(squatter.Close)
	for _, args := range [][]string{{"status"}, {"refresh"}, {"logout"}, {"explain"}, {"healthcheck"}, {"doctor"}} {
		out, errs, _ := commandIn(t, nil, append(args, "--admin-listen", strings.TrimPrefix(squatter.URL, "http://"))...)
		clean(args[0]+" of a squatter", out+errs)
	}
	out, errs, _ = commandIn(t, []string{"PANDADOC_LISTEN=" + evil}, "serve")
	clean("a setting", out+errs)
	out, errs, _ = commandIn(t, nil, "status"+evil)
	clean("a command", out+errs)
}
