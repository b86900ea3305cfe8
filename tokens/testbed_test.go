package tokens_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// authServer is a strict authorization server: every refresh replaces both tokens and invalidates the old ones at once,
// and a used refresh token gets invalid_grant.
type authServer struct {
	mu      sync.Mutex
	live    map[string]string // refresh token → access token
	codes   map[string]bool
	sent    []string // refresh tokens, in the order of their arrival
	grants  int      // pairs given for refresh tokens
	invalid int      // invalid_grant answers
	life    any      // expires_in; nil leaves it out
	deaf    bool     // the API refuses every token
	// script replaces the answers to the next calls. A function that returns false lets the call continue normally.
	script []func(s *authServer, w http.ResponseWriter, r *http.Request) bool
}

func newAuthServer() *authServer {
	return &authServer{live: map[string]string{}, codes: map[string]bool{}, life: 31535999}
}

// pair returns a new pair, as a login would.
func (s *authServer) pair() tokens.Pair {
	s.mu.Lock()
	defer s.mu.Unlock()
	access, refresh := s.mint()
	life, _ := s.life.(int)
	return tokens.Pair{
		AccessToken: tokens.NewSecret(access), RefreshToken: tokens.NewSecret(refresh),
		ExpiresIn: time.Duration(life) * time.Second,
	}
}

func (s *authServer) mint() (access, refresh string) {
	access, refresh = "access-"+rand.Text(), "refresh-"+rand.Text()
	s.live[refresh] = access
	return access, refresh
}

// accepts reports whether the API takes the token: the probe.
func (s *authServer) accepts(_ context.Context, t tokens.Token) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, access := range s.live {
		if !s.deaf && access == t.Access.Reveal() {
			return true
		}
	}
	return false
}

// kill makes the API refuse t, but keeps the refresh token valid, as after an early expiry.
func (s *authServer) kill(t tokens.Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for refresh, access := range s.live {
		if access == t.Access.Reveal() {
			s.live[refresh] = "killed"
		}
	}
}

// revoke ends every grant.
func (s *authServer) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.live)
}

func (s *authServer) next(f ...func(*authServer, http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, f...)
}

func (s *authServer) counts() (calls, grants, invalid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent), s.grants, s.invalid
}

func (s *authServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || r.URL.RawQuery != "" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.sent = append(s.sent, r.PostForm.Get("refresh_token"))
	var script func(*authServer, http.ResponseWriter, *http.Request) bool
	if len(s.script) > 0 {
		script, s.script = s.script[0], s.script[1:]
	}
	s.mu.Unlock()
	if script != nil && script(s, w, r) {
		return
	}
	s.grant(w, r)
}

func (s *authServer) grant(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refresh, code := r.PostForm.Get("refresh_token"), r.PostForm.Get("code")
	switch {
	case r.PostForm.Get("client_id") != "id" || r.PostForm.Get("client_secret") != "secret":
		refuse(w, "invalid_client")
		return
	case s.live[refresh] != "" && r.PostForm.Get("grant_type") == "refresh_token":
		delete(s.live, refresh)
		s.grants++
	case s.codes[code] && r.PostForm.Get("grant_type") == "authorization_code":
		delete(s.codes, code)
	default:
		s.invalid++
		refuse(w, "invalid_grant")
		return
	}
	access, refresh := s.mint()
	answer := map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "scope": "read+write"}
	if s.life != nil {
		answer["expires_in"] = s.life
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func refuse(w http.ResponseWriter, code string) {
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"error": %q}`, code)
}

// Answers for script.
func answers(status int, header http.Header, body string) func(*authServer, http.ResponseWriter, *http.Request) bool {
	return func(_ *authServer, w http.ResponseWriter, _ *http.Request) bool {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
		return true
	}
}

// answers as usual, but after d
func takes(d time.Duration) func(*authServer, http.ResponseWriter, *http.Request) bool {
	return func(s *authServer, w http.ResponseWriter, r *http.Request) bool {
		time.Sleep(d) // by the clock of the bubble
		return false
	}
}

// losesAnswer commits the rotation and cuts the connection.
func losesAnswer(s *authServer, w http.ResponseWriter, r *http.Request) bool {
	s.grant(discard{http.Header{}}, r)
	panic(http.ErrAbortHandler)
}

// cuts cuts the connection and commits nothing.
func cuts(*authServer, http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }

// silent never answers, and commits nothing.
func silent(_ *authServer, _ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// testbed is an authorization server on a network of pipes, and a store. It outlives a Manager. It is made inside
// a bubble, so that it uses the clock of the bubble.
type testbed struct {
	t      *testing.T
	server *authServer
	store  *faultyStore
	pipes  chan net.Conn

	mu     sync.Mutex // guards the fields below
	down   bool       // nothing listens, so connections are refused
	dials  int
	events []tokens.Event
}

const (
	apiURL   = "https://api.example"
	tokenURL = "http://auth.example/oauth2/access_token"
)

// inTestbed runs f in a bubble with a testbed of its own.
func inTestbed(t *testing.T, f func(t *testing.T, w *testbed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &testbed{t: t, server: newAuthServer(), store: &faultyStore{Memory: tokens.NewMemory()}, pipes: make(chan net.Conn)}
		srv := &http.Server{Handler: w.server}
		go srv.Serve(w)
		t.Cleanup(func() { _ = srv.Close() })
		f(t, w)
	})
}

// testbed is a net.Listener over net.Pipe.
func (w *testbed) Accept() (net.Conn, error) {
	c, ok := <-w.pipes
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (w *testbed) Close() error   { close(w.pipes); return nil }
func (w *testbed) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (w *testbed) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	w.mu.Lock()
	down := w.down
	w.dials++
	w.mu.Unlock()
	if down {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	select {
	case w.pipes <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *testbed) setDown(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

func (w *testbed) config() tokens.Config {
	c := tokens.DefaultConfig()
	c.Store = w.store
	c.API = apiURL
	c.Endpoint = tokens.Endpoint{
		URL: tokenURL, ClientID: "id", ClientSecret: tokens.NewSecret("secret"),
		Transport: func() *http.Transport { return &http.Transport{DialContext: w.dial} },
	}
	c.Probe = w.server.accepts
	c.Observe = func(e tokens.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events = append(w.events, e)
	}
	return c
}

// count returns how many events of a kind were observed.
func (w *testbed) count(kind tokens.EventKind) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// manager starts a Manager, changed by f, that ends with the test.
func (w *testbed) manager(f ...func(*tokens.Config)) *tokens.Manager {
	w.t.Helper()
	c := w.config()
	for _, f := range f {
		f(&c)
	}
	m, err := tokens.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := m.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = closeNow(m) })
	return m
}

// signedIn starts a Manager whose default account has a pair.
func (w *testbed) signedIn(f ...func(*tokens.Config)) *tokens.Manager {
	w.t.Helper()
	m := w.manager(f...)
	w.login(m)
	return m
}

func (w *testbed) login(m *tokens.Manager) {
	w.t.Helper()
	if _, err := m.Login(w.t.Context(), tokens.DefaultAccount, w.server.pair()); err != nil {
		w.t.Fatal(err)
	}
}

// record returns what the store holds.
func (w *testbed) record() tokens.Record {
	w.t.Helper()
	rec, err := w.store.Memory.Load(context.Background(), tokens.DefaultAccount)
	if err != nil {
		w.t.Fatal(err)
	}
	return rec
}

// put changes what the store holds, as another process would.
func (w *testbed) put(change func(*tokens.Record)) {
	w.t.Helper()
	rec := w.record()
	change(&rec)
	if _, err := w.store.Memory.Save(context.Background(), tokens.DefaultAccount, rec); err != nil {
		w.t.Fatal(err)
	}
}

func closeNow(m *tokens.Manager) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return m.Close(ctx)
}

// token fails the test if there is no token.
func token(t *testing.T, m *tokens.Manager) tokens.Token {
	t.Helper()
	tok, err := m.Token(t.Context(), tokens.DefaultAccount)
	if err != nil {
		t.Fatal("Token:", err)
	}
	return tok
}

// refused is the report of a caller whose request was refused.
func refused(tok tokens.Token) tokens.Refusal {
	return tokens.Refusal{Token: tok, Method: http.MethodGet, Path: "/public/v1/documents"}
}

func state(t *testing.T, m *tokens.Manager) string {
	t.Helper()
	s, err := m.AccountStatus(t.Context(), tokens.DefaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	if s.Cause == "" {
		return string(s.State)
	}
	return string(s.State) + ": " + string(s.Cause)
}

func wantState(t *testing.T, m *tokens.Manager, want string) {
	t.Helper()
	if got := state(t, m); got != want {
		t.Errorf("state = %q, want %q", got, want)
	}
}

func (w *testbed) wantCalls(calls, grants, invalid int) {
	w.t.Helper()
	if c, g, i := w.server.counts(); c != calls || g != grants || i != invalid {
		w.t.Errorf("token endpoint: %d calls, %d pairs, %d invalid_grant; want %d, %d, %d", c, g, i, calls, grants, invalid)
	}
}

// faultyStore is a store in memory that can fail.
type faultyStore struct {
	*tokens.Memory
	mu       sync.Mutex
	failSave error
	failLoad error
	onSave   func(tokens.Record) error // called before each save
	loads    int
}

func (s *faultyStore) fail(load, save error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLoad, s.failSave = load, save
}

func (s *faultyStore) Load(ctx context.Context, account string) (tokens.Record, error) {
	s.mu.Lock()
	err := s.failLoad
	s.loads++
	s.mu.Unlock()
	if err != nil {
		return tokens.Record{}, err
	}
	return s.Memory.Load(ctx, account)
}

func (s *faultyStore) Save(ctx context.Context, account string, rec tokens.Record) (tokens.Record, error) {
	s.mu.Lock()
	err, hook := s.failSave, s.onSave
	s.mu.Unlock()
	if err == nil && hook != nil {
		err = hook(rec)
	}
	if err != nil {
		return tokens.Record{}, err
	}
	return s.Memory.Save(ctx, account, rec)
}
