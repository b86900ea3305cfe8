package clients

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

const (
	uploadSize   = 5 << 20
	downloadSize = 3_000_001
	// refusedAfter is how much of the upload the API reads before it refuses the token.
	refusedAfter = 1 << 20
)

// api is an API whose token becomes invalid in the middle of an upload.
type api struct {
	*httptest.Server

	mu     sync.Mutex // guards the fields below
	valid  string     // the access token that is valid now
	seen   []string   // method and target of what was accepted
	upload string     // SHA-256 of the upload that was accepted
	tokens int        // refreshes
}

func newAPI(t *testing.T) *api {
	a := &api{valid: "first"}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/oauth2/access_token" {
		a.refresh(w)
		return
	}
	hash := sha256.New()
	isUpload := r.URL.RawQuery == "upload"
	if isUpload && r.Header.Get("Authorization") == "Bearer first" {
		io.CopyN(hash, r.Body, refusedAfter)
		a.mu.Lock()
		a.valid = "second"
		a.mu.Unlock()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+a.valid {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"type":"authentication_error","detail":"Invalid token."}`)
		return
	}
	if _, err := io.Copy(hash, r.Body); err != nil {
		return // cut off: a server ignores it
	}
	a.seen = append(a.seen, r.Method+" "+r.RequestURI)
	if isUpload {
		a.upload = hex.EncodeToString(hash.Sum(nil))
	}
	switch {
	case r.Method == "POST":
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"id":"id"}`)
	case r.Method == "DELETE":
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(r.URL.Path, "/download"):
		w.Header().Set("Content-Type", "application/pdf")
		w.Write(make([]byte, downloadSize))
	default:
		io.WriteString(w, `{"results":[]}`)
	}
}

func (a *api) refresh(w http.ResponseWriter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens++
	io.WriteString(w, `{"access_token":"second","refresh_token":"refresh-2","token_type":"Bearer","expires_in":31535999}`)
}

// The common HTTP clients send a series of requests: GET, POST, an upload that the API refuses in the middle, a
// download and DELETE.
func TestClientsMakeTheirRound(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789abcde\n"), uploadSize/16)
	file := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	for _, tt := range []struct {
		name   string
		needs  []string // ends with status 0 if the client is installed
		client []string
	}{
		{"curl", []string{"curl", "--version"}, []string{"sh", "curl.sh"}},
		{"wget", []string{"wget", "--version"}, []string{"sh", "wget.sh"}},
		{"Python http.client", []string{"python3", "-V"}, []string{"python3", "http_client.py"}},
		{"Python urllib", []string{"python3", "-V"}, []string{"python3", "urllib_request.py"}},
		{"Python requests", []string{"python3", "-c", "import requests"}, []string{"python3", "requests_session.py"}},
		{"Node fetch", []string{"node", "-e", "fetch"}, []string{"node", "fetch.mjs"}},
		{"Node http", []string{"node", "-v"}, []string{"node", "http_continue.mjs"}},
		{"Java HttpClient", []string{"java", "-version"}, []string{"java", "HttpClients.java"}},
		{"Java HttpURLConnection", []string{"java", "-version"}, []string{"java", "UrlConnections.java"}},
		{"PHP curl", []string{"php", "-r", "curl_version();"}, []string{"php", "curl.php"}},
		{"PHP streams", []string{"php", "-v"}, []string{"php", "stream.php"}},
		{"Ruby net/http", []string{"ruby", "-rnet/http", "-e", ""}, []string{"ruby", "net_http.rb"}},
		{"Perl LWP", []string{"perl", "-MLWP::UserAgent", "-e", ""}, []string{"perl", "lwp.pl"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := exec.Command(tt.needs[0], tt.needs[1:]...).Run(); err != nil {
				t.Skipf("not installed: %v", err)
			}
			a := newAPI(t)
			p := program.Start(t, []string{"PANDADOC_ACCESS_TOKEN=first", "PANDADOC_REFRESH_TOKEN=refresh-1", "PANDADOC_CLIENT_ID=id", "PANDADOC_CLIENT_SECRET=secret"},
				"serve", "--store", "memory:", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
				"--api-url", a.URL, "--token-url", a.URL+"/oauth2/access_token", "--authorize-url", a.URL+"/oauth2/authorize")
			const want = "get 200\npost 201\nupload 201\ndownload 200 3000001\ndelete 204\n"
			if got := round(t, append(tt.client, p.URL, file, filepath.Join(t.TempDir(), "download"))); got != want {
				t.Errorf("the client printed\n%s\nwant\n%s", got, want)
			}
			a.check(t, hex.EncodeToString(sum[:]))
		})
	}
}

// round runs a client and returns its output.
func round(t *testing.T, client []string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, client[0], client[1:]...)
	c.Dir = "testdata"
	var errors bytes.Buffer
	c.Stderr = &errors
	out, err := c.Output()
	if err != nil {
		t.Errorf("%v: %v\n%s", client, err, errors.Bytes())
	}
	return string(out)
}

// check compares what the API accepted: each request once, and the whole upload.
func (a *api) check(t *testing.T, upload string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	want := []string{"GET /public/v1/documents", "POST /public/v1/documents", "POST /public/v1/documents?upload",
		"GET /public/v1/documents/id/download", "DELETE /public/v1/documents/id"}
	if got := strings.Join(a.seen, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the API accepted\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if a.upload != upload {
		t.Errorf("the upload arrived with the hash %s, want %s", a.upload, upload)
	}
	if a.tokens != 1 {
		t.Errorf("%d refreshes, want 1", a.tokens)
	}
}
