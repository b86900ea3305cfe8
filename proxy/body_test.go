package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// upload sends the header of a POST that announces size bytes, and the first part of them.
func (g *rig) upload(size int, part []byte) (net.Conn, *bufio.Reader) {
	g.t.Helper()
	conn := g.dial()
	g.t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /public/v1/documents?upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", size)
	conn.Write(part)
	return conn, bufio.NewReader(conn)
}

// The API refuses early, while the client is still sending, or pauses. The client gets the refusal in both cases.
func TestEarlyAnswerReachesTheClient(t *testing.T) {
	t.Parallel()
	const size = 20 << 20
	body := payload(size)
	for _, h2 := range []bool{false, true} {
		for name, refuse := range map[string]func(http.ResponseWriter){
			"413": func(w http.ResponseWriter) { w.WriteHeader(413); io.WriteString(w, `{"type":"request_error"}`) },
			"413 and the API closes": func(w http.ResponseWriter) {
				w.Header().Set("Connection", "close")
				w.WriteHeader(413)
				io.WriteString(w, `{"type":"request_error"}`)
			},
			"413 of unknown length": func(w http.ResponseWriter) {
				w.WriteHeader(413)
				http.NewResponseController(w).Flush()
				io.WriteString(w, `{"type":"request_error"}`)
			},
		} {
			setup := func(t *testing.T) *rig {
				return newRig(t, rigOptions{http2: h2, handler: func(w http.ResponseWriter, r *http.Request) {
					http.NewResponseController(w).EnableFullDuplex()
					io.CopyN(io.Discard, r.Body, 100)
					refuse(w)
				}})
			}
			t.Run(fmt.Sprintf("G6 %s, client sends on, HTTP/2 %v", name, h2), func(t *testing.T) {
				g := setup(t)
				conn, r := g.upload(size, nil)
				if _, err := conn.Write(body); err != nil {
					t.Fatalf("the upload broke: %v", err) // as Python's http.client would
				}
				expectEarly(t, r)
			})
			t.Run(fmt.Sprintf("G6 %s, client stalls, HTTP/2 %v", name, h2), func(t *testing.T) {
				g := setup(t)
				_, r := g.upload(size, payload(1000))
				expectEarly(t, r)
			})
		}
	}
}

// expectEarly wants the API's 413, on a connection that ends because a part of the body was not read.
func expectEarly(t *testing.T, r *bufio.Reader) {
	t.Helper()
	if res := expect413(t, r); !res.Close {
		t.Error("the connection stays open although the body was not read")
	}
}

func expect413(t *testing.T, r *bufio.Reader) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 413 || string(body) != `{"type":"request_error"}` {
		t.Errorf("answer %d %q, %v; want 413", res.StatusCode, body, err)
	}
	return res
}

// A server that answers and resets makes our next write fail; the answer must still be read.
func TestAnswerBeforeResetIsNotLost(t *testing.T) {
	t.Parallel()
	api := rawUpstream(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 24\r\nConnection: close\r\n\r\n{\"type\":\"request_error\"}")
		conn.(*net.TCPConn).CloseWrite()
		// Closing with unread bytes resets the connection under the writer.
	})
	g := newRig(t, rigOptions{api: api})
	body := payload(10 << 20)
	for range 40 {
		conn, r := g.upload(len(body), nil)
		go conn.Write(body)
		// What is written after the reset counts as sent, so the body may have been read to its end by now.
		expect413(t, r)
	}
}

// dawdle makes a peer slow, as a part of the test. It does not wait for an event.
func dawdle(d time.Duration) { <-time.After(d) }

func TestStallingBodyTimesOut(t *testing.T) {
	t.Parallel()
	tests := map[string]func(net.Conn){
		"nothing comes": func(net.Conn) {},
		"H2 a byte now and then": func(conn net.Conn) {
			for range 200 {
				if _, err := conn.Write([]byte("x")); err != nil {
					return
				}
				dawdle(10 * time.Millisecond)
			}
		},
	}
	for name, send := range tests {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, rigOptions{configure: func(c *Config) { c.BodyTimeout = 300 * time.Millisecond }})
			conn, r := g.upload(10_000, []byte("begin"))
			go send(conn)
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			if got := problemIn(t, res, string(body)); got != "request-timeout" || res.StatusCode != 408 || !res.Close {
				t.Errorf("answer %d %s, close %v; want 408 request-timeout and close", res.StatusCode, got, res.Close)
			}
		})
	}
}

// Only time spent waiting for the client counts, not the time that a slow API takes.
func TestASlowAPIDoesNotTimeTheClientOut(t *testing.T) {
	t.Parallel()
	g := newRig(t, rigOptions{configure: func(c *Config) { c.BodyTimeout = 500 * time.Millisecond }, handler: func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 2<<20)
		for {
			dawdle(100 * time.Millisecond)
			if _, err := io.ReadFull(r.Body, buf); err != nil {
				break
			}
		}
		io.WriteString(w, "done")
	}})
	if res, body := g.do("POST", "/a", bytes.NewReader(payload(20<<20))); res.StatusCode != 200 {
		t.Errorf("answer %d %s, want 200", res.StatusCode, body)
	}
	// Nor does the time-out of the body reach beyond it.
	if res, body := g.do("POST", "/a", strings.NewReader("x")); res.StatusCode != 200 {
		t.Errorf("answer %d %s, want 200", res.StatusCode, body)
	}
}

// kilobyte is how much of a body must arrive within the time-out.
const kilobyte = 1 << 10

// A slow client that makes progress is served: the time-out is only for clients that stop.
func TestProgressExtendsTheTimeout(t *testing.T) {
	t.Parallel()
	g := newRig(t, rigOptions{configure: func(c *Config) { c.BodyTimeout = 3 * time.Second }})
	conn, r := g.upload(36*kilobyte, nil)
	for range 36 {
		dawdle(100 * time.Millisecond) // 3.6 s in all
		conn.Write(payload(kilobyte))
	}
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 200 {
		t.Errorf("answer %v, %v; want 200", res, err)
	}
}

// The deadline for the body must be removed at the end of the body. The server uses the same deadline to notice that
// the client has gone, and would confuse the two.
func TestLongAnswerOutlivesTheBodyTimeout(t *testing.T) {
	t.Parallel()
	g := newRig(t, rigOptions{configure: func(c *Config) { c.BodyTimeout = 250 * time.Millisecond }, handler: func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-time.After(750 * time.Millisecond):
			io.WriteString(w, "done")
		}
	}})
	for _, framing := range []string{"Content-Length", "chunked"} {
		var body io.Reader = strings.NewReader("body")
		if framing == "chunked" {
			body = chunked([]byte("body"))
		}
		if res, answer := g.do("POST", "/a", body); answer != "done" {
			t.Errorf("%s: answer %d %q, want done", framing, res.StatusCode, answer)
		}
	}
}

func TestABrokenBodyIsABadRequest(t *testing.T) {
	g := newRig(t, rigOptions{})
	conn, r := g.upload(100, []byte("short"))
	conn.(*net.TCPConn).CloseWrite()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if got := problemIn(t, res, string(body)); got != "bad-request" {
		t.Errorf("code %s, want bad-request", got)
	}
	if got := len(whole(g.upstream.seen())); got != 0 {
		t.Errorf("%d whole requests upstream, want none", got)
	}
	if x := g.exchange(0); x.Status != 499 {
		t.Errorf("told status %d, want 499", x.Status)
	}
}

// H11: if the client has gone, its request is given up, and this is not an error.
func TestAClientThatDisconnects(t *testing.T) {
	ended := make(chan struct{})
	g := newRig(t, rigOptions{handler: func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(ended)
	}})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", g.url+"/slow", nil)
	if _, err := g.client.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, want a time-out", err)
	}
	<-ended
	if x := g.exchange(0); x.Status != 499 || x.Code != "" || x.RequestID == "" {
		t.Errorf("told %d %q under the id %q, want 499 without a code, under an id", x.Status, x.Code, x.RequestID)
	}
	if strings.Contains(g.log.String(), "level=error") || strings.Contains(g.log.String(), "level=warning") {
		t.Errorf("the log complains: %s", g.log)
	}
}

// E8: the client gets 100 Continue when the API sends it, and never if the API refuses.
func TestExpectContinueGoesEndToEnd(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("API asks, HTTP/2 %v", h2), func(t *testing.T) {
			asked := make(chan bool)
			var g *rig
			g = newRig(t, rigOptions{http2: h2, handler: func(w http.ResponseWriter, r *http.Request) {
				if !h2 && r.Header.Get("Expect") != "100-continue" { // net/http's HTTP/2 server hides it
					t.Errorf("upstream got Expect %q", r.Header.Get("Expect"))
				}
				<-asked // until now the client must not have been told to go ahead
				g.upstream.record(r)
			}})
			conn, r := g.expect(4)
			conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if b, err := r.Peek(1); err == nil {
				t.Fatalf("the client got %q before the API asked", b)
			}
			conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			asked <- true
			res, err := http.ReadResponse(r, nil)
			if err != nil || res.StatusCode != 100 {
				t.Fatalf("answer %v, %v; want 100", res, err)
			}
			io.WriteString(conn, "body")
			for err == nil && res.StatusCode == 100 { // a second one is allowed
				res, err = http.ReadResponse(r, nil)
			}
			if err != nil || res.StatusCode != 200 || len(g.upstream.seen()) != 1 || g.upstream.seen()[0].Bytes != 4 {
				t.Errorf("answer %v, %v; upstream got %+v", res, err, g.upstream.seen())
			}
		})
		t.Run(fmt.Sprintf("API refuses, HTTP/2 %v", h2), func(t *testing.T) {
			g := newRig(t, rigOptions{http2: h2, handler: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "2")
				w.WriteHeader(413)
				io.WriteString(w, "no")
			}})
			_, r := g.expect(1 << 20)
			for {
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				if res.StatusCode == 100 {
					continue
				}
				if body, _ := io.ReadAll(res.Body); res.StatusCode != 413 || string(body) != "no" {
					t.Errorf("answer %d %q, want 413", res.StatusCode, body)
				}
				return
			}
		})
	}
}

func (g *rig) expect(size int) (net.Conn, *bufio.Reader) {
	g.t.Helper()
	conn := g.dial()
	g.t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", size)
	return conn, bufio.NewReader(conn)
}

// E9: the rules of net/http for Expect still apply.
func TestUnknownExpectationFails(t *testing.T) {
	g := newRig(t, rigOptions{})
	if res, _, _ := g.raw(request("POST", "/a", "localhost", "Expect: 200-ok", "Content-Length: 0")); res.StatusCode != 417 {
		t.Errorf("E9: answer %d, want 417", res.StatusCode)
	}
}

// When the guard refuses a request, it must not wait for the rest of a body that has stopped.
func TestRefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	g := newRig(t, rigOptions{})
	conn := g.dial()
	defer conn.Close()
	io.WriteString(conn, "POST /oauth2/access_token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
	res, body, closed := readRaw(t, conn)
	if got := problemIn(t, res, body); got != "token-endpoint-refused" || !closed {
		t.Errorf("code %s, closed %v", got, closed)
	}
}

// The 401 arrives while the client pauses in the middle of its body. The replay starts at once with the copy, and gets
// the rest when the client continues.
func TestReplayWhileTheClientPauses(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", h2), func(t *testing.T) {
			body := payload(300_000)
			replaying := make(chan struct{})
			var g *rig
			g = newRig(t, rigOptions{http2: h2, handler: func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "Bearer default-1" {
					http.NewResponseController(w).EnableFullDuplex()
					io.CopyN(io.Discard, r.Body, 1000)
					refuse401(w)
					return
				}
				first := make([]byte, 1000)
				io.ReadFull(r.Body, first)
				close(replaying)
				r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(first), r.Body))
				g.upstream.record(r)
			}})
			conn, r := g.upload(len(body), body[:100_000])
			<-replaying
			conn.Write(body[100_000:])
			res, err := http.ReadResponse(r, nil)
			if err != nil || res.StatusCode != 200 {
				t.Fatalf("answer %v, %v", res, err)
			}
			if got := g.upstream.seen(); len(got) != 1 || got[0].SHA256 != sha(body) {
				t.Errorf("upstream got %+v, want the %d bytes", got, len(body))
			}
		})
	}
}

// While the proxy checks the reason for a 401, the upload pauses. If the request is not retried, the upload continues
// or ends, and the client gets the complete answer of the API.
func TestA401ThatIsNotRetriedInTheMiddleOfAnUpload(t *testing.T) {
	t.Parallel()
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", h2), func(t *testing.T) {
			source := newFakeTokens()
			source.renewErr = []error{tokens.ErrTokenGood}
			g := newRig(t, rigOptions{http2: h2, tokens: source, handler: func(w http.ResponseWriter, r *http.Request) {
				http.NewResponseController(w).EnableFullDuplex()
				io.CopyN(io.Discard, r.Body, 1000)
				refuse401(w)
			}})
			conn, r := g.upload(5<<20, nil)
			go conn.Write(payload(5 << 20))
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != 401 || !strings.Contains(string(answer), "authentication_error") {
				t.Errorf("answer %d %q, %v", res.StatusCode, answer, err)
			}
		})
	}
}
