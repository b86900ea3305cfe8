package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// notProcessedError means that the API has not processed a request and never will, so it may be sent again,
// with any method.
type notProcessedError struct{ error }

func (e notProcessedError) Unwrap() error { return e.error }

// errTooManyTries ends a request for which net/http has tried several connections without success.
var errTooManyTries = errors.New("no connection to the API took the request")

// roundTrip sends a request. The error is a notProcessedError if the request may be sent again.
//
// Over HTTP/2 net/http would send one without a body again by itself, for half a minute, and after a
// PROTOCOL_ERROR too (golang/go#47635), although the API may have processed it. So net/http may do that only
// for safe methods, and for a shorter time.
func (t *upstreamTransport) roundTrip(r *http.Request) (*http.Response, error) {
	safe := isSafe(r)
	if safe && r.URL.Scheme == "http" {
		return t.Transport.RoundTrip(r)
	}
	w := newWatch(r)
	var res *http.Response
	var err error
	if r.Body == nil {
		res, err = t.Transport.RoundTrip(w.request)
	} else {
		res, err = t.sendBody(w, r.Context().Done())
	}
	if err != nil && !w.connected() && !w.handshake.Load() && t.brokenCONNECT(r, err) {
		err = fmt.Errorf("%w: %w", errProxyRefused, err)
	}
	switch {
	case err == nil:
		return res, nil
	case context.Cause(w) == errTooManyTries, safe && strings.HasPrefix(err.Error(), "http2: Transport: cannot retry err"):
		return nil, errTooManyTries
	case !safe && r.Context().Err() == nil && w.unprocessed(err):
		return nil, notProcessedError{err}
	}
	return nil, err
}

// isSafe reports whether net/http may repeat r.
func isSafe(r *http.Request) bool { return r.Body == nil && isRead(r.Method) }

// brokenCONNECT reports whether the forward proxy gave an invalid answer to CONNECT, or none. net/http returns
// such an error as if it were the API's. err came before a handshake with the API.
func (t *upstreamTransport) brokenCONNECT(r *http.Request, err error) bool {
	dialFailed := is[net.Error](err) && !isBroken(err) // or timed out
	if dialFailed || errors.Is(err, errProxyRefused) || r.Context().Err() != nil {
		return false
	}
	through, _ := t.Transport.Proxy(r)
	return through != nil
}

// safeAttempts is how often net/http may send a GET, HEAD or OPTIONS without a body over HTTP/2. It waits longer
// before each one: the fourth begins after 3 s.
const safeAttempts = 4

// answerGrace is how long to wait for net/http to return an answer that arrived before the connection died, or its
// own error.
const answerGrace = 250 * time.Millisecond

// errConnectionDied ends a request whose connection has died, or is not used any more, while the client pauses in
// sending its body.
var errConnectionDied = fmt.Errorf("the connection died: %w", io.ErrUnexpectedEOF)

// sendBody is RoundTrip for a request with a body. While net/http waits for more of the body, it does not return,
// even if the connection has died or the request has ended (ended is closed). A client may pause for a minute.
func (t *upstreamTransport) sendBody(w *watch, ended <-chan struct{}) (*http.Response, error) {
	type outcome struct {
		res *http.Response
		err error
	}
	w.usedConns = make(chan *upstreamConn, 1+maxResends)
	done := make(chan outcome, 1)
	go func() {
		res, err := t.Transport.RoundTrip(w.request)
		done <- outcome{res, err}
	}()
	var died <-chan struct{}
	var late <-chan time.Time
	for {
		select {
		case o := <-done:
			return o.res, o.err
		case conn := <-w.usedConns:
			died, late = conn.died, nil
		case <-died:
			died, late = nil, time.After(answerGrace)
		case <-ended:
			ended, late = nil, time.After(answerGrace)
		case <-late:
			go func() { // net/http returns when we stop reading the client's body
				if o := <-done; o.err == nil {
					o.res.Body.Close()
				}
			}()
			return nil, errConnectionDied
		}
	}
}

// watch follows one request through net/http. It is the context of that request, so that net/http finds only its
// hooks and not those of ReverseProxy. Combining both would cost more than all the rest, and 1xx answers are not
// relayed.
type watch struct {
	context.Context
	hooks     httptrace.ClientTrace
	trace     context.Context // has the hooks, and nothing else
	request   *http.Request
	cancel    context.CancelCauseFunc // nil for a safe request
	usedConns chan *upstreamConn      // those that it was given to, for sendBody; else nil

	handshake atomic.Bool // TLS with the API has begun, on a connection that this request asked for

	mu            sync.Mutex // guards the fields below, and orders the change of request.Body before net/http's next look at it
	conns         int        // number of connections that it was given to
	maxConns      int        // and how many there may be
	answered      bool
	tls           *tls.Conn // nil if it is not encrypted
	conn          *upstreamConn
	writtenBefore int64 // bytes written to conn by then
}

// newWatch returns a watch for r. A request that is safe needs no context of its own to be ended.
func newWatch(r *http.Request) *watch {
	safe := isSafe(r)
	w := &watch{Context: r.Context(), maxConns: safeAttempts}
	w.hooks.GotConn, w.hooks.TLSHandshakeStart = w.gotConn, func() { w.handshake.Store(true) }
	if safe {
		w.hooks.WroteRequest = w.wroteRequest
	} else {
		w.maxConns = 1 + maxResends
		w.Context, w.cancel = context.WithCancelCause(r.Context())
	}
	if r.Body == nil {
		if !safe {
			w.hooks.WroteHeaderField = w.wroteHeaderField
		}
		w.hooks.GotFirstResponseByte = w.gotFirstResponseByte
	}
	w.trace = httptrace.WithClientTrace(context.Background(), &w.hooks)
	w.request = r.WithContext(w)
	return w
}

// Value implements context.Context.
func (w *watch) Value(key any) any {
	if v := w.trace.Value(key); v != nil {
		return v
	}
	return w.Context.Value(key)
}

// gotConn is called before the request is written to a connection. If it cancels the request, nothing is
// written.
func (w *watch) gotConn(info httptrace.GotConnInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	conn := info.Conn
	if w.tls, _ = conn.(*tls.Conn); w.tls != nil {
		conn = w.tls.NetConn()
	}
	if w.conns++; w.conns > w.maxConns && w.cancel != nil {
		w.cancel(errTooManyTries)
	}
	if w.conn, _ = conn.(*upstreamConn); w.conn != nil {
		w.writtenBefore = w.conn.written.Load()
		select {
		case w.usedConns <- w.conn:
		default: // the waiting goroutine has gone
		}
	}
}

// wroteHeaderField adds a body to a request without one, when its header is already being encoded, so that this body
// is never sent. Without it, net/http would treat the request as one that it may send again itself.
func (w *watch) wroteHeaderField(string, []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forbidRetry()
}

// wroteRequest does the same for a safe request, the last time that it may be sent.
func (w *watch) wroteRequest(httptrace.WroteRequestInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conns >= w.maxConns && !w.answered {
		w.forbidRetry()
	}
}

func (w *watch) forbidRetry() {
	if w.request.Body == nil && w.tls != nil && w.tls.ConnectionState().NegotiatedProtocol == "h2" {
		w.request.Body = (*neverSent)(nil)
	}
}

// gotFirstResponseByte is called before net/http looks at the request again.
func (w *watch) gotFirstResponseByte() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = true
}

// neverSent is the body of a request that has none. Its pointer is always nil.
type neverSent struct{}

func (*neverSent) Read([]byte) (int, error) { return 0, io.EOF }
func (*neverSent) Close() error             { return nil }

// connected reports whether the request was given to a connection.
func (w *watch) connected() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conns > 0
}

// unprocessed reports whether err means that the API has not acted on the request.
func (w *watch) unprocessed(err error) bool {
	w.mu.Lock() // after errConnectionDied, net/http may still look for another connection
	defer w.mu.Unlock()
	switch {
	case w.conns == 0: // no connection, so nothing was sent
		return isRefused(err) || isBroken(err) || errors.Is(err, io.EOF)
	case w.conn != nil && w.conn.written.Load() == w.writtenBefore:
		return true
	}
	return isUnprocessed(err)
}

// isUnprocessed recognises the cases in which HTTP/2 guarantees that a request was not processed (RFC 9113
// sections 6.8 and 8.7): its stream was refused, or is above the last one that a GOAWAY names. net/http has no
// types for these errors.
func isUnprocessed(err error) bool {
	text := err.Error()
	return strings.Contains(text, "; REFUSED_STREAM; received from peer") ||
		strings.Contains(text, "http2: Transport received Server's graceful shutdown GOAWAY") ||
		strings.Contains(text, "http2: Transport received GOAWAY from server ErrCode:") ||
		strings.Contains(text, "http2: client conn could not be established") ||
		// The connection was closing before it got the request; a body was closed, but not read.
		text == "net/http: cannot rewind body after connection loss"
}

// isRefused reports whether a connection was refused, by the API and not by a forward proxy.
func isRefused(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" && errors.Is(err, errRefused)
}

// isBroken reports whether the other side has ended a connection.
func isBroken(err error) bool {
	return errors.Is(err, errReset) || errors.Is(err, errBrokenPipe) || errors.Is(err, errAborted)
}
