//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/filestore"
)

const (
	clientID     = "chaos-client"
	clientSecret = "chaos-secret"

	waitLimit = 2 * time.Minute // for conditions that should hold at once; long, because the machine may be busy
)

var (
	duration = flag.Duration("chaos.duration", 0, "how long the storm lasts; above zero all scenarios have their full sizes")
	seed     = flag.Uint64("chaos.seed", 0, "seed of all draws; 0 draws one")
)

// TestMain lets many scenarios run at once, because they wait most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // under nohup, the started programs would ignore it too
	_ = flag.Set("test.parallel", size("48", "128"))
	os.Exit(program.Main(m))
}

// full reports whether the scenarios have their full sizes.
func full() bool { return *duration > 0 }

// size returns the small size of a scenario or the full one.
func size[T any](small, large T) T {
	if full() {
		return large
	}
	return small
}

// draws returns a random source for one goroutine, and logs its seed.
func draws(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("to repeat the draws: -chaos.seed=%d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// until waits until f returns nil, and fails the test if it never does.
func until(t *testing.T, what string, f func() error) {
	t.Helper()
	if err := within(waitLimit, f); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// within calls f until it returns nil or d has passed.
func within(d time.Duration, f func() error) error {
	end := time.After(d)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-end:
			return err
		}
	}
}

// testbed is an authorization server and a store on disk, for the processes of one test.
type testbed struct {
	*authority
	t    *testing.T
	dir  string // directory of the store
	temp string // TMPDIR and XDG_STATE_HOME of the processes
}

func newTestbed(t *testing.T) *testbed {
	top := t.TempDir()
	w := &testbed{authority: newAuthority(t), t: t, dir: filepath.Join(top, "store"), temp: filepath.Join(top, "tmp")}
	if err := os.Mkdir(w.temp, 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

// newSignedIn returns a testbed whose store has a pair.
func newSignedIn(t *testing.T) *testbed {
	w := newTestbed(t)
	w.signIn()
	return w
}

// signIn signs in as a command does while proxies run.
func (w *testbed) signIn() { w.t.Helper(); w.signInAs(tokens.DefaultAccount) }

func (w *testbed) signInAs(account string) {
	w.t.Helper()
	if _, err := w.manager().Login(w.t.Context(), account, w.login(account)); err != nil {
		w.t.Fatal(err)
	}
}

// signOut logs out as a command does.
func (w *testbed) signOut() {
	w.t.Helper()
	if _, err := w.manager().Logout(w.t.Context(), tokens.DefaultAccount); err != nil {
		w.t.Fatal(err)
	}
}

// manager returns a Manager like that of a command, to write a record.
func (w *testbed) manager() *tokens.Manager {
	w.t.Helper()
	c := tokens.DefaultConfig()
	c.Store, c.API, c.Endpoint.URL, c.Endpoint.ClientID = w.store(), w.apiURL, w.tokenURL, clientID
	m, err := tokens.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *testbed) store() *filestore.Store {
	w.t.Helper()
	s, err := filestore.Open(filestore.Options{Dir: w.dir})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// record returns the record on disk, which must be readable at every moment.
func (w *testbed) record() tokens.Record {
	w.t.Helper()
	rec, err := w.store().Load(context.Background(), tokens.DefaultAccount)
	if err != nil {
		w.t.Fatalf("the store cannot be read: %v", err)
	}
	return rec
}

// saved returns the number of the pair on disk.
func (w *testbed) saved() int { return numberOf(w.record().RefreshToken.Reveal()) }

// serve starts a proxy over the store.
func (w *testbed) serve(args ...string) *proxy { w.t.Helper(); return w.serveWith(nil, args...) }

// serveWith starts a proxy with more environment. Later arguments and variables override earlier ones.
func (w *testbed) serveWith(more []string, args ...string) *proxy {
	w.t.Helper()
	return w.start(tie, more, args...)
}

// start is serveWith for a command that prepare changes first.
func (w *testbed) start(prepare func(*exec.Cmd), more []string, args ...string) *proxy {
	w.t.Helper()
	env := append([]string{"PANDADOC_CLIENT_ID=" + clientID, "PANDADOC_CLIENT_SECRET=" + clientSecret, "TMPDIR=" + w.temp, "XDG_STATE_HOME=" + w.temp}, more...)
	p := program.StartAs(w.t, prepare, env, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--store", "file:" + w.dir,
		"--api-url", w.apiURL, "--token-url", w.tokenURL,
	}, args...)...)
	return &proxy{p, w.t}
}

// command starts a command that works on the store itself, because no proxy runs.
func (w *testbed) command(more []string, args ...string) *proxy {
	w.t.Helper()
	p := program.StartAs(w.t, tie, append(w.environment(), more...), append(args,
		"--store", "file:"+w.dir, "--api-url", w.apiURL, "--token-url", w.tokenURL, "--admin-listen", "127.0.0.1:1")...)
	return &proxy{p, w.t}
}

func (w *testbed) environment() []string {
	return []string{"PANDADOC_CLIENT_ID=" + clientID, "PANDADOC_CLIENT_SECRET=" + clientSecret, "TMPDIR=" + w.temp}
}

// proxy is a process of the program.
type proxy struct {
	*program.Process
	t *testing.T
}

// answer is the answer to a client.
type answer struct {
	status int
	code   string // of a problem of the proxy
	retry  string // Retry-After
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.code) }

// get requests the documents. If the process was killed, it returns an error.
func (p *proxy) get(ctx context.Context) (answer, error) { return p.getAs(ctx, tokens.DefaultAccount) }

// getAs requests the documents of an account.
func (p *proxy) getAs(ctx context.Context, account string) (answer, error) {
	prefix := "/@" + account
	if account == tokens.DefaultAccount {
		prefix = ""
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+prefix+"/public/v1/documents", nil)
	if err != nil {
		return answer{}, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	var body struct{ Code string }
	_ = json.NewDecoder(resp.Body).Decode(&body)
	return answer{resp.StatusCode, body.Code, resp.Header.Get("Retry-After")}, nil
}

// is returns nil if a request is answered with status.
func (p *proxy) is(status int) error { return p.isAs(tokens.DefaultAccount, status) }

func (p *proxy) isAs(account string, status int) error {
	got, err := p.getAs(p.t.Context(), account)
	if err == nil && got.status != status {
		err = fmt.Errorf("GET = %v, want %d", got, status)
	}
	return err
}

// want requests the documents, and fails the test if the status is another.
func (p *proxy) want(status int) answer {
	p.t.Helper()
	got, err := p.get(p.t.Context())
	if err != nil || got.status != status {
		p.t.Errorf("GET = %v, %v, want %d", got, err, status)
	}
	return got
}

// ready returns the state of the account in /readyz, as "state" or "state: cause".
func (p *proxy) ready() string {
	resp, err := http.Get(p.Admin + "/readyz")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var r struct {
		Accounts []struct{ State, Cause string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil || len(r.Accounts) != 1 {
		return fmt.Sprintf("status %d with %d accounts (%v)", resp.StatusCode, len(r.Accounts), err)
	}
	if a := r.Accounts[0]; a.Cause != "" {
		return a.State + ": " + a.Cause
	}
	return r.Accounts[0].State
}

// becomes waits until /readyz shows state.
func (p *proxy) becomes(state string) {
	p.t.Helper()
	until(p.t, "become "+state, func() error {
		if got := p.ready(); got != state {
			return errors.New("it is " + got)
		}
		return nil
	})
}

// stop and resume are kill -STOP and kill -CONT.
func (p *proxy) stop()   { p.t.Helper(); p.signal(syscall.SIGSTOP) }
func (p *proxy) resume() { p.t.Helper(); p.signal(syscall.SIGCONT) }

func (p *proxy) signal(s syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(p.PID(), s); err != nil {
		p.t.Errorf("kill -%d: %v", s, err)
	}
}

// room lets only n tests run at a time that need it: tests that do not wait would take the processor from the
// others.
type room chan struct{}

func newRoom(n int) room { return make(room, n) }

// enter waits for a place. The returned function leaves it.
func (r room) enter() (leave func()) {
	r <- struct{}{}
	return func() { <-r }
}

// asOne runs n functions at the same time and waits for all.
func asOne(n int, f func(i int)) {
	done := make(chan struct{})
	for i := range n {
		go func() { f(i); done <- struct{}{} }()
	}
	for range n {
		<-done
	}
}
