//go:build unix

package chaos

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// servePiped runs a shell line in a new process group, with the program in the place of PROXY. When the program is
// ready, it must say so on the standard error of the line.
func (w *testbed) servePiped(line string, args ...string) *proxy {
	w.t.Helper()
	inShell := func(c *exec.Cmd) {
		c.Args = []string{"sh", "-c", strings.ReplaceAll(line, "PROXY", "'"+strings.Join(append([]string{c.Path}, c.Args[1:]...), "' '")+"'")}
		c.Path = "/bin/sh"
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	p := w.start(inShell, nil, args...)
	w.t.Cleanup(func() { _ = syscall.Kill(-p.PID(), syscall.SIGKILL) })
	return p
}

// group sends a signal to all processes of the line, as a terminal does.
func (p *proxy) group(s syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(-p.PID(), s); err != nil {
		p.t.Error(err)
	}
}

// During a refresh, the reader of the log ends or stops reading. The pair is saved.
func TestRefreshWithoutAReaderOfTheLog(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		line string
		end  func(p *proxy)
	}{
		{"serve 2>&1 | cat, and Ctrl-C", "PROXY 2>&1 | cat >&2", func(p *proxy) { p.group(syscall.SIGINT) }},
		{"the terminal is closed", "PROXY 2>&1 | cat >&2", func(p *proxy) { p.group(syscall.SIGHUP) }},
		{"the reader ends first", "PROXY 2>&1 | sed '/admin on/q' >&2", func(p *proxy) { p.group(syscall.SIGTERM) }},
		{"nobody reads", "PROXY 2>&1 | { trap '' TERM; sed '/admin on/q' >&2; sleep 600; }", func(p *proxy) { p.group(syscall.SIGTERM) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newSignedIn(t)
			p := w.servePiped(row.line, "--log-level", "trace")
			for range 400 { // more lines than fit into a pipe
				p.want(200)
			}
			arrived := make(chan struct{})
			w.plan(always(plan{before: func() { close(arrived) }, after: func() { pause(300 * time.Millisecond) }}))
			w.refuse()
			go func() { _, _ = p.get(context.Background()) }()
			<-arrived
			row.end(p)
			until(t, "end", func() error {
				if lockIsFree(t, w.dir) && w.record().Pending == nil {
					return nil
				}
				return errors.New("the refresh is not over")
			})
			w.rest()
			if live, _ := w.live(); w.saved() != live || live != 2 {
				t.Errorf("pair %d is on disk, pair %d is live, want pair 2", w.saved(), live)
			}
			w.wantOneRotation()
		})
	}
}
