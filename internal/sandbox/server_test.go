package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

func TestOptionsAreChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		opts Options
		want string
	}{
		"calm and chaos":       {Options{Calm: true, Chaos: true}, "exclude"},
		"all interfaces":       {Options{Listen: ":8080"}, "not loopback"},
		"wildcard":             {Options{Listen: "0.0.0.0:0"}, "not loopback"},
		"IPv6 wildcard":        {Options{ManageListen: "[::]:0"}, "not loopback"},
		"public address":       {Options{ManageListen: "192.0.2.1:80"}, "not loopback"},
		"name":                 {Options{Listen: "example.com:80"}, "not loopback"},
		"no port":              {Options{Listen: "localhost"}, "HOST:PORT"},
		"bad port":             {Options{Listen: "localhost:http"}, "number"},
		"negative life":        {Options{TokenTTL: -time.Second}, "whole seconds"},
		"part of a second":     {Options{TokenTTL: time.Millisecond}, "whole seconds"},
		"negative limit":       {Options{MaxBody: -1}, "negative"},
		"relative redirect":    {Options{RedirectURLs: []string{"/callback"}}, "absolute"},
		"redirect to fragment": {Options{RedirectURLs: []string{"http://localhost/#x"}}, "fragment"},
	} {
		srv, err := Start(t.Context(), tt.opts)
		if err == nil {
			srv.Close()
			t.Errorf("%s: started", name)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
	}
	if err := (Options{Listen: ":1", TokenTTL: -1, MaxBody: -1}).Validate(); strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three mistakes: got %v", err)
	}
}

func TestTakenPortIsAnError(t *testing.T) {
	first := start(t, Options{})
	_, err := Start(t.Context(), Options{ManageListen: strings.TrimPrefix(first.info.API, "http://")})
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v, want address in use", err)
	}
}

// underWay starts an event stream, and returns when its first event has arrived.
func underWay(t *testing.T, srv *Server, interval string) *bufio.Reader {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(srv.Info().API, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(conn, "GET /emulator/events?count=2&interval=%s HTTP/1.0\r\nAuthorization: API-Key %s\r\n\r\n", interval, srv.APIKey())
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "id: 1\n" {
			return r
		}
	}
}

func TestCloseWaitsAndCanBeRepeated(t *testing.T) {
	srv, err := Start(t.Context(), Options{Calm: true, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	underWay(t, srv, "1h")
	began := time.Now()
	srv.Close()
	if got := time.Since(began); got > 5*time.Second {
		t.Errorf("Close took %s", got)
	}
	// The running requests have ended and are in the history: Close waited for them.
	if got := len(srv.History()); got != 1 {
		t.Errorf("finished requests: got %d, want 1", got)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(srv.Info().API, "http://")); err == nil {
		conn.Close()
		t.Error("still listening after Close")
	}
	srv.Close()
}

func TestContextEndsTheServer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv, err := Start(ctx, Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	srv.running.Wait()
}
