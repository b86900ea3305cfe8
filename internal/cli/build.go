package cli

import (
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// adminHeaderBytes bounds the header of a request to the admin listener.
const adminHeaderBytes = 64 << 10

// build makes the parts and puts them together.
func (r *running) build() (err error) {
	r.transport = r.upstream.transport(r.traffic.UpstreamHeaderTimeout.Duration)
	if r.manager, err = tokens.New(r.managerConfig()); err != nil {
		return err
	}
	if r.proxy, err = proxy.New(r.proxyConfig()); err != nil {
		return err
	}
	if r.admin, err = newAdmin(r.adminConfig()); err != nil {
		return err
	}
	r.server = r.proxy.Server()
	r.server.BaseContext = accountOf
	r.adminServer = &http.Server{
		Handler: r.admin, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: adminHeaderBytes,
		ErrorLog:       log.New(proxy.NewLogWriter(r.logger, logrus.WarnLevel), "", 0),
	}
	return nil
}

func (r *running) managerConfig() tokens.Config {
	c := managerConfig(r.store, r.upstream, r.secrets, r.logger)
	c.RefreshBefore = r.tokens.RefreshBefore.Duration
	c.RefreshTimeout = r.tokens.RefreshTimeout.Duration
	c.MaxAccounts = r.tokens.MaxAccounts.N
	log := c.Observe
	c.Observe = func(e tokens.Event) {
		log(e)
		r.admin.ObserveEvent(e)
	}
	c.Probe = probe(r.upstream.api, r.tokens.ProbePath, r.transport)
	return c
}

func (r *running) proxyConfig() proxy.Config {
	c := proxy.DefaultConfig()
	c.API, c.TokenURL, c.Tokens = r.upstream.api, r.upstream.token, r.manager
	c.AllowHosts, c.AllowOrigins = r.guard.AllowHost, r.guard.AllowOrigin
	c.ClientKeys, c.RequireHeader = r.secrets.clientKeys, r.secrets.requireHeader
	c.AllowRoutes, c.ReadOnly = r.guard.AllowRoute, r.guard.ReadOnly.On
	c.MaxConnections = fitConnections(r.traffic.MaxConnections.N, openFiles())
	if c.MaxConnections < r.traffic.MaxConnections.N {
		r.logger.WithFields(logrus.Fields{"connections": c.MaxConnections, "files": openFiles()}).
			Warn("this process may open few files: fewer connections are accepted than --max-connections allows")
	}
	c.HeaderTimeout, c.BodyTimeout = r.traffic.ClientHeaderTimeout.Duration, r.traffic.ClientBodyTimeout.Duration
	c.ReplayMemory, c.ReplayDisk = r.traffic.ReplayMemory.Bytes, r.traffic.ReplayDisk.Bytes
	c.ReplayTotal = r.traffic.ReplayTotal.Bytes
	c.TempDir = r.traffic.TempDir
	if c.TempDir == "" {
		c.TempDir = r.store.ScratchDir
	}
	c.MaxInFlight = r.traffic.MaxInFlight.N
	c.Transport = r.transport
	c.Log = r.logger
	c.LoginHint = func(account string) string { return "run: " + admin.LoginCommand(account) }
	c.Observe = func(x proxy.Exchange) { r.admin.ObserveRequest(requestOf(x)) }
	return c
}

// newAdmin puts the guard of the proxied port before the admin handler.
func newAdmin(c admin.Config, allowHosts ...string) (*admin.Handler, error) {
	guard, err := proxy.NewGuard(proxy.GuardConfig{
		AllowHosts:    append(allowHosts, c.Login.RedirectURL.Hostname()),
		AnyHostPaths:  admin.ProbePaths(),
		NavigatePaths: []string{"/", c.Login.RedirectURL.Path},
	})
	if err != nil {
		return nil, err
	}
	c.Guard = guard.Wrap
	return admin.New(c)
}

// redirectURL returns what must be registered at PandaDoc: as configured, or the admin listener's.
func redirectURL(configured *url.URL, adminPort int) *url.URL {
	if configured != nil {
		return configured
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort("localhost", strconv.Itoa(adminPort)), Path: "/oauth2/callback"}
}

// defaultAdminPort is that of --admin-listen.
const defaultAdminPort = 8081

func portOfListeners(open []net.Listener) int {
	for _, l := range open {
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			return tcp.Port
		}
	}
	return defaultAdminPort
}
