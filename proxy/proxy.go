// Package proxy is the traffic side: an HTTP handler that forwards what it is asked to PandaDoc's
// API, signed in.
//
//	p, err := proxy.New(cfg)
//	srv := p.Server()
//	srv.Serve(listener)
//
// A request passes, in this order:
//
//   - the guard (guard.go, route.go): a port that adds a year-long credential to whatever reaches it
//     is a confused deputy, so foreign hosts, web pages and ambiguous targets are refused before
//     anything else looks at them;
//   - the choice of the account (account.go);
//   - httputil.ReverseProxy (forward.go), which carries path, query and body byte for byte;
//   - authTransport (transport.go), which adds the token and, after a 401, has the token renewed and
//     repeats the request once.
//
// # Bodies
//
// A request can only be repeated if its body can. While the body streams to the API a copy is kept
// (package spool), within limits for one request and for the process. Over a limit the copy is dropped
// and the body streams on; a 401 is then passed through.
//
// # Answers of our own
//
// Whatever this package answers itself is a problem.Problem and says so in Proxy-Status.
// Everything else is the API's.
//
// # Limits
//
// Nothing here is sent twice but the one request after a 401, and what the API did not process
// (resend.go). net/http itself repeats a GET, HEAD or OPTIONS without a body if the kept-alive
// connection it was written to turns out to have been closed by the API (RFC 9110 section 9.2.2), or
// if the API did not process it.
package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy/spool"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Proxy is an http.Handler. It is safe for concurrent use.
type Proxy struct {
	cfg         Config
	guard       *Guard
	callers     callers
	paths       pathRules
	policy      policy
	base        string // of paths at the API
	log         *logrus.Logger
	forward     *httputil.ReverseProxy
	transport   http.RoundTripper
	budget      *spool.Budget
	renewals    renewals
	refusals    lineLimit
	inFlight    atomic.Int64
	connections context.Context // parent of those of all connections of Server
	giveUp      context.CancelCauseFunc
	ownsConns   func() // closes idle connections of a transport that New made; nil otherwise
	closeOnce   sync.Once
}

var _ http.Handler = (*Proxy)(nil)

// New returns a Proxy that is ready to serve. The error joins every mistake in cfg.
func New(cfg Config) (*Proxy, error) {
	guard, errGuard := NewGuard(GuardConfig{AllowHosts: cfg.AllowHosts, AllowOrigins: cfg.AllowOrigins, ClientKeys: len(cfg.ClientKeys) > 0})
	callers, errCallers := newCallers(cfg.ClientKeys, cfg.RequireHeader)
	policy, errPolicy := newPolicy(cfg.ReadOnly, cfg.AllowRoutes)
	if err := errors.Join(cfg.check(), errGuard, errCallers, errPolicy); err != nil {
		return nil, err
	}
	p := &Proxy{
		cfg:      cfg,
		guard:    guard,
		callers:  callers,
		paths:    newPathRules(cfg.API, cfg.TokenURL),
		policy:   policy,
		base:     basePath(cfg.API),
		log:      cfg.Log,
		refusals: newLineLimit(),
	}
	if p.log == nil {
		p.log = logrus.New()
		p.log.SetOutput(io.Discard)
	}
	p.budget = spool.NewBudget(cfg.ReplayTotal, p.warnNoCopy)
	p.transport = cfg.Transport
	if p.transport == nil {
		own := NewUpstream(cfg.Upstream)
		p.transport, p.ownsConns = own, own.CloseIdleConnections
	}
	p.renewals.start()
	p.connections, p.giveUp = context.WithCancelCause(context.Background())
	p.forward = p.newForwarder()
	return p, nil
}

// ServeHTTP answers one request, as Package proxy describes.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := p.newCall(w, r)
	defer func() { c.end(recover()) }()

	if refused := p.admit(c); refused != nil {
		c.refuse(refused)
		return
	}
	if c.answered {
		return // a preflight or OPTIONS *
	}
	if p.inFlight.Add(1) > int64(p.cfg.MaxInFlight) {
		p.inFlight.Add(-1)
		c.refuse(refusal(problem.Overloaded))
		return
	}
	defer p.inFlight.Add(-1)
	p.forward.ServeHTTP(c, withCall(r, c))
}

// admit applies every rule that needs nothing but the request, and fills in where c goes.
func (p *Proxy) admit(c *call) *problem.Problem {
	if refused := p.guard.checkForm(c.req); refused != nil {
		return refused
	}
	if refused := p.guard.Check(c.req); refused != nil {
		return refused
	}
	c.origin = p.guard.corsOrigin(c.req)
	if !fromInside(c.req) && !isPreflight(c.req) { // a browser sends preflights without what it asks leave for
		if refused := p.callers.admit(c); refused != nil {
			return refused
		}
	}
	if answerOptions(c) {
		return nil
	}
	path := rawPath(c.req)
	if refused := p.paths.check(path, c.req.URL.RawQuery); refused != nil {
		return refused
	}
	account, rest, refused := chooseAccount(c, path)
	if refused != nil {
		return refused
	}
	c.Account, c.path = account, rest
	c.prefix = path[:len(path)-len(rest)]
	if refused := p.policy.check(c.req.Method, rest); refused != nil {
		return refused
	}
	return c.setTarget(p.cfg.API, p.base)
}

// errGivenUp is why GiveUp ends a request.
var errGivenUp = errors.New("the proxy is shutting down")

// GiveUp ends all requests of Server that are under way. Clients that have seen nothing yet get an answer which says
// that the outcome is not known: at a connection that ends without one, some send a POST again.
func (p *Proxy) GiveUp() { p.giveUp(errGivenUp) }

// InFlight returns how many requests are being forwarded now.
func (p *Proxy) InFlight() int64 { return p.inFlight.Load() }

// Close waits for background renewals until ctx ends, then cancels them and waits for their end, and
// closes idle connections to the API. The server must have been shut down before. It returns ctx's error
// if something had to be cancelled, and may be called twice.
func (p *Proxy) Close(ctx context.Context) error {
	err := p.renewals.stop(ctx)
	p.closeOnce.Do(func() {
		if p.ownsConns != nil {
			p.ownsConns()
		}
	})
	return err
}

const (
	idleTimeout = 3 * time.Minute // longer than clients keep connections, so that they close first
	// maxHeaderBytes is where net/http gives up with a plain 431. It lies above maxTarget and
	// maxHeader, so that nearly everything that is too large gets an answer of ours.
	maxHeaderBytes = 192 << 10
)

type connKey struct{}

// Server returns a server for p, ready for Serve on any number of listeners. It has no time-out for a whole request: uploads and
// downloads take as long as they make progress. It speaks HTTP/1 only, on TLS listeners too.
func (p *Proxy) Server() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      p,
		Protocols:                    protocols,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" passes the guard like everything else
		ReadHeaderTimeout:            p.cfg.HeaderTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		ErrorLog:                     log.New(NewLogWriter(p.log, logrus.WarnLevel), "", 0),
		BaseContext:                  func(net.Listener) context.Context { return p.connections },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn) // for call.resetUndelimited
		},
	}
}

// ReplayBytes returns how many bytes of request bodies are kept now so that they can be sent again.
func (p *Proxy) ReplayBytes() (inMemory, onDisk int64) { return p.budget.Held() }
