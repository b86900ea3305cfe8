package proxy

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy/spool"
)

// maxRequestID is how much of the API's request id is logged.
const maxRequestID = 64

// call is one request in progress. It is the http.ResponseWriter of everything below ServeHTTP, so that
// common response headers are set in one place, and the exchange can be reported at the end. Its fields
// belong to the request's goroutine.
type call struct {
	http.ResponseWriter
	proxy *Proxy
	req   *http.Request
	conn  *connection
	spool *spool.Spool // nil for a request without a body
	// answer is the API's. Nil as long as there is none.
	answer *http.Response

	closing sync.WaitGroup // waits for early answers

	Exchange        // for the report at the end
	path     string // raw, without the account's prefix
	prefix   string // "/@acme", or empty
	target   target
	origin   string // of an allowed page, else empty

	keyAccount string // the only account that the client's key is for, or empty

	closeAfter  bool // the connection must not be used for another request
	wroteHeader bool
	writeFailed bool
	clientLeft  bool     // the client ended its connection in the middle of its body
	flusher     *flusher // nil while no part of the answer waits
	lengthKnown bool     // of the API's answer, so that ReverseProxy leaves flushing to us
}

type connKey struct{}

// connection is what the requests of a client's connection share. ReverseProxy's hooks and the transport find the
// running call in it: over HTTP/1 there is one at a time.
type connection struct {
	net.Conn        // nil if it is not known
	account  string // of the listener; empty if it has none
	inside   bool   // the program itself asks, see Inside
	call     *call
}

// connected is http.Server.ConnContext.
func connected(ctx context.Context, conn net.Conn) context.Context {
	account, _ := ctx.Value(listenerKey{}).(string)
	return context.WithValue(ctx, connKey{}, &connection{Conn: conn, account: account})
}

// withConnection returns r and the connection in its context. It adds one if neither Server nor Inside did.
func withConnection(r *http.Request) (*http.Request, *connection) {
	if conn := connectionOf(r.Context()); conn != nil {
		return r, conn
	}
	r = r.WithContext(connected(r.Context(), nil))
	return r, connectionOf(r.Context())
}

func connectionOf(ctx context.Context) *connection {
	conn, _ := ctx.Value(connKey{}).(*connection)
	return conn
}

func callOf(ctx context.Context) *call { return connectionOf(ctx).call }

func (p *Proxy) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{ResponseWriter: w, proxy: p}
	c.req, c.conn = withConnection(r)
	c.conn.call = c
	c.Start = time.Now()
	c.Method = methodOf(r.Method)
	if r.ContentLength != 0 {
		// Without full duplex the server reads up to 256 KiB of the body before it sends an answer,
		// and waits for ever for a stalled client.
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex() // a server without this call is always full duplex
		c.spool = spool.New(r.Body, r.ContentLength, rc, spool.Options{
			Memory: p.cfg.ReplayMemory, Disk: p.cfg.ReplayDisk, Dir: p.cfg.TempDir, Timeout: p.cfg.BodyTimeout, Budget: p.budget,
		})
	}
	return c
}

// target is the path of a request at the API, in the form that url.URL needs.
type target struct{ path, rawPath, opaque string }

// setTarget finds the URL at the API. Go's url.URL re-encodes some paths that are legal on the wire;
// Opaque carries those as they came. It cannot carry a path that begins with "//", which would turn
// into another authority.
func (c *call) setTarget(base string) *problem.Problem {
	raw := base + c.path
	if raw == "" {
		raw = "/"
	}
	if isUnreserved(raw) {
		c.target = target{path: raw}
		return nil
	}
	path, err := url.PathUnescape(raw)
	if err != nil {
		return new(problem.OfCase(problem.BadRequest, problem.CaseEncoding))
	}
	c.target = target{path: path, rawPath: raw}
	if (&url.URL{Path: path, RawPath: raw}).EscapedPath() == raw {
		return nil
	}
	if strings.HasPrefix(raw, "//") {
		return new(problem.OfCase(problem.BadRequest, problem.CaseSlashes))
	}
	c.target.opaque = raw
	return nil
}

// isUnreserved reports whether path has nothing that is encoded, or that Go would encode (RFC 3986 section 2.3).
func isUnreserved(path string) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}

// Unwrap lets http.ResponseController find the server's own writer.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// WriteHeader sends status, with the headers that every answer has.
func (c *call) WriteHeader(status int) {
	if status < 200 {
		// No 1xx answer of the API is relayed. net/http itself sends "100 Continue" when the transport begins
		// to read the body, after the API's own "100 Continue". So the client sees one, however often the
		// request is sent.
		return
	}
	if c.wroteHeader {
		return
	}
	c.wroteHeader = true
	c.Status = status
	h := c.Header()
	setCommon(h)
	c.setRequestID(h)
	if c.origin != "" {
		allowOrigin(h, c.origin)
	}
	if c.mustClose() {
		h.Set("Connection", "close")
	}
	c.ResponseWriter.WriteHeader(status)
	if c.lengthKnown {
		c.flusher = c.proxy.flushers.start(c.ResponseWriter)
	}
}

// mustClose reports whether the connection must not be used for another request after this answer: because
// bytes of this body may still come, or because the request was chunked. net/http hides from handlers if a
// chunked request also had a Content-Length. Then the end of the request is ambiguous, which allows request
// smuggling (RFC 9112 section 6.1).
//
// In HTTP/1.0, net/http also hides a Transfer-Encoding and reads the request without it, so an HTTP/1.0
// connection is used for one request only.
func (c *call) mustClose() bool {
	switch {
	case c.closeAfter || !c.req.ProtoAtLeast(1, 1):
		return true
	case c.spool == nil:
		return false
	}
	if c.req.Header["Expect"] != nil && c.BytesOut == 0 && !c.spool.Begun() {
		return true // the client waits for permission to send its body, which it does not get
	}
	return c.req.ContentLength < 0 || !c.spool.Settle()
}

// Write sends a part of the answer.
func (c *call) Write(b []byte) (int, error) {
	if !c.wroteHeader {
		c.WriteHeader(http.StatusOK)
	}
	var to io.Writer = c.ResponseWriter
	if c.flusher != nil {
		to = c.flusher
	}
	n, err := to.Write(b)
	c.BytesOut += int64(n)
	if err != nil {
		c.writeFailed = true
	}
	return n, err
}

// refuse answers with p.
func (c *call) refuse(p *problem.Problem) {
	c.Code, c.Detail, c.Hint = p.Code, p.Detail, p.Hint
	switch p.Code {
	case problem.MethodNotAllowed:
		c.Header()["Allow"] = []string{allowedMethods}
	case problem.HostNotAllowed:
		c.RefusedHost = boundedText(c.req.Host, maxShown)
	}
	if size, _ := headerSize(c.req); size+len(c.req.RequestURI) > maxHeader+maxTarget {
		// Free what is too large: the header now, because it may take seconds to read the body, and the request line with the
		// connection, because net/http keeps it until the next request.
		defer clear(c.req.Header)
		c.closeAfter = true
	}
	p.Write(c)
}

// setRequestID gives an answer an id of ours if it has none from the API. The API's id is better, because
// PandaDoc's support can use it.
func (c *call) setRequestID(h http.Header) {
	if c.RequestID != "" {
		return
	}
	var id [8]byte
	var text [2 * len(id)]byte
	binary.BigEndian.PutUint64(id[:], rand.Uint64())
	hex.Encode(text[:], id[:])
	c.RequestID = string(text[:])
	h["X-Request-Id"] = []string{c.RequestID}
}

// end reports what happened and leaves the client's connection in a clean state. panicked is the result of
// recover. If a part of the answer was sent, end panics with http.ErrAbortHandler, so that the client sees that
// the answer was cut.
func (c *call) end(panicked any) {
	if c.flusher != nil { // the code below writes and flushes by itself
		c.proxy.flushers.stop(c.flusher)
		c.flusher = nil
	}
	abort := panicked != nil && c.noteAbort(panicked)
	if c.answer != nil && len(c.answer.Trailer) > 0 { // HTTP/2 need not announce them
		cleanAnswer(c.Header())
	}
	if abort && c.wroteHeader {
		// Send what we have first. If a kept connection ends without a byte, the client thinks that it was idle
		// and was closed, and sends the request again: then the request is carried out twice.
		_ = http.NewResponseController(c.ResponseWriter).Flush()
	}
	if c.spool != nil {
		if abort || c.spool.Complete() {
			c.spool.Abort()
		} else {
			c.discardBody()
		}
		c.closing.Wait()
		c.BytesIn, c.Spooled, c.SpooledOn = c.spool.Usage()
		c.spool.Release()
	}
	c.setRequestID(c.Header()) // a request without an answer, because its client has gone, is logged under an id too
	c.proxy.report(c)
	c.conn.call = nil
	if abort {
		c.resetUndelimited()
		panic(http.ErrAbortHandler)
	}
}

// noteAbort notes why an answer was cut, and reports whether the connection must end for it. A client that
// has seen nothing yet gets an answer instead.
func (c *call) noteAbort(panicked any) bool {
	switch {
	case panicked != http.ErrAbortHandler:
		c.Code = problem.Internal
		// The value may contain anything, so log only its type.
		c.proxy.log.WithField("stack", string(debug.Stack())).Errorf("panic of type %T while serving a request", panicked)
	case c.writeFailed || c.req.Context().Err() != nil && context.Cause(c.req.Context()) != errShutdown:
		c.Status = StatusClientGone
	default:
		c.Cut = true
	}
	if c.wroteHeader || c.Status == StatusClientGone {
		return true
	}
	c.closeAfter = true
	c.refuse(new(problem.Of(problem.Internal)))
	return false
}

// resetUndelimited makes sure that a client notices a cut answer that ends with the connection (HTTP/1.0): only
// a reset distinguishes it from a complete one.
func (c *call) resetUndelimited() {
	if c.req.ProtoAtLeast(1, 1) {
		return
	}
	conn := c.conn.Conn
	for {
		over, ok := conn.(interface{ NetConn() net.Conn }) // TLS, or a listener's own layer
		if !ok {
			break
		}
		conn = over.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// discardBody sends the answer, and reads the rest of the client's body for a while: simple clients send everything
// before they read, and would lose the answer if the connection were closed.
func (c *call) discardBody() {
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	c.spool.Discard()
}

// flushDelay is how long a part of an answer may wait for the next one, so that a short answer is sent in one
// write. ReverseProxy flushes event streams and answers of unknown length at once.
const flushDelay = 10 * time.Millisecond

// flusher flushes an answer's buffer if the next part is late. ReverseProxy can do that too, but with a timer
// and four other allocations for each answer. The timer is not stopped at the end of an answer, because to set it
// again for each would wake a thread of an idle program each time.
type flusher struct {
	timer *time.Timer

	mu    sync.Mutex          // guards the fields below, and orders writing and flushing
	to    http.ResponseWriter // nil while no answer is being written
	due   time.Time           // when to flush; zero if nothing waits
	armed bool                // the timer runs
}

// flushers is a pool of unused flushers.
type flushers struct{ pool sync.Pool }

// start returns a flusher for an answer whose header has been written to w.
func (p *flushers) start(w http.ResponseWriter) *flusher {
	f, _ := p.pool.Get().(*flusher)
	if f == nil {
		f = &flusher{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to = w
	f.waitLocked()
	return f
}

// stop returns when f flushes nothing more.
func (p *flushers) stop(f *flusher) {
	f.mu.Lock()
	f.to, f.due = nil, time.Time{}
	f.mu.Unlock()
	p.pool.Put(f)
}

// Write implements io.Writer.
func (f *flusher) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.to.Write(b)
	if f.due.IsZero() {
		f.waitLocked()
	}
	return n, err
}

// waitLocked lets the answer be flushed after flushDelay.
func (f *flusher) waitLocked() {
	f.due = time.Now().Add(flushDelay)
	switch {
	case f.armed:
	case f.timer == nil:
		f.timer = time.AfterFunc(flushDelay, f.fire)
	default:
		f.timer.Reset(flushDelay)
	}
	f.armed = true
}

// fire runs when the timer expires. The timer may have been set for an earlier answer.
func (f *flusher) fire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.due.IsZero() {
		f.armed = false
		return
	}
	if left := time.Until(f.due); left > 0 {
		f.timer.Reset(left)
		return
	}
	f.armed, f.due = false, time.Time{}
	_ = http.NewResponseController(f.to).Flush() // the next write returns the error
}
