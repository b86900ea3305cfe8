package proxy

import (
	"bytes"
	"io"
	"log"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/problem"
)

func TestAccessLine(t *testing.T) {
	g := newRig(t, rigOptions{valid: "default-2"})
	g.do("POST", "/public/v1/documents/hryJY9mqYZHjQCYQuSjRQg/send?secret=1", strings.NewReader("canary-body"))
	g.exchange(0)
	line := g.log.String()
	for _, want := range []string{"level=info", "msg=request", "account=default", "method=POST", "route=\"/public/v1/documents/*/send\"",
		"status=200", "attempts=2", "replay=replayed", "dur_ms=", "request_id=", "spooled_on=memory"} {
		if !strings.Contains(line, want) {
			t.Errorf("the line lacks %s: %s", want, line)
		}
	}
	for _, secret := range []string{"secret", "hryJY9", "canary-body", "default-1", "default-2", "127.0.0.1"} {
		if strings.Contains(line, secret) {
			t.Errorf("the line tells %s: %s", secret, line)
		}
	}
	if got := strings.Count(line, "\n"); got != 1 {
		t.Errorf("%d lines, want 1: %s", got, line)
	}
}

// People and programs read the access line and the lines of logrus together, so both have the same form.
func TestAccessLineEqualsTheOneOfLogrus(t *testing.T) {
	start := time.Date(2026, 3, 1, 9, 8, 7, 123456789, time.FixedZone("", 3600))
	for name, tt := range map[string]struct {
		exchange Exchange
		skipped  int
		more     logrus.Fields // besides those that every line has
	}{
		"an ordinary request": {Exchange{Account: "default", Attempts: 1, Duration: 1234567, Method: "GET", RequestID: "0f", Route: "/public/v1/documents", Status: 200}, 0,
			logrus.Fields{"account": "default", "attempts": 1}},
		"everything": {Exchange{Account: "acme", Attempts: 2, Client: "crm", Code: "login-required", Cut: true, Duration: 90 * time.Minute, Method: "other",
			RefusedHost: "evil.example:80",
			Reason:      ReasonTokenGood, Replay: ReplayNone, RequestID: "r", Route: "/public/v1/documents/*/send", SpooledOn: "disk", Status: 499}, 7,
			logrus.Fields{"account": "acme", "attempts": 2, "client": "crm", "code": "login-required", "cut": true, "host": "evil.example:80", "reason": ReasonTokenGood,
				"replay": ReplayNone, "spooled_on": "disk", "not_logged_before": 7}},
		"nothing":               {Exchange{}, 0, nil},
		"less than a millionth": {Exchange{Duration: 999, Method: "GET"}, 0, nil},
		"a long time":           {Exchange{Duration: 1e6 * time.Second, Method: "GET"}, 0, nil},
		"a small part":          {Exchange{Duration: time.Microsecond, Method: "GET"}, 0, nil},
		"what needs quotes":     {Exchange{Client: `a "b" \ c`, RequestID: "é=<&>\u2028 ?", Method: "GET"}, 0, logrus.Fields{"client": `a "b" \ c`}},
	} {
		t.Run(name, func(t *testing.T) {
			x := tt.exchange
			x.Start = start
			data := logrus.Fields{"method": x.Method, "route": x.Route, "status": x.Status, "request_id": x.RequestID, "dur_ms": float64(x.Duration.Microseconds()) / 1000}
			maps.Copy(data, tt.more)
			for _, form := range []struct {
				json      bool
				formatter logrus.Formatter
			}{
				{false, &logrus.TextFormatter{FullTimestamp: true, TimestampFormat: time.RFC3339}},
				{true, &logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano}},
			} {
				var want, got bytes.Buffer
				logger := logrus.New()
				logger.SetOutput(&want)
				logger.SetFormatter(form.formatter)
				logger.WithFields(data).WithTime(start.Add(x.Duration)).Info("request")
				(&AccessLog{Out: &got, JSON: form.json}).write(&x, tt.skipped)
				if got.String() != want.String() {
					t.Errorf("got\n%swant\n%s", &got, &want)
				}
			}
		})
	}
}

// The API chooses the request id. If it puts a credential into the id, that must not be logged.
func TestAccessLineIsRedacted(t *testing.T) {
	g := newRig(t, rigOptions{
		handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", "canary "+r.Header.Get("Authorization"))
		},
		configure: func(c *Config) {
			c.AccessLog.Redact = func(s string) string { return strings.ReplaceAll(s, "canary", "[redacted]") }
		},
	})
	g.do("GET", "/a", nil)
	g.exchange(0)
	if line := g.log.String(); strings.Contains(line, "canary") || !strings.Contains(line, `request_id="[redacted] Bearer`) {
		t.Errorf("the line is %s", line)
	}
}

// An administrator needs the name of a refused host, to allow it.
func TestRefusedHostIsLogged(t *testing.T) {
	g := newRig(t, rigOptions{})
	for i, tt := range []struct{ host, want string }{
		{"evil.example:81", ` host="evil.example:81" `},
		{"proxy.lan", ` host=proxy.lan `},
		{"0.0.0.0", ` host=0.0.0.0 `},
		{strings.Repeat("h", 5000), ` host=` + strings.Repeat("h", maxShown) + ` `},
	} {
		g.raw(request("GET", "/a", tt.host, "Connection: close"))
		g.exchange(i)
		line := strings.Split(g.log.String(), "\n")[i]
		if !strings.Contains(line, tt.want) || !strings.Contains(line, "code=host-not-allowed") {
			t.Errorf("%.20s: the line is %s", tt.host, line)
		}
	}
	g.raw(request("GET", "/a", "localhost", "Connection: close"))
	g.exchange(4)
	if line := strings.Split(g.log.String(), "\n")[4]; strings.Contains(line, "host=") {
		t.Errorf("the line of a request that was let in is %s", line)
	}
}

// M5: text of a client cannot start a new log line or control a terminal.
func TestLogCannotBeForged(t *testing.T) {
	g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "id\x1b[31m\u2028"+strings.Repeat("x", 500))
	}})
	g.raw(get("/public/%1b[31m%E2%80%A8/\u2028level=error"))
	g.exchange(0)
	line := g.log.String()
	if strings.ContainsAny(line, "\x1b\u2028") || strings.Count(line, "\n") != 1 || len(line) > 600 {
		t.Errorf("the line is %q", line)
	}
}

// H14: cheap requests do not fill the disk with log lines.
func TestRefusedRequestsAreLoggedAtALimitedRate(t *testing.T) {
	g := newRig(t, rigOptions{})
	const n = 500
	for i := range n {
		g.raw(request("GET", "/a", "evil.example", "Connection: close"))
		g.exchange(i) // every one of them is told
	}
	if got := strings.Count(g.log.String(), "host-not-allowed"); got < refusalBurst || got > n/2 {
		t.Errorf("%d lines for %d refused requests", got, n)
	}
}

func TestLineLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := lineLimit{}
		passed := 0
		for range 200 {
			if ok, _ := limit.next(time.Now()); ok {
				passed++
			}
		}
		if passed != refusalBurst {
			t.Errorf("%d of a burst, want %d", passed, refusalBurst)
		}
		time.Sleep(time.Second)
		if ok, skipped := limit.next(time.Now()); !ok || skipped != 200-refusalBurst {
			t.Errorf("after a second: %v, %d skipped; want true, %d", ok, skipped, 200-refusalBurst)
		}
	})
}

// While the token endpoint was slow, no request that waited for it was logged: the rate was counted from the time when a
// request began, and quick refusals had begun later.
func TestRefusalsThatTookLongAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &Proxy{cfg: Config{AccessLog: &AccessLog{Out: &out}}}
		start := time.Now()
		time.Sleep(20 * time.Second)
		p.logAccess(&Exchange{Start: time.Now(), Code: problem.HostNotAllowed})
		p.logAccess(&Exchange{Start: start, Duration: 20 * time.Second, Code: problem.RefreshUnavailable})
		if got := strings.Count(out.String(), "\n"); got != 2 {
			t.Errorf("%d lines for two requests that were refused: %s", got, out.String())
		}
	})
}

// M4: errors of net/http contain bytes from the network.
func TestLogWriterRemovesPayload(t *testing.T) {
	tests := []struct{ line, want string }{
		{`Unsolicited response received on idle HTTP channel starting with "HTTP/1.1 200 OK\r\n canary"; err=<nil>`, "Unsolicited response received on idle HTTP channel starting with [left out]"},
		{"http: panic serving 127.0.0.1:1: canary?\ngoroutine 1", "http: panic serving 127.0.0.1:1: canary?"},
		{"with \x1b[31m and \u2028x", "with ?[31m and ?x"},
		{strings.Repeat("x", 1000), strings.Repeat("x", maxLogText)},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		logger := logrus.New()
		logger.SetOutput(&out)
		logger.SetFormatter(&logrus.JSONFormatter{DisableHTMLEscape: true})
		log.New(NewLogWriter(logger, logrus.WarnLevel), "", 0).Print(tt.line)
		if !strings.Contains(out.String(), `"msg":"`+tt.want+`"`) {
			t.Errorf("logged %s, want %s", out.String(), tt.want)
		}
	}
}

// D15: unsolicited bytes reach neither the next client nor the log.
func TestUnsolicitedAnswersAreNotDelivered(t *testing.T) {
	api := rawUpstream(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"))
	g := newRig(t, rigOptions{api: api})
	for range 3 {
		if _, body := g.do("GET", "/a", nil); body != "ok" {
			t.Errorf("D15: body %q, want ok", body)
		}
	}
}

// N11: a panic costs one request, and is logged without its value.
func TestPanicIsContained(t *testing.T) {
	g := newRig(t, rigOptions{configure: func(c *Config) {
		c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/panic" {
				panic("canary")
			}
			return &http.Response{StatusCode: 204, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		})
	}})
	// A connection that ends without a byte would make clients send a POST again.
	if res, body := g.do("GET", "/panic", nil); problemIn(t, res, body) != "internal" || res.StatusCode != 500 {
		t.Errorf("answer %d %s, want 500 internal", res.StatusCode, body)
	}
	if res, _ := g.do("GET", "/a", nil); res.StatusCode != 204 {
		t.Errorf("the next request: %d, want 204", res.StatusCode)
	}
	if out := g.log.String(); strings.Contains(out, "canary") || !strings.Contains(out, "panic of type string") {
		t.Errorf("the log says %s", out)
	}
}

// D13 and H1: a connection without a complete request in time is closed.
func TestTheServerLimitsTheHeader(t *testing.T) {
	g := newRig(t, rigOptions{})
	srv := g.proxy.Server()
	if srv.ReadHeaderTimeout != DefaultConfig().HeaderTimeout || srv.ReadTimeout != 0 || srv.WriteTimeout != 0 {
		t.Errorf("time-outs %v, %v, %v", srv.ReadHeaderTimeout, srv.ReadTimeout, srv.WriteTimeout)
	}
	conn := g.dial()
	defer conn.Close()
	conn.Write(append([]byte("GET /a HTTP/1.1\r\nHost: localhost\r\nX-A: "), bytes.Repeat([]byte("a"), 1<<20)...))
	answer, _ := io.ReadAll(conn)
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 431 ")) {
		t.Errorf("H7: answer %.40q, want 431", answer)
	}
}
