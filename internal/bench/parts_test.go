package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/proxy/spool"
	"pandadoc-auth-proxy/tokens"
)

// manager returns a Manager that knows the tokens of that many accounts, and their names.
func manager(tb testing.TB, accounts int) (*tokens.Manager, []string) {
	tb.Helper()
	c := tokens.DefaultConfig()
	c.Store, c.MaxAccounts = tokens.NewMemory(), accounts+1
	c.Endpoint = tokens.Endpoint{URL: "https://localhost/oauth2/access_token", ClientID: "id"}
	c.Accounts = map[string]tokens.AccountConfig{}
	names := make([]string, accounts)
	for i := range names {
		names[i] = fmt.Sprintf("account-%d", i)
		c.Accounts[names[i]] = tokens.AccountConfig{AccessToken: tokens.NewSecret(fmt.Sprintf("an-access-token-of-usual-length-%07d", i))}
	}
	m, err := tokens.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close(tb.Context()) })
	for _, name := range names {
		if _, err := m.Token(tb.Context(), name); err != nil {
			tb.Fatal(err)
		}
	}
	return m, names
}

// Every request asks for the token of an account, and here all of them do so at once.
func BenchmarkToken(b *testing.B) {
	for _, accounts := range []int{1, 100, 10_000, 100_000} {
		m, names := manager(b, accounts)
		for _, goroutines := range []int{1, 64, 1024} {
			b.Run(fmt.Sprintf("%d accounts, %d goroutines", accounts, goroutines), func(b *testing.B) {
				ctx := b.Context()
				b.ReportAllocs()
				b.SetParallelism(max(1, goroutines/runtime.GOMAXPROCS(0)))
				var started atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for i := int(started.Add(1)) * 7919; pb.Next(); i++ {
						if _, err := m.Token(ctx, names[i%len(names)]); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

func TestTokenAllocatesNothing(t *testing.T) {
	m, names := manager(t, 10_000)
	i := 0
	allocations := testing.AllocsPerRun(20_000, func() {
		i++
		if _, err := m.Token(t.Context(), names[i%len(names)]); err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("a token costs %v allocations, want none", allocations)
	}
}

// canned answers every request at once, without a network.
type canned struct{}

func (canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: int64(len(listing)), Body: io.NopCloser(bytes.NewReader(listing)),
		Header: http.Header{"Content-Type": {"application/json"}, "Content-Length": {"1"}, "X-Request-Id": {"4c82f23d91a75961"}},
	}, nil
}

// discard is a ResponseWriter that keeps its header from one request to the next.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// Forward is our part of a request: guard, account, ReverseProxy, a cached token, replay, and the access line.
func BenchmarkForward(b *testing.B) {
	for _, row := range []struct {
		name, method, body string
		log                *proxy.AccessLog
	}{
		{"get", http.MethodGet, "", nil},
		{"get with a line as text", http.MethodGet, "", &proxy.AccessLog{Out: io.Discard}},
		{"get with a line as JSON", http.MethodGet, "", &proxy.AccessLog{Out: io.Discard, JSON: true}},
		{"post of 2 KiB", http.MethodPost, strings.Repeat("x", 2048), nil},
	} {
		b.Run(row.name, func(b *testing.B) {
			c := proxy.DefaultConfig()
			c.Tokens, _ = manager(b, 1)
			c.API, _ = url.Parse("https://api.pandadoc.com")
			c.Transport, c.AccessLog = canned{}, row.log
			p, err := proxy.New(c)
			if err != nil {
				b.Fatal(err)
			}
			w := discard{http.Header{}}
			body := strings.NewReader(row.body)
			r := httptest.NewRequest(row.method, "/@account-0/public/v1/documents", nil)
			r.Host = "localhost:8080"
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				if row.body != "" {
					body.Reset(row.body)
					r.Body, r.ContentLength = io.NopCloser(body), body.Size()
				}
				p.ServeHTTP(w, r)
			}
		})
	}
}

func BenchmarkGuard(b *testing.B) {
	g, err := proxy.NewGuard(proxy.GuardConfig{AllowHosts: []string{"proxy.example"}, AllowOrigins: []string{"https://app.example"}})
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range []struct{ name, host, origin string }{
		{"a program", "localhost:8080", ""},
		{"an allowed page", "proxy.example", "https://app.example"},
	} {
		b.Run(row.name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/public/v1/documents", nil)
			r.Host = row.host
			if row.origin != "" {
				r.Header.Set("Origin", row.origin)
			}
			b.ReportAllocs()
			for b.Loop() {
				if refused := g.Check(r); refused != nil {
					b.Fatal(refused)
				}
			}
		})
	}
}

// conn is a connection without deadlines.
type conn struct{}

func (conn) SetReadDeadline(time.Time) error { return nil }

// A body is copied while it is sent, in case it must be sent again.
func BenchmarkSpool(b *testing.B) {
	for _, size := range []int{2 << 10, 64 << 10, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprintf("%d KiB", size>>10), func(b *testing.B) {
			body := bytes.NewReader(make([]byte, size))
			dir := b.TempDir()
			budget := spool.NewBudget(1<<30, 1<<30, func(err error) { b.Error(err) })
			buffer := make([]byte, 32<<10)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				body.Seek(0, io.SeekStart)
				s := spool.New(body, int64(size), conn{}, spool.Options{Memory: 64 << 10, Disk: 128 << 20, Dir: dir, Timeout: time.Minute, Budget: budget})
				cursor := s.Cursor()
				n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{cursor}, buffer)
				if err != nil || n != int64(size) {
					b.Fatal(n, err)
				}
				cursor.Close()
				s.Release()
			}
		})
	}
}
