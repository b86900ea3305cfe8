package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// service is a running emulator and a client that is signed in to it.
type service struct {
	*Server
	t       *testing.T
	info    Info
	client  *http.Client
	access  string
	refresh string
}

// answer is a whole response.
type answer struct {
	*http.Response
	body []byte
}

func start(t *testing.T, opts Options) *service {
	t.Helper()
	if opts.Seed == 0 {
		opts.Seed = 1
	}
	srv, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		srv.Close()
	})
	return &service{Server: srv, t: t, info: srv.Info(), client: &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, refresh: srv.Info().RefreshToken}
}

// startSignedIn is start with an access token.
func startSignedIn(t *testing.T, opts Options) *service {
	t.Helper()
	s := start(t, opts)
	s.renew()
	return s
}

// token calls the token endpoint. form overrides the fields of a refresh; an empty value leaves a field out.
func (s *service) token(form map[string]string) answer {
	s.t.Helper()
	values := url.Values{"grant_type": {"refresh_token"}, "client_id": {s.info.ClientID}, "client_secret": {s.info.ClientSecret}}
	if form["grant_type"] != "authorization_code" {
		values.Set("refresh_token", s.refresh)
	}
	for name, value := range form {
		values.Set(name, value)
		if value == "" {
			values.Del(name)
		}
	}
	a, err := s.try("POST", s.info.TokenURL, "application/x-www-form-urlencoded", strings.NewReader(values.Encode()), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// renew refreshes and keeps the new pair.
func (s *service) renew() {
	s.t.Helper()
	a := s.token(nil)
	var pair struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	a.decode(s.t, &pair)
	if a.StatusCode != 200 || pair.AccessToken == "" || pair.RefreshToken == "" {
		s.t.Fatalf("refresh: got %s %s", a.Status, a.body)
	}
	s.access, s.refresh = pair.AccessToken, pair.RefreshToken
}

// try sends one request. A target without a scheme is one of the API, and is signed in.
func (s *service) try(method, target, contentType string, body io.Reader, header map[string]string) (answer, error) {
	signIn := strings.HasPrefix(target, "/")
	if signIn {
		target = s.info.API + target
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, target, body)
	if err != nil {
		return answer{}, err
	}
	if signIn {
		req.Header.Set("Authorization", "Bearer "+s.access)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	return answer{res, content}, err
}

func (s *service) do(method, target string, body any) answer {
	s.t.Helper()
	var content io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case multipartForm:
		content, kind = b.encode(s.t)
	case string:
		content, kind = strings.NewReader(b), "application/json"
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		content, kind = bytes.NewReader(raw), "application/json"
	}
	a, err := s.try(method, target, kind, content, nil)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, target, err)
	}
	return a
}

func (s *service) get(target string) answer { s.t.Helper(); return s.do("GET", target, nil) }

// manage calls the management address.
func (s *service) manage(method, path string, body any) answer {
	s.t.Helper()
	return s.do(method, s.info.Manage+path, body)
}

func (s *service) fault(f Fault) {
	s.t.Helper()
	if err := s.AddFault(f); err != nil {
		s.t.Fatal(err)
	}
}

// last is the newest entry of the history.
func (s *service) last() Entry {
	s.t.Helper()
	entries := s.History()
	if len(entries) == 0 {
		s.t.Fatal("the history is empty")
	}
	return entries[len(entries)-1]
}

func (a answer) decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%s: %v in %.200q", a.Status, err, a.body)
	}
}

func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	a.decode(t, &object)
	return object
}

// want checks the status.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: got status %d, want %d: %.300s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.body)
	}
	return a
}

// multipartForm returns a multipart body with a file and fields.
type multipartForm struct {
	fileName string
	content  []byte
	fields   map[string]string
}

func (f multipartForm) encode(t *testing.T) (io.Reader, string) {
	t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for name, value := range f.fields {
		if err := m.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if f.fileName != "" {
		part, err := m.CreateFormFile("file", f.fileName)
		if err != nil {
			t.Fatal(err)
		}
		part.Write(f.content)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return &body, m.FormDataContentType()
}

// startInBubble is startSignedIn without a network, for tests in a bubble.
func startInBubble(t *testing.T, opts Options) *service {
	t.Helper()
	opts.Seed = 1
	e, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv := &Server{Emulator: e, api: "http://api.test", manage: "http://localhost"}
	s := &service{Server: srv, t: t, info: srv.Info(), refresh: srv.Info().RefreshToken, client: &http.Client{
		Transport:     direct{"api.test": e.API(), "localhost": e.Manage()},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	s.renew()
	return s
}

// direct serves requests by calling the handler of their host.
type direct map[string]http.Handler

func (d direct) RoundTrip(r *http.Request) (res *http.Response, err error) {
	defer func() {
		if recover() != nil {
			err = io.ErrUnexpectedEOF // the handler cut the connection
		}
	}()
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.Host, in.RequestURI = r.URL.Host, r.URL.RequestURI()
	w := httptest.NewRecorder()
	d[r.URL.Host].ServeHTTP(w, in)
	res = w.Result()
	res.Request = r
	return res, nil
}

func pdfForm() multipartForm {
	return multipartForm{fileName: "contract.pdf", content: []byte("%PDF-1.4 contract"), fields: map[string]string{"data": `{"name":"Uploaded"}`}}
}
