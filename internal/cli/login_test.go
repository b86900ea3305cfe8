package cli

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	e2e "pandadoc-auth-proxy/internal/e2e/program"
	"pandadoc-auth-proxy/internal/listen"
)

// The port that a login opens while no proxy runs kept every connection of other users of the machine, and what they
// sent of their headers, until it timed out.
func TestThePortOfALoginKeepsFewConnections(t *testing.T) {
	at := "127.0.0.1:" + e2e.FreePort(t)
	acc := &accounts{redirect: &url.URL{Scheme: "http", Host: at}, handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	stop, err := acc.serveLogin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	most := listen.FitLimits(0, 0, 0).Connections[listen.Admin]
	closed := make(chan error, most+1)
	for range most + 1 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n"); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := c.Read(make([]byte, 1))
			closed <- err
		}()
	}
	select {
	case err := <-closed:
		if err == nil {
			t.Error("got an answer to an unfinished header")
		}
	case <-time.After(5 * time.Second): // each of them would end after 10
		t.Errorf("all of %d connections are kept", most+1)
	}
}

// People paste what they take for the code. What is no address was refused, or failed as a login that is not known, if it
// had a "=" or another parameter.
func TestWhatPeoplePasteForTheCode(t *testing.T) {
	for _, row := range []struct {
		text string
		want admin.EndLogin // zero for a mistake
	}{
		{"abc", admin.EndLogin{State: "begun", Code: "abc"}},
		{"abc=", admin.EndLogin{State: "begun", Code: "abc="}},
		{"code=abc%2F", admin.EndLogin{State: "begun", Code: "abc/"}},
		{"abc&state=s", admin.EndLogin{State: "begun", Code: "abc"}},
		{"http://localhost:8081/oauth2/callback?code=abc&state=s#top", admin.EndLogin{State: "s", Code: "abc"}},
		{"http://localhost:8081/oauth2/callback?error=access_denied&state=s", admin.EndLogin{State: "s", Error: "access_denied"}},
		{"https://app.pandadoc.com/oauth2/authorize?client_id=1", admin.EndLogin{}},
		{"https://app.pandadoc.com/", admin.EndLogin{}},
	} {
		got, err := pasted(row.text, "begun")
		check(t, row.text, got, row.want)
		check(t, row.text+" fails", err != nil, row.want == admin.EndLogin{})
	}
}
