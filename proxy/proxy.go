// Package proxy handles the traffic: an HTTP handler that adds a token to each request and forwards it to
// PandaDoc's API.
//
//	p, err := proxy.New(cfg)
//	srv := p.Server()
//	srv.Serve(listener)
//
// A request passes these steps, in this order:
//
//   - the guard (guard.go, route.go), which refuses foreign hosts, web pages and ambiguous targets first, because
//     the port adds a credential to every request;
//   - the choice of the account (account.go);
//   - httputil.ReverseProxy (forward.go), which carries path, query and body byte for byte;
//   - authTransport (transport.go), which adds the token. After a 401 it gets a new token and repeats the request
//     once.
//
// # Bodies
//
// A request can be repeated only if its body can be sent again. So while the body streams to the API, a copy is
// kept (package spool), within limits for one request and for the process. Over a limit, the copy is dropped
// and the body streams on; a 401 then goes to the client.
//
// # Answers of our own
//
// An error answer of this package itself is a problem.Problem, with a Proxy-Status header. The package also answers
// preflights and OPTIONS requests about the proxy itself. All other answers come from the API, except those of
// net/http to requests that it cannot parse.
//
// # Limits
//
// A request is sent again only after a 401, or if the API did not process it (resend.go). net/http itself
// repeats a GET, HEAD or OPTIONS without a body in three cases: the API did not process it, the API had closed the
// kept-alive connection (RFC 9110 section 9.2.2), or the API ended its HTTP/2 stream with PROTOCOL_ERROR.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy/spool"
	"pandadoc-auth-proxy/tokens"
)

// Proxy is an http.Handler. It is safe for concurrent use.
type Proxy struct {
	cfg         Config
	guard       *Guard
	clients     clientRules
	paths       pathRules
	policy      policy
	base        string // prefix of paths at the API
	log         *logrus.Logger
	forward     *httputil.ReverseProxy
	budget      *spool.Budget
	renewals    *renewals
	refusals    lineLimit
	flushers    flushers
	inFlight    atomic.Int64
	headersLeft atomic.Int64            // bytes that the headers of requests in flight may still cost
	baseContext context.Context         // parent of the contexts of all connections of Server
	giveUp      context.CancelCauseFunc // ends it
}

var _ http.Handler = (*Proxy)(nil)

// New returns a Proxy that is ready to serve. The error joins all mistakes in cfg.
func New(cfg Config) (*Proxy, error) {
	guard, errGuard := NewGuard(GuardConfig{AllowHosts: cfg.AllowHosts, AllowOrigins: cfg.AllowOrigins, ClientKeys: len(cfg.ClientKeys) > 0})
	clients, errClients := newClientRules(cfg.ClientKeys, cfg.RequireHeader)
	if err := errors.Join(cfg.check(), errGuard, errClients); err != nil {
		return nil, err
	}
	p := &Proxy{
		cfg:     cfg,
		guard:   guard,
		clients: clients,
		paths:   newPathRules(cfg.API, cfg.TokenURL),
		policy:  policy{readOnly: cfg.ReadOnly, routes: cfg.AllowRoutes},
		base:    basePath(cfg.API),
		log:     cfg.Log,
	}
	if p.log == nil {
		p.log = logrus.New()
		p.log.SetOutput(io.Discard)
	}
	share := int64(math.MaxInt64)
	if cfg.Memory > 0 {
		share = cfg.Memory / shareOfMemory
	}
	p.headersLeft.Store(share)
	p.budget = spool.NewBudget(cfg.ReplayTotal, share, func(err error) {
		p.log.WithError(err).Warn("no temporary file for request bodies: large requests are forwarded, but cannot be repeated after a 401; see --temp-dir")
	})
	p.renewals = newRenewals()
	p.baseContext, p.giveUp = context.WithCancelCause(context.Background())
	p.forward = p.newForwarder()
	return p, nil
}

// ServeHTTP answers one request, as the package comment describes.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := p.newCall(w, r)
	defer func() { c.end(recover()) }()

	if refused := p.prepare(c); refused != nil {
		c.refuse(refused)
		return
	}
	if c.wroteHeader {
		return // a preflight or OPTIONS *
	}
	cost := headerCost(c.req)
	requests, left := p.inFlight.Add(1), p.headersLeft.Add(-cost)
	defer func() {
		p.inFlight.Add(-1)
		p.headersLeft.Add(cost)
	}()
	if requests > int64(p.cfg.MaxInFlight) || left < 0 {
		c.refuse(new(problem.Of(problem.Overloaded)))
		return
	}
	p.forward.ServeHTTP(c, withoutUpgrade(c.req))
}

// prepare applies all rules that need only the request, and fills in the target of c. It answers a request that is not
// for the API.
func (p *Proxy) prepare(c *call) *problem.Problem {
	if refused := p.guard.checkForm(c.req); refused != nil {
		return refused
	}
	if refused := p.guard.Check(c.req); refused != nil {
		return refused
	}
	c.origin = p.guard.corsOrigin(c.req)
	if !c.conn.inside && !isPreflight(c.req) { // a preflight asks if the key and the header may be sent, and has neither
		if refused := p.clients.check(c); refused != nil {
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
	return c.setTarget(p.base)
}

// shareOfMemory is the part of Config.Memory, an eighth, that headers of requests in flight may take. Copies of
// their bodies may take another.
const shareOfMemory = 8

// errShutdown is the reason with which GiveUp ends a request.
var errShutdown = errors.New("the proxy is shutting down")

// GiveUp ends all running requests of Server. A client that has seen nothing yet gets an answer that says that
// the result is unknown. Without an answer, some clients send a POST again.
func (p *Proxy) GiveUp() { p.giveUp(errShutdown) }

// InFlight returns how many requests are being forwarded now.
func (p *Proxy) InFlight() int64 { return p.inFlight.Load() }

// Close waits for background renewals until ctx ends, then cancels them and waits for their end. The server must have
// been shut down before. It returns ctx's error if something was cancelled. It may be called twice.
func (p *Proxy) Close(ctx context.Context) error { return p.renewals.stop(ctx) }

const (
	idleTimeout = 3 * time.Minute // longer than clients keep connections, so that they close first
	// maxHeaderBytes is the size at which net/http answers a plain 431. It is above maxTarget and maxHeader together, so
	// that a request which is only a little too large gets an answer of ours. It is not far above, because net/http keeps
	// the request line of every connection, before any key is asked for.
	maxHeaderBytes = 64 << 10
)

// Server returns a server for p, ready for Serve on any number of listeners. It has no time-out for a whole request:
// uploads and downloads take as long as they make progress. The listener must limit how long a write may wait for the
// client, as listen.Budget does. The server speaks HTTP/1 only, on TLS listeners too.
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
		BaseContext:                  func(net.Listener) context.Context { return p.baseContext },
		ConnContext:                  connected,
	}
}

// ReplayBytes returns how many bytes of request bodies are kept now so that they can be sent again.
func (p *Proxy) ReplayBytes() (inMemory, onDisk int64) { return p.budget.Held() }

// Config is the configuration of a Proxy. DefaultConfig returns the defaults that the command line documents.
type Config struct {
	// API is the URL that requests go to: scheme, host and, for an API behind a gateway, a base path. Required.
	API *url.URL
	// TokenURL is the token endpoint. If it is on the API's origin, requests for its path are refused. Requests
	// for /oauth2 and all paths below it are always refused.
	TokenURL *url.URL
	// Tokens gives the tokens for requests. Required.
	Tokens TokenSource

	// AllowHosts and AllowOrigins are allowed by the guard, see GuardConfig. Nil adds nothing.
	AllowHosts   []string
	AllowOrigins []string

	// ClientKeys are the keys of clients. If there are any, a request without one of them is refused. Nil
	// requires none.
	ClientKeys []ClientKey
	// RequireHeader must be in every request. The zero value requires none.
	RequireHeader RequiredHeader

	// AllowRoutes are the only routes that are forwarded. Nil allows every route.
	AllowRoutes []Route
	// ReadOnly refuses every method except GET, HEAD and OPTIONS.
	ReadOnly bool

	// ReplayMemory is how much of one request's body is kept in memory, in bytes. Zero keeps it all on disk.
	ReplayMemory int64
	// ReplayDisk is the longest body that is kept, with a temporary file for what is over ReplayMemory, in
	// bytes. Zero means that nothing is written to disk; with ReplayMemory zero as well no body is kept, and a
	// request with a body is never repeated.
	ReplayDisk int64
	// ReplayTotal limits the copies of all requests together, in bytes. Zero means that no body is kept.
	ReplayTotal int64
	// TempDir is the directory for temporary files. Empty means the system's.
	TempDir string

	// Memory is how much the process may use, in bytes. The headers of the requests in flight, and the copies of
	// bodies that are not on disk, take an eighth of it each at most. Zero means no limit.
	Memory int64
	// MaxInFlight is how many requests are forwarded at once. It must be at least one.
	MaxInFlight int
	// HeaderTimeout is how long a client may take to send the header of a request, and for the TLS handshake.
	// It must be more than zero.
	HeaderTimeout time.Duration
	// BodyTimeout is how long to wait for progress in a client's body. It must be more than zero.
	BodyTimeout time.Duration

	// Transport carries requests to the API, as an Upstream does. It must neither follow redirects nor decompress
	// bodies. Required.
	Transport http.RoundTripper

	// AccessLog gets a line for each request. Nil means none.
	AccessLog *AccessLog
	// Log gets all other log lines. Nil means no log.
	Log *logrus.Logger
	// Observe is called for every finished exchange, in the request's own goroutine. It must not block and must
	// be safe for concurrent use. Nil is allowed.
	Observe func(Exchange)
}

// DefaultConfig returns the documented defaults; API, Tokens and Transport must still be set.
func DefaultConfig() Config {
	return Config{
		ReplayMemory:  64 << 10,
		ReplayDisk:    128 << 20,
		ReplayTotal:   1 << 30,
		MaxInFlight:   1024,
		HeaderTimeout: 10 * time.Second,
		BodyTimeout:   60 * time.Second,
	}
}

// check returns all mistakes in plain values. New checks the values that it compiles.
func (c Config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("proxy: "+format, args...)) }
	if c.Tokens == nil {
		bad("no token source")
	}
	if c.Transport == nil {
		bad("no transport")
	}
	if err := checkAPI(c.API); err != nil {
		bad("%w", err)
	}
	if c.ReplayMemory < 0 || c.ReplayDisk < 0 || c.ReplayTotal < 0 {
		bad("replay limits must not be negative")
	}
	if c.MaxInFlight < 1 {
		bad("at least one request must be allowed in flight")
	}
	if c.HeaderTimeout <= 0 {
		bad("the time for a header must be more than zero")
	}
	if c.BodyTimeout <= 0 {
		bad("the time a body may stand still must be more than zero")
	}
	return errors.Join(errs...)
}

func checkAPI(u *url.URL) error {
	switch {
	case u == nil:
		return errors.New("no API URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("API URL %q: the scheme must be http or https", u.Redacted())
	case u.Hostname() == "":
		return fmt.Errorf("API URL %q: no host", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return fmt.Errorf("API URL %q: only scheme, host and path are allowed", u.Redacted())
	}
	return nil
}

// TokenSource is the part of package tokens that the traffic side needs. *tokens.Manager implements it.
type TokenSource interface {
	// Token returns the current token of account. It does not block on the network while a usable
	// token is known.
	Token(ctx context.Context, account string) (tokens.Token, error)
	// Renew reports that the API refused a request. It returns a different token, or an error that says why
	// there is none: tokens.ErrTokenGood, ErrAPIKey and ErrRefreshDidNotHelp mean that the client gets the
	// API's 401.
	Renew(ctx context.Context, account string, refusal tokens.Refusal) (tokens.Token, error)
	// Accepted reports that the API answered a request with token, and not with a 401. It must be called before
	// that answer is passed on. It is cheap unless the token was renewed after a 401.
	Accepted(account string, token tokens.Token)
	// RefusedAgain reports that the request which was repeated with a token from Renew was refused too. It
	// returns tokens.ErrRefreshDidNotHelp if that token came from a refresh, else nil.
	RefusedAgain(account string, refusal tokens.Refusal) error
}
