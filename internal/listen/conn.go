package listen

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

const (
	// writeLimit is how long a client may stop reading its answers. Then its connection is closed.
	writeLimit = 5 * time.Minute
	// writeProbe is how long a write may take that finds out whether the client has read anything.
	writeProbe = 100 * time.Millisecond
)

// conn is a connection that counts against a budget.
type conn struct {
	net.Conn
	budget   *Budget
	class    Class
	counting atomic.Bool // the bytes that are read belong to a header

	bytesBelow bool // the bytes are counted below TLS, by wire

	pace pace

	// Guarded by budget.mu:
	in         *queue // nil while it is busy
	prev, next *conn  // in that queue
	turn       uint64
	since      time.Time // when it came into that queue
	cost       int64     // of its unfinished header
	ended      bool
}

// NetConn returns the wrapped connection, as tls.Conn does.
func (c *conn) NetConn() net.Conn { return c.Conn }

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.counting.Load() {
		c.count(p[:n])
	}
	if c.bytesBelow && err != nil {
		answerPlainHTTP(err)
	}
	return n, err
}

// Write fails if the client reads nothing for writeLimit.
func (c *conn) Write(p []byte) (int, error) {
	if c.bytesBelow { // wire does the same; a TLS connection cannot be used after a write that failed
		return c.Conn.Write(p)
	}
	return c.pace.write(c.Conn, p)
}

// SetWriteDeadline does nothing. net/http would remove the deadline of Write with it after each answer.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

func (c *conn) count(part []byte) {
	size := len(part)
	if c.bytesBelow {
		size = 0
	}
	c.budget.arrived(c, size, bytes.Count(part, []byte{'\n'}))
}

// pace gives the writes of one connection a deadline.
type pace struct {
	begun   time.Time
	renewAt atomic.Int64 // when a write must set a new deadline, in nanoseconds since begun
}

// write fails if the client reads nothing for writeLimit, or for twice as long if the system still has a little room
// at the first deadline. A deadline serves many writes, because setting one costs more than looking at the clock.
func (w *pace) write(to net.Conn, p []byte) (n int, err error) {
	if now := int64(time.Since(w.begun)); now >= w.renewAt.Load() {
		w.renewAt.Store(now + int64(writeLimit/10))
		_ = to.SetWriteDeadline(time.Now().Add(writeLimit)) // Write returns the error
	}
	n, err = to.Write(p)
	for errors.Is(err, os.ErrDeadlineExceeded) {
		// A write that waits continues only when the client has read a third of the megabytes that the system keeps for
		// it. A new write takes the place of whatever it has read.
		w.renewAt.Store(0)
		before := n
		for _, limit := range [...]time.Duration{writeProbe, writeLimit} {
			_ = to.SetWriteDeadline(time.Now().Add(limit))
			var more int
			more, err = to.Write(p[n:])
			if n += more; n == before || err == nil {
				return n, err
			}
		}
	}
	return n, err
}

// wireListener is below TLS, so that a Budget counts bytes that TLS keeps until a message is complete.
type wireListener struct{ net.Listener }

func (l wireListener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wire{Conn: raw, pace: pace{begun: time.Now()}}, nil
}

type wire struct {
	net.Conn
	above *conn // nil without a budget
	pace  pace
	ends  atomic.Bool
}

func (w *wire) Write(p []byte) (int, error) {
	if w.ends.Load() {
		return w.Conn.Write(p)
	}
	return w.pace.write(w.Conn, p)
}

// SetWriteDeadline is called by TLS for its last message.
func (w *wire) SetWriteDeadline(t time.Time) error {
	w.ends.Store(true)
	return w.Conn.SetWriteDeadline(t)
}

// NetConn returns the wrapped connection, as tls.Conn does.
func (w *wire) NetConn() net.Conn { return w.Conn }

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 && w.above != nil && w.above.counting.Load() {
		w.above.budget.arrived(w.above, n, 0)
	}
	return n, err
}

func underTLS(c net.Conn) (*wire, bool) {
	over, ok := c.(*tls.Conn)
	if !ok {
		return nil, false
	}
	w, ok := over.NetConn().(*wire)
	return w, ok
}

// CloseWrite lets net/http end an answer without a reset while the client is still sending.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// answerPlainHTTP tells a client to use https, as net/http does when it does the handshake itself.
func answerPlainHTTP(err error) {
	var record tls.RecordHeaderError
	if !errors.As(err, &record) || record.Conn == nil {
		return
	}
	switch string(record.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "PATCH", "DELET", "OPTIO":
		io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nThis port serves https: begin the address with https://\n")
		record.Conn.Close()
	}
}

// Close implements net.Conn. It may be called more than once.
func (c *conn) Close() error {
	c.budget.mu.Lock()
	c.budget.endLocked(c)
	c.budget.mu.Unlock()
	return c.Conn.Close()
}

// queue is a linked list that uses fields of the connections, so that a request needs no allocation.
type queue struct {
	first, last *conn
	length      int
}

func (q *queue) push(c *conn) {
	c.in, c.prev, c.next = q, q.last, nil
	if q.last == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last = c
	q.length++
}

func (q *queue) remove(c *conn) {
	if c.prev == nil {
		q.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		q.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.in, c.prev, c.next = nil, nil, nil
	q.length--
}

// largest returns the connection with the largest unfinished header; among equals, the one that has waited longest. An
// honest client with a short header is not closed because others send long ones. It looks at all connections: that
// is cheap, because it happens only when one is closed.
func (q *queue) largest() *conn {
	found := q.first
	for c := q.first; c != nil; c = c.next {
		if c.cost > found.cost {
			found = c
		}
	}
	return found
}

// older returns the connection that has waited longer. Nil counts as not waiting.
func older(a, b *conn) *conn {
	if a == nil || b != nil && b.turn < a.turn {
		return b
	}
	return a
}
