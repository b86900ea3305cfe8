package listen

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial returns a new connection.
func (p pipes) dial() net.Conn {
	client, server := net.Pipe()
	p <- server
	return client
}

// pipeServer serves answers of size bytes over pipes, inside a bubble.
func pipeServer(t *testing.T, size int) pipes {
	p := make(pipes)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range size / 1024 {
			w.Write(make([]byte, 1024))
		}
	})}
	b := NewBudget(FitLimits(8, 0, 0))
	b.Watch(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve(b.Listen(p, Proxied)) }()
	t.Cleanup(func() { close(p); s.Close(); <-served })
	return p
}

// H3: clients that sent requests and read no answer kept their connections for ever. Eight of them took all the places of
// --max-connections 8, even with answers that refused them, and other clients had to wait.
func TestAClientThatReadsNothingIsCutOff(t *testing.T) {
	for _, size := range []int{0, 1024, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			c := pipeServer(t, size).dial()
			defer c.Close()
			go io.WriteString(c, strings.Repeat("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200))
			time.Sleep(writeLimit + time.Second)
			c.SetReadDeadline(time.Now().Add(time.Second))
			if n, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("answers of %d bytes: after %v the connection still gave %d bytes", size, writeLimit, n)
			}
		})
	}
}

// H3: a client that reads slowly gets the whole answer, however long that takes.
func TestASlowReaderIsNotCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		c := pipeServer(t, size).dial()
		defer c.Close()
		go io.WriteString(c, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
		total := 0
		for begun := time.Now(); ; time.Sleep(4 * time.Minute) {
			n, err := io.ReadFull(c, make([]byte, 32<<10))
			if total += n; err != nil {
				if total < size || time.Since(begun) < 10*writeLimit {
					t.Errorf("got %d bytes in %v, then %v", total, time.Since(begun), err)
				}
				return
			}
		}
	})
}
