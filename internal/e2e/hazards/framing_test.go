package hazards

import (
	"bufio"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// Request smuggling needs two servers that disagree about the end of a request. So a request with an ambiguous end is
// refused, or answered once and its connection is closed.
func TestFraming(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL)
	post := func(header ...string) string { return call("POST", "/a", "localhost", header...) }
	chunked := post("Transfer-Encoding: chunked")
	evil := get("/evil")
	tests := []struct {
		name, wire string
		status     []int
		reached    int // complete requests at the API
	}{
		{"D1 Content-Length and chunked", post("Content-Length: 4", "Transfer-Encoding: chunked") + "0\r\n\r\n" + evil, []int{200}, 1},
		{"D1 chunked and Content-Length", post("Transfer-Encoding: chunked", "Content-Length: 4") + "0\r\n\r\n" + evil, []int{200}, 1},
		{"D2 unknown coding", post("Transfer-Encoding: xchunked") + "0\r\n\r\n" + evil, []int{501}, 0},
		{"D2 two codings", post("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n" + evil, []int{501}, 0},
		{"D2 chunked twice", post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n" + evil, []int{400, 501}, 0},
		{"D2 vertical tab", post("Transfer-Encoding: \x0bchunked") + "0\r\n\r\n" + evil, []int{400, 501}, 0},
		{"D2 space before the colon", post("Transfer-Encoding : chunked") + "0\r\n\r\n" + evil, []int{400}, 0},
		{"D3 chunked in HTTP/1.0", "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n" + evil, []int{200, 400}, 1},
		{"D5 two lengths", post("Content-Length: 3", "Content-Length: 4") + "abcd", []int{400}, 0},
		{"D5 list of lengths", post("Content-Length: 3, 4") + "abcd", []int{400}, 0},
		{"D5 plus sign", post("Content-Length: +3") + "abc", []int{400}, 0},
		{"D5 negative", post("Content-Length: -1") + "abc", []int{400}, 0},
		{"D5 hexadecimal", post("Content-Length: 0x3") + "abc", []int{400}, 0},
		{"D5 too large for a number", post("Content-Length: 99999999999999999999") + "abc", []int{400}, 0},
		{"D5 empty", post("Content-Length:") + "abc", []int{400}, 0},
		{"D6 negative chunk", chunked + "-1\r\na\r\n0\r\n\r\n", []int{400}, 0},
		{"D6 hexadecimal prefix", chunked + "0x3\r\nabc\r\n0\r\n\r\n", []int{400}, 0},
		{"D6 65-bit chunk", chunked + "10000000000000000\r\na\r\n0\r\n\r\n", []int{400}, 0},
		{"D6 chunk that spills over", chunked + "3\r\nabcd\r\n0\r\n\r\n", []int{400}, 0},
		{"D6 bare line feed in an extension", chunked + "1;a\nb\r\na\r\n0\r\n\r\n", []int{400}, 0},
		{"D7 bare CR", post("X-A: a\rb", "Content-Length: 0"), []int{400}, 0},
		{"D7 NUL", post("X-A: a\x00b", "Content-Length: 0"), []int{400}, 0},
		{"D7 space before the colon", post("X-A : a", "Content-Length: 0"), []int{400}, 0},
		{"D7 no name", post(": a", "Content-Length: 0"), []int{400}, 0},
		{"D7 no colon", post("X-A", "Content-Length: 0"), []int{400}, 0},
		{"D7 leading space", "POST /a HTTP/1.1\r\n X-A: a\r\nHost: localhost\r\n\r\n", []int{400}, 0},
		{"D12 HTTP/0.9", "GET /a\r\n\r\n", []int{400}, 0},
		{"D12 version in lower case", "GET /a http/1.1\r\nHost: localhost\r\n\r\n", []int{400}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(api.unbroken())
			got := raw(t, addr(p.URL), tt.wire)
			if got == nil {
				t.Fatal("no answer")
			}
			ok := false
			for _, status := range tt.status {
				ok = ok || got.StatusCode == status
			}
			if !ok || !got.closed {
				t.Errorf("answer %d %s, closed %v; want one of %v, closed", got.StatusCode, got.body, got.closed, tt.status)
			}
			if n := len(api.unbroken()) - before; n > tt.reached {
				t.Errorf("%d whole requests at the API, want %d at most", n, tt.reached)
			}
		})
	}
	for _, seen := range api.arrived() {
		if seen.Target == "/evil" {
			t.Error("a smuggled request reached the API")
		}
	}
}

// unbroken returns the requests that were complete.
func (r *recorder) unbroken() (all []request) {
	for _, seen := range r.arrived() {
		if seen.Bytes >= 0 {
			all = append(all, seen)
		}
	}
	return all
}

func TestConnectionsStayInStep(t *testing.T) {
	t.Parallel()
	newAPI := newRecorder(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, r.RequestURI)
	})
	newAPI.Start()
	defer newAPI.Close()
	p := serve(t, newAPI.URL)
	tests := []struct{ name, wire, one, two string }{
		{"D9 two requests in one write", get("/one") + get("/two"), "/one", "/two"},
		{"D10 body of a GET", call("GET", "/one", "localhost", "Content-Length: 3") + "abc" + get("/two"), "/one", "/two"},
		{"D10 body of a DELETE", call("DELETE", "/one", "localhost", "Content-Length: 3") + "abc" + get("/two"), "/one", "/two"},
	}
	t.Run("D12 HTTP/1.0 with keep-alive", func(t *testing.T) { // net/http hides the framing, so a connection serves one request
		conn := dial(t, addr(p.URL))
		io.WriteString(conn, strings.Repeat("GET /one HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 2))
		r := bufio.NewReader(conn)
		if got := read(t, r); got == nil || got.body != "/one" {
			t.Fatalf("answer %+v, want /one", got)
		}
		if rest, _ := io.ReadAll(r); len(rest) != 0 {
			t.Errorf("got %q behind the answer, want the end", rest)
		}
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn := dial(t, addr(p.URL))
			io.WriteString(conn, tt.wire)
			r := bufio.NewReader(conn)
			for _, want := range []string{tt.one, tt.two} {
				if got := read(t, r); got == nil || got.body != want {
					t.Fatalf("answer %+v, want %s", got, want)
				}
			}
		})
	}
}

// A connection that does not send a request in time is closed, and other clients are not affected.
func TestNoRequestAtAll(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL, "--client-header-timeout", "500ms")
	for name, wire := range map[string]string{
		"D13 TLS on a plain port": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500),
		"H1 nothing":              "",
		"H1 half a header":        "GET /a HTTP/1.1\r\nHost: local",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			conn := dial(t, addr(p.URL))
			io.WriteString(conn, wire)
			if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("not closed after %v: %v", time.Since(start), err)
			}
		})
	}
	if n, sent := api.connections(), api.bytesOnTheWire(); n > 1 || len(sent) > 0 { // one connection is opened in advance
		t.Errorf("%d connections to the API, with %q", n, sent)
	}
}
