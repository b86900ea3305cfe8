//go:build unix

package chaos

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// foreigner is another API and another token endpoint. It refuses everything, and keeps the requests.
type foreigner struct {
	url string

	mu   sync.Mutex // guards the field below
	seen []string
}

func newForeigner(t *testing.T) *foreigner {
	f := &foreigner{}
	s := &http.Server{Handler: f}
	f.url = "http://" + serveOn(t, s, "127.0.0.1:0")
	t.Cleanup(func() { _ = s.Close() })
	return f
}

func (f *foreigner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, r.Header.Get("Authorization")+r.PostFormValue("refresh_token"))
	if strings.HasSuffix(r.URL.Path, "/access_token") {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
}

func (f *foreigner) tokens() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// One start with another region, token endpoint or client id: no token goes where it does not belong, nothing is
// forgotten, and with the right settings everything works again.
func TestTokensGoToTheirIssuerOnly(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		settings func(f *foreigner) []string
		env      []string
		status   int    // answer to a request while the access token is valid
		ready    string // the state in /readyz then
	}{
		{
			"another API", func(f *foreigner) []string { return []string{"--api-url", f.url} }, nil,
			502, "login-required: other-issuer",
		},
		{
			"another token endpoint", func(f *foreigner) []string { return []string{"--token-url", f.url + "/access_token"} }, nil,
			200, "degraded: other-issuer",
		},
		{
			"both, as with another region",
			func(f *foreigner) []string {
				return []string{"--api-url", f.url, "--token-url", f.url + "/access_token"}
			}, nil,
			502, "login-required: other-issuer",
		},
		{
			"another client id", func(*foreigner) []string { return nil }, []string{"PANDADOC_CLIENT_ID=somebody-else"},
			200, "degraded: other-issuer",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w, f := newSignedIn(t), newForeigner(t)
			right := w.serve()
			right.want(200)
			right.Kill()
			before := w.record()

			wrong := w.serveWith(row.env, row.settings(f)...)
			wrong.want(row.status)
			wrong.becomes(row.ready)
			w.refuse() // the access token expires: a refresh would be due
			if got, err := wrong.get(t.Context()); err != nil || got.status != 502 && got.status != 401 {
				t.Errorf("GET = %v, %v after the token ended, want 502 or the API's 401", got, err)
			}
			wrong.Kill()
			if seen := f.tokens(); len(seen) > 0 {
				t.Errorf("the other host was sent %q", seen)
			}
			if c := w.counts(); c.calls != 0 {
				t.Errorf("%d token calls on behalf of another client", c.calls)
			}
			if rec := w.record(); rec.Generation != before.Generation || rec.IsRejected() || !rec.RefreshToken.Equal(before.RefreshToken) {
				t.Errorf("the record is now %v, rejected %t", rec, rec.IsRejected())
			}

			again := w.serve()
			again.want(200)
			again.becomes("ready")
			w.wantOneRotation()
		})
	}
}

// A first start with the wrong region does not use up the seed.
func TestSeedSurvivesAStartWithTheWrongRegion(t *testing.T) {
	t.Parallel()
	w, f := newTestbed(t), newForeigner(t)
	w.login("default")
	w.mu.Lock()
	seed := "PANDADOC_REFRESH_TOKEN=" + w.refreshToken()
	w.mu.Unlock()
	wrong := w.serveWith([]string{seed}, "--api-url", f.url, "--token-url", f.url+"/access_token")
	if got := wrong.want(502); got.code != "login-required" {
		t.Errorf("code %q, want login-required", got.code)
	}
	wrong.Kill()
	right := w.serveWith([]string{seed})
	right.want(200)
	right.becomes("ready")
	w.wantOneRotation()
}
