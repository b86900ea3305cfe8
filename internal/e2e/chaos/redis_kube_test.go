//go:build unix

package chaos

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/kubestore/kubetest"
	"pandadoc-auth-proxy/tokens/storetest"
)

// Machines that share an engine (Redis or Kubernetes) share one login: each expired access token costs one
// refresh, and no client notices it.
func TestMachinesShareOneCredential(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *machines) {
		processes, rotations := size(4, 10), size(3, 30)
		w.signIn()
		pods := w.pods(processes)
		failed := 0
		began := time.Now()
		for range rotations {
			failed += w.rotate(pods)
			w.newest()
		}
		c := w.counts()
		t.Logf("%d processes, %d rotations in %.1f s: %d token calls, %d refused, %d of %d requests failed",
			processes, rotations, time.Since(began).Seconds(), c.calls, c.invalid, failed, 2*processes*rotations)
		if c.calls != rotations || c.invalid != 0 {
			t.Errorf("token endpoint: %d calls, %d invalid_grant; want %d and 0", c.calls, c.invalid, rotations)
		}
		w.wantNoReuse()
	})
}

// kill -9 in the middle of refreshes. A login is needed only if the kill was between the server's commit and our
// save.
func TestMachinesKilledWhileRefreshing(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *machines) {
		draw := draws(t)
		r := rand.New(rand.NewPCG(draw.Uint64(), 0))
		survivors := w.pods(size(2, 9))
		logins, kills := 0, size(2, 10)
		for range kills {
			w.signIn()
			for _, p := range survivors {
				until(t, "use the login", func() error { return p.is(200) })
			}
			victim := w.pod(nil)
			before, _ := w.live()
			w.killDuring(r, victim)
			w.rest()
			live, _ := w.live()
			lost := w.saved() != live
			w.excuse(before)
			w.plan(always(plan{}))
			if w.record().Pending != nil && !full() {
				continue // it takes half a minute of waiting, and a minute if the pair was lost
			}
			want := answer{status: 200}
			if lost {
				logins++
				want = answer{status: 502, code: "login-required"}
			}
			for _, p := range survivors {
				until(t, fmt.Sprintf("recover after a kill (pair lost: %v)", lost), func() error {
					got, err := p.get(t.Context())
					if err == nil && (got.status != want.status || got.code != want.code) {
						err = fmt.Errorf("GET = %v, want %v", got, want)
					}
					return err
				})
			}
		}
		t.Logf("%d kills, %d logins, each after a call that was killed between commit and save", kills, logins)
		w.wantNoReuse()
	})
}

// A pod starts again with the seed of its manifest, which was used long ago. It uses the stored pair.
func TestANewPodWithTheOldSeedTakesTheStoredPair(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *machines) {
		pair := w.login(tokens.DefaultAccount)
		seeded := []string{"PANDADOC_REFRESH_TOKEN=" + pair.RefreshToken.Reveal()}
		first := w.pod(seeded)
		first.want(200)
		w.rotate([]*proxy{first})
		calls := w.counts().calls
		pods := size(3, 20)
		for range pods {
			p := w.pod(seeded)
			p.want(200)
			p.Kill()
		}
		t.Logf("%d of %d new pods took the stored pair: %d token calls before, %d after", pods, pods, calls, w.counts().calls)
		if c := w.counts(); c.calls != calls || c.invalid != 0 {
			t.Errorf("%d calls of the token endpoint, want none; %d invalid_grant", c.calls-calls, c.invalid)
		}
	})
}

func TestALoginElsewhereIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *machines) {
		w.signIn()
		pods := w.pods(2)
		for _, p := range pods {
			p.want(200)
			p.becomes("ready")
		}
		seen := func(what, state string) {
			began := time.Now()
			for _, p := range pods {
				p.becomes(state)
			}
			took := time.Since(began)
			t.Logf("%s: seen after %v", what, took.Round(time.Millisecond))
			if took > 2*time.Second && !full() { // at full size, many other tests run at the same time
				t.Errorf("a %s was seen after %v, want 2 s", what, took)
			}
		}
		if _, err := w.command().Logout(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		seen("logout", "login-required: logged-out")
		w.signIn()
		seen("login", "ready")
	})
}

// Idle accounts cost the engine no requests, except the test that the connection still works.
func TestIdleAccountsAreNotPolled(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *machines) {
		stored, used, quiet := size(200, 10_000), size(50, 500), size(5*time.Second, time.Minute)
		rec := storetest.Sample()
		pair := w.login(tokens.DefaultAccount)
		rec.AccessToken, rec.RefreshToken = pair.AccessToken, pair.RefreshToken
		rec.Pending, rec.Rejected, rec.Hold, rec.Forgotten, rec.UnconfirmedSince, rec.RestoredAt = nil, nil, nil, false, time.Time{}, time.Time{}
		rec.Issuer = tokens.Issuer{}
		rec.ObtainedAt, rec.ExpiresAt = time.Now(), time.Now().Add(300*24*time.Hour)
		name := func(i int) string { return fmt.Sprintf("account-%d", i) }
		asOne(8, func(worker int) {
			for i := worker; i < stored; i += 8 {
				if _, err := w.shared.Save(t.Context(), name(i), rec); err != nil {
					t.Error(err)
					return
				}
			}
		})
		p := w.pod(nil)
		for i := range used {
			if got, err := p.getAs(t.Context(), name(i)); err != nil || got.status != 200 {
				t.Fatalf("account %d: %v, %v", i, got, err)
			}
		}
		rest := 0
		until(t, "read all records", func() error { // they are read in the background after the start
			before := w.calls()
			pause(3 * time.Second)
			if rest = w.calls() - before; rest > 10 {
				return fmt.Errorf("%d calls in 3 s", rest)
			}
			return nil
		})
		before := w.calls()
		pause(quiet)
		calls := w.calls() - before
		t.Logf("%d accounts stored, %d used, idle for %v: %d engine calls", stored, used, quiet, calls)
		if calls >= 10 {
			t.Errorf("%d engine calls in %v, want fewer than 10", calls, quiet)
		}
	})
}

// The engine has no unencrypted tokens. A key is replaced without an outage: pods are restarted one after the
// other, first with the new key in second place, then in first place, then alone.
func TestKeysAreReplacedWithoutDowntime(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, w *machines) {
		key := func(letter string) string {
			return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32))) + "\n"
		}
		dir := t.TempDir()
		file := func(name string, lines ...string) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		old, fresh := key("a"), key("b")
		keys, err := tokens.ParseKeys([]byte(fresh + old))
		if err != nil {
			t.Fatal(err)
		}
		w.shared = w.open(keys)
		w.signIn()
		stages := []string{file("one", old, fresh), file("two", fresh, old), file("three", fresh)}
		const replicas = 2
		pods := make([]*proxy, replicas)
		for stage, path := range stages {
			for i := range pods {
				next := w.pod(nil, "--store-key-file", path)
				next.want(200)
				if pods[i] != nil {
					pods[i].Kill()
				}
				pods[i] = next
			}
			if failed := w.rotate(pods); failed > 0 {
				t.Errorf("stage %d: %d requests failed", stage, failed)
			}
			w.newest()
			if text := w.holds(); strings.Contains(text, "refresh-default-") || strings.Contains(text, "access-default-") ||
				strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("refresh-default-"))) {
				t.Errorf("stage %d: a token stands in clear in the engine", stage)
			}
		}
		if c := w.counts(); c.calls != len(stages) || c.invalid != 0 {
			t.Errorf("%d calls, %d invalid_grant", c.calls, c.invalid)
		}
		if only, err := tokens.ParseKeys([]byte(old)); err != nil {
			t.Error(err)
		} else if _, err := w.open(only).Load(t.Context(), tokens.DefaultAccount); err == nil {
			t.Error("the old key still opens the record")
		}
	})
}

// A GitOps tool empties the Secret, or removes it. Processes that have the pair in memory put it back, also if
// they may not create the Secret and somebody else creates it again. They answer all requests in the meantime.
func TestASecretThatIsReset(t *testing.T) {
	t.Parallel()
	const name = "proxy-" + tokens.DefaultAccount
	server := kubetest.Start(t, kubetest.Everything)
	w := &machines{testbed: newTestbed(t)}
	w.inKubernetes(server.URL(), kubetest.Namespace, "proxy")
	pair := w.login(tokens.DefaultAccount)
	seeded := []string{"PANDADOC_REFRESH_TOKEN=" + pair.RefreshToken.Reveal()}
	pods := []*proxy{w.pod(seeded), w.pod(seeded)}
	w.rotate(pods)
	w.newest()
	before := w.counts().calls
	empty := func(s kubetest.Secret) { delete(s, "data") }
	for what, reset := range map[string]func(){
		"emptied": func() { server.Put(name, empty) },
		"removed": func() { server.Delete(name) },
		"removed, and made again by somebody else": func() {
			server.Allow(kubetest.Named(name))
			server.Delete(name)
			pods[0].becomes("degraded: store-unavailable")
			server.Put(name, empty)
		},
	} {
		reset()
		newcomer := w.pod(seeded) // the seed of its manifest was used long ago
		w.newest()
		for _, p := range append(pods, newcomer) {
			until(t, "serve after the Secret was "+what, func() error { return p.is(200) })
		}
		newcomer.Kill()
		server.Allow(kubetest.Everything)
	}
	if c := w.counts(); c.calls != before || c.invalid != 0 {
		t.Errorf("%d token calls and %d invalid_grant, want none", c.calls-before, c.invalid)
	}
}
