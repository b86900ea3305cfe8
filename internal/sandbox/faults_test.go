package sandbox

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultsOnTheAPI(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	for _, tt := range []struct {
		name   string
		fault  Fault
		status int
		want   string // in the body
		header string // Name: value
	}{
		{"status with PandaDoc's body", Fault{Kind: FaultStatus, Status: 429, RetryAfter: "7"}, 429, `"type":"throttled"`, "Retry-After: 7"},
		{"status with its own JSON", Fault{Kind: FaultStatus, Status: 403, Body: `{"a":1}`}, 403, `{"a":1}`, "Content-Type: application/json"},
		{"status with HTML", Fault{Kind: FaultStatus, Status: 502, Body: htmlOutage}, 502, "<h1>", "Content-Type: text/html; charset=utf-8"},
		{"redirect to another host", Fault{Kind: FaultStatus, Status: 302, Header: map[string]string{"Location": "https://other.example/"}}, 302, "", "Location: https://other.example/"},
		{"other route", Fault{Kind: FaultStatus, Status: 500, Route: "GET /public/v1/contacts*"}, 200, "results", ""},
		{"this route", Fault{Kind: FaultStatus, Status: 500, Route: "GET /public/v1/doc*"}, 500, "request_error", ""},
		{"this path", Fault{Kind: FaultStatus, Status: 500, Route: "/public/v1/documents"}, 500, "request_error", ""},
		{"other method", Fault{Kind: FaultStatus, Status: 500, Route: "POST /public/v1/documents"}, 200, "results", ""},
		{"token only", Fault{Kind: FaultStatus, Status: 500, Route: "token"}, 200, "results", ""},
		{"after commit", Fault{Kind: FaultStatusAfterCommit, Status: 504, Body: htmlOutage}, 504, "<h1>", "Content-Type: text/html; charset=utf-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Clear()
			if tt.fault.Route == "" {
				tt.fault.Route = "api"
			}
			s.fault(tt.fault)
			a := s.get("/public/v1/documents").want(t, tt.status)
			if !strings.Contains(string(a.body), tt.want) {
				t.Errorf("body: got %.100s, want %s in it", a.body, tt.want)
			}
			if name, value, ok := strings.Cut(tt.header, ": "); ok && a.Header.Get(name) != value {
				t.Errorf("%s: got %q, want %q", name, a.Header.Get(name), value)
			}
			if tt.status != 200 {
				s.get("/public/v1/documents").want(t, 200) // it was for one request
			}
		})
	}
}

func TestARefuseFaultRevokesTheToken(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	s.fault(Fault{Route: "GET /public/v1/documents", Kind: FaultRefuse})
	s.get("/public/v1/documents").want(t, 401)
	s.get("/public/v1/members/current").want(t, 401)
	s.renew()
	s.get("/public/v1/documents").want(t, 200)
}

func TestFaultsThatCutTheConnection(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	s.fault(Fault{Route: "api", Kind: FaultDrop})
	// A POST: Go's client repeats a GET by itself.
	if _, err := s.try("POST", "/emulator/echo", "", strings.NewReader("x"), nil); err == nil {
		t.Error("drop: got an answer")
	}
	for _, target := range []string{"/public/v1/documents", "/emulator/stream?bytes=100000", "/emulator/stream?bytes=100000&chunked"} {
		s.fault(Fault{Route: "api", Kind: FaultCut})
		a, err := s.try("GET", target, "", nil, nil)
		if err == nil || a.Response == nil || a.StatusCode != 200 || len(a.body) == 0 {
			t.Errorf("cut %s: got %d bytes and error %v, want part of an answer", target, len(a.body), err)
		}
	}
	before := len(names(t, s.get("/public/v1/documents")))
	s.fault(Fault{Route: "POST /public/v1/documents", Kind: FaultDropAfterCommit})
	if _, err := s.try("POST", "/public/v1/documents", "application/json",
		strings.NewReader(`{"url":"https://files.example/a.pdf","recipients":[]}`), nil); err == nil {
		t.Error("drop after commit: got an answer")
	}
	if got := s.last().Status; got != 0 {
		t.Errorf("drop after commit: history has status %d, want 0", got)
	}
	if got := len(names(t, s.get("/public/v1/documents"))); got != before+1 {
		t.Errorf("drop after commit: got %d documents, want %d", got, before+1)
	}
}

func TestFaultsOnTheTokenEndpoint(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	s.fault(Fault{Route: "token", Kind: FaultDropAfterCommit})
	if _, err := s.try("POST", s.info.TokenURL, "application/x-www-form-urlencoded", strings.NewReader(
		"grant_type=refresh_token&client_id="+s.info.ClientID+"&client_secret="+s.info.ClientSecret+"&refresh_token="+s.refresh), nil); err == nil {
		t.Fatal("drop after commit: got an answer")
	}
	if got := s.token(nil).want(t, 400).object(t)["error"]; got != "invalid_grant" {
		t.Errorf("after a lost answer: got %v, want invalid_grant", got)
	}
	s.refresh = s.Info().RefreshToken

	s.fault(Fault{Route: "token", Kind: FaultNoRefreshToken})
	pair := s.token(nil).want(t, 200).object(t)
	if _, ok := pair["refresh_token"]; ok {
		t.Error("no_refresh_token: got one")
	}
	s.access = pair["access_token"].(string)
	s.get("/public/v1/members/current").want(t, 200)

	s.fault(Fault{Route: "token", Kind: FaultKeepOld})
	s.token(nil).want(t, 200)
	s.get("/public/v1/members/current").want(t, 200) // the old pair stays valid
	s.renew()

	for _, raw := range []string{`"3600"`, `1e12`, `-1`, `null`, `31535999.0`} {
		s.fault(Fault{Route: "token", Kind: FaultExpiresIn, ExpiresIn: json.RawMessage(raw)})
		a := s.token(nil).want(t, 200)
		if want := `"expires_in":` + raw; !strings.Contains(string(a.body), want) {
			t.Errorf("expires_in: got %s, want %s", a.body, want)
		}
		s.refresh = a.object(t)["refresh_token"].(string)
	}
	s.fault(Fault{Route: "token", Kind: FaultStatus, Status: 503, Body: htmlOutage})
	s.token(nil).want(t, 503)
	s.renew() // no token was used up
}

func TestEarlyAnswersComeBeforeTheBodyIsRead(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	none, some := int64(0), int64(1000)
	for _, tt := range []struct {
		name   string
		fault  Fault
		status int
		sent   int // bytes of the body that are sent before the answer arrives
	}{
		{"early 401", Fault{Kind: FaultRefuse, ReadBytes: &none}, 401, 0},
		{"early 413", Fault{Kind: FaultStatus, Status: 413, ReadBytes: &none}, 413, 0},
		{"401 in the middle", Fault{Kind: FaultRefuse, ReadBytes: &some}, 401, 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.renew()
			tt.fault.Route = "POST /emulator/echo"
			s.fault(tt.fault)
			// The rest of the body is never sent: only an early answer can come.
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.info.API, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(conn, "POST /emulator/echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+s.access+
				"\r\nContent-Length: 5000\r\n\r\n"+strings.Repeat("x", tt.sent))
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != tt.status || !answer.Close {
				t.Errorf("got %s, closing %t; want %d, closing", answer.Status, answer.Close, tt.status)
			}
			if e := s.last(); e.BodyComplete || e.BodyBytes != int64(tt.sent) {
				t.Errorf("history: got %d bytes, complete %t; want %d, false", e.BodyBytes, e.BodyComplete, tt.sent)
			}
		})
	}
}

func TestDelayPostponesTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, Options{Calm: true})
		s.fault(Fault{Route: "*", Kind: FaultDelay, Delay: Duration(3 * time.Second), Count: 2})
		began := time.Now()
		s.get("/public/v1/documents").want(t, 200)
		s.get("/public/v1/documents").want(t, 200)
		s.get("/public/v1/documents").want(t, 200)
		if got := time.Since(began); got != 6*time.Second {
			t.Errorf("three requests: got %s, want 6s", got)
		}
	})
}

func TestFaultsAreChecked(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	for _, body := range []string{
		`{"route":"tokens","kind":"drop"}`, `{"route":"api","kind":"explode"}`, `{"route":"api","kind":"status"}`,
		`{"route":"api","kind":"delay"}`, `{"route":"api","kind":"delay","delay":"soon"}`, `{"route":"token","kind":"expires_in"}`,
		`{"route":"api","kind":"drop","probability":2}`, `{"route":"api","kind":"drop","read_bytes":-1}`, `nonsense`,
	} {
		if a := s.manage("POST", "/fault", body).want(t, 400); !strings.Contains(string(a.body), "error") {
			t.Errorf("%s: got %s", body, a.body)
		}
	}
	a := s.manage("POST", "/fault", `{"route":"api","kind":"delay","delay":5}`).want(t, 400)
	if want := `the delay 5 is not text like`; !strings.Contains(string(a.body), want) {
		t.Errorf("got %s, want %q in it", a.body, want)
	}
	if got := len(s.Faults()); got != 0 {
		t.Errorf("faults set: got %d, want 0", got)
	}
}

func TestFaultCountAndProbability(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	s.fault(Fault{Route: "api", Kind: FaultStatus, Status: 500, Count: 2})
	for _, want := range []int{500, 500, 200} {
		s.get("/public/v1/documents").want(t, want)
	}
	s.fault(Fault{Route: "api", Kind: FaultStatus, Status: 500, Count: -1, Probability: 0.5})
	failed := 0
	for range 100 {
		if s.get("/public/v1/documents").StatusCode == 500 {
			failed++
		}
	}
	if failed < 20 || failed > 80 {
		t.Errorf("half of 100 requests: got %d", failed)
	}
	s.Clear()
	s.get("/public/v1/documents").want(t, 200)
}
