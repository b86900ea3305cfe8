package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// TestMain lets more tests run at once than there are processors, because those that are parallel mostly wait.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}

// fakeTokens is a TokenSource. Each account has a current token. Renew makes the next one, or fails with renewErr.
type fakeTokens struct {
	mu       sync.Mutex // guards the fields below
	current  map[string]int
	tokenErr error
	renewErr []error // one for each call of Renew, in order; nil and beyond the end mean success
	renewals int
	renewed  chan struct{}                 // nil, or receives a value at every renewal
	during   func(context.Context, string) // nil, or called during Renew
}

func newFakeTokens() *fakeTokens {
	return &fakeTokens{current: map[string]int{"default": 1, "acme": 1}}
}

func (f *fakeTokens) Token(_ context.Context, account string) (tokens.Token, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tokenErr != nil {
		return tokens.Token{}, f.tokenErr
	}
	if f.current[account] == 0 {
		return tokens.Token{}, tokens.ErrUnknownAccount
	}
	return f.token(account), nil
}

func (f *fakeTokens) token(account string) tokens.Token {
	n := f.current[account]
	return tokens.Token{Account: account, Generation: uint64(n), Access: tokens.NewSecret(fmt.Sprintf("%s-%d", account, n))}
}

func (f *fakeTokens) Renew(ctx context.Context, account string, refusal tokens.Refusal) (tokens.Token, error) {
	if f.during != nil {
		f.during(ctx, account)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewals++
	if f.renewed != nil {
		defer func() { f.renewed <- struct{}{} }()
	}
	if len(f.renewErr) > 0 {
		err := f.renewErr[0]
		f.renewErr = f.renewErr[1:]
		if err != nil {
			return tokens.Token{}, err
		}
	}
	if refusal.Token.Same(f.token(account)) {
		f.current[account]++
	}
	return f.token(account), nil
}

func (f *fakeTokens) Accepted(string, tokens.Token) {}

// RefusedAgain answers with the next of renewErr.
func (f *fakeTokens) RefusedAgain(string, tokens.Refusal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.renewErr) == 0 {
		return nil
	}
	err := f.renewErr[0]
	f.renewErr = f.renewErr[1:]
	return err
}

func (f *fakeTokens) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.renewals
}

// seen is a request that reached the upstream.
type seen struct {
	Method, Target, Host string
	Header               http.Header
	Trailer              http.Header
	Bytes                int64
	SHA256               string
	BodyErr              error
}

// upstream is a recording API.
type upstream struct {
	*httptest.Server
	mu       sync.Mutex // guards the fields below
	requests []seen
	conns    []net.Conn
	valid    string // the only token that is not answered with 401; empty accepts all
	handler  http.HandlerFunc
}

// accepted is http.Server.ConnContext.
func (u *upstream) accepted(ctx context.Context, conn net.Conn) context.Context {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.conns = append(u.conns, conn)
	return ctx
}

// die ends every connection, like a process that is killed.
func (u *upstream) die() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, conn := range u.conns {
		conn.Close()
	}
}

// record notes r after its body has been read.
func (u *upstream) record(r *http.Request) seen {
	hash := sha256.New()
	n, err := io.Copy(hash, r.Body)
	s := seen{
		Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header.Clone(), Trailer: r.Trailer,
		Bytes: n, SHA256: hex.EncodeToString(hash.Sum(nil)), BodyErr: err,
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests = append(u.requests, s)
	return s
}

func (u *upstream) seen() []seen {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]seen(nil), u.requests...)
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if u.handler != nil {
		u.handler(w, r)
		return
	}
	u.record(r)
	if u.valid != "" && r.Header.Get("Authorization") != "Bearer "+u.valid {
		refuse401(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"results":[]}`)
}

func refuse401(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	io.WriteString(w, `{"type":"authentication_error","detail":"Invalid token."}`)
}

// rig is a proxy in front of an upstream, over loopback.
type rig struct {
	t        *testing.T
	upstream *upstream
	tokens   *fakeTokens
	proxy    *Proxy
	url      string
	addr     string
	log      *syncBuffer
	client   *http.Client

	mu        sync.Mutex // guards exchanges
	exchanges []Exchange
	told      chan struct{}
}

type rigOptions struct {
	http2     bool // of the upstream
	handler   http.HandlerFunc
	valid     string
	tokens    *fakeTokens
	configure func(*Config)
	transport func(*TransportOptions) // of the transport, if configure sets none
	api       string                  // another API than the upstream
}

func newRig(t *testing.T, o rigOptions) *rig {
	t.Helper()
	g := &rig{t: t, tokens: o.tokens, log: &syncBuffer{}, told: make(chan struct{}, 10_000)}
	if g.tokens == nil {
		g.tokens = newFakeTokens()
	}
	g.upstream = &upstream{handler: o.handler, valid: o.valid}
	g.upstream.Server = httptest.NewUnstartedServer(g.upstream)
	g.upstream.Config.ErrorLog = nullLog()
	g.upstream.Config.ConnContext = g.upstream.accepted
	if o.http2 {
		g.upstream.EnableHTTP2 = true
		g.upstream.StartTLS()
	} else {
		g.upstream.Start()
	}
	t.Cleanup(g.upstream.Close)

	cfg := DefaultConfig()
	cfg.API = mustURL(g.upstream.URL)
	if o.api != "" {
		cfg.API = mustURL(o.api)
	}
	cfg.Tokens = g.tokens
	cfg.TempDir = t.TempDir()
	cfg.Log = logrus.New()
	cfg.Log.SetOutput(g.log)
	cfg.Log.SetLevel(logrus.TraceLevel)
	cfg.AccessLog = &AccessLog{Out: g.log}
	cfg.Observe = func(x Exchange) {
		g.mu.Lock()
		g.exchanges = append(g.exchanges, x)
		g.mu.Unlock()
		g.told <- struct{}{}
	}
	if o.configure != nil {
		o.configure(&cfg)
	}
	if cfg.Transport == nil {
		options := TransportOptions{HeaderTimeout: 120 * time.Second}
		if o.http2 {
			options.Roots = trusting(g.upstream.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs)
		}
		if o.transport != nil {
			o.transport(&options)
		}
		own := NewUpstream(options)
		t.Cleanup(own.CloseIdleConnections) // after the server has ended
		cfg.Transport = own
	}
	proxy, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.proxy = proxy
	g.serve()
	return g
}

func (g *rig) serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	srv := g.proxy.Server()
	done := make(chan error, 1)
	go func() { done <- srv.Serve(listener) }()
	g.addr = listener.Addr().String()
	g.url = "http://" + g.addr
	g.client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	g.t.Cleanup(func() {
		g.client.CloseIdleConnections()
		srv.Close()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := g.proxy.Close(ctx); err != nil {
			g.t.Errorf("close: %v", err)
		}
	})
}

// exchange waits for the n-th exchange and returns it.
func (g *rig) exchange(n int) Exchange {
	g.t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		g.mu.Lock()
		if len(g.exchanges) > n {
			defer g.mu.Unlock()
			return g.exchanges[n]
		}
		g.mu.Unlock()
		select {
		case <-g.told:
		case <-timeout:
			g.t.Fatalf("exchange %d was not told", n)
		}
	}
}

// do sends a request and reads the whole answer.
func (g *rig) do(method, target string, body io.Reader, header ...string) (*http.Response, string) {
	g.t.Helper()
	req, err := http.NewRequest(method, g.url+target, body)
	if err != nil {
		g.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Add(header[i], header[i+1])
	}
	return g.send(req)
}

func (g *rig) send(req *http.Request) (*http.Response, string) {
	g.t.Helper()
	res, err := g.client.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatalf("read the answer: %v", err)
	}
	return res, string(answer)
}

// raw writes wire to a new connection. It returns the answer, and reports whether the proxy then closed the connection.
func (g *rig) raw(wire string) (res *http.Response, body string, closed bool) {
	g.t.Helper()
	conn := g.dial()
	defer conn.Close()
	go io.WriteString(conn, wire)
	return readRaw(g.t, conn)
}

func (g *rig) dial() net.Conn {
	g.t.Helper()
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

func readRaw(t *testing.T, conn net.Conn) (*http.Response, string, bool) {
	t.Helper()
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	if !res.Close {
		return res, string(body), false
	}
	_, err = r.ReadByte()
	return res, string(body), err != nil
}

// problemIn decodes a problem answer, and checks what all problem answers have.
func problemIn(t *testing.T, res *http.Response, body string) (code string) {
	t.Helper()
	var p struct {
		Type, Title, Detail, Code, Hint string
		Status                          int
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("answer %d %q is no problem: %v", res.StatusCode, body, err)
	}
	if got, want := res.Header.Get("Content-Type"), "application/problem+json"; got != want {
		t.Errorf("Content-Type %q, want %q", got, want)
	}
	if p.Status != res.StatusCode {
		t.Errorf("status member %d, want %d", p.Status, res.StatusCode)
	}
	if status := res.Header.Get("Proxy-Status"); !strings.HasPrefix(status, problem.Program+"; error=") || !strings.HasSuffix(status, `; details="`+p.Code+`"`) {
		t.Errorf("Proxy-Status %q does not tell of %s", status, p.Code)
	}
	if p.Type == "" || p.Title == "" || p.Detail == "" {
		t.Errorf("the problem lacks a type, a title or a detail: %s", body)
	}
	if res.Header.Get("X-Request-Id") == "" {
		t.Error("the problem has no X-Request-Id")
	}
	if res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	return p.Code
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// readAll reads until the other side closes.
func readAll(t *testing.T, conn net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("read the connection: %v", err)
	}
	return string(b)
}
