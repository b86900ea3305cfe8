package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/admin/client"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

func TestTheAdminListenerIsGuarded(t *testing.T) {
	s := serveFor(t, func(http.ResponseWriter, *http.Request) {})
	for _, row := range []struct {
		name, target, host string
		header             []string
		want               int
	}{
		{"a program on this machine", "/api/v1/status", "", nil, 200},
		{"localhost", "/api/v1/status", "localhost", nil, 200},
		{"a rebound name", "/api/v1/status", "evil.example", nil, 403},
		{"a look-alike", "/connect/default", "localhost.evil.example", nil, 403},
		{"a rebound name asking for readiness", "/readyz", "10.1.2.3:8081", nil, 403},
		{"a kubelet asking for life", "/livez", "pod.example", nil, 200},
		{"a page elsewhere", "/api/v1/status", "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"a page on another port", "/api/v1/status", "", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Origin", "http://localhost:3000"}, 403},
		{"a page that begins a login", "/connect/default", "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403},
		// It gets as far as the handler, which knows of no such login.
		{"the way back from PandaDoc", "/oauth2/callback?code=x&state=y", "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 400},
		{"the way back in a frame", "/oauth2/callback?code=x&state=y", "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
	} {
		r, err := http.NewRequest(http.MethodGet, s.admin+row.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = row.host
		for i := 0; i < len(row.header); i += 2 {
			r.Header.Set(row.header[i], row.header[i+1])
		}
		answer, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		check(t, row.name, answer.StatusCode, row.want)
	}
	s.cancel()
	check(t, "end", <-s.ended, nil)
}

func TestAnotherProgramIsNotTakenForAProxy(t *testing.T) {
	for _, body := range []any{map[string]string{"state": "alive"}, map[string]string{"program": "another"}, "text"} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(w).Encode(body)
		}))
		at, err := listen.Parse(strings.TrimPrefix(other.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Dial(t.Context(), &at); err == nil || !strings.Contains(err.Error(), "is not "+programName) {
			t.Errorf("%v: got %v, want it refused", body, err)
		}
		other.Close()
	}
}

// The question to a listener that says nothing lasted five seconds, whatever --timeout was. It was said to be no proxy,
// which a proxy that hangs is.
func TestWaitKeepsItsTimeoutWithASilentListener(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	var out bytes.Buffer
	begin := time.Now()
	status := Run(t.Context(), Env{
		Args:    []string{"wait", "--timeout", "300ms", "--admin-socket", "none", "--admin-listen", silent.Addr().String()},
		Environ: []string{"HOME=" + t.TempDir()}, Stdout: io.Discard, Stderr: &out,
	})
	check(t, "status", status, exitFailed)
	if took := time.Since(begin); took > client.AskTimeout/2 {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(out.String(), "error: after 300ms: "+silent.Addr().String()+" does not answer") {
		t.Errorf("got %q", out.String())
	}
}

// After Ctrl-C, a listener that had said nothing yet was said to be another program, after a minute that had not passed.
func TestACommandThatIsInterruptedSaysSo(t *testing.T) {
	for _, command := range []string{"wait", "healthcheck"} {
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		var out bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if conn, err := silent.Accept(); err == nil {
				cancel()
				io.Copy(io.Discard, conn)
			}
		}()
		status := Run(ctx, Env{
			Args:    []string{command, "--admin-socket", "none", "--admin-listen", silent.Addr().String()},
			Environ: []string{"HOME=" + t.TempDir()}, Stdout: io.Discard, Stderr: &out,
		})
		check(t, "status", status, exitFailed)
		check(t, command, out.String(), "error: interrupted\n")
	}
}

func TestTheManagerSeesTheLocksOfTheStore(t *testing.T) {
	spec, err := stores.Known().Parse("file:" + t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	store, err := spec.Open(t.Context(), (&config.Config{}).StoreOptions(func(string) {}))
	if err != nil {
		t.Fatal(err)
	}
	c := managerConfig(parseServe(t, nil), store, nil)
	if _, ok := c.Store.(tokens.Locker); !ok {
		t.Errorf("got a store without its refresh lock: another process would take over from a live owner")
	}
}
