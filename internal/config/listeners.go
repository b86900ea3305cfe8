package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// noListener turns the admin listener off.
const noListener = "none"

// ListenAddress is an address of the proxied port, perhaps for one account only.
type ListenAddress struct {
	listen.Address
	Account string // empty: the request chooses
}

// parseListenAddress reads an address, or NAME= and an address.
func parseListenAddress(text string) (ListenAddress, error) {
	account, at, named := strings.Cut(text, "=")
	if !named || strings.ContainsAny(account, ":/") { // a path may hold a "="
		account, at = "", text
	} else if err := tokens.CheckAccount(account); err != nil {
		return ListenAddress{}, err
	}
	a, err := listen.Parse(at)
	return ListenAddress{a, account}, err
}

// Addresses returns the addresses of the proxied port.
func (c *Config) Addresses() (all []listen.Address) {
	for _, p := range c.Listen {
		all = append(all, p.Address)
	}
	return all
}

// listen reads the addresses. It must run after the client keys were read.
func (c *checker) listen(s *ListenSettings) {
	for _, text := range s.Listen {
		p, err := parseListenAddress(text)
		switch {
		case err != nil:
			c.fail("listen", fmt.Sprintf("%q: %v", text, err), "write localhost:8080, 127.0.0.1:0, unix:/path, or one of them after ACCOUNT=")
		case !p.Loopback() && len(c.Proxy.ClientKeys) == 0 && !s.AllowUnauthenticated:
			c.fail("listen", fmt.Sprintf("%q is reachable from other machines, and everybody who can connect to it can use the accounts", text),
				"listen on localhost:8080, or make a client key (run: "+problem.Program+" client-key NAME), or set --allow-unauthenticated if something else limits who can connect")
		case slices.Contains(c.Addresses(), p.Address) && (p.Port != 0 || p.Path != ""):
			c.fail("listen", fmt.Sprintf("%q is given twice", text), "keep one of them")
		default:
			c.Listen = append(c.Listen, p)
		}
	}
	if len(s.Listen) == 0 && c.mistakes["listen"] == nil {
		c.fail("listen", "no address is given", "write localhost:8080, 127.0.0.1:0 or unix:/path")
	}
	c.AllowUnauthenticated = s.AllowUnauthenticated
	c.guard(s)
	c.requireHeader(s.RequireHeader)
	c.certificate(s)
}

// guard checks the settings of the guard with the functions of package proxy.
func (c *checker) guard(s *ListenSettings) {
	for _, host := range s.AllowHost {
		if _, err := proxy.NewGuard(proxy.GuardConfig{AllowHosts: []string{host}}); err != nil {
			c.fail("allow-host", err.Error(), "write only the name, like proxy.example.com, or the name with a port")
		}
	}
	for _, origin := range s.AllowOrigin {
		if _, err := proxy.NewGuard(proxy.GuardConfig{AllowOrigins: []string{origin}}); err != nil {
			c.fail("allow-origin", err.Error(), "write it like https://app.example.com, without a path")
		}
	}
	for _, text := range s.AllowRoute {
		route, err := proxy.ParseRoute(text)
		if err != nil {
			c.fail("allow-route", err.Error(), "write it like 'GET /public/v1/documents*', without percent-encoding in the path")
		}
		c.Proxy.AllowRoutes = append(c.Proxy.AllowRoutes, route)
	}
	c.AdminKeyFile = s.AdminKeyFile
	c.Proxy.AllowHosts, c.Proxy.AllowOrigins = s.AllowHost, s.AllowOrigin
	c.Proxy.ReadOnly = s.ReadOnly
}

func (c *checker) requireHeader(text string) {
	if text == "" {
		return
	}
	name, value, _ := strings.Cut(text, ":")
	h := proxy.RequiredHeader{Name: strings.TrimSpace(name), Value: tokens.NewSecret(strings.TrimSpace(value))}
	err := h.Check()
	if h.Name == "" && h.Value.IsZero() {
		err = errors.New("it has neither name nor value")
	}
	if err != nil {
		c.fail("require-header", err.Error(), "write it like X-From-App: a value that only the application knows")
	}
	c.Proxy.RequireHeader = h
	c.Secrets = append(c.Secrets, h.Value)
}

func (c *checker) certificate(s *ListenSettings) {
	switch {
	case s.TLSCert == "" && s.TLSKey == "":
		return
	case s.TLSKey == "":
		c.fail("tls-cert", "there is no key for the certificate", "name its file with --tls-key")
		return
	case s.TLSCert == "":
		c.fail("tls-key", "there is no certificate for the key", "name its file with --tls-cert")
		return
	}
	c.Certificate = &listen.Certificate{CertFile: s.TLSCert, KeyFile: s.TLSKey, Read: readCertificates}
	if err := c.Certificate.Load(); err != nil {
		c.fail("tls-cert", err.Error(), cmp.Or(problem.HintOf(err), "name two PEM files that belong together and that this user can read"))
		return
	}
	c.warnReadable("tls-key", s.TLSKey)
}

// admin reads the address of the admin listener. Admin stays nil if there is none.
func (c *checker) admin(s *AdminSettings) {
	c.AdminSocket = s.AdminSocket
	if s.AdminSocket != "" && s.AdminSocket != noListener {
		if _, err := listen.Parse("unix:" + s.AdminSocket); err != nil {
			c.fail("admin-socket", fmt.Sprintf("%q: %v", s.AdminSocket, err), "write an absolute path, or none")
		}
	}
	if s.AdminListen == noListener {
		return
	}
	a, err := listen.Parse(s.AdminListen)
	if err != nil {
		c.fail("admin-listen", fmt.Sprintf("%q: %v", s.AdminListen, err), "write localhost:8081, unix:/path, or none")
		return
	}
	c.Admin = &a
}

// listeners refuses addresses that conflict with each other, and an upstream that is one of our own listeners,
// which would be an endless loop.
func (c *checker) listeners() {
	all := c.Addresses()
	if admin := c.Admin; admin != nil {
		for _, a := range all {
			if a == *admin && (a.Path != "" || a.Port != 0) || a.Path == "" && a.Port != 0 && a.Reaches(admin.Host, fmt.Sprint(admin.Port)) {
				c.fail("admin-listen", fmt.Sprintf("%s is taken by --listen", admin), "choose another port, or none")
			}
		}
		all = append(all, *admin)
	}
	for _, target := range []struct {
		flag string
		*url.URL
	}{{"api-url", c.Upstream.API}, {"token-url", c.Upstream.Token}} {
		for _, a := range all {
			if target.URL != nil && target.Host != "" && a.Port != 0 && a.Reaches(c.dialled(target.URL)) {
				c.fail(target.flag, target.Host+" is this proxy's own listener "+a.String(), "give the URL of the API, or listen on another port")
			}
		}
	}
}

// dialled returns the address to which a connection for u is opened, as far as the settings determine it.
func (c *checker) dialled(u *url.URL) (host, port string) {
	host, port = u.Hostname(), listen.PortOf(u)
	if to := c.Upstream.ConnectTo[net.JoinHostPort(host, port)]; to != "" {
		host, port, _ = net.SplitHostPort(to) // to was checked before
	}
	return host, port
}
