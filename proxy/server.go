package proxy

import (
	"context"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	idleTimeout = 3 * time.Minute // longer than clients keep connections, so that they close first
	// maxHeaderBytes is where net/http gives up with a plain 431. It lies above maxTarget and
	// maxHeader, so that nearly everything that is too large gets an answer of ours.
	maxHeaderBytes = 192 << 10
)

type connKey struct{}

// Server returns a server for p, ready for Serve on any number of listeners. It has no time-out for a whole request: uploads and
// downloads take as long as they make progress. It speaks HTTP/1 only, on TLS listeners too.
func (p *Proxy) Server() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      p,
		Protocols:                    protocols,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" passes the guard like everything else
		ReadHeaderTimeout:            p.cfg.HeaderTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		ErrorLog:                     log.New(NewLogWriter(p.log, logrus.WarnLevel), "", 0),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			ctx = context.WithValue(ctx, connKey{}, conn) // for call.resetUndelimited
			return p.conns.accepted(ctx, conn)
		},
		ConnState: p.conns.changed,
	}
}
