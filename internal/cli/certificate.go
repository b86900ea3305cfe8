package cli

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/proxy"
)

// certificateCheck is how often at most the files of a certificate are looked at.
const certificateCheck = time.Second

// certificate is the proxied port's own, which is read again when its files change. It is safe for
// concurrent use.
type certificate struct {
	certFile, keyFile string
	logger            *logrus.Logger // is told of a change that cannot be used; nil before there is one

	mu      sync.Mutex // guards the fields below
	pair    *tls.Certificate
	stamps  [2]stamp
	checked time.Time
}

// stamp is what tells one version of a file from another.
type stamp struct {
	changed time.Time
	size    int64
}

// load reads the pair for the first time.
func (c *certificate) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked, c.stamps = time.Now(), c.look()
	return c.readLocked()
}

func (c *certificate) readLocked() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair = &pair
	return nil
}

// look returns the versions of both files. A file that is not there has none.
func (c *certificate) look() (now [2]stamp) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			now[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return now
}

// current is tls.Config.GetCertificate. A pair that cannot be read, half replaced perhaps, leaves the
// former one in use.
func (c *certificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= certificateCheck {
		c.checked = now
		if stamps := c.look(); stamps != c.stamps {
			c.stamps = stamps
			c.renewLocked()
		}
	}
	return c.pair, nil
}

func (c *certificate) renewLocked() {
	if err := c.readLocked(); err != nil {
		c.logger.WithError(err).Warn("the changed certificate cannot be used: going on with the former one")
		return
	}
	c.logger.WithField("file", c.certFile).Info("using the changed certificate")
}

// secure returns l as a listener of the proxied port: with TLS, unless c is nil or l is a unix socket,
// whose clients need none.
func (c *certificate) secure(l net.Listener, account string) *servedListener {
	if c == nil || l.Addr().Network() == "unix" {
		return &servedListener{Listener: l, account: account}
	}
	config := &tls.Config{GetCertificate: c.current, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	return &servedListener{Listener: tls.NewListener(l, config), account: account, secure: true}
}

// servedListener is a listener of the proxied port.
type servedListener struct {
	net.Listener
	account string // that its requests are for; empty: they choose
	secure  bool   // https
}

// accountOf is http.Server.BaseContext.
func accountOf(l net.Listener) context.Context {
	ctx := context.Background()
	if served, ok := l.(*servedListener); ok && served.account != "" {
		return proxy.WithAccount(ctx, served.account)
	}
	return ctx
}
