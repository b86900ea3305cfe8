package proxy

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/problem"
)

// StatusClientGone is logged if a client closed its connection before it had its answer. It is never sent.
const StatusClientGone = 499

// Results of the one repetition that a 401 of the API may cause.
const (
	ReplaySucceeded = "replayed" // the answer to the repeated request was not 401
	ReplayRefused   = "refused-again"
	ReplayFailed    = "failed"      // no new token, or the repeated request got no answer
	ReplayNone      = "not-retried" // see Exchange.Reason
)

// Reasons why the API's 401 goes to the client. They are also sent in Proxy-Status.
const (
	ReasonTokenGood         = "token-good"
	ReasonBodyNotKept       = "body-not-kept"
	ReasonAPIKey            = "api-key"
	ReasonRefreshDidNotHelp = "refresh-did-not-help"
)

// Exchange is what happened to one request, for logs, metrics and people. It contains no secret and no query,
// and of the path only the part that names the operation. A field with a fixed set of values may be a metric
// label. The JSON form is part of the admin listener's answers.
type Exchange struct {
	Start     time.Time    `json:"at"`
	RequestID string       `json:"id"`                // the API's, else ours; bounded and printable
	Account   string       `json:"account,omitempty"` // empty if the request was refused before its account was known
	Client    string       `json:"client,omitempty"`  // name of the client key that it came with; empty if none was asked for
	Method    string       `json:"method"`            // as sent if it is one of the API's, else "other"
	Route     string       `json:"route"`             // see routeOf
	Status    int          `json:"status"`            // as sent; 499 if the client went away
	Code      problem.Code `json:"code,omitempty"`    // of the problem that we answered with; empty for an answer of the API
	Detail    string       `json:"detail,omitempty"`  // of that problem; not logged
	Hint      string       `json:"hint,omitempty"`    // of that problem; not logged

	RefusedHost string `json:"refused_host,omitempty"` // bounded and printable; empty unless the Host was refused

	Attempts int    `json:"attempts"`         // requests that were sent to the API
	Replay   string `json:"replay,omitempty"` // one of the Replay constants; empty if there was no 401
	Reason   string `json:"reason,omitempty"` // one of the Reason constants; empty unless a 401 was passed through for it
	Cut      bool   `json:"cut,omitempty"`    // the API cut its answer off

	Generation        uint64 `json:"generation,omitempty"`         // of the token that was sent last; zero if none was, or for an API key
	RefusedGeneration uint64 `json:"refused_generation,omitempty"` // of the token that the API refused with a 401; zero if it refused none

	BytesIn   int64  `json:"bytes_in"`             // of the client's body that were read
	BytesOut  int64  `json:"bytes_out"`            // of the answer's body that were written
	Spooled   int64  `json:"spooled,omitempty"`    // the most bytes of the body that were kept for a repetition
	SpooledOn string `json:"spooled_on,omitempty"` // spool.InMemory or spool.OnDisk; empty if nothing was kept

	Duration time.Duration `json:"-"` // from the request's header to the end of the answer
	Upstream time.Duration `json:"-"` // from the first attempt to the header of the final answer; zero if there was no attempt
}

// maxSharedTarget is how long the target of a request may be, in bytes, so that a report of the request may keep it in
// memory: its route can be a part of it.
const maxSharedTarget = 256

// report reports what happened to c: with a line in the log, and to Config.Observe.
func (p *Proxy) report(c *call) {
	if c.clientLeft {
		c.Status = StatusClientGone
	}
	c.Duration = time.Since(c.Start)
	c.Route = routeOf(c.path)
	if len(c.req.RequestURI) > maxSharedTarget {
		c.Route = strings.Clone(c.Route)
	}
	p.logAccess(&c.Exchange)
	if p.cfg.Observe != nil {
		p.cfg.Observe(c.Exchange)
	}
}

// logAccess writes the access line. The rate of lines about requests that were refused and not sent to the API is
// limited: such requests cost their sender nothing, and must not fill the disk.
func (p *Proxy) logAccess(x *Exchange) {
	if p.cfg.AccessLog == nil {
		return
	}
	skipped := 0
	if x.Code != "" && x.Attempts == 0 {
		ok := false
		if ok, skipped = p.refusals.next(x.Start.Add(x.Duration)); !ok {
			return
		}
	}
	p.cfg.AccessLog.write(x, skipped)
}

// AccessLog writes one line for each request, in the same format as logrus. It does not use logrus, because
// there a line costs a tenth of the whole request.
type AccessLog struct {
	// Out takes each line with one Write. It must be safe for concurrent use and must not block.
	Out io.Writer
	// JSON makes each line a JSON object. Otherwise a line consists of key=value pairs.
	JSON bool
	// Redact removes secrets from text that a client may have chosen. Nil changes nothing.
	Redact func(string) string

	buffers sync.Pool // of *[]byte
}

// accessLine is the usual length of a line in bytes.
const accessLine = 512

func (l *AccessLog) write(x *Exchange, skipped int) {
	buf, _ := l.buffers.Get().(*[]byte)
	if buf == nil {
		buf = new(make([]byte, 0, accessLine))
	}
	*buf = l.line((*buf)[:0], x, skipped)
	_, _ = l.Out.Write(*buf) // if the log cannot be written, there is no place to report it
	l.buffers.Put(buf)
}

// line appends the line about x to b. It leaves out fields without a value, and sorts the others, as logrus
// does.
func (l *AccessLog) line(b []byte, x *Exchange, skipped int) []byte {
	f := fields{b, l.JSON}
	end := x.Start.Add(x.Duration)
	if !l.JSON {
		f.b = append(end.AppendFormat(append(f.b, `time="`...), time.RFC3339), `" level=info msg=request`...)
	}
	f.optional("account", l.redact(x.Account))
	f.number("attempts", x.Attempts)
	f.optional("client", l.redact(x.Client))
	f.optional("code", string(x.Code))
	if x.Cut {
		f.b = append(f.key("cut"), "true"...)
	}
	f.milliseconds("dur_ms", x.Duration)
	f.optional("host", l.redact(x.RefusedHost))
	if l.JSON {
		f.text("level", "info")
	}
	f.text("method", x.Method)
	if l.JSON {
		f.text("msg", "request")
	}
	f.number("not_logged_before", skipped)
	f.optional("reason", x.Reason)
	f.optional("replay", x.Replay)
	f.text("request_id", l.redact(x.RequestID))
	f.text("route", x.Route)
	f.optional("spooled_on", x.SpooledOn)
	f.b = strconv.AppendInt(f.key("status"), int64(x.Status), 10)
	if l.JSON {
		f.b = append(end.AppendFormat(append(f.key("time"), '"'), time.RFC3339Nano), `"}`...)
	}
	return append(f.b, '\n')
}

func (l *AccessLog) redact(text string) string {
	if l.Redact == nil || text == "" {
		return text
	}
	return l.Redact(text)
}

// fields is a line that is being built.
type fields struct {
	b    []byte
	json bool
}

// key appends what comes before the value of a field.
func (f *fields) key(name string) []byte {
	switch {
	case !f.json:
		return append(append(append(f.b, ' '), name...), '=')
	case len(f.b) == 0:
		f.b = append(f.b, '{')
	default:
		f.b = append(f.b, ',')
	}
	return append(append(append(f.b, '"'), name...), `":`...)
}

func (f *fields) optional(name, value string) {
	if value != "" {
		f.text(name, value)
	}
}

func (f *fields) text(name, value string) {
	switch {
	case isPlain(value) && f.json:
		f.b = append(append(append(f.key(name), '"'), value...), '"')
	case isPlain(value):
		f.b = append(f.key(name), value...)
	case f.json:
		quoted, _ := json.Marshal(value) // of a string, which cannot fail
		f.b = append(f.key(name), quoted...)
	default:
		f.b = strconv.AppendQuote(f.key(name), value)
	}
}

// isPlain reports whether neither form of the line needs quotes or escapes for s.
func isPlain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '/', c == '@', c == '^', c == '+':
		default:
			return false
		}
	}
	return true
}

func (f *fields) number(name string, value int) {
	if value != 0 {
		f.b = strconv.AppendInt(f.key(name), int64(value), 10)
	}
}

// milliseconds appends d with a precision that is useful to a reader.
func (f *fields) milliseconds(name string, d time.Duration) {
	verb := byte('g')
	if f.json {
		verb = 'f'
	}
	f.b = strconv.AppendFloat(f.key(name), float64(d.Microseconds())/1000, verb, -1, 64)
}

// lineLimit allows a burst of lines, and then a few per second. The zero value is ready for use.
type lineLimit struct {
	mu      sync.Mutex // guards the fields below
	left    float64    // lines that may be written now
	last    time.Time
	skipped int
}

const (
	refusalBurst     = 50
	refusalPerSecond = 5
)

// next reports whether a line may be written now, and how many lines were skipped before it.
func (l *lineLimit) next(now time.Time) (ok bool, skipped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = min(refusalBurst, l.left+refusalPerSecond*now.Sub(l.last).Seconds())
	l.last = now
	if l.left < 1 {
		l.skipped++
		return false, 0
	}
	l.left--
	skipped, l.skipped = l.skipped, 0
	return true, skipped
}

// maxLogText is the longest part of a line from net/http that is logged, in bytes.
const maxLogText = 200

// NewLogWriter returns a writer that logs what net/http and the standard logger write, one entry per write. The
// rate is limited, because clients can cause such lines at no cost. The lines can quote bytes from the network
// ("Unsolicited response received on idle HTTP channel starting with ..."), which can contain secrets. So
// everything from the first quotation mark on is left out. (logrus' own WriterLevel would need a goroutine.)
func NewLogWriter(log *logrus.Logger, level logrus.Level) io.Writer {
	return &logWriter{log: log, level: level}
}

type logWriter struct {
	log   *logrus.Logger
	level logrus.Level
	limit lineLimit
}

func (w *logWriter) Write(line []byte) (int, error) {
	if !w.log.IsLevelEnabled(w.level) {
		return len(line), nil
	}
	if ok, skipped := w.limit.next(time.Now()); ok {
		fields := logrus.Fields{"from": "net/http"}
		if skipped > 0 {
			fields["not_logged_before"] = skipped
		}
		w.log.WithFields(fields).Log(w.level, withoutPayload(string(line)))
	}
	return len(line), nil
}

func withoutPayload(line string) string {
	line, _, _ = strings.Cut(strings.TrimSpace(line), "\n")
	if before, _, quoted := strings.Cut(line, `"`); quoted {
		line = strings.TrimRight(before, " :=") + " [left out]"
	}
	return boundedText(line, maxLogText)
}

// boundedText cuts s to at most n bytes of printable text, so that foreign text cannot begin a new line or move
// a terminal's cursor.
func boundedText(s string, n int) string {
	if len(s) > n {
		s = strings.Clone(s[:n]) // without the memory of the rest
	}
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
