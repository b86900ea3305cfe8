//go:build unix

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/redisstore"
	"pandadoc-auth-proxy/tokens/redisstore/redistest"
)

// Redis is killed and starts again, twice, while clients send requests and tokens expire.
func TestRedisIsKilledUnderLoad(t *testing.T) {
	t.Parallel()
	w := newRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	w.signIn()
	pods := w.pods(size(3, 10))
	for _, p := range pods {
		p.want(200)
	}
	stop := w.load(pods)
	for range 2 {
		w.redis.Kill()
		pods[0].becomes("degraded: store-unavailable")
		pause(size(time.Second, 10*time.Second))
		w.redis.Restart()
		for _, p := range pods {
			p.becomes("ready")
		}
		w.refuse()
		until(t, "rotate", func() error { return w.rotated() })
		w.newest()
		for _, p := range pods { // a pod that does not know the new pair yet could not serve requests without Redis
			until(t, "use the new pair", func() error { return p.is(200) })
		}
	}
	all, failed, reasons := stop()
	c := w.counts()
	t.Logf("2 restarts of Redis under load: %d of %d requests failed, %d token calls, %d refused", failed, all, c.calls, c.invalid)
	if failed > 0 || c.calls != 2 || c.invalid != 0 {
		t.Errorf("%d requests failed (%s), %d token calls, %d invalid_grant; want 0, 2, 0", failed, reasons, c.calls, c.invalid)
	}
	w.wantNoReuse()
}

// rotated returns nil when the refused pair has been replaced.
func (w *machines) rotated() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuses {
		return fmt.Errorf("pair %d is still the newest", w.pair)
	}
	return nil
}

// A failover loses the newest pair, and a pod starts just then. While a process with that pair runs, the used
// refresh token is not sent.
func TestAFailoverThatLosesTheNewestPair(t *testing.T) {
	t.Parallel()
	failovers := size(2, 10)
	for i := range failovers {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			w := newRedis(t) // it saves nothing on disk by itself
			w.signIn()
			survivors := w.pods(2)
			for _, p := range survivors {
				p.want(200)
			}
			w.redis.Do("SAVE") // the data of the replica
			w.rotate(survivors)
			w.newest()
			w.redis.Kill()
			w.redis.Restart()
			newcomer := w.pod(nil)
			pods := append(survivors, newcomer)
			for _, p := range pods {
				until(t, "serve after the failover", func() error { return p.is(200) })
			}
			w.newest()
			if full() { // refreshes wait for a while after tokens were put back
				w.refuse()
				for _, p := range pods {
					until(t, "rotate after the failover", func() error { return p.is(200) })
				}
			}
			if c := w.counts(); c.invalid != 0 || c.rotations != size(1, 2) {
				t.Errorf("%d rotations, %d invalid_grant; want %d and 0", c.rotations, c.invalid, size(1, 2))
			}
			w.wantNoReuse()
		})
	}
}

// The engine is unavailable at the start. The access token of the configuration is used, /readyz names the cause,
// and everything recovers by itself.
func TestRedisIsAwayAtTheStart(t *testing.T) {
	t.Parallel()
	w := newRedis(t)
	w.redis.Kill()
	pair := w.login(tokens.DefaultAccount)
	bare := w.pod(nil)
	bare.becomes("unavailable: store-unavailable")
	seeded := w.pod([]string{"PANDADOC_ACCESS_TOKEN=" + pair.AccessToken.Reveal(), "PANDADOC_REFRESH_TOKEN=" + pair.RefreshToken.Reveal()})
	seeded.want(200)
	seeded.becomes("degraded: store-unavailable")
	w.redis.Restart()
	seeded.becomes("ready")
	bare.becomes("ready")
	bare.want(200)
	if c := w.counts(); c.calls != 0 {
		t.Errorf("%d token calls, want none", c.calls)
	}
}

// The engine accepts requests but does not answer. Tokens in memory are used at once, nobody refreshes, and
// clients are told to come back.
func TestAnEngineThatHangs(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *machines) {
		w.signIn()
		pods := []*proxy{w.pod(nil, "--refresh-timeout", "4s"), w.pod(nil, "--refresh-timeout", "4s")}
		for _, p := range pods {
			p.want(200)
		}
		resume := sync.OnceFunc(w.hang())
		defer resume()
		began := time.Now()
		for _, p := range pods {
			p.want(200)
		}
		if took := time.Since(began); took > 3*time.Second { // the engine gets 3 s and more
			t.Errorf("two requests took %v", took)
		}
		w.refuse()
		for _, p := range pods {
			if got := p.want(503); got.retry == "" {
				t.Errorf("%v without Retry-After", got)
			}
		}
		if c := w.counts(); c.calls != 0 {
			t.Errorf("%d token calls without a marker", c.calls)
		}
		resume()
		for _, p := range pods {
			until(t, "recover", func() error { return p.is(200) })
		}
		if c := w.counts(); c.calls != 1 || c.invalid != 0 {
			t.Errorf("%d token calls, %d invalid_grant, want one rotation", c.calls, c.invalid)
		}
		w.wantNoReuse()
	})
}

// A failover loses the newest pair, and no process has it. That costs one token call and a login, and the call is
// not repeated.
func TestAPairThatIsLostForGood(t *testing.T) {
	t.Parallel()
	w := newRedis(t)
	w.signIn()
	holder := w.pod(nil)
	holder.want(200)
	w.redis.Do("SAVE") // the data of the replica
	w.rotate([]*proxy{holder})
	w.newest()
	holder.Kill()
	w.redis.Kill()
	w.redis.Restart()
	before := w.counts().calls
	newcomer := w.pod(nil)
	until(t, "tell that a login is due", func() error {
		got, err := newcomer.get(t.Context())
		if err == nil && got.code != "login-required" {
			err = fmt.Errorf("GET = %v", got)
		}
		return err
	})
	for range 20 {
		newcomer.want(502)
	}
	if calls := w.counts().calls - before; calls != 1 {
		t.Errorf("%d token calls, want 1", calls)
	}
	w.signIn()
	newcomer.becomes("ready")
	newcomer.want(200)
}

// Machines use Redis over TLS with a private root certificate, as a user with the documented rights, whose
// password is in a file.
func TestMachinesShareRedisOverTLS(t *testing.T) {
	t.Parallel()
	server := redistest.StartTLS(t, append([]string{"--user", "proxy", "on", ">secret"}, strings.Fields(redisstore.Rights("pandadoc-auth-proxy"))...)...)
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	url := "rediss://proxy@" + server.TLSAddr()
	w := newRedisAt(t, server, redisstore.Options{URL: server.URL("")},
		"--store", url, "--store-password-file", file("password", []byte("secret\n")), "--ca-file", file("root.pem", server.Root()))
	w.signIn()
	pods := w.pods(2)
	for range 2 {
		w.rotate(pods)
		w.newest()
	}
	for _, p := range pods {
		p.becomes("ready")
	}
	if c := w.counts(); c.calls != 2 || c.invalid != 0 {
		t.Errorf("%d token calls, %d invalid_grant, want 2 and 0", c.calls, c.invalid)
	}
	w.wantNoReuse()
}
