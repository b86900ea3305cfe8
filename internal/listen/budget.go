package listen

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// mostBytes is the maximum memory for unfinished headers, even on a large machine.
	mostBytes = 32 << 20
	// shareOfMemory limits them to an eighth of the memory limit, if that is less.
	shareOfMemory = 8
	// connectionCost is what a connection takes in memory: two buffers and the stacks of two goroutines.
	connectionCost = 16 << 10
	// lineCost is the memory that net/http needs for a header line in addition to its bytes. A thousand
	// connections with 29 MiB of lines like "a:" together took 490 MiB.
	lineCost = 400

	// adminConnections are reserved for the admin listener.
	adminConnections = 32
	// reservedFiles are reserved for everything except clients: the store and its locks, the token endpoint,
	// logs. A proxy that cannot save a new pair of tokens loses a login.
	reservedFiles = 96
	// filesPerConnection of the proxied port: the connection, one to the API, and a temporary file for the
	// body.
	filesPerConnection = 3
	leastConnections   = 8

	// turnover times the number of connections is how long a new connection, or one with an unfinished header, is
	// kept although another client needs its place. Without this time, a burst closes connections whose request
	// is about to arrive. With it, a client waits half a second behind a thousand silent connections.
	turnover = 500 * time.Microsecond
	// burst times that long they are kept while more than half of the connections are busy: their places become free
	// without closing any, and a client that started many requests at once may take seconds to send the last of them.
	burst = 4
)

// Class distinguishes the two ports, so that neither can use up the other's connections.
type Class int

// The proxied port, and the admin listener.
const (
	Proxied Class = iota
	Admin
)

// Limits are the limits for the connections of all listeners together.
type Limits struct {
	Bytes       int64  // of unfinished headers
	Connections [2]int // by Class
}

// FitLimits returns the limits for a process that may have this number of open files and this much memory, in bytes,
// and that wants this number of connections on the proxied port. Zero files or zero memory means no known limit.
func FitLimits(wanted int, files uint64, memory int64) Limits {
	l := Limits{Bytes: mostBytes}
	if memory > 0 {
		l.Bytes = min(l.Bytes, memory/shareOfMemory)
	}
	proxied := min(wanted, int(l.Bytes/connectionCost)-adminConnections)
	if files > 0 {
		free := int64(min(files, 1<<40)) - reservedFiles - adminConnections
		proxied = min(proxied, int(free/filesPerConnection))
	}
	l.Connections = [2]int{max(proxied, leastConnections), adminConnections}
	return l
}

// Budget limits the memory of connections before the client is authenticated. A connection is waiting from the time
// when it is accepted, or when its last answer ends, until the whole header of its next request has arrived. If there
// are too many connections, the one that has waited longest is closed. If all of them are busy, or have just started
// to send a request, Accept waits. If unfinished headers take too much memory, the largest is closed. A Budget is safe
// for concurrent use.
type Budget struct {
	limits   Limits
	turnover time.Duration

	mu      sync.Mutex // guards the fields below, and those of connections that say so
	room    sync.Cond  // signalled when a connection ends or begins to wait
	bytes   [2]int64   // that unfinished headers cost now, by Class
	open    [2]int
	waiting [2]queue // without a byte of the next header, the longest first
	fresh   [2]queue // without a byte of the first header, the longest first
	begun   [2]queue // with an unfinished header, the longest first
	turn    uint64   // orders waiting connections of different queues
}

// NewBudget returns a budget for all listeners of a process.
func NewBudget(l Limits) *Budget {
	b := &Budget{limits: l, turnover: turnover}
	b.room.L = &b.mu
	return b
}

// Listen returns a listener whose connections count against b. If there is TLS, it must be in l, because b counts the
// lines of headers. The bytes are then counted below TLS (see Certificate.Secure), because an unfinished handshake
// takes memory too. A write fails if the client reads nothing for writeLimit; http.Server.WriteTimeout has no effect.
func (b *Budget) Listen(l net.Listener, class Class) net.Listener {
	return &budgeted{Listener: l, budget: b, class: class}
}

type budgeted struct {
	net.Listener
	budget *Budget
	class  Class
	closed bool // guarded by budget.mu
}

// Accept waits while the maximum number of connections of the class is busy.
func (l *budgeted) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, budget: l.budget, class: l.class, pace: pace{begun: time.Now()}}
	if below, ok := underTLS(raw); ok {
		c.bytesBelow, below.above = true, c
	}
	if !l.budget.acquire(c, l) {
		raw.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l *budgeted) Close() error {
	l.budget.mu.Lock()
	l.closed = true
	l.budget.room.Broadcast()
	l.budget.mu.Unlock()
	return l.Listener.Close()
}

// acquire makes room for c. It returns false if the listener is closed before that.
func (b *Budget) acquire(c *conn, l *budgeted) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.open[c.class] >= b.limits.Connections[c.class] && !l.closed {
		if oldest, left := b.oldestLocked(c.class); oldest != nil {
			b.evictLocked(oldest)
		} else {
			b.waitForRoomLocked(left)
		}
	}
	if l.closed {
		return false
	}
	b.open[c.class]++
	b.waitLocked(c, &b.fresh[c.class])
	return true
}

// oldestLocked returns the connection that has waited longest and may be closed. If there is none, left is the
// time until there may be one; zero means that no connection waits.
func (b *Budget) oldestLocked(class Class) (oldest *conn, left time.Duration) {
	oldest = b.waiting[class].first
	places := b.limits.Connections[class]
	grace := time.Duration(places) * b.turnover
	if busy := b.open[class] - b.waiting[class].length - b.fresh[class].length - b.begun[class].length; busy > places/2 {
		grace *= burst
	}
	for _, c := range []*conn{b.fresh[class].first, b.begun[class].first} {
		if c == nil {
			continue
		}
		rest := grace - time.Since(c.since)
		switch {
		case rest <= 0:
			oldest = older(oldest, c)
		case left == 0 || rest < left:
			left = rest
		}
	}
	return oldest, left
}

// waitForRoomLocked waits until a connection ends or begins to wait, and no longer than limit if that is not zero.
func (b *Budget) waitForRoomLocked(limit time.Duration) {
	if limit > 0 {
		timer := time.AfterFunc(limit, func() {
			b.mu.Lock() // so that the signal does not come before Wait
			defer b.mu.Unlock()
			b.room.Broadcast()
		})
		defer timer.Stop()
	}
	b.room.Wait()
}

// Watch makes a server report the states of its connections to b. It must be called before the server is used.
func (b *Budget) Watch(s *http.Server) {
	connContext, connState, handler := s.ConnContext, s.ConnState, s.Handler
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if connContext != nil {
			ctx = connContext(ctx, c)
		}
		return context.WithValue(ctx, connKey{}, c)
	}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		if counted, ok := c.(*conn); ok && state == http.StateIdle {
			b.markIdle(counted)
		}
		if connState != nil {
			connState(c, state)
		}
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*conn); ok {
			b.markActive(c)
			if over, ok := c.Conn.(*tls.Conn); ok { // net/http only sees the tls.Conn
				state := over.ConnectionState()
				r.TLS = &state
			}
		}
		handler.ServeHTTP(w, r)
	})
}

type connKey struct{}

// markActive notes that the header of a request on c is complete, so that c is not waiting any more.
func (b *Budget) markActive(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leaveLocked(c)
	c.counting.Store(false)
}

// markIdle notes that c is waiting for its next request.
func (b *Budget) markIdle(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.ended {
		return
	}
	b.leaveLocked(c)
	b.waitLocked(c, &b.waiting[c.class])
	b.room.Broadcast()
}

func (b *Budget) waitLocked(c *conn, q *queue) {
	b.turn++
	c.turn, c.since = b.turn, time.Now()
	q.push(c)
	c.counting.Store(true)
}

// leaveLocked removes c from its queue and releases the cost of its header.
func (b *Budget) leaveLocked(c *conn) {
	if c.in != nil {
		c.in.remove(c)
	}
	b.bytes[c.class] -= c.cost
	c.cost = 0
}

// arrived counts the bytes and lines of a header, or of the handshake before it, that c has read.
func (b *Budget) arrived(c *conn, bytes, lines int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.ended || c.in == nil {
		return
	}
	if c.cost == 0 {
		b.leaveLocked(c)
		b.waitLocked(c, &b.begun[c.class])
	}
	cost := int64(bytes + lineCost*lines)
	c.cost += cost
	b.bytes[c.class] += cost
	for b.bytes[Proxied]+b.bytes[Admin] > b.limits.Bytes {
		// Close a connection of the class that uses more: clients of the proxied port must not end a probe's
		// connection.
		class := Proxied
		if b.bytes[Admin] > b.bytes[Proxied] {
			class = Admin
		}
		b.evictLocked(b.begun[class].largest())
	}
}

// evictLocked closes c at once, without a TLS close message, which would wait for the peer.
func (b *Budget) evictLocked(c *conn) {
	b.endLocked(c)
	if over, ok := c.Conn.(*tls.Conn); ok {
		over.NetConn().Close()
		return
	}
	c.Conn.Close()
}

func (b *Budget) endLocked(c *conn) {
	if c.ended {
		return
	}
	c.ended = true
	b.leaveLocked(c)
	c.counting.Store(false)
	b.open[c.class]--
	b.room.Broadcast()
}
