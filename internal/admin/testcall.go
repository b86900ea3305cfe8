package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

const (
	maxTestCall   = 12 << 20 // of the JSON that asks for one
	maxTestAnswer = 8 << 20  // of the API's body that is shown
	testTimeout   = 3 * time.Minute
	testsAtOnce   = 2 // each may need some tens of megabytes
)

// TestCall asks for one request through the proxy, as POST /api/v1/test takes it. Of Body, BodyBase64 and
// Parts one is given at most.
type TestCall struct {
	Account    string            `json:"account,omitempty"` // empty means the default account
	Method     string            `json:"method"`
	Target     string            `json:"target"` // path and query, encoded as on the wire
	Header     map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body,omitempty"`
	BodyBase64 []byte            `json:"body_base64,omitempty"`
	Parts      []TestPart        `json:"parts,omitempty"` // of a multipart/form-data body
}

// TestPart is a field of a form, or a file if it has a file name.
type TestPart struct {
	Name        string `json:"name"`
	FileName    string `json:"filename,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Text        string `json:"text,omitempty"`
	Base64      []byte `json:"base64,omitempty"` // instead of Text
}

// TestAnswer is the result of a TestCall. The body is in Body if it is text, else in BodyBase64.
type TestAnswer struct {
	Status     int          `json:"status"`
	Header     http.Header  `json:"headers"`
	Body       string       `json:"body,omitempty"`
	BodyBase64 []byte       `json:"body_base64,omitempty"`
	Size       int          `json:"size"`                // of the body that is given here, in bytes
	Truncated  bool         `json:"truncated,omitempty"` // there was more, or the API cut it off
	Duration   Milliseconds `json:"duration_ms"`
	// Request describes what happened: if a refresh and a replay were needed. Nil if the proxy
	// gave no answer.
	Request *RequestReport `json:"request"`
}

// testCall sends a request through the proxy's own handler, so that what is tested is what clients get.
func (h *Handler) testCall(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), testTimeout)
	defer cancel()
	late := problem.Of(problem.TestTimeout, "limit", problem.Span(testTimeout))
	if !h.enterTest(ctx) {
		late.Write(w)
		return
	}
	defer h.leaveTest()
	var call TestCall
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxTestCall))
	in.DisallowUnknownFields()
	if err := in.Decode(&call); err != nil {
		invalid(err).Write(w)
		return
	}
	req, err := call.request(ctx)
	if err != nil {
		invalid(err).Write(w)
		return
	}
	answer, ok := h.runTest(req)
	if !ok {
		late.Write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer) // without the indentation of other answers: this one can be large
}

// enterTest waits until fewer than testsAtOnce test requests run. It reports false if ctx ends before.
func (h *Handler) enterTest(ctx context.Context) bool {
	select {
	case h.tests <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (h *Handler) leaveTest() { <-h.tests }

// invalid returns why a test call cannot be made.
func invalid(err error) problem.Problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem.Of(problem.RequestTooLarge)
	}
	return problem.Of(problem.InvalidInput, "reason", bounded(err.Error(), maxErrorText))
}

// bounded returns text from outside as one line of at most most bytes.
func bounded(text string, most int) string {
	text = problem.Line(text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

// runTest serves req. It reports false if there was no answer in time.
func (h *Handler) runTest(req *http.Request) (TestAnswer, bool) {
	w := &testWriter{header: http.Header{}}
	start := time.Now()
	cut := serveTest(h.config.Proxy, w, req)
	if w.status == 0 {
		return TestAnswer{}, false
	}
	answer := TestAnswer{
		Status: w.status, Header: w.sent, Size: w.body.Len(), Truncated: cut, Duration: Milliseconds(time.Since(start)),
	}
	if body := w.body.Bytes(); utf8.Valid(body) && !bytes.ContainsRune(body, 0) {
		answer.Body = string(body)
	} else {
		answer.BodyBase64 = body
	}
	if found, ok := h.requests.find(w.sent.Get("X-Request-Id")); ok {
		answer.Request = new(report(found))
	}
	return answer, true
}

// serveTest reports whether the answer was cut off, by the API or because it is too long. The proxy then panics
// with http.ErrAbortHandler. A server would recover that; here no server runs.
func serveTest(next http.Handler, w http.ResponseWriter, r *http.Request) (cut bool) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			cut = true
		default:
			panic(p)
		}
	}()
	next.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK) // as a server does for a handler that set none
	return false
}

// request makes the request that a server would have read from a connection.
func (c TestCall) request(ctx context.Context) (*http.Request, error) {
	target := c.Target
	if c.Account != "" && c.Account != tokens.DefaultAccount {
		target = "/@" + c.Account + target
	}
	u, err := url.ParseRequestURI(target)
	if err != nil || !strings.HasPrefix(c.Target, "/") || strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, errors.New("the target must be a path with a query, encoded, like /public/v1/documents?count=10")
	}
	header, err := c.header()
	if err != nil {
		return nil, err
	}
	body, contentType, err := c.body()
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	r := &http.Request{
		Method: c.Method, URL: u, RequestURI: target, Host: "localhost", Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: int64(len(body)),
	}
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r.WithContext(ctx), nil
}

// header leaves out the fields about a connection, because there is none.
func (c TestCall) header() (http.Header, error) {
	header := http.Header{"User-Agent": {problem.Program + " console"}, "Accept": {"*/*"}}
	for name, value := range c.Header {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isTokenRune(r) }) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("the header field %q cannot be sent", bounded(name, maxErrorText))
		}
		header.Set(name, value)
	}
	for _, name := range []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect"} {
		header.Del(name)
	}
	return header, nil
}

// isTokenRune reports whether a name of a header field may contain r (RFC 9110 section 5.6.2).
func isTokenRune(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// body returns the bytes to send and, for parts, their media type.
func (c TestCall) body() (body []byte, contentType string, err error) {
	given := 0
	for _, has := range []bool{c.Body != "", len(c.BodyBase64) > 0, len(c.Parts) > 0} {
		if has {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, "", errors.New("give one of body, body_base64 and parts")
	case len(c.Parts) > 0:
		return encodeParts(c.Parts)
	case c.Body != "":
		return []byte(c.Body), "", nil
	}
	return c.BodyBase64, "", nil
}

func encodeParts(parts []TestPart) ([]byte, string, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range parts {
		to, err := form.CreatePart(p.header())
		if err != nil {
			return nil, "", err
		}
		if len(p.Base64) > 0 {
			to.Write(p.Base64) // into memory, which does not fail
		} else {
			io.WriteString(to, p.Text)
		}
	}
	if err := form.Close(); err != nil {
		return nil, "", err
	}
	return body.Bytes(), form.FormDataContentType(), nil
}

func (p TestPart) header() textproto.MIMEHeader {
	// A part without a file name is a field, not an empty file.
	disposition := multipart.FileContentDisposition(p.Name, p.FileName)
	header := textproto.MIMEHeader{"Content-Disposition": {strings.TrimSuffix(disposition, `; filename=""`)}}
	if p.ContentType != "" && !strings.ContainsAny(p.ContentType, "\r\n") {
		header.Set("Content-Type", p.ContentType)
	}
	return header
}

// testWriter keeps an answer, up to a limit.
type testWriter struct {
	header http.Header
	sent   http.Header // as it was when the status was sent
	status int
	body   bytes.Buffer
}

var _ http.ResponseWriter = (*testWriter)(nil)

var errAnswerTooLong = errors.New("the answer is too long to be shown")

func (w *testWriter) Header() http.Header { return w.header }

func (w *testWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
		maps.DeleteFunc(w.sent, func(_ string, values []string) bool { return len(values) == 0 }) // set to nil, so that net/http adds none
	}
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	room := min(len(p), maxTestAnswer-w.body.Len())
	w.body.Write(p[:room])
	if room < len(p) {
		return room, errAnswerTooLong
	}
	return len(p), nil
}

// Flush implements http.Flusher. It does nothing, because the answer is in memory.
func (w *testWriter) Flush() {}

// EnableFullDuplex is for http.ResponseController. It does nothing, because the request is in memory.
func (w *testWriter) EnableFullDuplex() error { return nil }
