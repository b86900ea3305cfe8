package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/admin/client"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// closeReserve is the least time that the Manager has to save its pairs, also if requests have used up the
// drain time.
const closeReserve = 2 * time.Second

// answerTimeout is how long requests that are given up may take to send their last answers.
const answerTimeout = time.Second

// app is a proxy that is ready to run, built from checked settings.
type app struct {
	*program
	*config.Config
	store  stores.Store
	logger *logrus.Logger
	// accessLog gets a line for each request. Nil means no access log.
	accessLog *proxy.AccessLog
	// emulated is set if the API is the emulator.
	emulated bool
	// quiet suppresses the lines about addresses at the start.
	quiet bool
	// ready is called when requests are served, with the addresses of the listeners. Nil is allowed.
	ready func(bases []string)
}

// running is an app that runs.
type running struct {
	*app
	listeners      []net.Listener
	adminListeners []net.Listener
	socket         []net.Listener // for commands of this user: one or none
	manager        *tokens.Manager
	proxy          *proxy.Proxy
	admin          *admin.Handler
	server         *http.Server
	adminServer    *http.Server
	socketServer   *http.Server
	transport      *proxy.Upstream // to the API
	tending        sync.WaitGroup  // what tend has started
	stopTending    context.CancelFunc
	memory         int64 // that this process may use; zero for no limit
	budget         *listen.Budget
	serving        sync.WaitGroup // one for each listener
	failed         chan error     // of a listener that broke
}

// run serves until ctx ends, and then lets running requests finish.
func (a *app) run(ctx context.Context) error {
	defer captureStandardLog(a.logger)()
	if a.Certificate != nil {
		a.Certificate.Changed = logCertificate(a.logger.WithField("file", a.Certificate.CertFile))
	}
	a.Files.Changed = logFile(a.logger)
	memory, warning := boundMemory()
	logProblem(a.logger, logrus.WarnLevel, "", warning)
	r := &running{app: a, failed: make(chan error, 1), memory: memory}
	release() // the memory that reading the settings needed
	r.budget = r.newBudget()
	defer func() { listen.CloseAll(slices.Concat(r.listeners, r.adminListeners, r.socket)) }()
	if err := r.openListeners(ctx); err != nil {
		return err
	}
	if err := r.build(); err != nil {
		return err
	}
	r.ending.beforeTrace(func(ctx context.Context) { r.manager.Close(ctx) })
	if err := r.manager.Start(ctx); err != nil && ctx.Err() == nil {
		return errors.Join(err, r.manager.Close(ctx))
	}
	r.tend()
	r.serve()
	r.awaitConnection(ctx)
	release() // the memory that the rest of the start needed, before a request can be disturbed
	defer paceCollector(a.Environ, r.memory)()
	r.announce()
	r.checkRedirect()
	r.checkClientKeys()
	var err error
	select {
	case <-ctx.Done():
	case err = <-r.failed:
	}
	return errors.Join(err, r.stop())
}

// openListeners comes first: a port in use should be found before anything is changed.
func (r *running) openListeners(ctx context.Context) (err error) {
	r.listeners, err = r.inherit()
	if err == nil && len(r.listeners) == 0 {
		err = r.openProxied(ctx)
	}
	if err != nil {
		return err
	}
	if r.Admin != nil {
		open, err := r.Admin.OpenFor(ctx, "admin-listen")
		if err != nil {
			return err
		}
		for _, l := range open {
			r.adminListeners = append(r.adminListeners, r.budget.Listen(l, listen.Admin))
		}
	}
	return r.openSocket(ctx)
}

// openSocket opens the admin socket. A proxy that finds no directory for it runs without one.
func (r *running) openSocket(ctx context.Context) error {
	place, _ := r.StoreLocation()
	l, err := client.Socket{
		Path: r.AdminSocket, Dirs: r.Environ.SocketDirs(),
		Admin: addresses(r.adminListeners), Proxied: addresses(r.listeners), Store: place,
	}.Open(ctx)
	switch {
	case err != nil && r.AdminSocket != "":
		return problem.WithHint(fmt.Errorf("admin-socket: %w", err), "set --admin-socket to another path, or to none")
	case err != nil:
		logProblem(r.logger, logrus.WarnLevel, "", err)
	case l != nil:
		r.socket = []net.Listener{r.budget.Listen(l, listen.Admin)}
	}
	return nil
}

// addresses returns the addresses of listeners, in the form that listen.Parse reads.
func addresses(open []net.Listener) (all []string) {
	for _, l := range open {
		if l.Addr().Network() == "unix" {
			all = append(all, "unix:"+l.Addr().String())
			continue
		}
		all = append(all, l.Addr().String())
	}
	return all
}

// proxied returns l as a listener of the proxied port. TLS is inside of the budget; see Budget.Listen.
func (r *running) proxied(l net.Listener, account string) net.Listener {
	served := r.Certificate.Secure(l, account)
	served.Listener = r.budget.Listen(served.Listener, listen.Proxied)
	return served
}

// inherit takes the sockets that systemd opened, which replace those of --listen. The same rule applies to
// them: without client keys, loopback only.
func (r *running) inherit() ([]net.Listener, error) {
	open, err := listen.Inherited(r.Environ.Get)
	for i, l := range open {
		if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && len(r.Proxy.ClientKeys) == 0 && !r.AllowUnauthenticated {
			listen.CloseAll(open)
			return nil, problem.WithHint(fmt.Errorf("systemd listens on %s, which other machines can reach, and everybody who can connect to it can use the accounts", l.Addr()),
				"write ListenStream=127.0.0.1:8080 in the .socket unit, or make a client key (run: "+programName+" client-key NAME)")
		}
		open[i] = r.proxied(l, "")
	}
	return open, err
}

func (r *running) openProxied(ctx context.Context) error {
	for _, p := range r.Listen {
		open, err := p.OpenFor(ctx, "listen")
		if err != nil {
			return err
		}
		for _, l := range open {
			r.listeners = append(r.listeners, r.proxied(l, p.Account))
		}
	}
	return nil
}

// managerConfig returns the configuration that all Managers share: that of a proxy, and that of a command that
// works on an account while no proxy runs.
func managerConfig(c *config.Config, store stores.Store, logger *logrus.Logger) tokens.Config {
	t := c.Tokens
	t.Store = store.Records
	t.Endpoint.Transport = func() *http.Transport { return c.Upstream.Transport(0) }
	t.Observe = logEvents(logger)
	t.Codec, t.StoreName = store.Keys, store.Name
	if !store.Persistent { // the records end with the process anyway
		t.EmergencyDirs = nil
	}
	return t
}

// loginConfig returns the logins of an admin handler for browsers that come back to a port of this machine.
func loginConfig(c *config.Config, port int) admin.LoginConfig {
	return admin.LoginConfig{
		ClientID: c.Tokens.Endpoint.ClientID, AuthorizeURL: c.Upstream.Authorize.String(),
		RedirectURL: c.Login.Redirect(port), Scope: c.Login.Scope,
	}
}

func (r *running) adminConfig(key tokens.Secret) admin.Config {
	return admin.Config{
		Manager: r.manager, Proxy: insideProxy{r.proxy, r.proxy.Inside()},
		Pprof: r.Pprof, Key: key, Address: browserAddress(r.adminListeners),
		Login:           loginConfig(r.Config, portOfListeners(r.adminListeners)),
		DroppedLogLines: r.log.Dropped,
		Environment:     newEnvironment(r.Upstream.API, r.emulated).name,
		Info: admin.Info{
			Version: buildVersion(r.Version), Listeners: baseURLs(r.listeners), Upstream: r.Upstream.API.String(),
			Store: r.store.Name, StartedAt: time.Now().UTC(),
			CallerHeaders: r.CallerHeaders(),
		},
	}
}

// tend keeps a connection to the API open, and secrets up to date, while requests are served.
func (r *running) tend() {
	ctx, cancel := context.WithCancel(context.Background())
	r.stopTending = cancel
	r.tending.Go(func() { r.transport.Tend(ctx, r.Upstream.API) })
	r.tending.Go(func() { releaseUnused(ctx) })
	r.tending.Go(func() { r.Files.Tend(ctx) })
}

// connectTimeout limits the wait for the first connection to the API: a proxy starts without one too.
const connectTimeout = time.Second

// awaitConnection waits until the first request will be as fast as the second. Then the proxy may announce itself.
func (r *running) awaitConnection(ctx context.Context) {
	select {
	case <-r.transport.Warmed():
	case <-time.After(connectTimeout):
	case <-ctx.Done():
	}
}

func (r *running) serve() {
	for server, open := range map[*http.Server][]net.Listener{
		r.server: r.listeners, r.adminServer: r.adminListeners, r.socketServer: r.socket,
	} {
		for _, l := range open {
			r.serving.Go(func() { r.serveOne(server, l) })
		}
	}
}

// serveOne serves l until s is shut down.
func (r *running) serveOne(s *http.Server, l net.Listener) {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		select {
		case r.failed <- fmt.Errorf("listener %s: %w", l.Addr(), err):
		default: // one error is enough to stop
		}
	}
}

func baseURLs(open []net.Listener) (all []string) {
	for _, l := range open {
		all = append(all, listen.BaseURL(l))
	}
	return all
}

// namedAccounts is how many accounts the log line about the start names.
const namedAccounts = 20

// announce reports that the proxy serves requests. Other programs wait for these lines, so they are the same in
// every log format.
func (r *running) announce() {
	listeners, admins := baseURLs(r.listeners), baseURLs(r.adminListeners)
	if !r.quiet {
		for _, base := range listeners {
			fmt.Fprintf(r.Stderr, "listening on %s -> %s\n", base, r.Upstream.API)
		}
		for _, base := range admins {
			fmt.Fprintf(r.Stderr, "admin on %s\n", base)
		}
	}
	var accounts []string
	all := r.manager.Status()
	for _, s := range all[:min(len(all), namedAccounts)] {
		accounts = append(accounts, s.Account+"="+string(s.State))
	}
	if n := len(all) - namedAccounts; n > 0 {
		accounts = append(accounts, fmt.Sprintf("and %d more", n))
	}
	r.logger.WithFields(logrus.Fields{
		"listeners": strings.Join(listeners, " "), "admin": strings.Join(admins, " "),
		"upstream": r.Upstream.API.String(), "store": r.store.Name,
		"accounts": strings.Join(accounts, " "), "version": buildVersion(r.Version),
	}).Info("started")
	r.notify("READY=1")
	if r.ready != nil {
		r.ready(listeners)
	}
}

// notify reports the state to systemd. If systemd cannot be reached, the proxy logs that and serves requests anyway.
func (r *running) notify(state string) {
	if err := listen.Notify(r.Environ.Get("NOTIFY_SOCKET"), state); err != nil {
		r.logger.WithError(err).Warn("systemd was not notified: " + state)
	}
}

// checkClientKeys warns about client keys for accounts that do not exist: every request with such a key is
// refused.
func (r *running) checkClientKeys() {
	known := map[string]bool{tokens.DefaultAccount: true}
	for _, s := range r.manager.Status() {
		known[s.Account] = true
	}
	for _, k := range r.Proxy.ClientKeys {
		if k.Account != "" && !known[k.Account] {
			logProblem(r.logger, logrus.WarnLevel, "", problem.Mistake(
				fmt.Sprintf("client key %q is for account %q, which does not exist", k.Name, k.Account), "correct the name, or run: "+r.withTyped(problem.LoginCommand(k.Account))))
		}
	}
}

// checkRedirect warns if PandaDoc will send browsers to a port of this machine where nothing listens.
func (r *running) checkRedirect() {
	if r.Login.RedirectURL == nil || !listen.IsLoopbackHost(r.Login.RedirectURL.Hostname()) || len(r.adminListeners) == 0 {
		return
	}
	if listen.PortOf(r.Login.RedirectURL) != strconv.Itoa(portOfListeners(r.adminListeners)) {
		r.logger.WithField("redirect_url", r.Login.RedirectURL.String()).
			Warn("the admin listener is not where the redirect URL points: only login --paste can work")
	}
}

// stop ends the parts in an order that loses nothing: first no new requests, then running requests finish, then
// the tokens are saved. /livez and /readyz answer until the requests are done. A second signal gives up the
// requests, but not a token exchange in progress.
func (r *running) stop() error {
	r.notify("STOPPING=1")
	r.admin.Stopping()
	r.logger.Info("stopping")
	begun := time.Now()
	select { // clients do not know yet that they should go elsewhere
	case <-time.After(r.DrainMin):
	case <-r.ending.hurry.Done():
	}
	ctx, cancel := context.WithTimeout(r.ending.hurry, r.DrainTimeout)
	defer cancel()
	if err := r.server.Shutdown(ctx); err != nil {
		r.logger.Warn("some requests did not finish in time and were given up")
		r.proxy.GiveUp()
		last, cancel := context.WithTimeout(context.Background(), answerTimeout)
		defer cancel()
		if r.server.Shutdown(last) != nil {
			r.server.Close()
		}
	}
	if err := r.proxy.Close(ctx); err != nil {
		r.logger.WithError(err).Warn("background refreshes were cancelled")
	}
	for _, s := range []*http.Server{r.adminServer, r.socketServer} {
		if err := s.Shutdown(ctx); err != nil {
			s.Close()
		}
	}
	r.serving.Wait()
	r.stopTending()
	r.tending.Wait()
	r.transport.CloseIdleConnections()
	left := r.DrainMin + r.DrainTimeout - time.Since(begun)
	exchange, cancel := r.ending.exchange(max(left, closeReserve))
	defer cancel()
	if err := r.manager.Close(exchange); err != nil {
		return err
	}
	r.logger.Info("stopped")
	return nil
}
