package hazards

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// contact is a request that makes the emulator create a contact.
func contact(name string, header ...string) (head, body string) {
	body = `{"email":"` + name + `@example.com"}`
	header = append(header, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)))
	return call("POST", "/public/v1/contacts", "localhost", header...), body
}

// everything sends wire on a new connection, and returns all bytes that come back until it ends.
func everything(t *testing.T, at, wire string) string {
	t.Helper()
	conn := dial(t, at)
	defer conn.Close()
	io.WriteString(conn, wire)
	all, err := io.ReadAll(conn)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatal(err)
	}
	return string(all)
}

// Headers of the API that control a browser, or a server in front, are removed. They must not reach the client in
// another way either: a 103 put a cookie into curl's jar, and a trailer put one into a browser.
func TestInterimAnswersAndTrailersAreCleaned(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"Set-Cookie: hazard=7; Path=/", "Access-Control-Allow-Origin: *", "X-Accel-Redirect: /internal/hazard", "X-Sendfile: /etc/hazard",
		"Clear-Site-Data: \"hazard\"", "Refresh: 0; url=/hazard", "Alt-Svc: hazard=\":1\"", `Proxy-Status: pandadoc-auth-proxy; details="hazard"`,
	} {
		name, value, _ := strings.Cut(line, ": ")
		t.Run("U7 "+name, func(t *testing.T) {
			p := serve(t, crooked(t, saying("HTTP/1.1 103 Early Hints\r\n"+line+"\r\n\r\nHTTP/1.1 200 OK\r\n"+line+"\r\nTransfer-Encoding: chunked\r\nTrailer: "+name+
				"\r\n\r\n2\r\nok\r\n0\r\n"+line+"\r\n\r\n")))
			for _, version := range []string{"HTTP/1.1", "HTTP/1.0"} {
				all := everything(t, addr(p.URL), "GET /a "+version+"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
				if !strings.HasPrefix(all, version+" 200 ") || !strings.Contains(all, "ok") {
					t.Errorf("%s got\n%s\nwant 200 first", version, all)
				}
				if strings.Contains(all, value) {
					t.Errorf("%s came through to %s:\n%s", line, version, all)
				}
			}
		})
	}
}

// A client that gets a second "100 Continue" takes it for the answer, or hangs (Java 17, Node).
func TestAnUploadIsToldToContinueOnce(t *testing.T) {
	t.Parallel()
	e := program.Emulate(t)
	p := e.Serve("memory:")
	for i, tt := range []struct {
		name    string
		prepare func()
	}{
		{"U16 accepted", func() {}},
		{"U16 refused, then repeated", e.Expire},
		{"U16 refused before its body was read", func() {
			e.Manage("POST", "/fault", `{"route":"POST /public/v1/contacts","kind":"refuse","read_bytes":0}`, nil)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.prepare()
			conn := dial(t, addr(p.URL))
			defer conn.Close()
			head, body := contact(fmt.Sprintf("upload-%d", i), "Connection: close", "Expect: 100-continue")
			io.WriteString(conn, head)
			r := bufio.NewReader(conn)
			first, err := r.ReadString('\n')
			if err != nil || !strings.Contains(first, " 100 ") {
				t.Fatalf("the client was answered %q, %v; want 100", first, err)
			}
			io.WriteString(conn, body)
			rest, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(rest), "HTTP/1.1 "); n != 1 || !strings.Contains(string(rest), "HTTP/1.1 201 ") {
				t.Errorf("after the first 100 came\n%s\nwant one answer, 201", rest)
			}
		})
	}
}

// posts returns how many contacts the emulator was asked to create.
func posts(e program.Emulator) (n int) {
	var h struct {
		Entries []struct{ Method, Target string }
	}
	e.Manage("GET", "/history", "", &h)
	for _, x := range h.Entries {
		if x.Method == "POST" && x.Target == "/public/v1/contacts" {
			n++
		}
	}
	return n
}

// When the API cut a short answer, the proxy closed the kept connection without sending a byte. To curl it looked
// like an idle connection that had been closed, so curl sent the POST again, and there were two documents.
func TestACutAnswerIsNoClosedConnection(t *testing.T) {
	t.Parallel()
	e := program.Emulate(t)
	p := e.Serve("memory:")
	cut := func() { e.Manage("POST", "/fault", `{"route":"POST /public/v1/contacts","kind":"cut"}`, nil) }
	t.Run("U25 raw", func(t *testing.T) {
		before := posts(e)
		conn := dial(t, addr(p.URL))
		r := bufio.NewReader(conn)
		io.WriteString(conn, get("/public/v1/documents"))
		if got := read(t, r); got == nil || got.StatusCode != 200 {
			t.Fatalf("the GET: %+v", got)
		}
		cut()
		head, sent := contact("raw")
		io.WriteString(conn, head+sent)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("the client sees no answer: %v", err)
		}
		body, err := io.ReadAll(res.Body)
		if res.StatusCode != 201 || len(body) == 0 || err == nil {
			t.Errorf("got %d, %d bytes, %v; want 201, a part of the body and an error", res.StatusCode, len(body), err)
		}
		if n := posts(e) - before; n != 1 {
			t.Errorf("the API got %d POSTs, want 1", n)
		}
	})
	t.Run("U25 curl", func(t *testing.T) {
		curl, err := exec.LookPath("curl")
		if err != nil {
			t.Skip("curl is not installed")
		}
		before := posts(e)
		cut()
		url := p.URL + "/public/v1/contacts"
		out, err := exec.Command(curl, "-sS", "--max-time", "30", url, "--next", "-sS", "--max-time", "30", "-d", `{"email":"curl@example.com"}`, "-H", "Content-Type: application/json", url).CombinedOutput()
		if err == nil {
			t.Errorf("curl does not see that the answer was cut: %s", out)
		}
		if n := posts(e) - before; n != 1 {
			t.Errorf("the API got %d POSTs, want 1; curl wrote %s", n, out)
		}
	})
}

// An HTTP/1.0 answer without a length ends with its connection: only a reset shows that it was cut.
func TestACutAnswerWithoutALengthEndsWithAReset(t *testing.T) {
	t.Parallel()
	p := serve(t, crooked(t, saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")))
	conn := dial(t, addr(p.URL))
	io.WriteString(conn, "GET /a HTTP/1.0\r\nHost: localhost\r\n\r\n")
	all, err := io.ReadAll(conn)
	if err == nil || !strings.HasPrefix(string(all), "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(string(all), "\r\n\r\nok") {
		t.Errorf("U25: got %q, %v; want the header, ok and a reset", all, err)
	}
}

// The API's 401 for one route says nothing about another route. If a token has become invalid, that must be
// noticed there.
func TestARefusalOfOneRouteIsNotUsedForAnother(t *testing.T) {
	t.Parallel()
	e := program.Emulate(t)
	p := e.Serve("memory:")
	protected := raw(t, addr(p.URL), get("/public/v1/documents/x/download-protected"))
	if protected.StatusCode != 401 || !strings.Contains(protected.Header.Get("Proxy-Status"), "token-good") {
		t.Fatalf("the protected download is answered %d %v, want 401 and token-good", protected.StatusCode, protected.Header)
	}
	e.Expire()
	head, body := contact("other")
	got := raw(t, addr(p.URL), head+body)
	if got.StatusCode != 201 {
		t.Errorf("U26: the POST is answered %d %s, %v; want 201", got.StatusCode, got.body, got.Header)
	}
}

// An encoded "?" or "#" ends the path for a server that decodes before it looks for the end.
func TestAnEncodedEndOfThePathIsTheEndForRules(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL, "--allow-route", "GET /public/v1/documents/*/sections/*")
	refused := func(target string) attempt { return attempt{"U8 " + target, get(target), "route-not-allowed"} }
	run(t, addr(p.URL), api, []attempt{
		refused("/public/v1/documents/id%3F/sections/x"), refused("/public/v1/documents/id%3f/sections/x"),
		refused("/public/v1/documents/id%23/sections/x"), refused("/public/v1/documents/id%253F/sections/x"),
		refused("/public/v1/documents/id%2523/sections/x"), refused("/public/v1/documents%3F/a/sections/x"),
		{"U8 what the rule allows", get("/public/v1/documents/id/sections/x%3Fy"), ""},
		{"U8 the query is not the path", get("/public/v1/documents/id/sections/x?a=%3F"), ""},
	})
	open := serve(t, api.URL)
	for _, target := range []string{"/oauth2%3F/x", "/oauth2%23x", "/oauth2/access_token%3Fx", "/oauth2%253Fx"} {
		got := raw(t, addr(open.URL), call("POST", target, "localhost", "Content-Length: 0"))
		if got.code != "token-endpoint-refused" {
			t.Errorf("U8: POST %s is answered %d %s, want token-endpoint-refused", target, got.StatusCode, got.code)
		}
	}
}

// Servers do not agree on the meaning of Transfer-Encoding in HTTP/1.0: one message must not become two requests.
func TestHTTP10WithTransferEncoding(t *testing.T) {
	t.Parallel()
	api := record(t)
	p := serve(t, api.URL)
	for _, first := range []string{
		"POST /one HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /one HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"GET /one HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /one HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
	} {
		before := len(api.arrived())
		all := everything(t, addr(p.URL), first+get("/two", "Connection: close"))
		if n := len(api.arrived()) - before; n > 1 {
			t.Errorf("U9: %d requests reached the API for\n%s\nwant one at most; the client saw\n%s", n, first, all)
		}
	}
	for _, seen := range api.arrived() {
		if seen.Target == "/two" {
			t.Error("U9: the second request reached the API")
		}
	}
	for _, first := range []string{
		"POST /api/v1/test HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /api/v1/test HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		if all := everything(t, addr(p.Admin), first+get("/livez", "Connection: close")); strings.Count(all, "HTTP/1.") != 1 {
			t.Errorf("U9: on the admin listener the client saw\n%s\nafter\n%s\nwant one answer", all, first)
		}
	}
}
