//go:build unix

package hazards

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// talker is the program with a standard error that the test can read, or not.
type talker struct {
	*testing.T
	cmd       *exec.Cmd
	log       *bufio.Reader
	pipe      *os.File
	url, info string
}

// talk starts a proxy in front of api and reads its log until the proxy is ready.
func talk(t *testing.T, api string, args ...string) *talker {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &talker{T: t, cmd: exec.Command(program.Binary(), serveArgs(api, args...)...), log: bufio.NewReaderSize(r, 256), pipe: r}
	p.cmd.Env = append(signedIn(), "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH"))
	p.cmd.Stderr = w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		r.Close()
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	for p.url == "" || p.info == "" {
		line, err := p.log.ReadString('\n')
		if err != nil {
			t.Fatalf("the program ended before it was ready: %v", err)
		}
		if _, rest, ok := strings.Cut(line, "listening on "); ok {
			p.url, _, _ = strings.Cut(rest, " ")
		}
		if _, rest, ok := strings.Cut(line, "admin on "); ok {
			p.info = strings.TrimSpace(rest)
		}
	}
	return p
}

// requests sends n requests on one connection. All must be answered.
func (p *talker) requests(n int) {
	p.Helper()
	client := &http.Client{Timeout: waitLimit}
	defer client.CloseIdleConnections()
	for i := range n {
		answer, err := client.Get(p.url + "/public/v1/documents")
		if err != nil {
			p.Fatalf("request %d: %v", i, err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if answer.StatusCode != 200 {
			p.Fatalf("request %d: got status %d, want 200", i, answer.StatusCode)
		}
	}
}

// dropped returns the metric of dropped log lines.
func (p *talker) dropped() int {
	p.Helper()
	answer, err := http.Get(p.info + "/metrics")
	if err != nil {
		p.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	m := regexp.MustCompile(`(?m)^pandadoc_proxy_log_lines_dropped_total (\S+)$`).FindSubmatch(text)
	if m == nil {
		p.Fatal("there is no metric of dropped lines")
	}
	n, _ := strconv.ParseFloat(string(m[1]), 64)
	return int(n)
}

// terminate ends the program, which must succeed and be quick.
func (p *talker) terminate() {
	p.Helper()
	begun := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.Errorf("after SIGTERM: %v, want success", err)
	}
	if took := time.Since(begun); took > waitLimit/2 {
		p.Errorf("SIGTERM took %v", took)
	}
}

// U17: when nobody read the pipe of the log, every request stopped after some hundred lines, and SIGTERM did
// nothing.
func TestALogThatNobodyReadsStopsNothing(t *testing.T) {
	t.Parallel()
	p := talk(t, record(t).URL)
	for range 60 { // the pipe and the queue hold more than a megabyte
		if p.requests(500); p.dropped() > 0 {
			break
		}
	}
	if p.dropped() == 0 {
		t.Fatal("no line was dropped, or none was counted")
	}
	// When somebody reads again, the log says how many lines are missing.
	missing := make(chan bool, 1)
	go func() {
		for {
			line, err := p.log.ReadString('\n')
			if err != nil || strings.Contains(line, "log lines were dropped") {
				missing <- err == nil
				io.Copy(io.Discard, p.log)
				return
			}
		}
	}()
	select {
	case ok := <-missing:
		if !ok {
			t.Error("the log does not tell that lines are missing")
		}
	case <-time.After(waitLimit):
		t.Error("the log does not flow again")
	}
	p.terminate()
}

// U17: with `serve 2>&1 | head`, the end of head must not end the proxy.
func TestTheProgramContinuesWithoutALogReader(t *testing.T) {
	t.Parallel()
	p := talk(t, record(t).URL)
	p.pipe.Close()
	p.requests(100)
	p.terminate()
}

// U17: with a full pipe that nobody ever reads again.
func TestSIGTERMEndsAProgramWhoseLogIsStuck(t *testing.T) {
	t.Parallel()
	p := talk(t, record(t).URL)
	p.requests(500)
	p.terminate()
}
