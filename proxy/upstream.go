package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// ErrLoop is returned for a request whose connection leads back to this process: the API's name resolves,
// perhaps by the hosts file, to one of our own listeners. Then nothing has been sent.
var ErrLoop = errors.New("the API's name leads back to this proxy")

const (
	// transportLife is how long one http.Transport opens new connections. The next one resolves the API's name
	// again, even while connections to the old address are open.
	transportLife = 10 * time.Minute
	// warmCheck is how often to check that there is a connection to the API and that the transport uses the
	// current roots.
	warmCheck = 5 * time.Second
	// warmWait limits the wait for a connection that is opened in advance.
	warmWait = 20 * time.Second
	// A silent HTTP/2 connection gets a ping after pingAfter, and is closed pingTimeout later.
	pingAfter, pingTimeout = 5 * time.Second, 5 * time.Second
)

// TransportOptions are the options of a transport to PandaDoc.
type TransportOptions struct {
	// Roots gives the authorities to trust, as they are now. Nil means the system's.
	Roots func() *x509.CertPool
	// HeaderTimeout is how long to wait for the header of an answer after the request was sent. Zero means for
	// ever.
	HeaderTimeout time.Duration
	// Proxy returns the forward proxy for an https request, as http.ProxyFromEnvironment does. It is not called
	// for http, because that proxy could read the token. Nil means none.
	Proxy func(*http.Request) (*url.URL, error)
	// ConnectTo maps a HOST:PORT of requests to the HOST:PORT to connect to instead. The names in requests and
	// certificates stay the same. Nil changes nothing.
	ConnectTo map[string]string
	// Own reports whether a connection leads to a listener of this process. Nil means never.
	Own func(net.Conn) bool
	// OwnCertificate returns the certificate that this process serves, or nil. If it is nil, the process serves
	// none.
	OwnCertificate func() *x509.Certificate
}

// NewTransport returns a transport for PandaDoc's hosts. It keeps connections, offers HTTP/2, decompresses
// nothing and follows no redirect. It is also used for the token endpoint and probes.
func NewTransport(o TransportOptions) *http.Transport { return newUpstreamTransport(o).Transport }

// upstreamTransport is a transport, with what is known about its connections.
type upstreamTransport struct {
	*http.Transport
	roots *x509.CertPool // that it trusts
	open  atomic.Int64   // connections
}

func newUpstreamTransport(o TransportOptions) *upstreamTransport {
	t := &upstreamTransport{roots: o.roots()}
	t.Transport = &http.Transport{
		Proxy:                 httpsOnly(o.Proxy),
		DialContext:           t.dialer(o),
		TLSClientConfig:       &tls.Config{RootCAs: t.roots, MinVersion: tls.VersionTLS12, VerifyConnection: o.notOurs},
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true, // by default net/http does not, with a custom dialer
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		DisableCompression:    true, // bodies go through unchanged
		ExpectContinueTimeout: time.Second,
		ResponseHeaderTimeout: o.HeaderTimeout,
		// Shorter than the usual limit of load balancers, so that we close an idle connection, and not they
		// just when we send a POST on it.
		IdleConnTimeout:        50 * time.Second,
		MaxIdleConnsPerHost:    1024,
		MaxResponseHeaderBytes: 1 << 20,
	}
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
		if res.StatusCode != http.StatusOK {
			return errProxyRefused
		}
		return nil
	}
	return t
}

func (o TransportOptions) roots() *x509.CertPool {
	if o.Roots == nil {
		return nil
	}
	return o.Roots()
}

// errProxyRefused means that the forward proxy did not connect us to the API, as with 403 or 407.
var errProxyRefused = errors.New("the forward proxy refused the connection")

func httpsOnly(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	if proxy == nil {
		return nil
	}
	return func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme != "https" {
			return nil, nil
		}
		return proxy(r)
	}
}

// dialer returns DialContext of t.
func (t *upstreamTransport) dialer(o TransportOptions) func(context.Context, string, string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		var conn *upstreamConn
		if w, ok := ctx.Value(warmKey{}).(*warming); ok {
			w.leave()
			defer func() { w.dialed <- conn }()
		}
		if to := o.ConnectTo[addr]; to != "" {
			addr = to
		}
		raw, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if o.Own != nil && o.Own(raw) {
			raw.Close()
			return nil, ErrLoop
		}
		t.open.Add(1)
		conn = &upstreamConn{Conn: raw, transport: t, died: make(chan struct{})}
		return conn, nil
	}
}

// notOurs is a tls.Config.VerifyConnection. If a router leads the API's name back to us, the address is not
// ours, but the certificate is.
func (o TransportOptions) notOurs(s tls.ConnectionState) error {
	if o.isOurs(s.PeerCertificates) {
		return ErrLoop
	}
	return nil
}

// isOurs reports whether the other side, which sent chain, serves the certificate of this process.
func (o TransportOptions) isOurs(chain []*x509.Certificate) bool {
	if o.OwnCertificate == nil || len(chain) == 0 {
		return false
	}
	own := o.OwnCertificate()
	return own != nil && own.Equal(chain[0])
}

// upstreamConn is a connection to PandaDoc, below TLS.
//
// It pretends that writes succeed after the other side has closed. If a server answers early and closes (413 in
// the middle of an upload), our next write fails, and http.Transport would report that instead of reading the
// answer that is waiting. With the pretence, reading continues and finds either the answer or the real error.
// This must be below TLS, whose writes fail for good after one failure.
type upstreamConn struct {
	net.Conn
	transport *upstreamTransport
	written   atomic.Int64
	closed    atomic.Bool
	died      chan struct{} // closed when nothing more can be read
	dying     sync.Once
}

// Read detects the end of the connection: net/http reads all the time.
func (c *upstreamConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.dying.Do(func() { close(c.died) })
	}
	return n, err
}

func (c *upstreamConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	if isBroken(err) {
		return len(p), nil
	}
	return n, err
}

func (c *upstreamConn) Close() error {
	c.dying.Do(func() { close(c.died) }) // below TLS, its last message comes before the end
	if !c.closed.Swap(true) {
		c.transport.open.Add(-1)
	}
	return c.Conn.Close()
}

// Upstream carries requests to the API. It follows DNS changes, and keeps a connection open so that no request
// waits for one. It is safe for concurrent use.
type Upstream struct {
	options TransportOptions
	current atomic.Pointer[upstreamTransport]
	warmed  chan struct{} // closed when Tend has tried to open the first connection
}

var _ http.RoundTripper = (*Upstream)(nil)

// NewUpstream returns an Upstream that opens connections when they are needed. Tend does more.
func NewUpstream(o TransportOptions) *Upstream {
	u := &Upstream{options: o, warmed: make(chan struct{})}
	u.current.Store(newUpstreamTransport(o))
	return u
}

// RoundTrip implements http.RoundTripper. The error is ErrLoop, perhaps wrapped, if the API's name leads back
// to this process.
func (u *Upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := u.current.Load().roundTrip(r)
	if err == nil {
		return res, nil
	}
	if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok && u.options.isOurs(untrusted.UnverifiedCertificates) {
		err = ErrLoop
	}
	return nil, err
}

// CloseIdleConnections closes connections that no request uses.
func (u *Upstream) CloseIdleConnections() { u.current.Load().CloseIdleConnections() }

// Tend opens a connection to the API before the first request, keeps one open, and switches to a new
// http.Transport every ten minutes and when the roots change, until ctx ends. Running requests finish on the
// old one. It must be called once.
func (u *Upstream) Tend(ctx context.Context, api *url.URL) {
	u.current.Load().warm(ctx, api)
	close(u.warmed)
	tick := time.NewTicker(warmCheck)
	defer tick.Stop()
	for begun := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch {
		case time.Since(begun) >= transportLife || u.options.roots() != u.current.Load().roots:
			u.replace(ctx, api)
			begun = time.Now()
		case u.current.Load().open.Load() == 0:
			u.current.Load().warm(ctx, api)
		}
	}
}

// Warmed is closed when Tend has opened its first connection, or has failed to.
func (u *Upstream) Warmed() <-chan struct{} { return u.warmed }

// replace switches to a new transport as soon as that has a connection to the API.
func (u *Upstream) replace(ctx context.Context, api *url.URL) {
	next := newUpstreamTransport(u.options)
	next.warm(ctx, api)
	u.current.Swap(next).CloseIdleConnections()
}

type warmKey struct{}

// warming is a request that is only made for its connection.
type warming struct {
	leave  context.CancelFunc // cancels it
	dialed chan *upstreamConn // what was dialled for it; nil if that failed
}

// warm opens a connection to api and sends nothing on it. net/http has no call for that. But if a request is
// cancelled during the dial, net/http finishes the dial and keeps the connection for the next request.
func (t *upstreamTransport) warm(ctx context.Context, api *url.URL) {
	ctx, cancel := context.WithTimeout(ctx, warmWait)
	defer cancel()
	secured := make(chan struct{}, 1)
	request, leave := context.WithCancel(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:          func(httptrace.GotConnInfo) { cancel() }, // there was already one: nothing to do
		TLSHandshakeDone: func(tls.ConnectionState, error) { secured <- struct{}{} },
	}))
	defer leave()
	w := &warming{leave, make(chan *upstreamConn, 1)}
	r, err := http.NewRequestWithContext(context.WithValue(request, warmKey{}, w), http.MethodHead, api.String(), nil)
	if err != nil {
		return
	}
	if res, err := t.Transport.RoundTrip(r); err == nil {
		res.Body.Close()
		return
	}
	if api.Scheme != "https" || request.Err() == nil {
		return
	}
	// RoundTrip has returned, because the request is cancelled, but the dial goes on.
	select {
	case conn := <-w.dialed:
		if conn == nil {
			return
		}
		select {
		case <-secured:
		case <-conn.died: // for example a forward proxy that refuses
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
}
