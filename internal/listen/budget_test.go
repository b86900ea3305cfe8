package listen

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const waitLimit = 30 * time.Second

func TestLimitsFitTheProcess(t *testing.T) {
	for _, row := range []struct {
		name    string
		wanted  int
		files   uint64
		memory  int64
		proxied int
		bytes   int64
	}{
		{"no limit is known", 4096, 0, 0, 2016, 32 << 20},
		{"many files", 4096, 1 << 20, 8 << 30, 2016, 32 << 20},
		{"no limit of files", 1 << 40, ^uint64(0), 0, 2016, 32 << 20},
		{"ulimit -n 1024", 4096, 1024, 0, 298, 32 << 20},
		{"few files", 4096, 100, 0, leastConnections, 32 << 20},
		{"a container of 128 MiB", 4096, 1 << 20, 128 << 20, 992, 16 << 20},
		{"few are wanted", 10, 1 << 20, 0, 10, 32 << 20},
	} {
		got := FitLimits(row.wanted, row.files, row.memory)
		if want := (Limits{row.bytes, [2]int{row.proxied, adminConnections}}); got != want {
			t.Errorf("%s: got %+v, want %+v", row.name, got, want)
		}
	}
}

// door is a server behind a budget. /wait answers when something is sent to release.
type door struct {
	*testing.T
	budget  *Budget
	addr    string
	arrived chan string
	release chan bool
}

func open(t *testing.T, l Limits, class Class) *door {
	t.Helper()
	return (&door{T: t, budget: NewBudget(l), arrived: make(chan string, 100), release: make(chan bool)}).beside(class, nil)
}

// openTLS is open for a listener with TLS.
func openTLS(t *testing.T, l Limits) *door {
	t.Helper()
	c := &Certificate{}
	c.CertFile, c.KeyFile = writePair(t, t.TempDir(), 1)
	if err := c.Load(); err != nil {
		t.Fatal(err)
	}
	return (&door{T: t, budget: NewBudget(l), arrived: make(chan string, 100), release: make(chan bool)}).beside(Proxied, c)
}

// beside returns a second listener with the same budget.
func (d *door) beside(class Class, c *Certificate) *door {
	d.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.Fatal(err)
	}
	other := *d
	other.addr = listener.Addr().String()
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		d.arrived <- r.URL.Path
		switch {
		case r.URL.Path == "/wait":
			<-d.release
		case c != nil && (r.TLS == nil || !r.TLS.HandshakeComplete):
			d.Error("the handler is not told that this is TLS")
		}
		io.WriteString(w, r.URL.Path)
	})}
	d.budget.Watch(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(d.budget.Listen(c.Secure(listener, ""), class)) }()
	d.Cleanup(func() {
		s.Close()
		<-served
		d.budget.mu.Lock()
		defer d.budget.mu.Unlock()
		if cost := d.budget.bytes; cost != [2]int64{} && d.budget.open == [2]int{} {
			d.Errorf("%v bytes are still counted", cost)
		}
	})
	return &other
}

func (d *door) dial() *client {
	d.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(waitLimit))
	return &client{c, bufio.NewReader(c)}
}

type client struct {
	net.Conn
	r *bufio.Reader
}

func (c *client) send(path string) {
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
}

// answer returns the body of the next answer, or "closed".
func (c *client) answer() string {
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return "closed"
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return string(body)
}

func (d *door) want(c *client, what, want string) {
	d.Helper()
	if got := c.answer(); got != want {
		d.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// await waits until ok is true for the budget.
func (d *door) await(what string, ok func(b *Budget) bool) {
	d.Helper()
	for end := time.Now().Add(waitLimit); ; {
		d.budget.mu.Lock()
		done := ok(d.budget)
		d.budget.mu.Unlock()
		switch {
		case done:
			return
		case time.Now().After(end):
			d.Fatalf("waited %v for %s", waitLimit, what)
		}
	}
}

// begin sends an unfinished header, or handshake, on a new connection, and waits until all of it is counted. After
// that, the connection is the youngest.
func (d *door) begin(text string, lines int) *client {
	d.Helper()
	d.budget.mu.Lock()
	before := d.budget.turn
	d.budget.mu.Unlock()
	c := d.dial()
	io.WriteString(c, text)
	d.await("the header", func(b *Budget) bool {
		last := b.begun[Proxied].last
		return last != nil && last.turn > before && last.cost == int64(len(text)+lineCost*lines)
	})
	return c
}

func TestTheConnectionThatIsIdleLongestMakesRoom(t *testing.T) {
	bothIdle := func(b *Budget) bool { return b.waiting[Proxied].first != nil && b.waiting[Proxied].first.next != nil }
	d := open(t, Limits{Bytes: 1 << 20, Connections: [2]int{2, 1}}, Proxied)
	first, second := d.dial(), d.dial()
	first.send("/a")
	d.want(first, "first", "/a")
	second.send("/b")
	d.want(second, "second", "/b")
	d.await("both to be idle", bothIdle)
	first.send("/c") // now the second is idle longest
	d.want(first, "first", "/c")
	d.await("both to be idle", bothIdle)
	third := d.dial()
	third.send("/d")
	d.want(third, "third", "/d")
	d.want(second, "second", "closed")
	first.send("/e")
	d.want(first, "first", "/e")
}

// When many clients connected at the same time, some requests were lost: they were about to arrive when their
// connections were closed to make room for the next ones.
func TestARequestOnItsWayKeepsItsConnection(t *testing.T) {
	d := open(t, Limits{Bytes: 1 << 20, Connections: [2]int{2, 1}}, Proxied)
	d.budget.turnover = waitLimit // as if there were very many
	first, second := d.dial(), d.dial()
	io.WriteString(second, "GET /second HTTP/1.1\r\n")
	d.await("both connections", func(b *Budget) bool { return b.fresh[Proxied].first != nil && b.begun[Proxied].first != nil })
	third := d.dial()
	third.send("/third")
	first.send("/first")
	d.want(first, "the first", "/first")
	d.want(third, "the third, in the place of the first", "/third")
	io.WriteString(second, "Host: localhost\r\n\r\n")
	d.want(second, "the second", "/second")
}

func TestASilentConnectionIsClosedAfterItsTime(t *testing.T) {
	d := open(t, Limits{Bytes: 1 << 20, Connections: [2]int{1, 1}}, Proxied)
	silent := d.dial()
	d.await("the silent connection", func(b *Budget) bool { return b.fresh[Proxied].first != nil })
	honest := d.dial()
	honest.send("/honest")
	d.want(honest, "an honest client", "/honest")
	d.want(silent, "the silent one", "closed")
}

func TestAcceptWaitsWhileAllConnectionsAreBusy(t *testing.T) {
	d := open(t, Limits{Bytes: 1 << 20, Connections: [2]int{2, 1}}, Proxied)
	first, second := d.dial(), d.dial()
	for _, c := range []*client{first, second} {
		c.send("/wait")
		<-d.arrived
	}
	third := d.dial()
	third.send("/late")
	d.release <- true
	if got := <-d.arrived; got != "/late" {
		t.Errorf("got %q, want the third to take the place of one that is done", got)
	}
	d.release <- true
	d.want(third, "third", "/late")
}

func TestUnfinishedHeadersShareOneBudget(t *testing.T) {
	for _, row := range []struct{ name, piece string }{
		{"one long line", "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", 60_000)},
		{"many short lines", "GET / HTTP/1.1\r\n" + strings.Repeat("a:\r\n", 149) + "a:"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := open(t, Limits{Bytes: 600_000, Connections: [2]int{100, 1}}, Proxied)
			attackers := make([]*client, 20)
			for i := range attackers {
				attackers[i] = d.begin(row.piece, strings.Count(row.piece, "\n"))
			}
			d.await("the budget", func(b *Budget) bool { return b.bytes[Proxied] <= b.limits.Bytes })
			d.want(attackers[0], "the oldest", "closed")
			honest := d.dial()
			honest.send("/honest")
			d.want(honest, "an honest client", "/honest")
			last := attackers[len(attackers)-1]
			io.WriteString(last, "\r\nHost: localhost\r\n\r\n")
			d.want(last, "the newest", "/")
		})
	}
}

// A short header was closed for the long ones that arrived while its request was about to begin: the client got no
// answer at all.
func TestTheLargestUnfinishedHeaderIsClosed(t *testing.T) {
	d := open(t, Limits{Bytes: 100_000, Connections: [2]int{100, 1}}, Proxied)
	const start = "GET /honest HTTP/1.1\r\n"
	honest := d.begin(start, 1)
	large := d.begin("GET / HTTP/1.1\r\nA: "+strings.Repeat("a", 60_000), 1)
	for range 5 {
		d.begin("GET / HTTP/1.1\r\nA: "+strings.Repeat("a", 30_000), 1)
	}
	d.want(large, "the largest", "closed")
	io.WriteString(honest, "Host: localhost\r\n\r\n")
	d.want(honest, "the honest client, which began first", "/honest")
}

// 5,000 requests at once: the client took more than a second to send the last of them, and their connections were
// closed although those before them were about to end.
func TestInABurstASilentConnectionIsKeptLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(Limits{Bytes: 1 << 20, Connections: [2]int{1000, 1}}) // kept for half a second, or two
		c := &conn{budget: b}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.waitLocked(c, &b.fresh[Proxied])
		for _, row := range []struct {
			name        string
			after, left time.Duration
			busy        int
		}{
			{"few are busy", 0, 500 * time.Millisecond, 500},
			{"most are busy", 500 * time.Millisecond, 1500 * time.Millisecond, 501},
			{"for a while", 1499 * time.Millisecond, time.Millisecond, 999},
			{"few are busy again", 0, 0, 500},
			{"most are busy for too long", time.Millisecond, 0, 999},
		} {
			time.Sleep(row.after)
			b.open[Proxied] = row.busy + 1
			oldest, left := b.oldestLocked(Proxied)
			if left != row.left || (oldest == c) != (row.left == 0) {
				t.Errorf("%s: %v left, may be closed: %v; want %v", row.name, left, oldest == c, row.left)
			}
		}
	})
}

func TestBodiesCostNothing(t *testing.T) {
	d := open(t, Limits{Bytes: 10_000, Connections: [2]int{10, 1}}, Proxied)
	c := d.dial()
	body := strings.Repeat("a\n", 100_000)
	fmt.Fprintf(c, "POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", len(body))
	if got := d.continued(c, body); got != "/up" {
		t.Errorf("got %q, want the upload served", got)
	}
}

// continued sends the body after the server has read the complete header.
func (d *door) continued(c *client, body string) string {
	d.await("the handler", func(b *Budget) bool {
		return b.open[Proxied] == 1 && b.waiting[Proxied].first == nil && b.fresh[Proxied].first == nil && b.begun[Proxied].first == nil
	})
	io.WriteString(c, body)
	return c.answer()
}

func TestCloseEndsAWaitingAccept(t *testing.T) {
	d := open(t, Limits{Bytes: 1 << 20, Connections: [2]int{1, 1}}, Proxied)
	c := d.dial()
	c.send("/wait")
	<-d.arrived
	d.dial().send("/never")
	t.Cleanup(func() { d.release <- true }) // the server is closed first, and must not hang
}

// The connection of a liveness probe is not closed because of headers that clients of the proxied port send, neither
// before nor after it.
func TestClientsDoNotEndTheConnectionOfAProbe(t *testing.T) {
	d := open(t, Limits{Bytes: 100_000, Connections: [2]int{100, 10}}, Proxied)
	admin := d.beside(Admin, nil)
	probe := admin.dial()
	io.WriteString(probe, "GET /probe HTTP/1.1\r\n")
	d.await("the probe", func(b *Budget) bool { return b.begun[Admin].first != nil })
	for range 5 {
		d.begin("GET / HTTP/1.1\r\nA: "+strings.Repeat("a", 60_000), 1)
	}
	io.WriteString(probe, "Host: localhost\r\n\r\n")
	d.want(probe, "the probe", "/probe")
	d.begin("GET / HTTP/1.1\r\nA: "+strings.Repeat("a", 38_500), 1) // less is left than a probe costs
	late := admin.dial()
	late.send("/late")
	d.want(late, "a probe when all is taken", "/late")
}

// An unfinished handshake takes memory before the first byte of a header arrives.
func TestUnfinishedHandshakesShareTheBudget(t *testing.T) {
	d := openTLS(t, Limits{Bytes: 200_000, Connections: [2]int{100, 1}})
	hello := "\x16\x03\x01\x40\x00\x01\x00\xff\xfc\x03\x03" // a record of 16 KiB that begins a ClientHello of 64 KiB
	attackers := make([]*client, 20)
	for i := range attackers {
		attackers[i] = d.begin(hello+strings.Repeat("h", 16<<10-6), 0)
	}
	d.want(attackers[0], "the oldest", "closed")
}

func TestTLSBehindTheBudget(t *testing.T) {
	d := openTLS(t, FitLimits(100, 0, 0))
	over, err := tls.Dial("tcp", d.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer over.Close()
	c := &client{over, bufio.NewReader(over)}
	c.send("/over")
	d.want(c, "over TLS", "/over")
	d.await("the wait for the next request", func(b *Budget) bool { return b.waiting[Proxied].first != nil && b.bytes == [2]int64{} })
	plain := d.dial()
	plain.send("/plain")
	if got, _ := io.ReadAll(plain); !strings.Contains(string(got), "https") {
		t.Errorf("got %q for plain http, want a word about https", got)
	}
}
