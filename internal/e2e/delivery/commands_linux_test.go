package delivery

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// example is a fence of a page, and what this test does with it.
type example struct {
	page   string
	begins string // the first line of the fence
	// run runs it and reports errors. Nil if only people can check it; why then gives the reason.
	run func(*desk, fence)
	why string
}

const (
	isATest       = "it is the test, or runs it"
	needsDocker   = "no registry and no daemon here: TestTheImage builds and runs the image"
	needsCluster  = "there is no cluster here: the module in kubernetes/ decodes and checks the manifests"
	needsTheAPI   = "internal/e2e/hazards runs the recipe of this page (U13)"
	needsRegistry = "it downloads from a registry: .ci/run does the same"
)

func examples() []example {
	return []example{
		{page: "README.md", begins: "$ go build . && ./pandadoc-auth-proxy sandbox", run: firstScreen},
		{page: "README.md", begins: "$ CGO_ENABLED=0 go build .", run: omitting("docker build", needsDocker)},
		{page: "README.md", begins: "$ export PANDADOC_CLIENT_ID=…", run: signIn},
		{page: "README.md", begins: "$ go test ./...", why: isATest},
		{page: "CONTRIBUTING.md", begins: "$ go build . && ./pandadoc-auth-proxy sandbox", run: func(d *desk, f fence) {
			for _, text := range f.commands()[1:] {
				d.expect(text == "go test ./..." || text == "bash .ci/run", "%q is no test", text)
			}
			d.lasting(f.commands()[0], "listening on ")
		}},
		{page: "CONTRIBUTING.md", begins: "client ──>", why: "it is a picture"},
		{page: "docs/accounts.md", begins: "# pandadoc.yaml", run: settings},
		{page: "docs/admin.md", begins: `$ curl -H "Authorization: Bearer`, run: withAdminKey},
		{page: "docs/admin.md", begins: "$ curl localhost:8081/api/v1/test", run: beside(`"status": *200`)},
		{page: "docs/deployment.md", begins: "# install -d", why: "it needs systemd as the first process: the units are verified in this package"},
		{page: "docs/deployment.md", begins: "[Service]", run: dropIn},
		{page: "docs/deployment.md", begins: "$action", why: "it needs Windows"},
		{page: "docs/deployment.md", begins: "icacls", why: "it needs Windows"},
		{page: "docs/deployment.md", begins: "<?xml", run: wellFormed},
		{page: "docs/deployment.md", begins: "$ launchctl", why: "it needs macOS"},
		{page: "docs/deployment.md", begins: "$ docker run --rm", why: needsDocker},
		{page: "docs/doctor.md", begins: "$ pandadoc-auth-proxy doctor", run: beside("(?m)^[0-9]+ skipped, [0-9]+ ok$")},
		{page: "docs/emulator.md", begins: "$ pandadoc-auth-proxy sandbox ", run: func(d *desk, f fence) {
			for _, text := range f.commands() {
				d.lasting(text, `"refresh_token":"`)
			}
		}},
		{page: "docs/emulator.md", begins: `{"api":`, run: sameFields},
		{page: "docs/emulator.md", begins: "$ curl -d grant_type=refresh_token", run: withEmulator},
		{page: "docs/emulator.md", begins: "$ curl $MANAGE/history", run: withEmulator},
		{page: "docs/emulator.md", begins: `$ curl $MANAGE/fault -d '{"route":"token"`, run: withEmulator},
		{page: "docs/emulator.md", begins: "$ mkdir /tmp/client", why: needsRegistry},
		{page: "docs/hard-coded-url.md", begins: "openssl req", why: needsTheAPI},
		{page: "docs/hard-coded-url.md", begins: "127.0.0.1 api.pandadoc.com", why: needsTheAPI},
		{page: "docs/hard-coded-url.md", begins: "dig +short", why: "it asks the DNS"},
		{page: "docs/hard-coded-url.md", begins: "pandadoc-auth-proxy serve", why: needsTheAPI},
		{page: "docs/hard-coded-url.md", begins: "curl --cacert", why: needsTheAPI},
		{page: "docs/life-cycle.md", begins: "$ go test ./internal/e2e/chaos/model", why: isATest},
		{page: "docs/life-cycle.md", begins: "$ go test ./internal/e2e/chaos ", why: isATest},
		{page: "docs/performance.md", begins: "$ go test ./internal/bench", why: isATest},
		{page: "docs/security.md", begins: "client-keys:", run: settings},
		{page: "docs/settings.md", begins: "# pandadoc.yaml", run: settings},
		{page: "docs/stores.md", begins: "$ kubectl create secret", why: needsCluster},
		{page: "docs/stores.md", begins: "apiVersion: rbac", why: needsCluster},
		{page: "docs/stores.md", begins: "spec:", why: needsCluster},
		{page: "docs/stores.md", begins: "ACL SETUSER proxy", run: redisRights},
		{page: "docs/stores.md", begins: "$ pandadoc-auth-proxy import", why: needsCluster},
		{page: "docs/stores.md", begins: "$ openssl rand", run: storeKey},
	}
}

// This test types the commands of the pages. Add every new fence to the table, with a function that runs it or the
// reason why it cannot be run.
func TestWhatThePagesShowWorks(t *testing.T) {
	t.Parallel()
	need(t, "bash", "curl", "openssl")
	left := examples()
	for _, f := range fences(t) {
		i := slices.IndexFunc(left, func(e example) bool { return e.page == f.page && strings.HasPrefix(f.lines[0], e.begins) })
		if i < 0 {
			t.Errorf("%s:%d begins with %q, and nothing here runs it or says why it cannot be run", f.page, f.line, f.lines[0])
			continue
		}
		e := left[i]
		left = slices.Delete(left, i, i+1)
		t.Run(f.name(), func(t *testing.T) {
			if e.run == nil {
				t.Logf("not run: %s", e.why)
				return
			}
			e.run(newDesk(t), f)
		})
	}
	for _, e := range left {
		t.Errorf("%s has no fence that begins with %q", e.page, e.begins)
	}
}

// fence is a block of a page between two lines of ```.
type fence struct {
	page  string
	line  int // of the page
	kind  string
	lines []string
}

func (f fence) name() string { return fmt.Sprintf("%s line %d", f.page, f.line) }

// commands returns the text that a person types: in a console the text after the prompt, elsewhere every line.
func (f fence) commands() (all []string) {
	goesOn := false
	for _, line := range f.lines {
		text, typed := strings.CutPrefix(line, "$ ")
		switch {
		case goesOn:
			all[len(all)-1] += "\n" + line
		case typed || f.kind != "console":
			all = append(all, strings.TrimSpace(text))
		default:
			continue // output
		}
		goesOn = strings.HasSuffix(line, `\`)
	}
	for i, text := range all { // a remark after the command
		all[i], _, _ = strings.Cut(text, "  #")
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

func fences(t *testing.T) (all []fence) {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(top(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	for _, path := range pages {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		page, err := filepath.Rel(top(t), path)
		if err != nil {
			t.Fatal(err)
		}
		var open *fence
		for i, line := range strings.Split(string(text), "\n") {
			kind, edge := strings.CutPrefix(strings.TrimSpace(line), "```")
			switch {
			case edge && open == nil:
				open = &fence{page: filepath.ToSlash(page), line: i + 1, kind: kind}
			case edge:
				all = append(all, *open)
				open = nil
			case open != nil:
				open.lines = append(open.lines, line)
			}
		}
	}
	if len(all) < 30 {
		t.Fatalf("found %d fences", len(all))
	}
	return all
}

// omitting runs what a page shows except for a command that cannot be run here.
func omitting(begins, why string) func(*desk, fence) {
	return func(d *desk, f fence) {
		var run []string
		for _, text := range f.commands() {
			if strings.HasPrefix(text, begins) {
				d.Logf("not run: %s: %s", text, why)
				continue
			}
			run = append(run, text)
		}
		d.expect(len(run) > 0 && len(run) < len(f.commands()), "%q is not among %q", begins, f.commands())
		d.types(run...)
	}
}

// firstScreen waits for the line that the page names, and ends the program as the page says.
func firstScreen(d *desk, f fence) {
	commands := f.commands()
	d.expect(strings.HasSuffix(commands[0], "&"), "%q does not go to the background", commands[0])
	// A release wants a checkout without new files.
	ignored, err := os.ReadFile(filepath.Join(top(d.T), ".gitignore"))
	_, file, found := strings.Cut(strings.TrimSuffix(commands[0], " &"), ">")
	d.expect(err == nil && found && strings.Contains(string(ignored), "\n/"+file+"\n"), "git does not ignore %q (%v)", file, err)
	out := d.types(slices.Concat(commands[:1], []string{"pandadoc-auth-proxy wait --timeout 30s"}, commands[1:], []string{"kill %1", "wait || true"})...)
	for _, want := range []string{"listening on http://" + d.listen + " -> http://127.0.0.1:", `{"results":[{"id":"`, `"email":"ada@sandbox.example"`} {
		d.expect(strings.Contains(out, want), "no %s in:\n%s", want, out)
	}
}

// On a server without a browser, curl allows the access, and follows the redirect of the consent page.
const browser = `#!/bin/bash
set -e
page=$(curl --location --cookie-jar jar --cookie jar "$1")
ticket=$(sed -n 's/.*name="ticket" value="\([^"]*\)".*/\1/p' <<<"$page" | head -1)
curl --location --cookie-jar jar --cookie jar --data-urlencode "ticket=$ticket" --data answer=allow "$API/oauth2/authorize/confirm" >page.html
`

func signIn(d *desk, f fence) {
	d.emulate()
	d.write("bin/xdg-open", browser, 0o700)
	d.env["DISPLAY"] = ":0"
	commands := f.commands()
	d.Logf("not run: %s: the environment of the emulator is set", commands[0])
	var run []string
	for _, text := range commands[1:] {
		run = append(run, text)
		if strings.HasSuffix(text, "&") {
			run = append(run, "pandadoc-auth-proxy wait --timeout 30s")
		}
	}
	out := d.types(append(run, "kill %1", "wait")...)
	for _, want := range []string{"account default is signed in", "PandaDoc user: Ada", `"email":"ada@sandbox.example"`} {
		d.expect(strings.Contains(out, want), "no %s in:\n%s", want, out)
	}
}

// serve runs a proxy at the desk's addresses until the end of the test.
func (d *desk) serve(args ...string) {
	d.Helper()
	program.Start(d.T, d.environ(), append([]string{"serve", "--log-level", "warning"}, args...)...)
}

// beside runs commands while a signed-in proxy runs. Their output must match the pattern.
func beside(pattern string) func(*desk, fence) {
	return func(d *desk, f fence) {
		d.env["PANDADOC_REFRESH_TOKEN"] = d.emulate().Info["refresh_token"]
		d.serve()
		out := d.types(f.commands()...)
		d.expect(regexp.MustCompile(pattern).MatchString(out), "no %s in:\n%s", pattern, out)
	}
}

func withAdminKey(d *desk, f fence) {
	d.env["PANDADOC_REFRESH_TOKEN"] = d.emulate().Info["refresh_token"]
	d.serve("--require-header", "X-Team: 0123456789abcdef0123456789abcdef")
	out := d.types(f.commands()...)
	d.expect(strings.Contains(out, `"accounts"`), "no accounts in:\n%s", out)
}

func withEmulator(d *desk, f fence) {
	e := d.emulate()
	commands := f.commands()
	if strings.Contains(strings.Join(f.lines, "\n"), "$ACCESS") { // the second command uses the answer of the first
		var pair struct {
			AccessToken string `json:"access_token"`
		}
		out := d.types(commands[0])
		if err := json.Unmarshal([]byte(out), &pair); err != nil || pair.AccessToken == "" {
			d.Fatalf("no access token in:\n%s", out)
		}
		d.env["ACCESS"] = pair.AccessToken
		commands = commands[1:]
	}
	for _, text := range commands {
		d.types(text)
	}
	e.Manage("DELETE", "/fault", "", nil)
}

// sameFields compares a line of JSON on a page with that of the program.
func sameFields(d *desk, f fence) {
	var shown map[string]string
	if err := json.Unmarshal([]byte(strings.Join(f.lines, "")), &shown); err != nil {
		d.Fatal(err)
	}
	got, want := slices.Sorted(maps.Keys(shown)), slices.Sorted(maps.Keys(d.emulate().Info))
	d.expect(slices.Equal(got, want), "the page shows %q, the program prints %q", got, want)
}

// settings checks a file of settings with doctor. It also writes the files that the settings name.
func settings(d *desk, f fence) {
	d.emulate()
	text := regexp.MustCompile(`-file: (\S+)`).ReplaceAllStringFunc(strings.Join(f.lines, "\n"), func(found string) string {
		key, path, _ := strings.Cut(found, ": ")
		d.write(filepath.Base(path), fmt.Sprintf("%040x\n", len(path)<<32|int(path[len(path)-1])), 0o600)
		return key + ": " + filepath.Join(d.dir, filepath.Base(path))
	})
	for _, name := range []string{"PANDADOC_CLIENT_ID", "PANDADOC_CLIENT_SECRET"} {
		if strings.Contains(text, "client-id-file") {
			delete(d.env, name)
		}
	}
	d.write("pandadoc.yaml", text, 0o600)
	out := d.types("pandadoc-auth-proxy doctor --config pandadoc.yaml || true")
	d.expect(strings.Contains(out, "pandadoc.yaml are in order"), "doctor says of\n%s\n\n%s", text, out)
}

func wellFormed(d *desk, f fence) {
	decoder := xml.NewDecoder(strings.NewReader(strings.Join(f.lines, "\n")))
	for {
		if _, err := decoder.Token(); err == io.EOF {
			return
		} else if err != nil {
			d.Fatal(err)
		}
	}
}

// redisRights creates the Redis user of the page, and lets a proxy refresh with it.
func redisRights(d *desk, f fence) {
	need(d.T, "redis-server", "redis-cli")
	port := program.FreePort(d.T)
	server := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--appendonly", "yes", "--dir", d.dir)
	if err := server.Start(); err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	cli := "redis-cli -p " + port
	waitFor(d.T, "Redis", func() bool { return d.bash(cli+" ping").Run() == nil })
	rights := regexp.MustCompile(`\S+`).ReplaceAllString(f.lines[0], "'$0'")
	out := d.types(cli + " " + strings.ReplaceAll(rights, "PASSWORD", "secret"))
	d.expect(strings.TrimSpace(out) == "OK", "ACL SETUSER: %s", out)
	d.env["PANDADOC_REFRESH_TOKEN"] = d.emulate().Info["refresh_token"]
	d.env["PANDADOC_STORE"] = "redis://proxy:secret@127.0.0.1:" + port
	d.serve()
	out = d.types("curl localhost:8080/public/v1/documents", "pandadoc-auth-proxy refresh", "pandadoc-auth-proxy status")
	d.expect(strings.Contains(out, "account default: ready"), "no account is ready:\n%s", out)
}

func storeKey(d *desk, f fence) {
	d.env["PANDADOC_REFRESH_TOKEN"] = d.emulate().Info["refresh_token"]
	d.types(f.commands()...)
	d.serve("--store-key-file", filepath.Join(d.dir, "store.key"))
	d.types("curl localhost:8080/public/v1/documents")
	record, err := os.ReadFile(filepath.Join(d.dir, "home/.local/state/pandadoc-auth-proxy/default.json"))
	d.expect(err == nil && !strings.Contains(string(record), `"access_token"`), "the record is not encrypted: %v\n%s", err, record)
}
