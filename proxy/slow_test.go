package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are in memory, for bubbles.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.done); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// H3: a client that has stopped reading is cut off, and one that reads slowly is not. (ReverseProxy cannot
// run in a bubble: it waits with a mutex for a write that takes long.)
func TestSlowReaderIsCutOff(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pause time.Duration // between two reads
		cut   bool
	}{
		{"stopped", 2 * slowReadLimit, true},
		{"slow", slowReadLimit / 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &Proxy{}
				ended := make(chan error, 1)
				srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c := p.newCall(w, r)
					for {
						if _, err := c.Write(make([]byte, 32<<10)); err != nil {
							ended <- err
							return
						}
					}
				})}
				listener := pipes{make(chan net.Conn), make(chan struct{})}
				go srv.Serve(listener)
				defer srv.Close()
				ours, theirs := net.Pipe()
				listener.conns <- theirs
				io.WriteString(ours, "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n")
				res, err := http.ReadResponse(bufio.NewReader(ours), nil)
				if err != nil {
					t.Fatal(err)
				}
				for range 4 {
					if _, err = io.ReadFull(res.Body, make([]byte, 256<<10)); err != nil {
						break
					}
					time.Sleep(tt.pause)
				}
				if cut := err != nil; cut != tt.cut {
					t.Errorf("cut off: %v (%v), want %v", cut, err, tt.cut)
				}
				ours.Close()
				<-ended
			})
		})
	}
}
