package storetest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// relay forwards between a store and its server, and can lose data on request.
type relay struct {
	t      *testing.T
	server string
	addr   string

	mu       sync.Mutex   // guards the fields below
	listener net.Listener // nil while the relay is away
	conns    map[net.Conn]bool
	passed   int           // pieces, in both directions
	cutAt    int           // the number of the piece to lose, with its connection; zero for none
	stays    bool          // stay away after that
	held     chan struct{} // answers wait until it is closed; nil if they do not wait
	pending  sync.WaitGroup
}

// between returns a relay to the server of p, which ends with the test.
func (p *place) between(t *testing.T) *relay {
	t.Helper()
	r := &relay{t: t, server: p.Server, conns: map[net.Conn]bool{}}
	for r.listener == nil {
		// A port below the range from which the system chooses ports: while the relay is away, no other program gets
		// it.
		r.addr = fmt.Sprintf("127.0.0.1:%d", 22_000+rand.IntN(2_000))
		r.listener, _ = net.Listen("tcp", r.addr) // the port may be taken
	}
	l := r.listener
	r.pending.Go(func() { r.accept(l) })
	t.Cleanup(func() {
		r.goAway()
		r.release()
		r.pending.Wait()
	})
	return r
}

// goAway cuts every connection and refuses new ones, until comeBack is called.
func (r *relay) goAway() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.goAwayLocked()
}

func (r *relay) goAwayLocked() {
	if r.listener == nil {
		return
	}
	r.listener.Close()
	r.listener = nil
	for c := range r.conns {
		c.Close()
	}
	clear(r.conns)
}

func (r *relay) comeBack() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cutAt = 0
	if r.listener != nil {
		return
	}
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.listener = l
	r.pending.Go(func() { r.accept(l) })
}

// cut makes the relay lose the n-th piece from now and cut its connection. With stays, the relay then stays away.
func (r *relay) cut(n int, stays bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passed, r.cutAt, r.stays = 0, n, stays
}

// wasCut reports whether the piece was lost.
func (r *relay) wasCut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cutAt > 0 && r.passed >= r.cutAt
}

// hold forwards requests but no answers, until release is called.
func (r *relay) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = make(chan struct{})
}

func (r *relay) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held != nil {
		close(r.held)
		r.held = nil
	}
}

func (r *relay) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.server)
		if err != nil || !r.keep(l, client, server) {
			client.Close()
			continue
		}
		end := func() {
			client.Close()
			server.Close()
		}
		r.pending.Go(func() { r.copy(server, client, false); end() })
		r.pending.Go(func() { r.copy(client, server, true); end() })
	}
}

// keep remembers a connection of l, so that goAway can cut it.
func (r *relay) keep(l net.Listener, client, server net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != l {
		server.Close()
		return false
	}
	r.conns[client], r.conns[server] = true, true
	return true
}

// copy forwards the data of one side, piece by piece, until the connection ends or is cut.
func (r *relay) copy(to, from net.Conn, answers bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || !r.pass(answers) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// pass waits until a piece may be forwarded. It returns false if the piece is lost.
func (r *relay) pass(answer bool) bool {
	r.mu.Lock()
	r.passed++
	lost, held := r.cutAt > 0 && r.passed == r.cutAt, r.held
	if lost && r.stays {
		r.goAwayLocked()
	}
	r.mu.Unlock()
	if answer && held != nil {
		<-held
	}
	return !lost
}
