//go:build unix

package chaos

import (
	"fmt"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// Redis is killed and comes back, twice, while clients ask and tokens end.
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
		for _, p := range pods { // a pod that has not heard of the new pair could not serve without Redis
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

// rotated returns nil once the pair that was refused is replaced.
func (w *machines) rotated() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuses {
		return fmt.Errorf("pair %d is still the newest", w.pair)
	}
	return nil
}

// A failover loses the newest pair, and a pod starts in the window. While a process lives that holds the pair, the
// spent refresh token is not sent.
func TestAFailoverThatLosesTheNewestPair(t *testing.T) {
	t.Parallel()
	failovers := size(2, 10)
	for i := range failovers {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			w := newRedis(t) // it keeps nothing on disk by itself
			w.signIn()
			survivors := w.pods(2)
			for _, p := range survivors {
				p.want(200)
			}
			w.redis.Do("SAVE") // what the replica has
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
			if full() { // refreshes rest for a while after tokens had to be put back
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

// The engine is not there at the start: an access token that was given is served, /readyz names the cause, and
// everything recovers by itself.
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
