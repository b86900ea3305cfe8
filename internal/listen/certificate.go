package listen

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often at most the files of a certificate are looked at.
const certificateCheck = time.Second

// Certificate is the proxied port's own, which is read again when its files change. It is safe for
// concurrent use.
type Certificate struct {
	CertFile, KeyFile string
	// Changed is told that the files have changed, with the reason why the former pair stays in use, or nil.
	// Nil is allowed.
	Changed func(err error)

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

// Load reads the pair for the first time.
func (c *Certificate) Load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked, c.stamps = time.Now(), c.look()
	return c.readLocked()
}

func (c *Certificate) readLocked() error {
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return err
	}
	c.pair = &pair
	return nil
}

// look returns the versions of both files. A file that is not there has none.
func (c *Certificate) look() (now [2]stamp) {
	for i, name := range []string{c.CertFile, c.KeyFile} {
		if info, err := os.Stat(name); err == nil {
			now[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return now
}

// current is tls.Config.GetCertificate. A pair that cannot be read, half replaced perhaps, leaves the
// former one in use.
func (c *Certificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
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

// Leaf returns the certificate that is served now, or nil if c is nil: then none is.
func (c *Certificate) Leaf() *x509.Certificate {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pair.Leaf
}

func (c *Certificate) renewLocked() {
	err := c.readLocked()
	if c.Changed != nil {
		c.Changed(err)
	}
}

// Secure returns l as a listener of the proxied port: with TLS, unless c is nil or l is a unix socket,
// whose clients need none.
func (c *Certificate) Secure(l net.Listener, account string) *Listener {
	if c == nil || l.Addr().Network() == "unix" {
		return &Listener{Listener: l, Account: account}
	}
	config := &tls.Config{GetCertificate: c.current, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	return &Listener{Listener: tls.NewListener(wireListener{l}, config), Account: account, Secure: true}
}

// Listener is a listener of the proxied port.
type Listener struct {
	net.Listener
	Account string // that its requests are for; empty: they choose
	Secure  bool   // https
}
