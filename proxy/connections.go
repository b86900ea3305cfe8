package proxy

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
)

// spareConnections are accepted above the limit, each for one answer that says so. Even more are closed
// without a word.
const spareConnections = 32

// connections bounds how many connections of clients are open. Each of them can need a second one to the
// API and a temporary file, and a process without file descriptors can neither refresh nor save a token.
type connections struct {
	limit int64 // zero: none
	open  atomic.Int64
}

type surplusKey struct{}

// accepted counts conn, and marks or closes it if there are too many. It is http.Server.ConnContext.
func (c *connections) accepted(ctx context.Context, conn net.Conn) context.Context {
	open := c.open.Add(1)
	switch {
	case c.limit == 0 || open <= c.limit:
	case open <= c.limit+spareConnections:
		ctx = context.WithValue(ctx, surplusKey{}, true)
	default:
		_ = conn.Close()
	}
	return ctx
}

// changed is http.Server.ConnState. Every connection that was accepted is closed once.
func (c *connections) changed(_ net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		c.open.Add(-1)
	}
}

// crowded says whether so many connections are open that none should stay without work.
func (c *connections) crowded() bool { return c.limit > 0 && c.open.Load() > c.limit*3/4 }

func isSurplus(r *http.Request) bool { return r.Context().Value(surplusKey{}) != nil }
