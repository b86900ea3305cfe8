package sandbox

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

var patternBlock = streamPattern()

// pattern is a body of left bytes, which are made as they are read.
type pattern struct{ left int64 }

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(int64(len(b)), p.left)], patternBlock)
	p.left -= int64(n)
	return n, nil
}

func TestLargeBodiesAreHashedWhileTheyArrive(t *testing.T) {
	const size = 100 << 20
	s := startSignedIn(t, Options{Calm: true})
	sum := sha256.New()
	io.Copy(sum, &pattern{size})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, err := s.try("POST", "/emulator/echo", "application/octet-stream", &pattern{size}, nil)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	echo := a.want(t, 200).object(t)
	if want := hex.EncodeToString(sum.Sum(nil)); echo["body_sha256"] != want || s.last().BodySHA256 != want {
		t.Errorf("hash: got %v and %v, want %v", echo["body_sha256"], s.last().BodySHA256, want)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
		t.Errorf("allocated for 100 MiB: got %d bytes", got)
	}
}

// fileOf streams a multipart body with one file.
func fileOf(size int64) (io.Reader, string) {
	r, w := io.Pipe()
	m := multipart.NewWriter(w)
	go func() {
		part, err := m.CreateFormFile("file", "large.pdf")
		if err == nil {
			_, err = io.Copy(part, &pattern{size})
		}
		m.Close()
		w.CloseWithError(err)
	}()
	return r, m.FormDataContentType()
}

func TestUploadLimits(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	small := startSignedIn(t, Options{Calm: true, MaxBody: 1000})
	for _, tt := range []struct {
		name   string
		s      *service
		path   string
		size   int64
		status int
		want   string
	}{
		{"document over 50 MB", s, "/public/v1/documents?upload", 60_000_000, 413, "Maximum file size is 50 MB"},
		{"template of 60 MB", s, "/public/v1/templates?upload", 60_000_000, 201, "large"},
		{"limit of the options", small, "/public/v1/documents?upload", 1001, 413, "too big"},
		{"within the limit of the options", small, "/public/v1/documents?upload", 1000, 201, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			body, kind := fileOf(tt.size)
			a, err := tt.s.try("POST", tt.path, kind, body, nil)
			if err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if a.want(t, tt.status); !strings.Contains(string(a.body), tt.want) {
				t.Errorf("body: got %s, want %q in it", a.body, tt.want)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
				t.Errorf("allocated for %d bytes: got %d", tt.size, got)
			}
			if e := tt.s.last(); !e.BodyComplete || e.BodyBytes < tt.size {
				t.Errorf("history: got %d bytes, complete %t", e.BodyBytes, e.BodyComplete)
			}
		})
	}
}

func TestDamagedUploads(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	for name, tt := range map[string]struct{ kind, body string }{
		"no boundary": {"multipart/form-data", "x"},
		"not a form":  {"multipart/form-data; boundary=b", "x"},
		"cut off":     {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nabc"},
		"many parts":  {"multipart/form-data; boundary=b", strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n", 50) + "--b--\r\n"},
	} {
		a, err := s.try("POST", "/public/v1/documents?upload", tt.kind, strings.NewReader(tt.body), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a.want(t, 400); !strings.Contains(string(a.body), "Multipart form") {
			t.Errorf("%s: got %s", name, a.body)
		}
	}
}

func TestRefusedUploadsAreReadToTheEnd(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	s.Expire()
	body, kind := fileOf(3_000_000)
	a, err := s.try("POST", "/public/v1/documents?upload", kind, body, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.want(t, 401)
	if e := s.last(); !e.BodyComplete || e.BodyBytes < 3_000_000 {
		t.Errorf("history: got %d bytes, complete %t", e.BodyBytes, e.BodyComplete)
	}
}

func TestGzipOnlyForClientsThatAcceptIt(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	plain := s.get("/public/v1/documents").want(t, 200)
	if got := plain.Header.Get("Content-Encoding"); got != "" {
		t.Errorf("without Accept-Encoding: got %q", got)
	}
	for accept, want := range map[string]string{"gzip": "gzip", "gzip,deflate": "gzip", "br, gzip;q=0.5": "gzip", "identity": "", "gzip;q=0": "", "gzip;q=0.0": ""} {
		a, err := s.try("GET", "/public/v1/documents", "", nil, map[string]string{"Accept-Encoding": accept})
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Header.Get("Content-Encoding"); got != want {
			t.Errorf("%s: got %q, want %q", accept, got, want)
			continue
		}
		if want == "" {
			continue
		}
		z, err := gzip.NewReader(strings.NewReader(string(a.body)))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(z); err != nil || string(body) != string(plain.body) {
			t.Errorf("%s: %v, got %.100s", accept, err, body)
		}
	}
}

func TestSmallAnswersAreNotCompressed(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	a, err := s.try("GET", "/public/v1/workspaces", "", nil, map[string]string{"Accept-Encoding": "gzip"})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.want(t, 200).Header.Get("Content-Encoding"); got != "" {
		t.Errorf("%d bytes: got %q", len(a.body), got)
	}
}

func TestStreamAndEvents(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	for _, query := range []string{"bytes=200000", "bytes=200000&chunked", "bytes=70000&pause=1ms", "bytes=0"} {
		a := s.get("/emulator/stream?"+query).want(t, 200)
		var want int64
		fmt.Sscanf(query, "bytes=%d", &want)
		if int64(len(a.body)) != want || (a.ContentLength < 0) != strings.Contains(query, "chunked") {
			t.Errorf("%s: got %d bytes, Content-Length %d", query, len(a.body), a.ContentLength)
		}
	}
	began := time.Now()
	a := s.get("/emulator/events?count=3&interval=20ms").want(t, 200)
	if got := strings.Count(string(a.body), "data: "); got != 3 || a.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("events: got %d of %q", got, a.Header.Get("Content-Type"))
	}
	if got := time.Since(began); got < 40*time.Millisecond {
		t.Errorf("three events: got them after %s", got)
	}
	for _, target := range []string{"stream?bytes=x", "stream?bytes=-1", "stream?pause=x", "events?count=x", "events?interval=x"} {
		s.get("/emulator/"+target).want(t, 400)
	}
	s.access = "wrong"
	s.get("/emulator/stream").want(t, 401)
	s.get("/emulator/events").want(t, 401)
	s.get("/emulator/echo").want(t, 401)
}

func TestEchoShowsWhatArrivedWithoutTheCredential(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	a, err := s.try("DELETE", "/emulator/echo?a=1&a=%2F+x", "", strings.NewReader("body"), map[string]string{"X-Own": "value", "Cookie": "session=secret"})
	if err != nil {
		t.Fatal(err)
	}
	echo := a.want(t, 200).object(t)
	headers := echo["headers"].(map[string]any)
	if echo["method"] != "DELETE" || echo["target"] != "/emulator/echo?a=1&a=%2F+x" || fmt.Sprint(headers["X-Own"]) != "[value]" {
		t.Errorf("got %s", a.body)
	}
	if strings.Contains(string(a.body), s.access) || strings.Contains(string(a.body), "session=secret") {
		t.Errorf("shows the credential: %s", a.body)
	}
}

// TestEchoShowsTrailers: it had a copy of the request from before the body was read, with names but no values.
func TestEchoShowsTrailers(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.info.API+"/emulator/echo", io.MultiReader(strings.NewReader("body")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.access)
	req.Trailer = http.Header{"X-Sum": {"7"}}
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var echo struct{ Trailers http.Header }
	if err := json.NewDecoder(res.Body).Decode(&echo); err != nil || echo.Trailers.Get("X-Sum") != "7" {
		t.Errorf("trailers: got %v, %v", echo.Trailers, err)
	}
}
