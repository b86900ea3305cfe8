package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

// TransportOptions are what may differ between transports to PandaDoc.
type TransportOptions struct {
	// RootCAs are whom to trust. Nil means the system's roots.
	RootCAs *x509.CertPool
	// HeaderTimeout is how long one waits for the header of an answer after the request has been sent.
	// Zero means for ever.
	HeaderTimeout time.Duration
	// Proxy returns the forward proxy for an https request, as http.ProxyFromEnvironment does. It is
	// not asked about http, which would show the token to that proxy. Nil means none.
	Proxy func(*http.Request) (*url.URL, error)
}

// NewTransport returns a transport for PandaDoc's hosts. It keeps connections, offers HTTP/2, unpacks
// nothing and follows no redirect. It also serves the token endpoint and probes.
func NewTransport(o TransportOptions) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: httpsOnly(o.Proxy),
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return patientConn{conn}, nil
		},
		TLSClientConfig:       &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true, // net/http would not, with a dialer of our own
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		DisableCompression:    true, // bodies go through as they are
		ExpectContinueTimeout: time.Second,
		ResponseHeaderTimeout: o.HeaderTimeout,
		// Below what load balancers usually grant, so that it is us who close an idle connection and
		// not they, just as we send a POST on it.
		IdleConnTimeout:        50 * time.Second,
		MaxIdleConnsPerHost:    1024,
		MaxResponseHeaderBytes: 1 << 20,
	}
}

func httpsOnly(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	if proxy == nil {
		return nil
	}
	return func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme != "https" {
			return nil, nil
		}
		return proxy(r)
	}
}

// patientConn pretends that writes succeed after the other side has closed. A server that answers
// early and closes (413 in the middle of an upload) makes our next write fail; http.Transport would
// report that instead of reading the answer which is waiting. Reading goes on and meets either the
// answer or the real error. It must be below TLS, whose writes fail for good after one failure.
type patientConn struct{ net.Conn }

func (c patientConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return len(p), nil
	}
	return n, err
}
