package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// adminHeaderBytes bounds the header of a request to the admin listener.
const adminHeaderBytes = 64 << 10

// build makes the parts and connects them.
func (r *running) build() (err error) {
	r.transport = proxy.NewUpstream(r.transportOptions(r.UpstreamHeaderTimeout))
	if r.manager, err = tokens.New(r.managerConfig()); err != nil {
		return err
	}
	if r.proxy, err = proxy.New(r.proxyConfig()); err != nil {
		return err
	}
	key, err := r.adminKey()
	if err != nil {
		return err
	}
	if r.admin, err = admin.New(r.adminConfig(key)); err != nil {
		return err
	}
	r.server = r.proxy.Server()
	r.server.BaseContext = withAccount(r.server.BaseContext)
	errorLog := log.New(proxy.NewLogWriter(r.logger, logrus.WarnLevel), "", 0)
	r.adminServer, r.socketServer = newAdminServer(r.admin, errorLog), newAdminServer(r.admin.Socket(), errorLog)
	r.budget.Watch(r.server)
	r.budget.Watch(r.adminServer)
	r.budget.Watch(r.socketServer)
	return nil
}

// newAdminServer returns a server for an admin handler. A nil errorLog means the standard log.
func newAdminServer(h http.Handler, errorLog *log.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: adminHeaderBytes,
		ErrorLog:       errorLog,
	}
}

// adminKey returns the key that the admin listener requires, or zero if the proxied port requires no
// authentication either. A key that cannot be saved is created again at each start: commands and browsers need
// no file.
func (r *running) adminKey() (tokens.Secret, error) {
	// The listeners may be systemd's, and not those of the settings.
	tcp := slices.ContainsFunc(r.listeners, func(l net.Listener) bool { return l.Addr().Network() != "unix" })
	if (tcp || len(r.listeners) == 0) && !r.AsksForAuthentication() {
		return tokens.Secret{}, nil
	}
	path, err := r.AdminKeyPath()
	if err == nil && r.AdminKeyFile == "" {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	var key tokens.Secret
	if err == nil {
		key, err = admin.KeyFile(path)
	}
	switch hint := problem.HintOf(err); {
	case err == nil:
		return key, nil
	case r.AdminKeyFile != "" || hint != "":
		return key, problem.WithHint(fmt.Errorf("admin key: %w", err), cmp.Or(hint, "name another file with --admin-key-file"))
	}
	r.logger.WithError(err).Warn("the admin key cannot be saved in the state directory: it is valid for this run only")
	return admin.NewKey(), nil
}

// browserAddress returns the URL of the admin listener for a browser on this machine, or nil if there is none.
func browserAddress(open []net.Listener) *url.URL {
	for _, l := range open {
		tcp, ok := l.Addr().(*net.TCPAddr)
		switch {
		case !ok:
		case tcp.IP.IsUnspecified():
			return &url.URL{Scheme: "http", Host: net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))}
		case tcp.IP.IsLoopback():
			return &url.URL{Scheme: "http", Host: tcp.String()}
		}
	}
	return nil
}

// transportOptions returns options with which a transport detects connections back to this process.
func (r *running) transportOptions(headerTimeout time.Duration) proxy.TransportOptions {
	o := r.Upstream.Options(headerTimeout)
	o.Own = func(conn net.Conn) bool {
		return listen.LeadsTo(conn, r.listeners...) || listen.LeadsTo(conn, r.adminListeners...)
	}
	o.OwnCertificate = r.Certificate.Leaf
	return o
}

func (r *running) managerConfig() tokens.Config {
	c := managerConfig(r.Config, r.store, r.logger)
	c.Endpoint.Transport = func() *http.Transport { return proxy.NewTransport(r.transportOptions(0)) }
	log := c.Observe
	c.Observe = func(e tokens.Event) {
		log(e)
		r.admin.ObserveEvent(e)
	}
	c.StoreFailed = func(op string) { r.admin.ObserveStoreError(op) }
	c.Probe = probe(r.Upstream, r.ProbePath, r.transport)
	return c
}

func (r *running) proxyConfig() proxy.Config {
	c := r.Proxy
	c.Tokens = r.manager
	if c.TempDir == "" {
		c.TempDir = r.store.ScratchDir
	}
	c.ReplayTotal = r.replayTotal(c.TempDir)
	c.Memory = r.memory
	c.Transport = r.transport
	c.Log, c.AccessLog = r.logger, r.accessLog
	c.Observe = func(x proxy.Exchange) { r.admin.ObserveRequest(x) }
	return c
}

func portOfListeners(open []net.Listener) int {
	for _, l := range open {
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			return tcp.Port
		}
	}
	return config.DefaultAdminPort
}

// withAccount adds the account of a listener to the contexts of its connections.
func withAccount(base func(net.Listener) context.Context) func(net.Listener) context.Context {
	return func(l net.Listener) context.Context {
		if served, ok := l.(*listen.Listener); ok && served.Account != "" {
			return proxy.WithAccount(base(l), served.Account)
		}
		return base(l)
	}
}

// logCertificate returns a function that logs the change of a certificate.
func logCertificate(log *logrus.Entry) func(error) {
	return func(err error) {
		if err != nil {
			log.WithError(err).Warn("the changed certificate cannot be used: the old one stays in use")
			return
		}
		log.Info("using the changed certificate")
	}
}

// logFile returns the function that logs the change of a file with secrets.
func logFile(log *logrus.Logger) func(string, error) {
	return func(path string, err error) {
		if err != nil {
			logProblem(log, logrus.WarnLevel, "the changed file "+path+" cannot be used: its old content stays in use", err)
			return
		}
		log.WithField("file", path).Info("using the new content of the changed file")
	}
}

// insideProxy is the proxied port for the admin listener's own requests.
type insideProxy struct {
	*proxy.Proxy
	handler http.Handler
}

// ServeHTTP implements http.Handler.
func (p insideProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// probeTimeout limits the check that the API still accepts a token: a request is waiting for it.
const probeTimeout = 10 * time.Second

// probeBody is how much of the probe's answer is read, so that its connection can be used again.
const probeBody = 64 << 10

// probe returns a function that asks the API if it still accepts a token. Only a 200 proves that; any other
// answer, or no answer, proves nothing.
func probe(u config.Upstream, path string, transport http.RoundTripper) func(context.Context, tokens.Token) bool {
	if path == "" {
		return nil
	}
	return func(ctx context.Context, t tokens.Token) bool {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		answer, err := u.Get(ctx, transport, t, path)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		io.Copy(io.Discard, io.LimitReader(answer.Body, probeBody))
		return answer.StatusCode == http.StatusOK
	}
}
