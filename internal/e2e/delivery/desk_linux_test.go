package delivery

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// desk is a place to type the commands of a page: an empty directory, with its own home, and the program in PATH.
type desk struct {
	*testing.T
	dir    string
	env    map[string]string
	listen string // replaces localhost:8080
	admin  string // replaces localhost:8081
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, dir: shortDir(t), listen: "127.0.0.1:" + program.FreePort(t), admin: "localhost:" + program.FreePort(t)}
	bin, home := filepath.Join(d.dir, "bin"), filepath.Join(d.dir, "home")
	for _, dir := range []string{bin, home} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, place := range []string{bin, d.dir} {
		if err := os.Symlink(program.Binary(), filepath.Join(place, "pandadoc-auth-proxy")); err != nil {
			t.Fatal(err)
		}
	}
	// The program is built already. This go only checks that it is asked to build the program.
	d.write("bin/go", "#!/bin/sh\n[ \"$*\" = 'build .' ]\n", 0o700)
	d.write("home/.curlrc", "fail-with-body\nsilent\nshow-error\nmax-time = 30\n", 0o600)
	d.env = map[string]string{
		"HOME": home, "PATH": bin + string(os.PathListSeparator) + os.Getenv("PATH"), "TMPDIR": d.dir,
		"PANDADOC_LISTEN": d.listen, "PANDADOC_ADMIN_LISTEN": d.admin,
		"HTTPS_PROXY": "http://127.0.0.1:1", // no request leaves this machine
	}
	return d
}

// shortDir is t.TempDir with a short path, because the path of a unix socket must be short.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "delivery-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func (d *desk) write(name, text string, mode os.FileMode) {
	d.Helper()
	// Fixed: "/bin/sh: bad interpreter: Text file busy". A process that another test starts now would hold the open file
	// for a moment, and a file that is open for writing cannot be run (golang/go#22315).
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), mode); err != nil {
		d.Fatal(err)
	}
}

func (d *desk) expect(ok bool, format string, args ...any) {
	d.Helper()
	if !ok {
		d.Errorf(format, args...)
	}
}

func (d *desk) environ() (all []string) {
	for _, name := range slices.Sorted(maps.Keys(d.env)) {
		all = append(all, name+"="+d.env[name])
	}
	return all
}

// emulate starts an emulator, and sets the program's environment to use it.
func (d *desk) emulate() program.Emulator {
	d.Helper()
	e := program.Emulate(d.T)
	for name, of := range map[string]string{
		"PANDADOC_API_URL": "api", "PANDADOC_TOKEN_URL": "token_url", "PANDADOC_AUTHORIZE_URL": "authorize_url",
		"PANDADOC_CLIENT_ID": "client_id", "PANDADOC_CLIENT_SECRET": "client_secret",
		"API": "api", "TOKEN_URL": "token_url", "MANAGE": "manage", "ID": "client_id", "SECRET": "client_secret", "REFRESH": "refresh_token",
	} {
		d.env[name] = e.Info[of]
	}
	return e
}

// preamble ends the shell at the first command that fails, and with it the background commands.
const preamble = `set -e -o pipefail -m
trap 'for job in $(jobs -p); do kill -- -$job; done' EXIT
`

// bash returns commands as one script, each on its own line.
func (d *desk) bash(commands ...string) *exec.Cmd {
	text := preamble + strings.Join(commands, "\n") + "\n"
	for page, here := range map[string]string{"localhost:8080": d.listen, "localhost:8081": d.admin} {
		text = strings.ReplaceAll(text, page, here)
	}
	c := exec.Command("bash", "-c", text)
	c.Dir, c.Env = d.dir, d.environ()
	return c
}

// types runs commands to their end, and returns their output.
func (d *desk) types(commands ...string) string {
	d.Helper()
	c := d.bash(commands...)
	c.WaitDelay = 10 * time.Second
	limit := time.AfterFunc(time.Minute, func() { end(c, syscall.SIGKILL) })
	defer limit.Stop()
	out, err := c.CombinedOutput()
	if err != nil {
		d.Errorf("%s\n%v\n%s", strings.Join(commands, "\n"), err, out)
	}
	return string(out)
}

// lasting runs a command that does not end by itself, until it has printed text.
func (d *desk) lasting(command, text string) {
	d.Helper()
	c := d.bash(command)
	r, w := io.Pipe()
	c.Stdout, c.Stderr = w, w
	if err := c.Start(); err != nil {
		d.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := c.Wait()
		w.Close()
		ended <- err
	}()
	printed, seen := new(strings.Builder), make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(r)
		found := false
		for lines.Scan() {
			fmt.Fprintln(printed, lines.Text())
			if !found && strings.Contains(lines.Text(), text) {
				found = true
				seen <- true
			}
		}
		close(seen)
	}()
	select {
	case ok := <-seen:
		if !ok {
			d.Errorf("%s: ended without %q:\n%s", command, text, printed)
		}
	case <-time.After(30 * time.Second):
		d.Errorf("%s: no %q after 30 s", command, text)
	}
	end(c, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		end(c, syscall.SIGKILL)
		d.Errorf("%s: has not ended 30 s after SIGTERM", command)
	}
}

// end sends a signal to a shell and to its programs, which have their own process groups. A shell may replace
// itself by its last program.
func end(shell *exec.Cmd, s syscall.Signal) {
	for _, pid := range append(children(shell.Process.Pid), shell.Process.Pid) {
		_ = syscall.Kill(pid, s) // an error means that it has ended
	}
}
