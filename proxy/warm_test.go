package proxy

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// counted is an API that counts its connections and requests.
type counted struct {
	*httptest.Server
	url   *url.URL
	roots *x509.CertPool

	conns    atomic.Int64
	requests atomic.Int64
}

func newCounted(t *testing.T, h2 bool, handler http.HandlerFunc) *counted {
	t.Helper()
	c := &counted{}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		handler(w, r)
	}))
	c.Config.ErrorLog = nullLog()
	c.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			c.conns.Add(1)
		}
	}
	if h2 {
		c.EnableHTTP2 = true
		c.StartTLS()
		c.roots = c.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	} else {
		c.Start()
	}
	t.Cleanup(c.Close)
	c.url = mustURL(c.URL)
	return c
}

// tended returns an Upstream whose background work runs until the test ends.
func tended(t *testing.T, o TransportOptions, api *url.URL) *Upstream {
	t.Helper()
	u := NewUpstream(o)
	ctx, cancel := context.WithCancel(context.Background())
	var tending sync.WaitGroup
	tending.Go(func() { u.Tend(ctx, api) })
	t.Cleanup(func() {
		cancel()
		tending.Wait()
		u.CloseIdleConnections()
	})
	return u
}

func trusting(pool *x509.CertPool) func() *x509.CertPool {
	return func() *x509.CertPool { return pool }
}

func roundTrip(t *testing.T, u *Upstream, api *url.URL) string {
	t.Helper()
	r, _ := http.NewRequest("GET", api.String()+"/x", nil)
	res, err := u.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return string(body)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited for %s", what)
		}
	}
}

// The first request after the start took 110 to 204 ms where the second took 25.
func TestAConnectionIsOpenBeforeTheFirstRequest(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", h2), func(t *testing.T) {
			api := newCounted(t, h2, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
			u := tended(t, TransportOptions{Roots: trusting(api.roots)}, api.url)
			<-u.Warmed()
			eventually(t, "a connection", func() bool { return api.conns.Load() == 1 })
			if n := api.requests.Load(); n != 0 {
				t.Errorf("the API saw %d requests, want none", n)
			}
			eventually(t, "the connection to be kept", func() bool { return u.current.Load().open.Load() == 1 })
			for range 3 {
				roundTrip(t, u, api.url)
			}
			if conns, requests := api.conns.Load(), api.requests.Load(); conns > 2 || requests != 3 {
				t.Errorf("the API saw %d connections and %d requests, want no more than 2 and 3", conns, requests)
			}
		})
	}
}

// A dial that failed was waited for until warmWait was over: `listening on` came late, and the API was not tried again
// when it was up.
func TestAFailedConnectionInAdvanceIsNotWaitedFor(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer refusing.Close()
	for _, row := range []struct {
		name    string
		options TransportOptions
	}{
		{"the port is closed", TransportOptions{}},
		{"a forward proxy refuses", TransportOptions{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(refusing.URL) }}},
	} {
		t.Run(row.name, func(t *testing.T) {
			u := tended(t, row.options, &url.URL{Scheme: "https", Host: closedPort})
			select {
			case <-u.Warmed():
			case <-time.After(warmWait - 5*time.Second):
				t.Error("the attempt has not ended")
			}
		})
	}
}

// 0 of 649 requests followed the DNS while the old address lived.
func TestANewTransportFollowsTheDNS(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", h2), func(t *testing.T) {
			held, release := make(chan bool), make(chan bool)
			before := newCounted(t, h2, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/held" {
					held <- true
					<-release
				}
				io.WriteString(w, "before")
			})
			after := newCounted(t, h2, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "after") })
			dns := map[string]string{}
			u := NewUpstream(TransportOptions{Roots: trusting(before.roots), ConnectTo: dns})
			t.Cleanup(func() { u.CloseIdleConnections() })
			if got := roundTrip(t, u, before.url); got != "before" {
				t.Fatalf("got %q", got)
			}
			answer := make(chan string, 1)
			go func() {
				r, _ := http.NewRequest("GET", before.url.String()+"/held", nil)
				res, err := u.RoundTrip(r)
				if err != nil {
					answer <- err.Error()
					return
				}
				defer res.Body.Close()
				body, _ := io.ReadAll(res.Body)
				answer <- string(body)
			}()
			<-held
			dns[before.url.Host] = after.url.Host
			u.replace(t.Context(), before.url)
			if got := roundTrip(t, u, before.url); got != "after" {
				t.Errorf("got %q, want the new address", got)
			}
			close(release)
			if got := <-answer; got != "before" {
				t.Errorf("got %q, want the request on the old connection to finish", got)
			}
		})
	}
}

// After the company's certificate authority was replaced, every request failed until a restart.
func TestNewRootsAreUsedWithoutARestart(t *testing.T) {
	t.Parallel()
	api := newCounted(t, true, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	var roots atomic.Pointer[x509.CertPool]
	roots.Store(x509.NewCertPool())
	u := tended(t, TransportOptions{Roots: roots.Load}, api.url)
	ask := func() error {
		r, _ := http.NewRequest("GET", api.url.String()+"/x", nil)
		res, err := u.RoundTrip(r)
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	if err := ask(); err == nil {
		t.Fatal("an API of an unknown authority was trusted")
	}
	roots.Store(api.roots)
	eventually(t, "the new authority to be trusted", func() bool { return ask() == nil })
	roots.Store(x509.NewCertPool())
	eventually(t, "the old authority to be trusted no more", func() bool { return ask() != nil })
}

// The old address did not answer any more: requests over HTTP/2 waited for 45 s.
func TestASilentConnectionIsClosed(t *testing.T) {
	t.Parallel()
	api := newFrames(t, func(f *http2.Framer, n int, _ uint32) bool { return n == 1 })
	api.silent = true
	g := api.rig()
	begun := time.Now()
	res, body := g.do("POST", "/x", strings.NewReader("body"))
	if got := problemIn(t, res, body); res.StatusCode < 500 || got == "" {
		t.Errorf("got %d %s, want an answer of the proxy", res.StatusCode, body)
	}
	if took := time.Since(begun); took > pingAfter+pingTimeout+5*time.Second {
		t.Errorf("took %v, want about %v", took, pingAfter+pingTimeout)
	}
}
