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

// RequestHeader must be present, with any value, on every request of a browser that changes something. A page of
// another origin cannot send it without a preflight, which is never allowed.
const RequestHeader = "Pandadoc-Auth-Proxy"

// Manager knows the accounts and changes them. *tokens.Manager is one.
type Manager interface {
	// Status returns the accounts in memory, sorted by name, without I/O.
	Status() []tokens.Status
	// AccountStatus loads the account if need be.
	AccountStatus(ctx context.Context, account string) (tokens.Status, error)
	Refresh(ctx context.Context, account string) (tokens.Status, error)
	Logout(ctx context.Context, account string) (tokens.Status, error)
	Forget(ctx context.Context, account string) (tokens.Status, error)
	// SignIn turns the code of one consent into a pair of tokens, and stores it as the account's newest. It goes on
	// when ctx ends: the code is used up by then.
	SignIn(ctx context.Context, account, code, redirectURL string) (tokens.Status, error)
}

// Proxy is the proxied port. *proxy.Proxy is one.
type Proxy interface {
	http.Handler
	// InFlight returns how many requests are being forwarded now.
	InFlight() int64
	// ReplayBytes returns how many bytes of request bodies are kept now for a repetition.
	ReplayBytes() (inMemory, onDisk int64)
}

// Config is what a Handler is made of. Manager and Login.RedirectURL are required.
type Config struct {
	Manager Manager
	Login   LoginConfig
	// AllowHosts are host names that requests may have besides the loopback names, the address on which they
	// arrive, and the host of the redirect URL. Nil adds none.
	AllowHosts []string
	// Key is asked for before anything that acts or shows traffic. Zero asks for none, which is right only where
	// the proxied port asks for nothing either.
	Key tokens.Secret
	// Address is where a browser on this machine reaches the handler. Nil for nowhere.
	Address *url.URL
	// Proxy is the proxied port. It is watched, and test requests go to it. Nil for a Handler without one:
	// then there is no console and nothing is tested.
	Proxy Proxy
	// Pprof serves profiles of the program, which show its code and its load, and no tokens.
	Pprof bool
	// Info is shown by /api/v1/status.
	Info Info
	// Environment returns what stands behind the API: one of the Environment constants. It may block for a moment.
	// Nil leaves it out.
	Environment func() string
	// DroppedLogLines returns how many lines of the log nobody took. Nil leaves the metric out.
	DroppedLogLines func() uint64
}

// What stands behind the proxy.
const (
	EnvironmentGlobal   = "global"
	EnvironmentEU       = "eu"
	EnvironmentEmulator = "emulator"
	EnvironmentOther    = "other"
)

// Info describes what runs here.
type Info struct {
	Version   string   `json:"version"`
	Listeners []string `json:"listeners"`
	Upstream  string   `json:"upstream"`
	Store     string   `json:"store"`
	// CallerHeaders are the header fields that clients of the proxied port must send besides what the API
	// asks for: a client key, and what the operator requires.
	CallerHeaders []string  `json:"caller_headers,omitempty"`
	StartedAt     time.Time `json:"started_at,omitzero"`
}

// LoginConfig is the authorization request (RFC 6749 section 4.1.1).
type LoginConfig struct {
	ClientID     string
	AuthorizeURL string
	// RedirectURL is the one registered at PandaDoc. Its path is where the callback is served.
	RedirectURL *url.URL
	// Scope is sent as it is. "read+write" asks for read and write, as PandaDoc's own examples do.
	Scope string
}

func (c Config) validate() error {
	switch {
	case c.Manager == nil:
		return errors.New("admin: no accounts")
	case c.Login.RedirectURL == nil:
		return errors.New("admin: no redirect URL")
	}
	return nil
}

// Handler serves the admin listener. Its methods may be called concurrently.
type Handler struct {
	config   Config
	guard    *proxy.Guard
	logins   *logins
	links    credentials // each works once
	sessions credentials // of browsers that came by a link
	people   people
	requests requestLog
	metrics  *metrics
	tests    chan struct{} // holds one for each test request under way
	handler  http.Handler
	socket   http.Handler
	stopping atomic.Bool
}

var _ http.Handler = (*Handler)(nil)

// New returns a Handler.
func New(c Config) (*Handler, error) {
	if err := c.validate(); err != nil {
		return nil, err
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

// Socket returns the handler for those who need no key: what comes through a socket that only this user can
// connect to, and requests of this process itself.
func (h *Handler) Socket() http.Handler { return h.socket }

// Stopping makes /readyz answer 503 from now on, so that no new work is sent here.
func (h *Handler) Stopping() { h.stopping.Store(true) }

// ObserveRequest takes what happened to a request on the proxied port, for metrics and for people.
func (h *Handler) ObserveRequest(r proxy.Exchange) {
	h.requests.add(r)
	h.metrics.request(r)
}

// ObserveStoreError counts that the store could not "load" or "save" a record.
func (h *Handler) ObserveStoreError(op string) { h.metrics.storeErrors.WithLabelValues(op).Inc() }

// ObserveEvent takes what happened to an account, for metrics.
func (h *Handler) ObserveEvent(e tokens.Event) {
	h.metrics.event(e)
	switch e.Kind {
	case tokens.EventLogin, tokens.EventLogout, tokens.EventAdopted:
		h.people.forget(e.Account)
	}
}

// routes is wrapped by the guard from outside: middleware of mux does not run for a path or method that
// no route knows.
func (h *Handler) routes() http.Handler {
	r := mux.NewRouter()
	route(r, http.MethodGet, "/livez", h.livez)
	route(r, http.MethodGet, "/readyz", h.readyz)
	route(r, http.MethodGet, "/metrics", h.metrics.handler().ServeHTTP)
	route(r, http.MethodGet, "/api/v1/status", h.status)
	route(r, http.MethodGet, "/api/v1/requests", h.listRequests)
	route(r, http.MethodGet, "/api/v1/requests/{id}", h.oneRequest)
	route(r, http.MethodGet, "/api/v1/accounts/{account}", h.account)
	route(r, http.MethodPost, "/api/v1/accounts/{account}/refresh", h.refresh)
	route(r, http.MethodPost, "/api/v1/accounts/{account}/logout", h.logout)
	route(r, http.MethodPost, "/api/v1/accounts/{account}/forget", h.forget)
	route(r, http.MethodPost, "/api/v1/accounts/{account}/login", h.beginLogin)
	route(r, http.MethodPost, "/api/v1/accounts/{account}/code", h.endLogin)
	route(r, http.MethodGet, "/api/v1/accounts/{account}/login-result", h.loginResult)
	route(r, http.MethodPost, "/api/v1/links", h.makeLink)
	route(r, http.MethodPost, "/api/v1/session", h.openLink)
	route(r, http.MethodGet, "/connect/{account}", h.connect)
	route(r, http.MethodGet, h.config.Login.RedirectURL.Path, h.callback)
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

// profiles serves what `go tool pprof` reads. Importing net/http/pprof also registers these handlers with
// http.DefaultServeMux, which nothing here serves.
func profiles(r *mux.Router) {
	for name, serve := range map[string]http.HandlerFunc{
		"profile": pprof.Profile, "trace": pprof.Trace, "symbol": pprof.Symbol,
	} {
		route(r, http.MethodGet, "/debug/pprof/"+name, serve)
	}
	// The command line is left out: it is nobody's business. Index serves the list and every named profile.
	for _, name := range []string{"", "allocs", "block", "goroutine", "heap", "mutex", "threadcreate"} {
		route(r, http.MethodGet, "/debug/pprof/"+name, pprof.Index)
	}
}
