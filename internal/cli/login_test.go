package cli

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/listen"
)

// The port that a login opens while no proxy runs kept every connection of other users of the machine, and what they
// sent of their headers, until it timed out.
func TestThePortOfALoginKeepsFewConnections(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := free.Addr().String()
	free.Close()
	acc := &accounts{redirect: &url.URL{Scheme: "http", Host: at}, handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	stop, err := acc.serveLogin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	most := listen.FitLimits(0, 0, 0).Connections[listen.Admin]
	closed := make(chan error, most+1)
	for range most + 1 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n"); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := c.Read(make([]byte, 1))
			closed <- err
		}()
	}
	select {
	case err := <-closed:
		if err == nil {
			t.Error("got an answer to an unfinished header")
		}
	case <-time.After(5 * time.Second): // each of them would end after 10
		t.Errorf("all of %d connections are kept", most+1)
	}
}
