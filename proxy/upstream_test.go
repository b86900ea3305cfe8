package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// rawUpstream calls serve for every connection. It returns its URL.
func rawUpstream(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				serve(conn)
			})
		}
	})
	t.Cleanup(func() { listener.Close(); wg.Wait() })
	return "http://" + listener.Addr().String()
}

// answering reads the request and writes wire.
func answering(wire string) func(net.Conn) {
	return func(conn net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.Copy(io.Discard, req.Body)
			io.WriteString(conn, wire)
		}
	}
}

// closedPort is an address at which nobody listens. The system never gives port 1 to a program that asks for any port.
const closedPort = "127.0.0.1:1"

func TestUpstreamFaults(t *testing.T) {
	silent := func(conn net.Conn) { io.Copy(io.Discard, conn) }
	huge := "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n"
	oldTLS := httptest.NewUnstartedServer(nil)
	oldTLS.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	oldTLS.Config.ErrorLog = nullLog()
	oldTLS.StartTLS()
	defer oldTLS.Close()
	tests := []struct {
		name, api        string
		status           int
		code, proxyError string
	}{
		{"connection refused", "http://" + closedPort, 502, "upstream-unreachable", "connection_refused"},
		{"name unknown", "http://no-such-host.invalid", 502, "upstream-unreachable", "dns_error"},
		{"H10 never answers", rawUpstream(t, silent), 504, "upstream-timeout", "http_response_timeout"},
		{"closes without an answer", rawUpstream(t, answering("")), 502, "upstream-unreachable", "connection_terminated"},
		{"D14 garbage", rawUpstream(t, answering("garbage\r\n\r\n")), 502, "upstream-protocol", "http_protocol_error"},
		{"D14 two lengths", rawUpstream(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")), 502, "upstream-protocol", "http_protocol_error"},
		{"D14 NUL in a header", rawUpstream(t, answering("HTTP/1.1 200 OK\r\nX-A: \x00\r\n\r\n")), 502, "upstream-protocol", "http_protocol_error"},
		{"D14 status 099", rawUpstream(t, answering("HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n")), 502, "upstream-protocol", "http_protocol_error"},
		{"G7 101 that nobody asked for", rawUpstream(t, answering("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")), 502, "upstream-protocol", "http_protocol_error"},
		{"G7 101 without Upgrade", rawUpstream(t, answering("HTTP/1.1 101 Switching Protocols\r\n\r\n")), 502, "upstream-protocol", "http_protocol_error"},
		{"H8 huge header", rawUpstream(t, answering(huge)), 502, "upstream-protocol", "http_protocol_error"},
		{"only old versions of TLS", oldTLS.URL, 502, "upstream-unreachable", "tls_alert_received"},
		{"no TLS where TLS is expected", strings.Replace(rawUpstream(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad\r\n\r\n") }), "http", "https", 1), 502, "upstream-unreachable", "tls_protocol_error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, rigOptions{api: tt.api, transport: func(o *TransportOptions) {
				if tt.code == "upstream-timeout" { // the others must not meet it on a slow machine
					o.HeaderTimeout = 300 * time.Millisecond
				}
			}})
			res, body := g.do("POST", "/public/v1/x", strings.NewReader("body"))
			if got := problemIn(t, res, body); res.StatusCode != tt.status || got != tt.code {
				t.Errorf("answer %d %s, want %d %s", res.StatusCode, got, tt.status, tt.code)
			}
			if got := res.Header.Get("Proxy-Status"); !strings.Contains(got, "error="+tt.proxyError+";") {
				t.Errorf("G13: Proxy-Status %q, want error=%s", got, tt.proxyError)
			}
			host := mustURL(tt.api).Host
			if strings.Contains(body, host) || strings.Contains(body, mustURL(tt.api).Hostname()) {
				t.Errorf("G14: the answer names %s: %s", host, body)
			}
		})
	}
}

// A forward proxy that required a password, or refused to connect, was reported as an API that does not speak HTTP.
func TestAForwardProxyThatRefusesIsNamed(t *testing.T) {
	for name, tt := range map[string]struct{ forward, title string }{
		"a rule forbids it":     {rawUpstream(t, answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")), "Forward proxy refused"},
		"it wants a password":   {rawUpstream(t, answering("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n")), "Forward proxy refused"},
		"it cannot reach it":    {rawUpstream(t, answering("HTTP/1.1 502 Bad Gateway\r\n\r\n")), "Forward proxy refused"},
		"it speaks no HTTP":     {rawUpstream(t, answering("SSH-2.0-OpenSSH_9.6\r\n")), "Forward proxy refused"},
		"its answer is broken":  {rawUpstream(t, answering("HTTP/1.1 407 No\r\nX-A: \x00\r\n\r\n")), "Forward proxy refused"},
		"it says nothing":       {rawUpstream(t, answering("")), "Forward proxy refused"},
		"nobody listens":        {"http://" + closedPort, "Forward proxy unreachable"},
		"its name is not known": {"http://no-such-proxy.invalid:3128", "Forward proxy unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{api: "https://api.invalid", transport: func(o *TransportOptions) {
				o.Proxy = func(*http.Request) (*url.URL, error) { return mustURL(tt.forward), nil }
			}})
			for method, content := range map[string]io.Reader{"POST": strings.NewReader("body"), "GET": nil} {
				res, body := g.do(method, "/public/v1/x", content)
				if got := problemIn(t, res, body); res.StatusCode != 502 || got != "proxy-refused" || !strings.Contains(body, tt.title) {
					t.Errorf("%s: answer %d %s, want 502 proxy-refused, %s", method, res.StatusCode, body, tt.title)
				}
			}
		})
	}
}

// C12: the token must not leave before the certificate has been checked.
func TestBadCertificates(t *testing.T) {
	trusted := httptest.NewUnstartedServer(nil)
	trusted.StartTLS()
	defer trusted.Close()
	pool := x509.NewCertPool()
	pool.AddCert(trusted.Certificate())
	for name, roots := range map[string]*x509.CertPool{"C12 unknown authority": x509.NewCertPool(), "C12 wrong name": pool} {
		t.Run(name, func(t *testing.T) {
			var reached int
			api := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
			api.Config.ErrorLog = nullLog()
			api.StartTLS()
			defer api.Close()
			target := strings.Replace(api.URL, "127.0.0.1", "localhost", 1) // the test certificate names 127.0.0.1 and example.com
			g := newRig(t, rigOptions{api: target, transport: func(o *TransportOptions) { o.Roots = trusting(roots) }})
			res, body := g.do("GET", "/a", nil)
			if got := problemIn(t, res, body); got != "upstream-unreachable" || !strings.Contains(res.Header.Get("Proxy-Status"), "tls_certificate_error") || reached != 0 {
				t.Errorf("code %s, Proxy-Status %q, %d requests", got, res.Header.Get("Proxy-Status"), reached)
			}
		})
	}
}

// I7 E13 N7: a request whose connection broke may have been carried out, so it is not sent again.
func TestBrokenConnectionIsNotTriedAgain(t *testing.T) {
	for _, body := range []string{"", "body"} {
		t.Run(fmt.Sprintf("POST with %q", body), func(t *testing.T) {
			var mu sync.Mutex
			posts := 0
			api := rawUpstream(t, func(conn net.Conn) {
				r := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					io.Copy(io.Discard, req.Body)
					if req.Method == "POST" {
						mu.Lock()
						posts++
						mu.Unlock()
						return // on a connection that has been used before
					}
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			})
			g := newRig(t, rigOptions{api: api})
			g.do("GET", "/warm", nil)
			res, answer := g.do("POST", "/x", strings.NewReader(body), "Idempotency-Key", "k")
			if got := problemIn(t, res, answer); got != "upstream-unreachable" {
				t.Errorf("code %s, want upstream-unreachable", got)
			}
			mu.Lock()
			defer mu.Unlock()
			if posts != 1 {
				t.Errorf("%d POSTs, want 1", posts)
			}
		})
	}
}

func TestCutAnswerIsSeenAsCut(t *testing.T) {
	answers := map[string]string{
		"D16 short Content-Length":  "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
		"D16 chunk cut":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"D16 last chunk is missing": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	}
	for name, answer := range answers {
		for _, version := range []string{"HTTP/1.1", "HTTP/1.0"} {
			t.Run(name+", client of "+version, func(t *testing.T) {
				g := newRig(t, rigOptions{api: rawUpstream(t, answering(answer))})
				conn := g.dial()
				defer conn.Close()
				io.WriteString(conn, "GET /a "+version+"\r\nHost: localhost\r\n\r\n")
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err == nil {
					_, err = io.ReadAll(res.Body)
				}
				if err == nil {
					t.Error("the client took the answer for whole")
				}
				if x := g.exchange(0); !x.Cut || x.Status != 200 {
					t.Errorf("told %+v, want a cut 200", x)
				}
			})
		}
	}
}

// G10: parts that the API flushes arrive at once.
func TestAnswersStream(t *testing.T) {
	kinds := map[string]func(http.Header){
		"event stream":   func(h http.Header) { h.Set("Content-Type", "text/event-stream") },
		"chunked":        func(h http.Header) { h.Set("Content-Type", "application/octet-stream") },
		"Content-Length": func(h http.Header) { h.Set("Content-Length", "10") },
	}
	for name, prepare := range kinds {
		for _, h2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", name, h2), func(t *testing.T) {
				next := make(chan bool)
				g := newRig(t, rigOptions{http2: h2, handler: func(w http.ResponseWriter, r *http.Request) {
					prepare(w.Header())
					w.WriteHeader(200)
					http.NewResponseController(w).Flush()
					for range next {
						io.WriteString(w, "first")
						http.NewResponseController(w).Flush()
					}
				}})
				defer func() {
					if next != nil {
						close(next)
					}
				}()
				res, err := g.client.Get(g.url + "/stream") // returns after the header; nothing else has been sent
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				for range 2 {
					next <- true
					part := make([]byte, 5)
					if _, err := io.ReadFull(res.Body, part); err != nil || string(part) != "first" {
						t.Fatalf("read %q, %v", part, err)
					}
				}
				close(next)
				next = nil
				if rest, err := io.ReadAll(res.Body); err != nil || len(rest) != 0 {
					t.Errorf("rest %q, %v", rest, err)
				}
			})
		}
	}
}

func TestResponseTrailersAreKept(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		g := newRig(t, rigOptions{http2: h2, handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum, Set-Cookie")
			io.WriteString(w, "body")
			w.Header().Set("X-Sum", "42")
			w.Header().Set("Set-Cookie", "announced=1")
			w.Header().Set(http.TrailerPrefix+"Access-Control-Allow-Origin", "*")
		}})
		res, _ := g.do("GET", "/a", nil)
		if got := res.Trailer.Get("X-Sum"); got != "42" {
			t.Errorf("HTTP/2 %v: trailer %q, want 42", h2, got)
		}
		if len(res.Trailer) != 1 {
			t.Errorf("U7, HTTP/2 %v: got the trailers %v, want X-Sum alone", h2, res.Trailer)
		}
	}
}

// curl stored the cookie of a 103, and HTTP/1.0 clients treated the 103 as the answer.
func TestInformationalAnswersAreNotForwarded(t *testing.T) {
	g := newRig(t, rigOptions{api: rawUpstream(t, answering(strings.Repeat("HTTP/1.1 103 Early Hints\r\nSet-Cookie: a=b\r\n\r\n", 10_000)+
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))})
	conn := g.dial()
	defer conn.Close()
	io.WriteString(conn, get("/a", "Connection: close"))
	all := readAll(t, conn)
	if !strings.HasPrefix(all, "HTTP/1.1 200 OK") || !strings.HasSuffix(all, "ok") || strings.Contains(all, "Set-Cookie") {
		t.Errorf("G7, U7: got %q, want the final answer alone", all[:min(len(all), 300)])
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("G1: the other host was asked") }))
	defer other.Close()
	g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/x", http.StatusFound) }})
	if res, _ := g.do("GET", "/a", nil); res.StatusCode != 302 || res.Header.Get("Location") != other.URL+"/x" {
		t.Errorf("answer %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
}

func TestCompressedBodiesAreUntouched(t *testing.T) {
	g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("ETag", `"strong"`)
		io.WriteString(w, "not really gzip")
	}})
	if res, body := g.do("GET", "/a", nil); body != "not really gzip" || res.Header.Get("Content-Encoding") != "gzip" || res.ContentLength != 15 {
		t.Errorf("E11: body %q, header %v", body, res.Header)
	}
}
