package program

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// talkative is the environment variable that makes every program of the tests log at level trace.
const talkative = "PANDADOC_AUTH_PROXY_TRACE"

// checkSecrets fails the test if the log shows a credential that the process was given.
func (p *Process) checkSecrets() {
	given := []string{p.Info["client_secret"], p.Info["refresh_token"]}
	for _, entry := range p.cmd.Env {
		switch name, value, _ := strings.Cut(entry, "="); name {
		case "PANDADOC_CLIENT_SECRET", "PANDADOC_REFRESH_TOKEN", "PANDADOC_ACCESS_TOKEN", "PANDADOC_API_KEY":
			given = append(given, value)
		}
	}
	log := p.Log()
	for _, secret := range given {
		if len(secret) >= 8 && strings.Contains(log, secret) {
			p.t.Errorf("the log of %v shows a credential", p.cmd.Args[1:])
		}
	}
}

// Binary returns the path of the program that Main has built. It walks through the program's sources, because go test
// notes which directories a test reads: otherwise it would not test a changed program again.
func Binary() string {
	top := "."
	for range 5 {
		if _, err := os.Stat(filepath.Join(top, "go.mod")); err == nil {
			break
		}
		top = filepath.Join("..", top)
	}
	for _, dir := range []string{"proxy", "tokens", "internal"} {
		_ = filepath.WalkDir(filepath.Join(top, dir), func(string, fs.DirEntry, error) error { return nil })
	}
	return os.Getenv(program)
}

// Log returns what the process has written to standard error so far.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// PID returns the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends s to the process.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// Wait waits until the process has ended, and all it wrote has been read. It returns how it ended.
func (p *Process) Wait() *os.ProcessState {
	p.t.Helper()
	select {
	case <-p.logged:
	case <-time.After(time.Minute):
		p.t.Fatal("the process has not ended after a minute")
	}
	_ = p.cmd.Wait() // the state has the error
	return p.cmd.ProcessState
}

// Command runs the program to its end as the user who runs p, with the same environment, and for p's admin listener.
// The program reads input from standard input.
func (p *Process) Command(input string, args ...string) (output string, status int) {
	p.t.Helper()
	_, at, _ := strings.Cut(p.Admin, "://")
	c := exec.CommandContext(p.t.Context(), Binary(), append(args, "--admin-listen", at)...)
	c.Env, c.Stdin = p.cmd.Env, strings.NewReader(input)
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		p.t.Fatal(err)
	}
	return string(out), c.ProcessState.ExitCode()
}

// Home returns the home directory of the user who runs p.
func (p *Process) Home() string {
	for _, entry := range p.cmd.Env {
		if home, ok := strings.CutPrefix(entry, "HOME="); ok {
			return home
		}
	}
	return ""
}
