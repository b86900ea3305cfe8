package listen

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"sync"
	"time"
)

// certificateCheck is the minimum time between two checks of a certificate's files.
const certificateCheck = time.Second

// Certificate is the certificate of the proxied port. It is read again when its files change. It is safe for
// concurrent use.
type Certificate struct {
	CertFile, KeyFile string
	Read              func(name string) ([]byte, error) // nil means os.ReadFile
	// Changed is called when the files have changed, with nil or the reason why the old pair stays in use.
	// Changed may be nil.
	Changed func(err error)

	mu      sync.Mutex // guards the fields below
	pair    *tls.Certificate
	stamps  [2]stamp
	checked time.Time
}

// stamp distinguishes versions of a file.
type stamp struct {
	changed time.Time
	size    int64
}

// Load reads the pair for the first time.
func (c *Certificate) Load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked, c.stamps = time.Now(), c.stat()
	return c.readLocked()
}

func (c *Certificate) readLocked() error {
	read := c.Read
	if read == nil {
		read = os.ReadFile
	}
	cert, err := read(c.CertFile)
	if err != nil {
		return err
	}
	key, err := read(c.KeyFile)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return err
	}
	c.pair = &pair
	return nil
}

// stat returns the versions of both files. The version of a missing file is zero. If one is a pipe, which gives its
// content only once, both versions are zero.
func (c *Certificate) stat() (now [2]stamp) {
	for i, name := range []string{c.CertFile, c.KeyFile} {
		info, err := os.Stat(name)
		switch {
		case err != nil:
		case !info.Mode().IsRegular():
			return [2]stamp{}
		default:
			now[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return now
}

// current is tls.Config.GetCertificate. If the pair cannot be read, perhaps because it is just being replaced,
// the old one stays in use.
func (c *Certificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= certificateCheck {
		c.checked = now
		if stamps := c.stat(); stamps != c.stamps {
			c.stamps = stamps
			if err := c.readLocked(); c.Changed != nil {
				c.Changed(err)
			}
		}
	}
	return c.pair, nil
}

// Leaf returns the certificate that is served now, or nil if c is nil.
func (c *Certificate) Leaf() *x509.Certificate {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pair.Leaf
}

// Secure returns l as a listener of the proxied port: with TLS, unless c is nil or l is a Unix socket, which
// needs no TLS.
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
	Account string // of its requests; empty if each request chooses
	Secure  bool   // https
}
