package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// testAway: while the server is away, no operation reports that there is no record, or a different one. After that,
// everything works again with the same handle.
func testAway(t *testing.T, p *place) {
	store, goAway := p.open(t), p.Break
	if p.Server != "" {
		between := p.between(t)
		store = p.Open(t, between.addr, p.keys)
		goAway = func(*testing.T) func() { between.goAway(); return between.comeBack }
	}
	rec := save(t, store, account, Sample())
	for range 2 {
		comeBack := goAway(t)
		_, err := store.Load(t.Context(), account)
		wantTrouble(t, "Load", err)
		_, err = store.Save(t.Context(), account, rec)
		wantTrouble(t, "Save", err)
		if lister, ok := store.(tokens.Lister); ok {
			_, err = lister.Accounts(t.Context())
			wantTrouble(t, "Accounts", err)
		}
		if checker, ok := store.(tokens.Checker); ok {
			wantTrouble(t, "Check", checker.Check(t.Context(), ""))
		}
		comeBack()
		eventually(t, func() error { _, err := store.Load(t.Context(), account); return err })
		wantRecord(t, load(t, store, account), rec)
		rec = save(t, store, account, rec)
	}
}

// eventually waits until f returns nil.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(waitLimit); ; {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}

// wantTrouble wants an error that has a hint, and that is not a result about the record.
func wantTrouble(t *testing.T, call string, err error) {
	t.Helper()
	switch {
	case err == nil, errors.Is(err, tokens.ErrNotFound), errors.Is(err, tokens.ErrConflict):
		t.Errorf("%s gives %v, want an error about the store", call, err)
	case problem.HintOf(err) == "":
		t.Errorf("%s gives %v, without a hint", call, err)
	}
}

// testBrokenSaves breaks the connection at the first piece of a save, at the second, and so on. The server can be
// reached again at once, or only after one more failed try. The next try must not get a conflict with the first one,
// and must not make a second record.
func testBrokenSaves(t *testing.T, p *place) {
	const pieces = 16 // a save has fewer
	for n := 1; n <= pieces; n++ {
		for _, stays := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d, away %v", n, stays), func(t *testing.T) {
				t.Parallel()
				between := p.between(t)
				store, other := p.Open(t, between.addr, p.keys), p.open(t)
				name := fmt.Sprintf("piece-%d-%v", n, stays)
				rec := Sample()
				for range 2 { // the first save creates the record, the second replaces it
					between.cut(n, stays)
					saved, err := saveWithin(t, store, name, rec, stays && n < pieces)
					// A save with little time may end before its first piece.
					if lost := between.wasCut(); n == pieces && lost || n == 1 && !lost && !stays {
						t.Errorf("the connection was broken: %v", lost)
					}
					if err != nil {
						wantTrouble(t, "Save", err)
						if !stays {
							t.Errorf("the server could be reached again at once, and Save gives %v", err)
						}
						between.goAway()
						_, again := saveWithin(t, store, name, rec, true)
						wantTrouble(t, "Save without a server", again)
						between.comeBack()
						saved = save(t, store, name, rec)
					}
					between.comeBack()
					wantRecord(t, load(t, other, name), saved)
					rec = saved
					rec.Generation++
				}
			})
		}
	}
}

// saveWithin limits the time of a save that cannot succeed.
func saveWithin(t *testing.T, s tokens.Store, account string, rec tokens.Record, short bool) (tokens.Record, error) {
	ctx := t.Context()
	if short {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 150*time.Millisecond)
		defer cancel()
	}
	return s.Save(ctx, account, rec)
}

// testGivenUp: the caller gave up while the server was still working. The next try finds that the save is done.
func testGivenUp(t *testing.T, p *place) {
	between := p.between(t)
	store, other := p.Open(t, between.addr, p.keys), p.open(t)
	rec := save(t, store, account, Sample())
	between.hold()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	rec.Generation++
	if _, err := store.Save(ctx, account, rec); err == nil {
		t.Error("Save succeeded without an answer")
	}
	if took := time.Since(began); took > waitLimit/2 {
		t.Errorf("Save ended %v after its context", took)
	}
	between.release()
	saved := save(t, store, account, rec)
	wantRecord(t, load(t, other, account), saved)
}

// testLateAnswers: answers arrive after their callers have gone. They must never be used as the answer to another
// request: that would give one account the tokens of another.
func testLateAnswers(t *testing.T, p *place) {
	between := p.between(t)
	store := p.Open(t, between.addr, p.keys)
	names := []string{"a", "b", "c", "d"}
	saved := map[string]tokens.Record{}
	for i, name := range names {
		rec := Sample()
		rec.Generation = uint64(i + 1)
		saved[name] = save(t, store, name, rec)
	}
	for range 5 {
		between.hold()
		var wg sync.WaitGroup
		for _, name := range names {
			wg.Go(func() {
				for waitLimit := range 4 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(waitLimit+1)*5*time.Millisecond)
					rec, err := store.Load(ctx, name)
					cancel()
					if err == nil && rec.Version != saved[name].Version {
						t.Errorf("account %q got generation %d, which is another's", name, rec.Generation)
					}
				}
			})
		}
		time.AfterFunc(10*time.Millisecond, between.release)
		wg.Wait()
		between.release()
	}
	for _, name := range names {
		wantRecord(t, load(t, store, name), saved[name])
	}
}

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
		r.addr = fmt.Sprintf("127.0.0.1:%d", 22_000+rand.IntN(8_000))
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
