package admin

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// arrived is what the fake proxy got.
type arrived struct {
	method, target, host, body, contentType, header string
	length                                          int64
	form                                            map[string]string
}

// newTestedProxy serves handle as the proxied port and notes what arrived.
func newTestedProxy(t *testing.T, handle http.HandlerFunc) (*tester, *arrived) {
	got := &arrived{}
	x := newTesterWith(t, func(c *Config) {
		c.Proxy = fakeProxy{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got.method, got.target, got.host, got.length = r.Method, r.RequestURI, r.Host, r.ContentLength
			got.contentType, got.header = r.Header.Get("Content-Type"), r.Header.Get("X-Own")
			if strings.HasPrefix(got.contentType, "multipart/") {
				got.form = readForm(t, r)
			} else {
				data, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				got.body = string(data)
			}
			handle(w, r)
		})}
	}, account("default", tokens.Ready, ""))
	return x, got
}

func readForm(t *testing.T, r *http.Request) map[string]string {
	parts, err := r.MultipartReader()
	if err != nil {
		t.Error(err)
		return nil
	}
	form := map[string]string{}
	for {
		p, err := parts.NextPart()
		if err != nil {
			return form
		}
		data, err := io.ReadAll(p)
		if err != nil {
			t.Error(err)
		}
		form[p.FormName()] = p.FileName() + "|" + p.Header.Get("Content-Type") + "|" + string(data)
	}
}

func (x *tester) test(call TestCall) reply {
	x.Helper()
	body, err := json.Marshal(call)
	if err != nil {
		x.Fatal(err)
	}
	return x.send(http.MethodPost, "/api/v1/test", string(body), RequestHeader, "1")
}

func TestTestCallsArriveAsTheyAreGiven(t *testing.T) {
	x, got := newTestedProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "the-id")
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, "made")
	})
	for _, row := range []struct {
		name string
		call TestCall
		want arrived
	}{
		{"query byte for byte", TestCall{Method: "GET", Target: "/public/v1/documents?upload&tag=a+b&tag=%20"},
			arrived{method: "GET", target: "/public/v1/documents?upload&tag=a+b&tag=%20"}},
		{"account", TestCall{Account: "acme", Method: "GET", Target: "/x"}, arrived{method: "GET", target: "/@acme/x"}},
		{"default account", TestCall{Account: "default", Method: "GET", Target: "/x"}, arrived{method: "GET", target: "/x"}},
		{"text and header", TestCall{Method: "POST", Target: "/x", Body: `{"a":1}`, Header: map[string]string{"content-type": "application/json", "X-Own": "1", "Content-Length": "99"}},
			arrived{method: "POST", target: "/x", body: `{"a":1}`, contentType: "application/json", header: "1", length: 7}},
		{"bytes", TestCall{Method: "PUT", Target: "/x", BodyBase64: []byte{0, 255}}, arrived{method: "PUT", target: "/x", body: "\x00\xff", length: 2}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var answer TestAnswer
			x.test(row.call).decode(t, &answer)
			row.want.host = "localhost"
			check(t, "arrived", *got, row.want)
			check(t, "status", answer.Status, http.StatusCreated)
			check(t, "body", answer.Body, "made")
		})
	}
}

func TestTestCallSendsForms(t *testing.T) {
	x, got := newTestedProxy(t, func(http.ResponseWriter, *http.Request) {})
	r := x.test(TestCall{Method: "POST", Target: "/x?upload", Parts: []TestPart{
		{Name: "file", FileName: `a "b".pdf`, ContentType: "application/pdf", Base64: []byte("%PDF")},
		{Name: "data", Text: `{"name":"x"}`},
	}})
	check(t, "status", r.status, http.StatusOK)
	check(t, "form", got.form, map[string]string{"file": `a "b".pdf|application/pdf|%PDF`, "data": `||{"name":"x"}`})
}

func TestTestCallTellsWhatHappened(t *testing.T) {
	var x *tester
	x, _ = newTestedProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "the-id")
		w.Header()["Content-Type"] = nil // as the proxy does, so that net/http does not guess
		w.Write([]byte{0xff, 0})
		x.handler.ObserveRequest(proxy.Exchange{RequestID: "the-id", Status: 200, Attempts: 2, Replay: proxy.ReplaySucceeded, RefusedGeneration: 1, Generation: 2})
	})
	var answer TestAnswer
	x.test(TestCall{Method: "GET", Target: "/x"}).decode(t, &answer)
	check(t, "bytes", answer.BodyBase64, []byte{0xff, 0})
	check(t, "size", answer.Size, 2)
	check(t, "header", answer.Header, http.Header{"X-Request-Id": {"the-id"}})
	if answer.Request == nil || !answer.Request.Refreshed || !answer.Request.Replayed || answer.Request.Generation != 2 {
		t.Errorf("got %+v, want a refresh and a replay with generation 2", answer.Request)
	}
}

func TestTestCallIsBounded(t *testing.T) {
	x, _ := newTestedProxy(t, func(w http.ResponseWriter, r *http.Request) {
		block := bytes.Repeat([]byte("x"), 1<<20)
		for range 100 {
			if _, err := w.Write(block); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		t.Error("all of a long answer was taken")
	})
	var answer TestAnswer
	x.test(TestCall{Method: "GET", Target: "/x"}).decode(t, &answer)
	check(t, "truncated", answer.Truncated, true)
	check(t, "size", answer.Size, maxTestAnswer)
	r := x.test(TestCall{Method: "POST", Target: "/x", Body: strings.Repeat("x", maxTestCall)})
	check(t, "too large", r.code(t), "request-too-large")
}

func TestTestCallRefusesWhatCannotBeSent(t *testing.T) {
	x, got := newTestedProxy(t, func(http.ResponseWriter, *http.Request) {})
	for _, body := range []string{
		`{`, `{"method":"GET","target":"/x","unknown":1}`, `{"method":"GET","target":"http://elsewhere/x"}`, `{"method":"GET","target":""}`,
		`{"method":"GET","target":"/a b"}`, `{"method":"GET","target":"/a\r\nX: 1"}`, `{"method":"GET","target":"/ä"}`,
		`{"method":"GET","target":"/x","headers":{"A b":"c"}}`, `{"method":"GET","target":"/x","headers":{"A":"c\r\nX: 1"}}`,
		`{"method":"POST","target":"/x","body":"a","body_base64":"YQ=="}`,
	} {
		r := x.send(http.MethodPost, "/api/v1/test", body, RequestHeader, "1")
		check(t, body, r.code(t), "invalid-input")
	}
	check(t, "without the header", x.send(http.MethodPost, "/api/v1/test", `{"method":"GET","target":"/x"}`, "User-Agent", "Mozilla/5.0").code(t), "admin-header-required")
	check(t, "by GET", x.send(http.MethodGet, "/api/v1/test", "").status, http.StatusMethodNotAllowed)
	check(t, "arrived", *got, arrived{})
}

func TestTestCallWithoutAnswer(t *testing.T) {
	x, _ := newTestedProxy(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	check(t, "code", x.test(TestCall{Method: "GET", Target: "/x"}).code(t), "test-timeout")
}

// While two slow test calls ran, the answer to a third request was an empty 200, which the console could not read.
func TestARequestThatGetsNoTurnIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Config{
			Manager: &fakeAccounts{all: []tokens.Status{account("default", tokens.Ready, "")}},
			Login:   LoginConfig{RedirectURL: &url.URL{Scheme: "http", Host: "localhost", Path: "/back"}}, Proxy: fakeProxy{},
		})
		if err != nil {
			t.Fatal(err)
		}
		for range testsAtOnce {
			h.tests <- struct{}{}
		}
		for _, row := range []struct{ method, path, want string }{
			{http.MethodPost, "/api/v1/test", "test-timeout"},
			{http.MethodGet, "/api/v1/accounts/default/person", "person-unknown"},
		} {
			w := httptest.NewRecorder()
			h.Socket().ServeHTTP(w, httptest.NewRequest(row.method, row.path, strings.NewReader(`{"method":"GET","target":"/x"}`)))
			check(t, row.path, reply{w.Code, w.Header(), w.Body.String()}.code(t), row.want)
		}
	})
}

// Somebody signed in while the console asked the API who is signed in: it showed the former user until the next login.
func TestTheFormerUserIsNotRemembered(t *testing.T) {
	var x *tester
	email := "old@example.com"
	x, _ = newTestedProxy(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"email":"`+email+`"}`)
		if email == "old@example.com" {
			email = "new@example.com"
			x.handler.ObserveEvent(tokens.Event{Kind: tokens.EventLogin, Account: "default"})
		}
	})
	x.send(http.MethodGet, "/api/v1/accounts/default/person", "")
	for _, request := range []string{"second request", "third request"} {
		var got Person
		x.send(http.MethodGet, "/api/v1/accounts/default/person", "").decode(t, &got)
		check(t, request, got.Email, "new@example.com")
	}
}
