package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/pprof"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"

	"pandadoc-auth-proxy/internal/admin/console"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// RequestHeader must be present, with any value, on every change that a browser requests. A page of
// another origin cannot send it without a preflight, which is never allowed.
const RequestHeader = "Pandadoc-Auth-Proxy"

// Manager reads and changes the accounts. *tokens.Manager implements it.
type Manager interface {
	// Status returns the accounts in memory, sorted by name, without I/O.
	Status() []tokens.Status
	// AccountStatus loads the account if necessary.
	AccountStatus(ctx context.Context, account string) (tokens.Status, error)
	// Savable returns an error if the store could not save a login to the account.
	Savable(account string) error
	Refresh(ctx context.Context, account string) (tokens.Status, error)
	Logout(ctx context.Context, account string) (tokens.Status, error)
	// Forget is Logout for an account that is no longer needed: it is not listed any more.
	Forget(ctx context.Context, account string) (tokens.Status, error)
	// SignIn exchanges an authorization code for a pair of tokens, and stores it as the account's newest. It
	// continues when ctx ends, because the code is used up by then.
	SignIn(ctx context.Context, account, code, redirectURL string) (tokens.Status, error)
}

// Proxy is the proxied port. *proxy.Proxy implements it.
type Proxy interface {
	http.Handler
	// InFlight returns how many requests are being forwarded now.
	InFlight() int64
	// ReplayBytes returns how many bytes of request bodies are kept now so that they can be sent again.
	ReplayBytes() (inMemory, onDisk int64)
}

// Config is the configuration of a Handler. Manager and Login.RedirectURL are required.
type Config struct {
	Manager Manager
	Login   LoginConfig
	// AllowHosts are the host names that requests may have in addition to the loopback names, the address on
	// which they arrive, and the host of the redirect URL. Nil adds none.
	AllowHosts []string
	// Key is required for everything except the probes, the console's files and the pages of a login. Zero means no
	// key, which is correct only if the proxied port requires no authentication either.
	Key tokens.Secret
	// Address is the URL of the handler for a browser on this machine. Nil if a browser cannot reach it.
	Address *url.URL
	// Proxy is the proxied port, for metrics and for test requests. If it is nil, there is no console and there
	// are no test requests.
	Proxy Proxy
	// Pprof serves profiles of the program, which show its code and its load, and no tokens.
	Pprof bool
	// Info is shown by /api/v1/status.
	Info Info
	// Environment returns which API is used: one of the Environment constants. It may block for a moment. If it
	// is nil, the field is left out.
	Environment func() string
	// DroppedLogLines returns how many log lines were dropped. If it is nil, the metric is left out.
	DroppedLogLines func() uint64
}

// The APIs that a proxy can use.
const (
	EnvironmentGlobal   = "global"
	EnvironmentEU       = "eu"
	EnvironmentEmulator = "emulator"
	EnvironmentOther    = "other"
)

// Info describes this program and its settings.
type Info struct {
	Version   string   `json:"version"`
	Listeners []string `json:"listeners"`
	Upstream  string   `json:"upstream"`
	Store     string   `json:"store"`
	// CallerHeaders are the header fields that clients must send to the proxied port in addition to those of
	// the API: a client key, and the required header.
	CallerHeaders []string  `json:"caller_headers,omitempty"`
	StartedAt     time.Time `json:"started_at,omitzero"`
}

// LoginConfig is the authorization request (RFC 6749 section 4.1.1).
type LoginConfig struct {
	ClientID     string
	AuthorizeURL string
	// RedirectURL is the redirect URL registered at PandaDoc. Its path is the path of the callback.
	RedirectURL *url.URL
	// Scope is sent unchanged. "read+write" requests read and write, as in PandaDoc's own examples.
	Scope string
}

// Handler serves the admin listener. Its methods may be called concurrently.
type Handler struct {
	config   Config
	guard    *proxy.Guard
	logins   *logins
	links    credentials // each works once
	sessions credentials // of browsers that were opened with a link
	people   people
	requests requestLog
	metrics  *metrics
	tests    chan struct{} // holds one value for each running test request
	handler  http.Handler
	socket   http.Handler
	stopping atomic.Bool
}

var _ http.Handler = (*Handler)(nil)

// New returns a Handler.
func New(c Config) (*Handler, error) {
	switch {
	case c.Manager == nil:
		return nil, errors.New("admin: no accounts")
	case c.Login.RedirectURL == nil:
		return nil, errors.New("admin: no redirect URL")
	}
	guard, err := newGuard(c)
	if err != nil {
		return nil, err
	}
	h := &Handler{config: c, guard: guard, logins: newLogins(), metrics: newMetrics(c), tests: make(chan struct{}, testsAtOnce)}
	h.links.lifetime, h.sessions.lifetime = linkLifetime, sessionLifetime
	routes := h.routes()
	h.handler, h.socket = h.guarded(routes), h.trusted(routes)
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }

// Socket returns the handler for requests that need no key: those from a socket that only this user can connect
// to, and those of this process itself.
func (h *Handler) Socket() http.Handler { return h.socket }

// Stopping makes /readyz answer 503 from now on, so that no new work is sent here.
func (h *Handler) Stopping() { h.stopping.Store(true) }

// ObserveRequest records a request on the proxied port, for metrics and for the list of recent requests.
func (h *Handler) ObserveRequest(r proxy.Exchange) {
	h.requests.add(r)
	h.metrics.observeRequest(r)
}

// ObserveStoreError counts a failed "load" or "save" of the store.
func (h *Handler) ObserveStoreError(op string) { h.metrics.storeErrors.WithLabelValues(op).Inc() }

// ObserveEvent records an event of an account, for metrics.
func (h *Handler) ObserveEvent(e tokens.Event) {
	h.metrics.observeEvent(e)
	switch e.Kind {
	case tokens.EventLogin, tokens.EventLogout, tokens.EventAdopted:
		h.people.forget(e.Account)
	}
}

// routes is wrapped by the guard from outside: middleware of mux does not run for a path or method that
// no route knows.
func (h *Handler) routes() http.Handler {
	r := mux.NewRouter().SkipClean(true) // the id of a request may contain "//" or ".."
	route(r, http.MethodGet, "/livez", h.livez)
	route(r, http.MethodGet, "/readyz", h.readyz)
	route(r, http.MethodGet, "/metrics", h.metrics.handler().ServeHTTP)
	route(r, http.MethodGet, "/api/v1/status", h.status)
	route(r, http.MethodGet, "/api/v1/requests", h.listRequests)
	route(r, http.MethodGet, "/api/v1/requests/{id:.+}", h.oneRequest)
	route(r, http.MethodGet, "/api/v1/accounts/{account}", h.act(h.config.Manager.AccountStatus))
	route(r, http.MethodPost, "/api/v1/accounts/{account}/refresh", h.act(h.config.Manager.Refresh))
	route(r, http.MethodPost, "/api/v1/accounts/{account}/logout", h.act(h.ifKnown(h.config.Manager.Logout)))
	route(r, http.MethodPost, "/api/v1/accounts/{account}/forget", h.act(h.ifKnown(h.config.Manager.Forget)))
	route(r, http.MethodPost, "/api/v1/accounts/{account}/login", h.beginLogin)
	route(r, http.MethodPost, "/api/v1/accounts/{account}/code", h.endLogin)
	route(r, http.MethodGet, "/api/v1/accounts/{account}/login-result", h.loginResult)
	route(r, http.MethodPost, "/api/v1/links", h.makeLink)
	route(r, http.MethodPost, "/api/v1/session", h.openLink)
	route(r, http.MethodGet, "/connect/{account}", getOnly(h.connect))
	route(r, http.MethodGet, h.config.Login.RedirectURL.Path, getOnly(h.callback))
	if h.config.Proxy != nil {
		route(r, http.MethodPost, "/api/v1/test", h.testCall)
		route(r, http.MethodGet, "/api/v1/accounts/{account}/person", h.person)
		route(r, http.MethodGet, "/", console.Index)
		for _, name := range console.Assets() {
			route(r, http.MethodGet, "/console/"+name, console.Asset(name))
		}
	}
	if h.config.Pprof {
		profiles(r)
	}
	r.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		problem.Of(problem.NotFound).Write(w)
	})
	return r
}

// route serves path for one method and HEAD of GET, and answers other methods with 405 and Allow.
func route(r *mux.Router, method, path string, serve http.HandlerFunc) {
	allow := method
	if method == http.MethodGet {
		allow += ", " + http.MethodHead
		r.Path(path).Methods(http.MethodHead).HandlerFunc(serve)
	}
	r.Path(path).Methods(method).HandlerFunc(serve)
	r.Path(path).HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		problem.Of(problem.WrongMethod, "method", bounded(r.Method, 20), "allow", allow).Write(w)
	})
}

// getOnly answers a HEAD without serve, which uses up a link or a code. Some programs send one to preview a link.
func getOnly(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			serve(w, r)
		}
	}
}

// profiles serves what `go tool pprof` reads. Importing net/http/pprof also registers these handlers with
// http.DefaultServeMux, which nothing here serves.
func profiles(r *mux.Router) {
	for name, serve := range map[string]http.HandlerFunc{
		"profile": pprof.Profile, "trace": pprof.Trace, "symbol": pprof.Symbol,
	} {
		route(r, http.MethodGet, "/debug/pprof/"+name, serve)
	}
	// The profile "cmdline" is left out, because the command line is private. Index serves the list and every
	// named profile.
	for _, name := range []string{"", "allocs", "block", "goroutine", "heap", "mutex", "threadcreate"} {
		route(r, http.MethodGet, "/debug/pprof/"+name, pprof.Index)
	}
}
