// Package login tests login and logout of the built program as users do them: with a real browser, with plain
// HTTP and by pasting, with and without a running proxy. There is nothing here to import.
package login

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/browser"
	"pandadoc-auth-proxy/internal/e2e/program"
)

// TestMain lets more tests run at once than there are processors, because they mostly wait.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "8")
	os.Exit(program.Main(browser.Shared(m)))
}

const (
	documents = "/public/v1/documents"
	// waitLimit limits every wait for an event that happens at once unless the machine is overloaded.
	waitLimit = 30 * time.Second
)

// site is the emulator, and a machine on which nobody has signed in yet.
type site struct {
	*testing.T
	emulator program.Emulator
	store    string
	admin    string // address of the admin listener, if one runs
	home     string // of the user who runs everything
}

func newSite(t *testing.T) *site {
	t.Helper()
	return &site{T: t, emulator: program.Emulate(t), store: "file:" + filepath.Join(t.TempDir(), "store"), admin: "localhost:" + program.FreePort(t), home: t.TempDir()}
}

// env is the environment of the user: where the emulator is, and the client id and secret.
func (s *site) env() []string {
	info := s.emulator.Info
	return []string{
		"PANDADOC_API_URL=" + info["api"], "PANDADOC_TOKEN_URL=" + info["token_url"], "PANDADOC_AUTHORIZE_URL=" + info["authorize_url"],
		"PANDADOC_CLIENT_ID=" + info["client_id"], "PANDADOC_CLIENT_SECRET=" + info["client_secret"],
		"PANDADOC_STORE=" + s.store, "PANDADOC_ADMIN_LISTEN=" + s.admin, "HOME=" + s.home,
	}
}

// serve starts a proxy. env overrides the site's own environment.
func (s *site) serve(env ...string) *program.Process {
	s.Helper()
	return program.Start(s.T, append(s.env(), env...), "serve", "--listen", "127.0.0.1:0", "--log-level", "warning")
}

// tokenCalls returns how many codes the emulator was asked to exchange, and how many it refused.
func (s *site) tokenCalls() (exchanges, invalid int) {
	s.Helper()
	var stats struct {
		TokenCalls map[string]int `json:"token_calls"`
	}
	s.emulator.Manage("GET", "/stats", "", &stats)
	return stats.TokenCalls["exchanges"], stats.TokenCalls["invalid_grant"]
}

// wantExchanges fails the test unless the emulator exchanged n codes, and refused none.
func (s *site) wantExchanges(n int) {
	s.Helper()
	if got, invalid := s.tokenCalls(); got != n || invalid != 0 {
		s.Errorf("got %d exchanges of codes and %d refusals, want %d and 0", got, invalid, n)
	}
}

// command is one run of the program, with its standard input open.
type command struct {
	*testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout bytes.Buffer
	stderr watched
}

// watched is an output on which a test can wait.
type watched struct {
	mu    sync.Mutex // guards the fields below
	text  bytes.Buffer
	grown chan struct{} // closed at the next write
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.grown != nil {
		close(w.grown)
		w.grown = nil
	}
	return w.text.Write(p)
}

// now returns the text up to now, and a channel that is closed when there is more.
func (w *watched) now() (string, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.grown == nil {
		w.grown = make(chan struct{})
	}
	return w.text.String(), w.grown
}

// begin starts a command. It ends with the test.
func (s *site) begin(args ...string) *command {
	s.Helper()
	c := &command{T: s.T, cmd: exec.CommandContext(s.Context(), program.Binary(), args...)}
	c.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, s.env()...)
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		s.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	return c
}

// await returns the first match of pattern in the messages of the command.
func (c *command) await(pattern string) string {
	c.Helper()
	late := time.After(waitLimit)
	for {
		text, more := c.stderr.now()
		if found := regexp.MustCompile(pattern).FindString(text); found != "" {
			return found
		}
		select {
		case <-more:
		case <-late:
			c.Fatalf("%q is not in what the command wrote:\n%s", pattern, text)
		}
	}
}

// end waits for the command, and returns its exit status and its whole output.
func (c *command) end() (status int, text string) {
	c.Helper()
	_ = c.cmd.Wait() // the state has the error
	told, _ := c.stderr.now()
	return c.cmd.ProcessState.ExitCode(), told + c.stdout.String()
}

// want fails the test unless the command ends with status, and text is in its output.
func (c *command) want(status int, text string) {
	c.Helper()
	if got, wrote := c.end(); got != status || !strings.Contains(wrote, text) {
		c.Errorf("%v: got status %d and\n%s\nwant %d and %q", c.cmd.Args[1:], got, wrote, status, text)
	}
}

// person is somebody with a browser, who completes a login.
type person interface {
	// signIn opens address and answers the consent page with "allow" or "deny". It returns the text and the
	// address of the last page.
	signIn(address, answer string) (page, at string)
}

// plain is a browser that only uses HTTP.
type plain struct {
	*testing.T
	client *http.Client
}

func newPlain(t *testing.T) *plain {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &plain{t, &http.Client{Jar: jar, Timeout: waitLimit}}
}

func (p *plain) signIn(address, answer string) (page, at string) {
	p.Helper()
	return p.open(p.answer(address, answer))
}

// open returns the page at address.
func (p *plain) open(address string) (page, at string) {
	p.Helper()
	resp, err := p.client.Get(address)
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.Fatal(err)
	}
	return string(text), resp.Request.URL.String()
}

// answer opens the consent page and answers it. It returns the address to which PandaDoc then sends the browser,
// without opening it.
func (p *plain) answer(address, answer string) (back string) {
	p.Helper()
	page, at := p.open(address)
	ticket := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindStringSubmatch(page)
	if ticket == nil {
		p.Fatalf("no consent page at %s: %s", at, page)
	}
	stay := *p.client
	stay.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	confirm, _, _ := strings.Cut(at, "?")
	resp, err := stay.PostForm(confirm+"/confirm", url.Values{"ticket": {ticket[1]}, "answer": {answer}})
	if err != nil {
		p.Fatal(err)
	}
	resp.Body.Close()
	return resp.Header.Get("Location")
}

// queryOf returns the query of address.
func queryOf(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// wantCode fails the test unless the proxy refuses a request with this code.
func wantCode(t *testing.T, p *program.Process, status int, code string) {
	t.Helper()
	if got, body := p.Get(documents); got != status || codeOf(body) != code {
		t.Errorf("got %d %s, want %d with code %q", got, body[:min(300, len(body))], status, code)
	}
}

func codeOf(body []byte) string {
	var problem struct{ Code string }
	if json.Unmarshal(body, &problem) != nil {
		return fmt.Sprintf("no problem answer: %.100q", body)
	}
	return problem.Code
}
