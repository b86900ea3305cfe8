package hazards

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// D4: a folded line is one value. No part of it becomes a header.
func TestFoldedHeader(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL)
	for name, wire := range map[string]string{
		"D4 any header":        get("/a", "X-A: one\r\n X-Real-Ip: 1"),
		"D4 Transfer-Encoding": call("POST", "/a", "localhost", "Transfer-Encoding:\r\n chunked") + "0\r\n\r\n" + get("/evil"),
	} {
		t.Run(name, func(t *testing.T) {
			got := raw(t, addr(p.URL), wire)
			if got == nil || got.StatusCode != 200 && got.StatusCode != 400 {
				t.Errorf("answer %+v", got)
			}
		})
	}
	for _, seen := range api.arrived() {
		if seen.Target == "/evil" || seen.Header.Get("X-Real-Ip") != "" {
			t.Errorf("the API saw %+v", seen)
		}
	}
}

// G4: if the token endpoint redirects, the secret is not sent elsewhere.
func TestTokenEndpointThatRedirects(t *testing.T) {
	t.Parallel()
	elsewhere, api := record(t), newRecorder(nil)
	api.answer = func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/oauth2/access_token" {
			http.Redirect(w, r, elsewhere.URL+"/steal", http.StatusTemporaryRedirect)
		}
	}
	api.Start()
	defer api.Close()
	p := program.Start(t, []string{"PANDADOC_CLIENT_ID=id", "PANDADOC_CLIENT_SECRET=canary-secret", "PANDADOC_REFRESH_TOKEN=canary-refresh"}, serveArgs(api.URL)...)
	if got := raw(t, addr(p.URL), get("/a")); got == nil || got.code != "refresh-unavailable" {
		t.Errorf("answer %+v, want refresh-unavailable", got)
	}
	if n := elsewhere.connections(); n != 0 || len(api.arrived()) == 0 {
		t.Errorf("%d connections elsewhere after %d token calls", n, len(api.arrived()))
	}
}

// K9 K10: the browser is started without a shell and with one argument, which contains no secret.
func TestBrowserIsOpenedWithoutAShell(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	told := filepath.Join(dir, "told")
	opener := "#!/bin/sh\nenv >" + told + ".env\nprintf '%s\\n' \"$#\" \"$1\" >" + told + ".new && mv " + told + ".new " + told + "\n"
	syscall.ForkLock.RLock() // no process of another test may hold the open file: it could not be run (golang/go#22315)
	err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(opener), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	api := record(t)
	cmd := exec.CommandContext(t.Context(), program.Binary(), "login", "--admin-listen", "127.0.0.1:0", "--store", "file:"+filepath.Join(dir, "store"),
		"--redirect-url", "http://127.0.0.1:"+portOf(nobodyListens(t))+"/oauth2/callback", "--scope", "$(touch "+dir+"/owned)&read",
		"--api-url", api.URL, "--token-url", api.URL+"/oauth2/access_token", "--authorize-url", api.URL+"/authorize")
	cmd.Env = []string{"HOME=" + dir, "PATH=" + dir + ":" + os.Getenv("PATH"), "DISPLAY=:0", "PANDADOC_CLIENT_ID=id", "PANDADOC_CLIENT_SECRET=canary-secret"}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var printed string
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(printed, "/connect/") {
		printed += lines.Text() + "\n"
	}
	if !strings.Contains(printed, "/connect/") {
		t.Fatalf("the command wrote %s", printed)
	}
	await(t, "the browser to be opened", func() bool { _, err := os.Stat(told); return err == nil })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	text, _ := os.ReadFile(told)
	count, address, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if count != "1" || !strings.Contains(printed, address) || !strings.HasPrefix(address, "http://127.0.0.1:") {
		t.Errorf("the opener was called with %s arguments, %q; printed was %q", count, address, printed)
	}
	if strings.Contains(printed+string(text), "canary") {
		t.Errorf("K10: %q shows a secret", printed)
	}
	environment, err := os.ReadFile(told + ".env")
	if err != nil || !strings.Contains(string(environment), "DISPLAY=:0") || strings.Contains(string(environment), "PANDADOC_") {
		t.Errorf("U11: the browser's environment is %q (%v), want one without our settings", environment, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "owned")); err == nil {
		t.Error("K9: a shell ran a part of the address")
	}
}
