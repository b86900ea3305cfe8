package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is an Emulator that listens.
type Server struct {
	*Emulator
	api, manage string // origins
	servers     []*http.Server
	closing     context.CancelFunc // ends the waiting in slow answers
	running     sync.WaitGroup     // what Close waits for: listeners and requests

	mu     sync.RWMutex // guards closed; held while a request joins running
	closed bool
}

// Start makes an emulator and serves its API and its management handler on their own loopback
// addresses until Close is called or ctx ends.
func Start(ctx context.Context, opts Options) (*Server, error) {
	e, err := New(opts)
	if err != nil {
		return nil, err
	}
	api, err := listen(ctx, opts.Listen)
	if err != nil {
		return nil, err
	}
	manage, err := listen(ctx, opts.ManageListen)
	if err != nil {
		api.Close()
		return nil, err
	}
	base, cancel := context.WithCancel(ctx)
	s := &Server{Emulator: e, api: origin(api), manage: origin(manage), closing: cancel}
	s.serve(base, api, e.API())
	s.serve(base, manage, e.Manage())
	s.running.Go(func() {
		<-base.Done()
		for _, srv := range s.servers {
			srv.Close()
		}
	})
	return s, nil
}

// Info is what a client needs to use an emulator. As JSON, it is the line that the sandbox command prints.
type Info struct {
	API          string `json:"api"`
	AuthorizeURL string `json:"authorize_url"`
	TokenURL     string `json:"token_url"`
	Manage       string `json:"manage"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`
}

// Info returns the addresses and the credentials of the emulator. The refresh token is the current one of the first
// grant, or "" after Revoke.
func (s *Server) Info() Info {
	return Info{
		API:          s.api,
		AuthorizeURL: s.api + "/oauth2/authorize",
		TokenURL:     s.api + "/oauth2/access_token",
		Manage:       s.manage,
		ClientID:     s.client.id,
		ClientSecret: s.client.secret,
		RefreshToken: s.grants.firstRefreshToken(),
	}
}

// Close ends all connections and waits for all requests. It is safe to call twice.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.closing()
	s.running.Wait()
	return nil
}

// join makes Close wait for a request. After Close it refuses, because a WaitGroup must not grow from zero while
// somebody waits for it.
func (s *Server) join() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.closed {
		s.running.Add(1)
	}
	return !s.closed
}

func (s *Server) serve(base context.Context, l net.Listener, h http.Handler) {
	counted := func(w http.ResponseWriter, r *http.Request) {
		if !s.join() {
			panic(http.ErrAbortHandler)
		}
		defer s.running.Done()
		h.ServeHTTP(w, r)
	}
	srv := &http.Server{
		Handler:           http.HandlerFunc(counted),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return base },
		// Do not log cut connections: the emulator cuts them on purpose.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.servers = append(s.servers, srv)
	s.running.Go(func() { srv.Serve(l) })
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	address = cmp.Or(address, "127.0.0.1:0")
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("sandbox: listen on %s: %w", address, err)
	}
	// A hosts file can give "localhost" any address.
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		l.Close()
		return nil, fmt.Errorf("sandbox: %s is not loopback here", address)
	}
	return l, nil
}

func origin(l net.Listener) string { return "http://" + l.Addr().String() }
