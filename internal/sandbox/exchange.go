package sandbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/sandbox/workspace"
)

// earlyRefusal is the name of the emulator's own refusals in the history.
const earlyRefusal = "early-refusal"

// exchange is one request and its answer.
type exchange struct {
	w     *answerWriter
	r     *http.Request
	body  *countedBody // r.Body, unless a handler wrapped it
	op    *operation   // nil if no route fits
	vars  map[string]string
	fault *Fault // nil for most
	entry Entry
}

// serveAPI handles every request in the same steps: note it, find its operation, apply the fault, check the
// credential, do the work.
func (e *Emulator) serveAPI(w http.ResponseWriter, r *http.Request) {
	x := e.begin(w, r)
	// Note the request when the answer begins, so that a client that has the answer finds it in the history. Note
	// it again at the end, which is reached even when a fault panics to cut the connection.
	x.w.begins = func() { e.note(x) }
	defer e.note(x)
	op, vars, allowed := e.table.find(r.Method, r.URL)
	if op == nil {
		x.readRest()
		x.writeProblem(noRoute(allowed))
		return
	}
	x.op, x.vars, x.entry.Operation = op, vars, op.Number
	if x.fault = e.faults.take(op, r); x.fault == nil {
		x.fault = e.behaviour.chaosFault(op)
	}
	if e.applyFault(x) || !op.open && !e.authenticate(x) {
		return
	}
	if op.stream != nil {
		op.stream(e, x)
	} else {
		e.work(x)
	}
	x.afterWork()
}

func (e *Emulator) begin(w http.ResponseWriter, r *http.Request) *exchange {
	body := &countedBody{ReadCloser: r.Body, hash: sha256.New()}
	r = r.WithContext(r.Context()) // a copy, because net/http reads the Body of the original; both have the same Trailer
	r.Body = body
	x := &exchange{w: &answerWriter{ResponseWriter: w}, r: r, body: body}
	x.entry = Entry{
		Time: time.Now(), RequestID: e.ids.Hex(32), Method: workspace.Bounded(r.Method, 40), Target: target(r),
		UserAgent: workspace.Bounded(r.UserAgent(), 200),
	}
	h := w.Header()
	h.Set(EmulatorHeader, emulatorValue)
	h.Set("X-Request-Id", x.entry.RequestID)
	// The real service is behind a CDN that sets cookies in every answer.
	h.Add("Set-Cookie", "visid_incap_emulator="+x.entry.RequestID[:16]+"; HttpOnly; Path=/")
	return x
}

// target is the raw request target, without queries that may contain codes or secrets.
func target(r *http.Request) string {
	t := r.RequestURI
	if strings.HasPrefix(r.URL.Path, "/oauth2/") {
		t, _, _ = strings.Cut(t, "?")
	}
	return workspace.Bounded(t, 2048)
}

func (e *Emulator) note(x *exchange) {
	if x.fault != nil {
		x.entry.Fault = x.fault.Kind
	}
	x.entry.Status = x.w.status
	x.entry.BodyBytes, x.entry.BodySHA256, x.entry.BodyComplete = x.body.sum()
	x.entry.DurationMS = float64(time.Since(x.entry.Time).Microseconds()) / 1000
	x.entry.Number = e.history.put(x.entry)
}

func noRoute(allowed []string) *workspace.Problem {
	if len(allowed) == 0 {
		return workspace.NotFound()
	}
	return &workspace.Problem{Status: 405, Kind: "method_not_allowed", Detail: "Method not allowed.",
		Header: map[string]string{"Allow": strings.Join(allowed, ", ")},
	}
}

// authenticate reports whether the credential is valid. If not, it has answered 401.
func (e *Emulator) authenticate(x *exchange) bool {
	p := e.credential(x)
	if p == nil {
		return true
	}
	defer e.behaviour.refuse()()
	x.readRest()
	x.writeProblem(p)
	return false
}

// credential returns nil if the credential is valid.
func (e *Emulator) credential(x *exchange) *workspace.Problem {
	scheme, value, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	switch {
	case scheme == "" || value == "" || len(x.r.Header.Values("Authorization")) > 1:
		return workspace.Unauthenticated("Authentication credentials were not provided.")
	case strings.EqualFold(scheme, "API-Key"):
		x.entry.Scheme, x.entry.Token = "API-Key", fingerprint(value)
		if value != e.client.apiKey {
			return workspace.Unauthenticated("Invalid key.")
		}
		return nil
	case !strings.EqualFold(scheme, "Bearer"):
		return workspace.Unauthenticated("Authentication credentials were not provided.")
	}
	p, good := e.grants.find(value, x.entry.Time)
	x.entry.Scheme, x.entry.Token, x.entry.Generation = "Bearer", fingerprint(value), p.generation
	if good && e.behaviour.refusesEarly(p, x.r.ContentLength, x.entry.Time) {
		e.grants.revokeAccess(value)
		x.entry.Fault = earlyRefusal
		good = false
	}
	if !good {
		return workspace.Unauthenticated("Invalid token.")
	}
	return nil
}

// work reads the input, computes the reply under the workspace's lock and writes it.
func (e *Emulator) work(x *exchange) {
	c, err := workspace.ReadCall(x.r, &x.op.Operation, x.vars, x.entry.Time, e.opts.MaxBody)
	x.readRest()
	var rep workspace.Reply
	if err == nil {
		rep, err = e.workspace.Do(&x.op.Operation, c)
	}
	if err != nil {
		e.writeError(x, err)
		return
	}
	x.setHeader(rep.Header)
	switch {
	case rep.Body == nil:
		x.w.WriteHeader(rep.Status)
	case rep.Header["Content-Type"] == "":
		x.writeBytes(rep.Status, rep.Body)
	default: // a file, which is never compressed: its hash is part of the tests
		x.w.Header().Set("Content-Length", strconv.Itoa(len(rep.Body)))
		x.w.WriteHeader(rep.Status)
		x.w.Write(rep.Body)
	}
}

// readRest reads the rest of the body, so that the client can send all of it and the history has its hash. The
// limit stops an endless body.
func (x *exchange) readRest() {
	const most = 1 << 30
	x.body.discard(most)
}

func (e *Emulator) writeError(x *exchange, err error) {
	p, ok := errors.AsType[*workspace.Problem](err)
	if !ok {
		p = &workspace.Problem{Status: 500, Kind: "request_error", Detail: err.Error()}
	}
	if p.Status == http.StatusUnauthorized {
		// While a client finds out the reason for this 401, it must not get an early refusal.
		defer e.behaviour.refuse()()
	}
	x.writeProblem(p)
}

func (x *exchange) writeProblem(p *workspace.Problem) {
	x.setHeader(p.Header)
	x.writeJSON(p.Status, p.BodyFor(x.r.URL.Path))
}

func (x *exchange) setHeader(header map[string]string) {
	for name, value := range header {
		x.w.Header().Set(name, value)
	}
}

func (x *exchange) writeJSON(status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // all values that we send can be encoded
		panic(err)
	}
	x.writeBytes(status, body)
}

// gzipFrom is the size from which JSON is compressed for clients that accept it.
const gzipFrom = 1024

func (x *exchange) writeBytes(status int, body []byte) {
	h := x.w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Add("Vary", "Accept-Encoding")
	if len(body) >= gzipFrom && acceptsGzip(x.r.Header.Values("Accept-Encoding")) {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write(body)
		z.Close()
		h.Set("Content-Encoding", "gzip")
		body = packed.Bytes()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(status)
	x.w.Write(body)
}

func acceptsGzip(values []string) bool {
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && strings.Trim(q, " 0.") != "q=" {
			return true
		}
	}
	return false
}

// sleep waits for d, or until the client disconnects or the server closes.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
