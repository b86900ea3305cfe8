//go:build unix

package hazards

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// U18: refresh without a running proxy was cut off 11 s after Ctrl-C, and the login was lost.
func TestAnInterruptedCommandFinishesItsExchange(t *testing.T) {
	t.Parallel() // it mostly waits
	e := program.Emulate(t)
	store := "file:" + t.TempDir()
	first := e.Serve(store)
	first.Want("/public/v1/members/current", 200)
	first.Signal(syscall.SIGTERM)
	first.Wait()
	before, _ := e.TokenCalls()

	e.Manage("POST", "/fault", `{"route":"token","kind":"delay","delay":"2s"}`, nil)
	cmd := exec.Command(program.Binary(), "refresh", "--admin-listen", "none", "--store", store,
		"--api-url", e.Info["api"], "--token-url", e.Info["token_url"], "--authorize-url", e.Info["authorize_url"])
	cmd.Env = []string{
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"),
		"PANDADOC_CLIENT_ID=" + e.Info["client_id"], "PANDADOC_CLIENT_SECRET=" + e.Info["client_secret"],
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	await(t, "the token call", func() bool { return pending(t, strings.TrimPrefix(store, "file:")) })
	begun := time.Now()
	for range 2 { // Ctrl-C, and a second time for an impatient person
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait()
	if took := time.Since(begun); took > waitLimit {
		t.Errorf("took %v", took)
	}
	if !strings.Contains(out.String(), "token exchange") {
		t.Errorf("the command wrote %q, want a word about what it waits for", &out)
	}
	after, invalid := e.TokenCalls()
	if after != before+1 || invalid != 0 {
		t.Errorf("got %d refreshes and %d refused, want 1 and 0", after-before, invalid)
	}
	e.Expire()
	second := e.Serve(store)
	second.Want("/public/v1/members/current", 200)
	if _, invalid := e.TokenCalls(); invalid != 0 {
		t.Errorf("%d refresh tokens were refused: the new pair was lost", invalid)
	}
}

// pending reports whether a record below dir has the marker of a refresh.
func pending(t *testing.T, dir string) bool {
	t.Helper()
	out, _ := exec.Command("grep", "-rlE", `"pending": ?\{`, dir).Output()
	return len(out) > 0
}

// U18: each further signal is more urgent than the one before.
func TestFurtherSignalsAreMoreUrgent(t *testing.T) {
	t.Parallel()
	t.Run("the second gives up requests", func(t *testing.T) {
		arrived, release := make(chan bool, 1), make(chan bool)
		api := newRecorder(func(http.ResponseWriter, *http.Request) {
			arrived <- true
			<-release
		})
		api.Start()
		defer api.Close()
		defer close(release)
		p := serve(t, api.URL, "--drain-timeout", "5m")
		go http.Get(p.URL + "/slow")
		<-arrived
		p.Signal(syscall.SIGTERM)
		await(t, "the drain", func() bool { return strings.Contains(p.Log(), "stopping") })
		begun := time.Now()
		p.Signal(syscall.SIGTERM)
		if state := p.Wait(); state.ExitCode() != 0 || time.Since(begun) > waitLimit {
			t.Errorf("ended with %v after %v, want 0 at once", state, time.Since(begun))
		}
	})
	t.Run("the third ends at once", func(t *testing.T) {
		e := program.Emulate(t)
		dir := t.TempDir()
		p := e.Serve("file:"+dir, "--drain-timeout", "5m")
		p.Want("/public/v1/members/current", 200)
		e.Manage("POST", "/fault", `{"route":"token","kind":"delay","delay":"1h"}`, nil)
		e.Expire()
		go http.Get(p.URL + "/public/v1/members/current")
		await(t, "the token call", func() bool { return pending(t, dir) })
		begun := time.Now()
		ended := make(chan struct{})
		go func() { // signals of one kind that come at once are one signal
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				_ = syscall.Kill(p.PID(), syscall.SIGINT)
				select {
				case <-tick.C:
				case <-ended:
					return
				}
			}
		}()
		defer close(ended)
		if state := p.Wait(); state.ExitCode() == 0 || time.Since(begun) > exchangeWait {
			t.Errorf("ended with %v after %v, want a failure at once", state, time.Since(begun))
		}
	})
}

// exchangeWait is how long a token exchange may take after a second signal.
const exchangeWait = 10 * time.Second
