package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/logqueue"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

// served is a proxy that runs in this process, in front of an upstream made of a handler.
type served struct {
	*testing.T
	base   string // of the proxied port
	admin  string
	cancel context.CancelFunc
	ended  chan error // gets what run returned
	log    *logBuffer
	client *http.Client
}

// logBuffer may be read while the program writes through a queue.
type logBuffer struct {
	queue *logqueue.Queue
	mu    sync.Mutex // guards buf
	buf   bytes.Buffer
}

func newLogBuffer(t *testing.T) *logBuffer {
	b := &logBuffer{}
	b.queue = logqueue.New(b)
	t.Cleanup(func() { b.queue.Close(time.Second) })
	return b
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.queue.Flush(time.Second)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func serveFor(t *testing.T, upstream http.HandlerFunc, args ...string) *served {
	t.Helper()
	api := httptest.NewServer(upstream)
	t.Cleanup(api.Close)
	c := parseServe(t, []string{"PANDADOC_API_KEY=the-api-key"}, append([]string{
		"--api-url=" + api.URL, "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--store=memory:",
	}, args...)...)
	s := &served{T: t, ended: make(chan error, 1), log: newLogBuffer(t), client: &http.Client{Transport: &http.Transport{}}}
	end, stop := newEnding(context.Background(), nil)
	t.Cleanup(stop)
	a := newProgram(Env{}, s.log.queue, end).app(c)
	a.store = stores.Store{Records: tokens.NewMemory(), Name: "memory:"}
	ready := make(chan string, 1)
	a.ready = func(bases []string) { ready <- bases[0] }
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	go func() { s.ended <- a.run(ctx) }()
	t.Cleanup(s.cancel)
	t.Cleanup(s.client.CloseIdleConnections)
	select {
	case s.base = <-ready:
	case err := <-s.ended:
		t.Fatal(err)
	}
	s.admin = "http://" + after(s.log.String(), "admin on http://")
	return s
}

// after returns the word that follows mark.
func after(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	return strings.Fields(rest + " .")[0]
}

// get returns the status, or 0 if there was no answer.
func (s *served) get(target string) int {
	answer, err := s.client.Get(target)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// awaitStopping asks until readiness is off.
func (s *served) awaitStopping() {
	s.Helper()
	for range 10_000 {
		if s.get(s.admin+"/readyz") == http.StatusServiceUnavailable {
			return
		}
	}
	s.Fatal("still ready after SIGTERM")
}

func TestStoppingLetsRequestsFinish(t *testing.T) {
	arrived, released := make(chan struct{}), make(chan struct{})
	s := serveFor(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-released
		io.WriteString(w, r.Header.Get("Authorization"))
	})
	release := sync.OnceFunc(func() { close(released) })
	t.Cleanup(release) // before the upstream is closed, which waits
	got := make(chan string, 1)
	go func() {
		answer, err := s.client.Get(s.base + "/public/v1/documents")
		if err != nil {
			got <- err.Error()
			return
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		got <- string(body)
	}()
	<-arrived
	s.cancel()
	s.awaitStopping()
	check(t, "liveness meanwhile", s.get(s.admin+"/livez"), http.StatusOK)
	release()
	check(t, "answer", <-got, "API-Key the-api-key")
	check(t, "end", <-s.ended, nil)
	check(t, "after the end", s.get(s.base), 0)
}

func TestStoppingGoesOnAcceptingForAWhile(t *testing.T) {
	s := serveFor(t, func(w http.ResponseWriter, _ *http.Request) {}, "--drain-min=1s")
	s.cancel()
	s.awaitStopping()
	check(t, "new request after SIGTERM", s.get(s.base+"/public/v1/documents"), http.StatusOK)
	check(t, "end", <-s.ended, nil)
}

// A client that paused in its upload got no answer when the proxy ended, although the log said 502.
func TestAnUploadThatIsGivenUpIsAnswered(t *testing.T) {
	arrived := make(chan struct{})
	s := serveFor(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		io.Copy(io.Discard, r.Body) // ends with the connection
	}, "--drain-timeout=10ms")
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST /public/v1/documents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nthe rest never comes")
	<-arrived
	s.cancel()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	check(t, "status of the upload that was given up", answer.StatusCode, http.StatusBadGateway)
	check(t, "end", <-s.ended, nil)
}

func TestStoppingEndsWithTheDrainTimeout(t *testing.T) {
	arrived, released := make(chan struct{}), make(chan struct{})
	s := serveFor(t, func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-released
	}, "--drain-timeout=10ms")
	t.Cleanup(func() { close(released) }) // before the upstream is closed, which waits
	got := make(chan int, 1)
	go func() { got <- s.get(s.base + "/public/v1/documents") }()
	<-arrived
	s.cancel()
	check(t, "end", <-s.ended, nil)
	check(t, "status of the request that was given up", <-got, http.StatusBadGateway)
	if log := s.log.String(); !strings.Contains(log, "some requests did not finish in time") || strings.Contains(log, "background refreshes") {
		t.Errorf("got log %q, want it to tell of requests, and of no refresh", log)
	}
}

func TestReadyLinesAreTheSameInEveryLogFormat(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		s := serveFor(t, func(http.ResponseWriter, *http.Request) {}, "--log-format="+format, "--log-level=error")
		if want := "listening on " + s.base + " -> http://127.0.0.1:"; !strings.HasPrefix(s.log.String(), want) {
			t.Errorf("%s: got %q, want it to begin with %q", format, s.log, want)
		}
		s.cancel()
		check(t, "end", <-s.ended, nil)
	}
}

func TestLibrariesLogThroughOurs(t *testing.T) {
	before := log.Writer()
	s := serveFor(t, func(http.ResponseWriter, *http.Request) {}, "--log-format=json")
	log.Printf(`Unsolicited response received on idle HTTP channel starting with "HTTP/1.1 200 the-api-key"; err=<nil>`)
	s.cancel()
	check(t, "end", <-s.ended, nil)
	if log.Writer() != before {
		t.Errorf("the standard logger was not given back")
	}
	var line map[string]any
	for text := range strings.Lines(s.log.String()) {
		if strings.Contains(text, "Unsolicited") {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
		}
	}
	check(t, "level", line["level"], any("warning"))
	if strings.Contains(s.log.String(), "the-api-key") {
		t.Errorf("the log shows bytes of the wire: %s", s.log)
	}
}

func TestARedirectURLWithoutAListenerIsToldAtTheStart(t *testing.T) {
	s := serveFor(t, func(http.ResponseWriter, *http.Request) {}, "--redirect-url=http://localhost:1/oauth2/callback")
	s.cancel()
	check(t, "end", <-s.ended, nil)
	if !strings.Contains(s.log.String(), "login --paste") {
		t.Errorf("got log %q, want the way out in it", s.log)
	}
}

func TestABrokenListenerEndsTheProgram(t *testing.T) {
	r := &running{app: &app{}, failed: make(chan error, 1)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r.serveOne(&http.Server{}, l)
	if err := <-r.failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want the listener's error", err)
	}
}

func TestTheProbeProvesOnlyWith200(t *testing.T) {
	for status, want := range map[int]bool{200: true, 201: false, 204: false, 302: false, 401: false, 403: false, 429: false, 500: false} {
		var auth, path string
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			auth, path = r.Header.Get("Authorization"), r.RequestURI
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		u := config.Upstream{}
		u.API, _ = u.API.Parse(api.URL + "/base")
		transport := u.Transport(time.Second)
		ask := probe(u, "/public/v1/members/current?x=1", transport)
		check(t, http.StatusText(status), ask(t.Context(), tokens.Token{Access: tokens.NewSecret("t")}), want)
		check(t, "path", path, "/base/public/v1/members/current?x=1")
		check(t, "authorization", auth, "Bearer t")
		transport.CloseIdleConnections()
		api.Close()
		check(t, "without an answer", ask(t.Context(), tokens.Token{}), false)
	}
	if probe(config.Upstream{}, "", nil) != nil {
		t.Errorf("got a probe without a path, want none")
	}
}

func TestRedaction(t *testing.T) {
	r := redactor{[]tokens.Secret{tokens.NewSecret("s3cr3t-value"), tokens.NewSecret("the"), {}}}
	for in, want := range map[string]string{
		"a s3cr3t-value b":                             "a [redacted] b",
		"the end":                                      "the end",
		"Authorization: Bearer abc.def-1":              "Authorization: Bearer [redacted]",
		"sent Bearer 0123456789abcdef0123":             "sent Bearer [redacted]",
		"with an API-Key using the default account":    "with an API-Key using the default account",
		"basic authentication, state: ready, code: x":  "basic authentication, state: ready, code: x",
		"authorization: api-key abcdef":                "authorization: api-key [redacted]",
		"POST /t?refresh_token=abc&x=1":                "POST /t?refresh_token=[redacted]&x=1",
		`{"access_token": "abc", "a": 1}`:              `{"access_token": "[redacted]", "a": 1}`,
		"http://localhost/oauth2/callback?code=1&s=2":  "http://localhost/oauth2/callback?code=[redacted]&s=2",
		"GET /public/v1/documents?status_code=2 is ok": "GET /public/v1/documents?status_code=2 is ok",
		"plain": "plain",
	} {
		check(t, in, r.clean(in), want)
	}
	e := &logrus.Entry{Message: "x s3cr3t-value", Data: logrus.Fields{
		"error": errors.New("s3cr3t-value"), "Access-Token": "short", "status": 200, "path": "/p", "account": tokens.NewSecret("s3cr3t-value"),
	}}
	if err := r.Fire(e); err != nil {
		t.Fatal(err)
	}
	check(t, "message", e.Message, "x [redacted]")
	check(t, "fields", e.Data, logrus.Fields{
		"error": "[redacted]", "Access-Token": "[redacted]", "status": 200, "path": "/p", "account": "[redacted]",
	})
}

func TestStatusText(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	var text strings.Builder
	writeAccount(&text, admin.Account{Status: tokens.Status{
		Account: "acme", State: tokens.Degraded, Cause: problem.RefreshFailing, Detail: "502",
		Scheme: tokens.Bearer, Since: now.Add(-90 * time.Second), ExpiresAt: now.Add(50 * time.Hour),
	}, Hint: "wait"}, now)
	for _, part := range []string{
		"account acme: degraded (refresh-failing)\n", "(90 seconds ago)\n", "(in 2 days)\n", "detail: ", "next: ",
		`last refresh:   never; "pandadoc-auth-proxy refresh" tries it`,
	} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("got %q, want %q in it", &text, part)
		}
	}
	check(t, "urgent first", urgency(tokens.LoginRequired) < urgency(tokens.Ready), true)
}

func TestReportTakesJoinedErrorsApart(t *testing.T) {
	inner := &tokens.UnavailableError{Err: tokens.ErrStoreUnavailable, Cause: errors.New("full")} // wraps two
	var out strings.Builder
	report(&out, "error", withStatus(errors.Join(problem.Mistake("one", "do this"), errors.Join(inner, nil), errors.New("three")), exitUsage))
	want := "error: one\nhint: do this\nerror: the token store is not available: full\nerror: three\n"
	check(t, "report", out.String(), want)
	check(t, "status", exitStatus(withStatus(nil, exitLoginRequired)), exitLoginRequired)
	check(t, "status", exitStatus(errors.New("x")), exitFailed)
	check(t, "nothing", withStatus(nil, exitOK), nil)
}
