//go:build unix

package chaos

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/kubestore"
	"pandadoc-auth-proxy/tokens/kubestore/kubetest"
	"pandadoc-auth-proxy/tokens/redisstore"
	"pandadoc-auth-proxy/tokens/redisstore/redistest"
)

// machines is a testbed whose processes share only an engine (Redis or Kubernetes): each has its own home
// directory.
type machines struct {
	*testbed
	args   []string // flags that name the store
	shared tokens.Store
	// open returns the store, with keys that encrypt tokens.
	open func(keys *tokens.Codec) tokens.Store
	// calls returns the number of requests to the engine.
	calls func() int
	// hang makes the engine answer nothing until resume is called.
	hang func() (resume func())
	// holds returns all data that the engine would have on its disk.
	holds func() string

	redis *redistest.Server // nil for Kubernetes
}

// onEngines runs f on Redis and on Kubernetes.
func onEngines(t *testing.T, f func(t *testing.T, w *machines)) {
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		f(t, newRedis(t, "--appendonly", "yes", "--appendfsync", "always"))
	})
	t.Run("kubernetes", func(t *testing.T) {
		t.Parallel()
		f(t, newKubernetes(t))
	})
}

func newRedis(t *testing.T, args ...string) *machines {
	t.Helper()
	server := redistest.Start(t, args...)
	return newRedisAt(t, server, redisstore.Options{URL: server.URL("")}, "--store", server.URL(""))
}

// newRedisAt returns a testbed on server. The processes open the store with args, the testbed itself with o.
func newRedisAt(t *testing.T, server *redistest.Server, o redisstore.Options, args ...string) *machines {
	t.Helper()
	w := &machines{testbed: newTestbed(t), args: args, redis: server, hang: server.Stop}
	w.open = func(keys *tokens.Codec) tokens.Store {
		o.Codec = keys
		s, err := redisstore.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	w.calls = func() int {
		for _, line := range strings.Fields(server.Do("INFO", "stats")) {
			if n, ok := strings.CutPrefix(line, "total_commands_processed:"); ok {
				calls, err := strconv.Atoi(n)
				if err != nil {
					t.Fatal(err)
				}
				return calls
			}
		}
		t.Fatal("Redis does not count its commands")
		return 0
	}
	w.holds = server.Dump
	w.shared = w.open(nil)
	return w
}

// newKubernetes uses the API server of PANDADOC_TEST_KUBERNETES_URL. Without that, it uses kubetest.
func newKubernetes(t *testing.T) *machines {
	t.Helper()
	w := &machines{testbed: newTestbed(t)}
	if text := os.Getenv("PANDADOC_TEST_KUBERNETES_URL"); text != "" {
		w.inKubernetes(w.counted(text), "default", "test-"+strings.ToLower(rand.Text()[:8]))
		return w
	}
	server := kubetest.Start(t, kubetest.Everything)
	w.inKubernetes(server.URL(), kubetest.Namespace, "proxy")
	w.hang = server.Hang
	w.calls = func() int { total, _ := server.Requests(); return total }
	w.holds = func() string { return string(server.Dump()) }
	return w
}

func (w *machines) inKubernetes(u *url.URL, namespace, prefix string) {
	w.args = []string{"--store", "kubernetes:" + namespace + "/" + prefix, "--kubernetes-url", u.String()}
	w.open = func(keys *tokens.Codec) tokens.Store {
		s, err := kubestore.Open(kubestore.Options{URL: u, Namespace: namespace, Prefix: prefix, Codec: keys})
		if err != nil {
			w.t.Fatal(err)
		}
		return s
	}
	w.shared = w.open(nil)
}

// counted puts a proxy that counts requests in front of a real API server. It sets calls, holds and hang.
func (w *machines) counted(text string) *url.URL {
	w.t.Helper()
	target, err := url.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	var calls atomic.Int64
	var gate sync.RWMutex // requests wait while the server hangs
	relay := &httputil.ReverseProxy{FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		calls.Add(1)
		gate.RLock()
		defer gate.RUnlock()
		r.SetURL(target)
	}}
	server := httptest.NewServer(relay)
	w.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	w.hang = func() func() { gate.Lock(); return gate.Unlock }
	w.calls = func() int { return int(calls.Load()) }
	w.holds = func() string {
		answer, err := http.Get(target.JoinPath("api/v1/namespaces/default/secrets").String())
		if err != nil {
			w.t.Fatal(err)
		}
		defer answer.Body.Close()
		all, err := io.ReadAll(answer.Body)
		if err != nil {
			w.t.Fatal(err)
		}
		return string(all)
	}
	u, err := url.Parse(server.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// pod starts a process that shares only the engine with others.
func (w *machines) pod(more []string, args ...string) *proxy {
	w.t.Helper()
	home := w.t.TempDir()
	env := append([]string{"TMPDIR=" + home, "XDG_STATE_HOME=" + home, "XDG_RUNTIME_DIR=" + home}, more...)
	return w.start(tie, env, append(append([]string{}, w.args...), args...)...)
}

func (w *machines) pods(n int) []*proxy {
	w.t.Helper()
	all := make([]*proxy, n)
	for i := range all {
		all[i] = w.pod(nil)
	}
	return all
}

// command returns a Manager like that of a command on another machine, to change a record.
func (w *machines) command() *tokens.Manager {
	w.t.Helper()
	c := tokens.DefaultConfig()
	c.Store, c.Endpoint.URL, c.Endpoint.ClientID = w.shared, w.tokenURL, clientID
	m, err := tokens.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *machines) signIn() {
	w.t.Helper()
	if _, err := w.command().Login(w.t.Context(), tokens.DefaultAccount, w.login(tokens.DefaultAccount)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *machines) record() tokens.Record {
	w.t.Helper()
	rec, err := w.shared.Load(w.t.Context(), tokens.DefaultAccount)
	if err != nil {
		w.t.Fatalf("the store cannot be read: %v", err)
	}
	return rec
}

func (w *machines) saved() int { return numberOf(w.record().RefreshToken.Reveal()) }

// rotate invalidates the access token, and sends requests to all pods at once. It returns how many requests
// failed.
func (w *machines) rotate(pods []*proxy) int {
	w.t.Helper()
	var failed atomic.Int64
	w.refuse()
	asOne(2*len(pods), func(i int) {
		if got, err := pods[i/2].get(w.t.Context()); err != nil || got.status != 200 {
			failed.Add(1)
			w.t.Errorf("process %d answers %v, %v", i/2, got, err)
		}
	})
	return int(failed.Load())
}

// load sends requests to the pods until the returned function is called. That function returns how many requests
// were sent, how many failed, and some of the reasons.
func (w *machines) load(pods []*proxy) func() (all, failed int, reasons string) {
	var mu sync.Mutex // guards the fields below
	var all, failed int
	var reasons []string
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i, p := range pods {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				got, err := p.get(w.t.Context())
				mu.Lock()
				all++
				if err != nil || got.status != 200 {
					failed++
					reasons = append(reasons, fmt.Sprintf("process %d: %v %v", i, got, err))
				}
				mu.Unlock()
			}
		})
	}
	return func() (int, int, string) {
		close(stop)
		clients.Wait()
		return all, failed, strings.Join(reasons[:min(5, len(reasons))], "; ")
	}
}

// newest waits until the store has the live pair.
func (w *machines) newest() {
	w.t.Helper()
	until(w.t, "hold the newest pair", func() error {
		rec, err := w.shared.Load(w.t.Context(), tokens.DefaultAccount)
		if err != nil {
			return err
		}
		if live, _ := w.live(); numberOf(rec.RefreshToken.Reveal()) != live || rec.Pending != nil {
			return errors.New("it holds an older one, or a marker")
		}
		return nil
	})
}
