package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// When the API cut a short answer, the client's kept connection was closed without a byte, because the header was
// still in the flush delay. For curl and HttpURLConnection this looked like an idle connection: they sent the POST
// again, and there were two documents.
func TestACutAnswerReachesTheClientAsCut(t *testing.T) {
	for _, tt := range []struct{ name, answer, seen string }{
		{"in the middle of its length", "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"id\":", `{"id":`},
		{"before its first byte", "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n", ""},
		{"in the middle of a chunk", "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{\"id\":", `{"id":`},
		{"between chunks", "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"id\":\r\n", `{"id":`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			posts := 0
			g := newRig(t, rigOptions{api: rawUpstream(t, func(conn net.Conn) {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					io.Copy(io.Discard, req.Body)
					if req.Method == "GET" {
						io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
						continue
					}
					posts++
					io.WriteString(conn, tt.answer)
					return
				}
			})})
			conn := g.dial()
			defer conn.Close()
			r := bufio.NewReader(conn)
			io.WriteString(conn, get("/a"))
			if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 200 {
				t.Fatalf("the GET: %v, %v", res, err)
			} else if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, request("POST", "/a", "localhost", "Content-Length: 2")+"{}")
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("U25: the client sees no answer: %v", err)
			}
			body, err := io.ReadAll(res.Body)
			if res.StatusCode != 201 || string(body) != tt.seen || err == nil {
				t.Errorf("U25: got %d %q, %v; want 201, %q and an error", res.StatusCode, body, err, tt.seen)
			}
			if posts != 1 {
				t.Errorf("U25: the API got %d POSTs, want one", posts)
			}
		})
	}
}

// An answer that arrives in parts is forwarded in parts, including its header: the client may act on each part.
// Requests share the flushing, so the test sends several in a row.
func TestPartsOfAnAnswerDoNotWaitForTheRest(t *testing.T) {
	for _, tt := range []struct{ name, contentType string }{
		{"of known length", "application/json"},
		{"of an event stream", "text/event-stream"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := make(chan bool)
			g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.Header().Set("Content-Length", "6")
				for _, part := range []string{"", "abc", "def"} {
					io.WriteString(w, part)
					w.(http.Flusher).Flush()
					select {
					case <-seen:
					case <-r.Context().Done():
					}
				}
			}})
			conn := g.dial()
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			r := bufio.NewReader(conn)
			for range 3 {
				io.WriteString(conn, get("/a"))
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatalf("the header waits for the body: %v", err)
				}
				seen <- true
				for _, want := range []string{"abc", "def"} {
					part := make([]byte, 3)
					if _, err := io.ReadFull(res.Body, part); err != nil || string(part) != want {
						t.Fatalf("got %q, %v; want %q before the rest is there", part, err, want)
					}
					seen <- true
				}
			}
		})
	}
}

// An HTML, SVG or XML answer that is opened at our address must not run as our origin.
func TestAnswersAreSandboxed(t *testing.T) {
	want := []string{"default-src 'self'", "sandbox; frame-ancestors 'none'"}
	for _, contentType := range []string{"text/html", "application/json", "application/pdf"} {
		g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
			io.WriteString(w, "<script>")
		}})
		res, _ := g.do("GET", "/a", nil)
		if got := res.Header["Content-Security-Policy"]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("U6: %s has the policies %q, want %q", contentType, got, want)
		}
		if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("U6: %s has X-Content-Type-Options %q", contentType, got)
		}
	}
}

func TestHeadersThatControlTheProxyOrAServerInFrontAreRemoved(t *testing.T) {
	dropped := []string{
		"Set-Cookie: a=b", "Clear-Site-Data: *", "Strict-Transport-Security: max-age=1", "Alt-Svc: h3=\":443\"", "Refresh: 0; url=/x",
		"NEL: {}", "Report-To: {}", "Reporting-Endpoints: a=\"/\"", "X-Accel-Redirect: /internal", "X-Accel-Buffering: unbuffered", "X-Sendfile: /etc/passwd",
		"X-Sendfile2: /etc/passwd 0-9", "X-LIGHTTPD-send-file: /etc/passwd", "X-Reproxy-URL: http://10.0.0.1/", "X-Reproxy-File: /etc/passwd",
		"Timing-Allow-Origin: *", "Access-Control-Allow-Origin: *", "Proxy-Status: Pandadoc-Auth-Proxy; error=http_request_denied",
		"Proxy-Status: cdn; details=x, pandadoc-auth-proxy; details=\"not-retried: token-good\"",
	}
	for _, line := range dropped {
		name, value, _ := strings.Cut(line, ": ")
		for _, announced := range []string{"Trailer: " + name, "Trailer: X-Other"} {
			g := newRig(t, rigOptions{api: rawUpstream(t, answering("HTTP/1.1 200 OK\r\n"+line+"\r\nTransfer-Encoding: chunked\r\n"+announced+"\r\n\r\n2\r\nok\r\n0\r\n"+line+"\r\n\r\n"))})
			conn := g.dial()
			io.WriteString(conn, get("/a", "Connection: close"))
			if all := readAll(t, conn); strings.Contains(strings.ToLower(all), strings.ToLower(value)) || !strings.Contains(all, "ok") {
				t.Errorf("U7: %s came through (%s):\n%s", line, announced, all)
			}
			conn.Close()
		}
	}
	g := newRig(t, rigOptions{api: rawUpstream(t, answering("HTTP/1.1 200 OK\r\nProxy-Status: cdn; details=x\r\nContent-Length: 2\r\n\r\nok"))})
	if res, _ := g.do("GET", "/a", nil); res.Header.Get("Proxy-Status") != "cdn; details=x" {
		t.Errorf("another proxy's status was dropped: %v", res.Header)
	}
}

// In HTTP/1.0 net/http hides a Transfer-Encoding, and the body would be read as another request.
func TestAConnectionOfHTTP10ServesOneRequest(t *testing.T) {
	for _, first := range []string{
		"POST /a HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /a HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET /a HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
	} {
		g := newRig(t, rigOptions{})
		conn := g.dial()
		io.WriteString(conn, first+get("/second", "Connection: close"))
		all := readAll(t, conn)
		conn.Close()
		if n := len(g.upstream.seen()); n != 1 {
			t.Errorf("U9: %d requests reached the API for\n%s\nwant 1; the client saw\n%s", n, first, all)
		}
	}
}

// If a base URL ends with a slash, clients send such paths, and PandaDoc answers 404 without an explanation.
func TestA404ForTwoSlashesSaysWhy(t *testing.T) {
	g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotFound) }})
	if res, _ := g.do("GET", "//public/v1/documents", nil); !strings.Contains(res.Header.Get("Proxy-Status"), "two slashes") {
		t.Errorf("got Proxy-Status %q, want a hint", res.Header.Get("Proxy-Status"))
	}
	if res, _ := g.do("GET", "/public/v1/documents", nil); res.Header.Get("Proxy-Status") != "" {
		t.Errorf("got Proxy-Status %q for a plain 404", res.Header.Get("Proxy-Status"))
	}
}

// If the API died while a client paused in its upload, the client got no answer for a minute, and then a time-out that
// blamed the client.
func TestAnAPIThatDiesWhileTheClientPausesIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", h2), func(t *testing.T) {
			arrived := make(chan bool, 1)
			g := newRig(t, rigOptions{http2: h2, handler: func(w http.ResponseWriter, r *http.Request) {
				io.ReadFull(r.Body, make([]byte, 10))
				arrived <- true
				io.Copy(io.Discard, r.Body) // ends with the connection
			}})
			_, r := g.upload(100, payload(10)) // the other 90 bytes never come
			<-arrived
			g.upstream.die()
			start := time.Now()
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			if got := problemIn(t, res, string(body)); got != "upstream-unreachable" || res.StatusCode != 502 {
				t.Errorf("got %d %s, want 502 upstream-unreachable", res.StatusCode, got)
			}
			if took := time.Since(start); took > g.proxy.cfg.BodyTimeout/2 {
				t.Errorf("the answer took %s", took)
			}
		})
	}
}

// An answer that arrives before the end of a short body must not close the connection. 57 of 2,000 did.
func TestAnEarlyAnswerToAShortBodyKeepsTheConnection(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		for _, status := range []int{201, 409} {
			g := newRig(t, rigOptions{http2: h2, handler: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }})
			conn := g.dial()
			r := bufio.NewReader(conn)
			for i := range 200 {
				fmt.Fprint(conn, request("POST", "/a", "localhost", "Content-Length: 4096")+string(payload(4096)))
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatalf("HTTP/2 %v, %d: request %d: %v", h2, status, i, err)
				}
				io.Copy(io.Discard, res.Body)
				if res.StatusCode != status || res.Close {
					t.Fatalf("HTTP/2 %v: request %d: got %d, close %v; want %d on a kept connection", h2, i, res.StatusCode, res.Close, status)
				}
			}
			conn.Close()
		}
	}
}
