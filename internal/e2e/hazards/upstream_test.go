package hazards

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// crooked starts an API that calls a function for every raw connection. It returns its URL.
func crooked(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(waitLimit))
				serve(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return "http://" + l.Addr().String()
}

// saying reads one complete request, and writes wire.
func saying(wire string) func(net.Conn) {
	return func(conn net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.Copy(io.Discard, req.Body)
			io.WriteString(conn, wire)
		}
	}
}

func resetting(conn net.Conn) {
	bufio.NewReader(conn).ReadString('\n')
	conn.(*net.TCPConn).SetLinger(0)
}

func nobodyListens(t *testing.T) string {
	t.Helper()
	return "http://127.0.0.1:" + program.FreePort(t)
}

func TestUpstreamFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, api        string
		status           int
		code, proxyError string
	}{
		{"connection refused", nobodyListens(t), 502, "upstream-unreachable", "connection_refused"},
		{"N6 name unknown", "http://no-such-host.invalid", 502, "upstream-unreachable", "dns_error"},
		{"reset", crooked(t, resetting), 502, "upstream-unreachable", "connection_terminated"},
		{"I7 closed without an answer", crooked(t, saying("")), 502, "upstream-unreachable", "connection_terminated"},
		{"H10 never answers", crooked(t, func(c net.Conn) { io.Copy(io.Discard, c) }), 504, "upstream-timeout", "http_response_timeout"},
		{"D14 garbage", crooked(t, saying("\x00\x01garbage\r\n\r\n")), 502, "upstream-protocol", "http_protocol_error"},
		{"D14 two lengths", crooked(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")), 502, "upstream-protocol", "http_protocol_error"},
		{"D14 status 099", crooked(t, saying("HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n")), 502, "upstream-protocol", "http_protocol_error"},
		{"G7 101 that nobody asked for", crooked(t, saying("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")), 502, "upstream-protocol", "http_protocol_error"},
		{"H8 header of eleven megabytes", crooked(t, saying("HTTP/1.1 200 OK\r\nX-A: "+strings.Repeat("a", 11<<20)+"\r\n\r\n")), 502, "upstream-protocol", "http_protocol_error"},
		{"no TLS where TLS is expected", strings.Replace(crooked(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad\r\n\r\n") }), "http", "https", 1), 502, "upstream-unreachable", "tls_protocol_error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wait := "1m" // more than a busy machine needs
			if tt.status == http.StatusGatewayTimeout {
				wait = "300ms"
			}
			p := serve(t, tt.api, "--allow-insecure-upstream", "--upstream-header-timeout", wait, "--probe-path", "")
			got := raw(t, addr(p.URL), call("POST", "/public/v1/documents?canary-query", "localhost", "Content-Length: 4")+"body")
			if got == nil || got.StatusCode != tt.status || got.code != tt.code {
				t.Fatalf("answer %+v, want %d %s", got, tt.status, tt.code)
			}
			if want := `pandadoc-auth-proxy; error=` + tt.proxyError + `; details="` + tt.code + `"`; got.Header.Get("Proxy-Status") != want {
				t.Errorf("G13: Proxy-Status %q, want %q", got.Header.Get("Proxy-Status"), want)
			}
			host, port, _ := net.SplitHostPort(addr(tt.api))
			for _, inner := range []string{host, port, "canary", "dial", "goroutine"} {
				if inner != "" && (strings.Contains(got.body, inner) || strings.Contains(fmt.Sprint(got.Header), inner)) {
					t.Errorf("G14: the answer tells of %q: %s %v", inner, got.body, got.Header)
				}
			}
			if strings.Contains(p.Log(), "canary") {
				t.Errorf("M3: the log tells of the query or the token: %s", p.Log())
			}
		})
	}
}

// C12: no byte of the token may be sent before the certificate has been checked, wherever the API's name leads
// (C11).
func TestBadCertificates(t *testing.T) {
	t.Parallel()
	ours, unknown := newAuthority(t), newAuthority(t)
	selfSigned := newAuthority(t)
	tests := []struct {
		name string
		cert tls.Certificate
		good bool
	}{
		{"a good one", ours.issue(t, leaf{}), true},
		{"C12 of an unknown authority", unknown.issue(t, leaf{}), false},
		{"C12 signed by itself", tls.Certificate{Certificate: [][]byte{selfSigned.cert.Raw}, PrivateKey: selfSigned.key}, false},
		{"C12 for another name", ours.issue(t, leaf{names: []string{"evil.example"}}), false},
		{"C12 expired", ours.issue(t, leaf{from: -time.Hour, until: -time.Minute}), false},
		{"C12 not valid yet", ours.issue(t, leaf{from: time.Hour, until: 2 * time.Hour}), false},
	}
	for _, tt := range tests {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tt.name+", "+tls.VersionName(version), func(t *testing.T) {
				api := newRecorder(nil)
				api.TLS = &tls.Config{Certificates: []tls.Certificate{tt.cert}, MaxVersion: version}
				api.StartTLS()
				defer api.Close()
				p := serve(t, api.URL, "--ca-file", ours.file(t))
				got := raw(t, addr(p.URL), get("/a"))
				if tt.good {
					if got.StatusCode != 200 || len(api.arrived()) != 1 {
						t.Errorf("answer %d %s, %d requests", got.StatusCode, got.body, len(api.arrived()))
					}
					return
				}
				if got.code != "upstream-unreachable" || !strings.Contains(got.Header.Get("Proxy-Status"), "error=tls_certificate_error;") {
					t.Errorf("answer %d %s, Proxy-Status %q", got.StatusCode, got.code, got.Header.Get("Proxy-Status"))
				}
				await(t, "the end of the handshake", func() bool { return api.connections() > 0 && len(api.bytesOnTheWire()) > 0 })
				if n := len(api.arrived()); n != 0 {
					t.Errorf("%d requests arrived", n)
				}
				// Up to TLS 1.2, the record type of application data is not encrypted.
				if n := applicationData(api.bytesOnTheWire()); version == tls.VersionTLS12 && n != 0 {
					t.Errorf("%d records of application data were sent", n)
				}
			})
		}
	}
}

// applicationData counts the TLS records that can hold a request.
func applicationData(wire []byte) (n int) {
	for len(wire) >= 5 {
		if wire[0] == 23 {
			n++
		}
		wire = wire[min(len(wire), 5+int(binary.BigEndian.Uint16(wire[3:]))):]
	}
	return n
}

// If its connection breaks, a request may have been carried out. So only its sender may repeat it.
func TestGoAwayInTheMiddleOfAPost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(*h2, uint32) // to the first part of the body of a stream
		status int
		code   string
		posts  int32 // as seen by the API; requests that it did not process are sent up to two more times
	}{
		{"N8 graceful, then the answer", func(c *h2, stream uint32) {
			c.frame(frameGoAway, 0, 0, append(u32(stream), u32(0)...))
			c.finish(stream)
		}, 200, "", 1},
		{"N8 that leaves the request out", func(c *h2, stream uint32) {
			c.frame(frameGoAway, 0, 0, append(u32(0), u32(0)...))
			c.Close()
		}, 502, "upstream-", 3},
		{"N8 with an error", func(c *h2, stream uint32) {
			c.frame(frameGoAway, 0, 0, append(u32(stream), u32(2)...))
			c.Close()
		}, 502, "upstream-", 1},
		{"N8 stream refused", func(c *h2, stream uint32) { c.frame(frameReset, 0, stream, u32(7)) }, 502, "upstream-", 3},
		{"N8 connection cut", func(c *h2, stream uint32) { c.Close() }, 502, "upstream-unreachable", 1},
	}
	ours := newAuthority(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var posts atomic.Int32
			begun := make(chan struct{})
			begin := sync.OnceFunc(func() { close(begun) })
			config := &tls.Config{Certificates: []tls.Certificate{ours.issue(t, leaf{})}, NextProtos: []string{"h2"}}
			api := crooked(t, func(conn net.Conn) {
				c := &h2{Conn: tls.Server(conn, config)}
				c.serve(func(uint32) { posts.Add(1) }, func(c *h2, stream uint32) {
					tt.answer(c, stream)
					begin()
				})
			})
			p := serve(t, strings.Replace(api, "http", "https", 1), "--ca-file", ours.file(t))
			conn := dial(t, addr(p.URL))
			io.WriteString(conn, call("POST", "/public/v1/documents", "localhost", "Content-Length: 100000")+strings.Repeat("x", 50_000))
			<-begun
			io.WriteString(conn, strings.Repeat("x", 50_000))
			got := read(t, bufio.NewReader(conn))
			if got == nil || got.StatusCode != tt.status || !strings.HasPrefix(got.code, tt.code) {
				t.Errorf("answer %+v, want %d %s", got, tt.status, tt.code)
			}
			if n := posts.Load(); n != tt.posts {
				t.Errorf("the API was asked %d times, want %d", n, tt.posts)
			}
		})
	}
}

// h2 is the server's side of an HTTP/2 connection, with the parts that these tests need.
type h2 struct {
	net.Conn
	mu sync.Mutex // guards writing
}

const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway, frameWindow = 0, 1, 3, 4, 6, 7, 8
	endStream, ack, endHeaders                                                              = 1, 1, 4
	okStatus                                                                                = 0x88 // :status 200 in HPACK's static table
)

func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func (c *h2) frame(kind, flags byte, stream uint32, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	c.Write(append(append(head, u32(stream)...), payload...))
}

// finish answers 200 without a body.
func (c *h2) finish(stream uint32) {
	c.frame(frameHeaders, endStream|endHeaders, stream, []byte{okStatus})
}

// serve reports every request, and answers the first part of each body.
func (c *h2) serve(request func(uint32), answer func(*h2, uint32)) {
	defer c.Close()
	r := bufio.NewReader(c.Conn)
	if _, err := io.CopyN(io.Discard, r, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	c.frame(frameSettings, 0, 0, nil)
	answered := map[uint32]bool{}
	for {
		var head [9]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		size, stream := int64(head[0])<<16|int64(head[1])<<8|int64(head[2]), binary.BigEndian.Uint32(head[5:])
		if _, err := io.CopyN(io.Discard, r, size); err != nil {
			return
		}
		switch {
		case head[3] == frameSettings && head[4]&ack == 0:
			c.frame(frameSettings, ack, 0, nil)
		case head[3] == frameHeaders:
			request(stream)
		case head[3] == frameData && !answered[stream]:
			answered[stream] = true
			answer(c, stream)
		case head[3] == frameData && size > 0:
			c.frame(frameWindow, 0, 0, u32(uint32(size)))
		}
	}
}

// D15 M4: unsolicited bytes reach neither the next client nor the log. It is not parallel: net/http notices the bytes
// microseconds after the answer, and on a busy machine the next request was sometimes faster.
func TestUnsolicitedBytes(t *testing.T) {
	api := crooked(t, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-Canary: canary-header\r\nContent-Length: 11\r\n\r\ncanary-body")
		}
	})
	p := serve(t, api, "--log-level", "trace")
	for range 20 {
		if got := raw(t, addr(p.URL), get("/a", "Connection: close")); got == nil || got.StatusCode == 200 && (got.body != "ok" || got.Header.Get("X-Canary") != "") {
			t.Errorf("D15: answer %+v", got)
		}
	}
	if strings.Contains(p.Log(), "canary") {
		t.Errorf("M4: the log shows the bytes: %s", p.Log())
	}
	// A command has no log of its own, and printed these bytes.
	doctor := exec.Command(program.Binary(), append([]string{"doctor"}, serveArgs(api)[1:]...)...)
	doctor.Env = append(signedIn(), "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH"), "PANDADOC_CLIENT_ID=id", "PANDADOC_CLIENT_SECRET=secret-of-the-client")
	out, _ := doctor.CombinedOutput() // the command fails, because this API is broken
	if strings.Contains(string(out), "canary") || !strings.Contains(string(out), "dns") {
		t.Errorf("M4: doctor prints %s", out)
	}
}

// D16: a client must notice that an answer was cut, with every framing.
func TestCutAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"D16 short of its Content-Length": "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc",
		"D16 in a chunk":                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"D16 before the last chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		p := serve(t, crooked(t, saying(answer)))
		for _, version := range []string{"HTTP/1.1", "HTTP/1.0"} {
			t.Run(name+", "+version, func(t *testing.T) {
				conn := dial(t, addr(p.URL))
				io.WriteString(conn, "GET /a "+version+"\r\nHost: localhost\r\n\r\n")
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err == nil {
					_, err = io.ReadAll(res.Body)
				}
				if err == nil {
					t.Error("the client takes the answer for whole")
				}
			})
		}
	}
}

// G6: if the API answers before the upload has ended, the answer reaches the client that is still sending.
func TestEarlyAnswers(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"413 Request Entity Too Large", "401 Unauthorized"} {
		t.Run("G6 I10 "+status, func(t *testing.T) {
			p := serveWithKey(t, crooked(t, func(conn net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					io.WriteString(conn, "HTTP/1.1 "+status+"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
					conn.(*net.TCPConn).CloseWrite()
				}
			}))
			for range 10 {
				conn := dial(t, addr(p.URL))
				go conn.Write(append([]byte(call("POST", "/a", "localhost", "Content-Length: 10485760")), make([]byte, 10<<20)...))
				if got := read(t, bufio.NewReader(conn)); got == nil || got.Status != status || got.body != "{}" {
					t.Fatalf("answer %+v, want %s", got, status)
				}
			}
		})
	}
}

// H8: compressed bodies are not decompressed, so a bomb does no harm.
func TestCompressedAnswerIsNotUnpacked(t *testing.T) {
	var part bytes.Buffer
	z := gzip.NewWriter(&part)
	z.Write(make([]byte, 1<<20))
	z.Close()
	bomb := bytes.Repeat(part.Bytes(), 256) // parts that are each compressed unpack as one
	api := newRecorder(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb)
	})
	api.Start()
	defer api.Close()
	p := serve(t, api.URL)
	_, before := p.Memory()
	got := raw(t, addr(p.URL), get("/a", "Connection: close"))
	if got == nil || got.body != string(bomb) || got.Header.Get("Content-Encoding") != "gzip" {
		t.Error("the answer is not the one that was sent")
	}
	if _, after := p.Memory(); after-before > 20<<20 {
		t.Errorf("memory grew by %d MB", (after-before)>>20)
	}
}

// C13: a mistake in the scheme must not send a token without TLS.
func TestUnencryptedUpstreamIsRefused(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--api-url", "--token-url"} {
		_, code := command(t, append(serveArgs("https://api.example.com"), flag, "http://api.example.com")...)
		if code != 2 {
			t.Errorf("C13 %s: exit status %d, want 2", flag, code)
		}
	}
}
