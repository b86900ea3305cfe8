//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// reread is the time after which every running process has read the record again.
const reread = 35 * time.Second

func (w *testbed) recordFile() string { return filepath.Join(w.dir, tokens.DefaultAccount+".json") }

// rotateWith makes a process refresh n times.
func (w *testbed) rotateWith(p *proxy, n int) {
	w.t.Helper()
	for range n {
		w.refuse()
		p.want(200)
	}
}

// A process has an invalid generation 4; its record is removed, and somebody signs in. The login is used, in the store
// and in the process, although its generation is 1.
func TestLoginCountsAfterARejection(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		sign func(w *testbed, first []byte)
	}{
		{"the record is removed, then a login", func(w *testbed, _ []byte) { w.must(os.Remove(w.recordFile())); w.signIn() }},
		{"a login over the rejected record", func(w *testbed, _ []byte) { w.signIn() }},
		{"the record of another time is put in, then a login", func(w *testbed, first []byte) {
			w.must(os.WriteFile(w.recordFile(), first, 0o600))
			w.signIn()
		}},
		{"a record of a login on another machine is copied", func(w *testbed, _ []byte) {
			other := *w
			other.dir = filepath.Join(t.TempDir(), "other")
			other.signIn()
			w.must(os.Rename(other.recordFile(), w.recordFile()))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newSignedIn(t)
			p := w.serve()
			p.want(200)
			first, err := os.ReadFile(w.recordFile())
			w.must(err)
			w.rotateWith(p, 3)
			w.mu.Lock()
			w.dead = true // revoked by hand at PandaDoc
			w.mu.Unlock()
			w.refuse()
			if got := p.want(502); got.code != "login-required" {
				t.Errorf("code %q, want login-required", got.code)
			}
			row.sign(w, first)
			until(t, "use the login", func() error { return p.is(200) })
			p.becomes("ready")
			held := func() error {
				live, _ := w.live()
				if got := w.saved(); got != live {
					return fmt.Errorf("pair %d is on disk, pair %d is live", got, live)
				}
				return nil
			}
			// Nor may the process put its own record back at its next read.
			for end := time.Now().Add(size(31*time.Second, reread)); time.Now().Before(end); pause(200 * time.Millisecond) {
				if err := errors.Join(held(), p.is(200)); err != nil {
					t.Fatal(err)
				}
			}
			w.refuse()
			p.want(200) // by the refresh token of the login
			if c := w.counts(); c.invalid != 1 {
				t.Errorf("%d refresh tokens were refused, want the one that was revoked", c.invalid)
			}
		})
	}
}

// A command that cannot reach the proxy logs out in the store. The proxy reads the store every 30 s.
func TestLogoutInTheStoreTakesEffectWithin30s(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t)
	p := w.serve()
	p.want(200)
	w.signOut()
	at := time.Now()
	for ; ; pause(200 * time.Millisecond) {
		got, err := p.get(t.Context())
		took := time.Since(at)
		if err == nil && got.status == 502 && got.code == "login-required" {
			t.Logf("requests failed %v after the logout", took.Round(time.Millisecond))
			break
		}
		if err != nil || got.status != 200 || took > reread { // 30 s, and what a busy machine adds
			t.Fatalf("%v after the logout: GET = %v, %v", took, got, err)
		}
	}
	w.refuse()
	if got := p.want(502); got.code != "login-required" {
		t.Errorf("code %q, want login-required", got.code)
	}
	if c := w.counts(); c.calls != 0 {
		t.Errorf("token endpoint: %+v, want no call", c)
	}
}

// The record is deleted while processes run that know different generations of it. The newest one is put back.
// Before that, no old refresh token is sent, although both processes need a new access token.
func TestDeletedRecordComesBack(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t)
	newest, older := w.serve(), w.serve("--refresh-timeout", "1s")
	older.want(200)
	newest.want(200)
	w.rotateWith(newest, 2)
	w.must(os.Remove(w.recordFile()))
	if full() {
		w.refuse() // a process that does not wait would refresh now, with its own pair
	}
	asOne(2, func(i int) {
		p := []*proxy{newest, older}[i]
		for end := time.Now().Add(reread); time.Now().Before(end) && w.holds(3) != nil; pause(100 * time.Millisecond) {
			// The access token of the older process is invalid, and the process may not refresh now: it waits, or
			// a hold is active.
			if got, err := p.get(t.Context()); err != nil || got.status != 200 && got.status != 503 && got.status != 401 {
				t.Errorf("GET = %v, %v", got, err)
				return
			}
		}
	})
	if err := w.holds(3); !full() && err != nil {
		t.Error(err)
	}
	if full() {
		until(t, "refresh with the newest pair", func() error { return older.is(200) })
		until(t, "save", func() error { return w.holds(4) })
	}
	if c := w.counts(); c.invalid != 0 || c.rotations != size(2, 3) {
		t.Errorf("token endpoint: %+v, want %d rotations and no invalid_grant", c, size(2, 3))
	}
	w.wantNoReuse()
}

// The record is deleted while one process runs. The process continues, puts the record back within half a minute, and
// marks it as in doubt.
func TestDeletedRecordIsPutBackInDoubt(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t)
	p := w.serve()
	w.rotateWith(p, 1)
	w.must(os.Remove(w.recordFile()))
	p.want(200)
	var rec tokens.Record
	until(t, "put the record back", func() (err error) {
		p.want(200)
		rec, err = w.store().Load(t.Context(), tokens.DefaultAccount)
		return err
	})
	if live, _ := w.live(); numberOf(rec.RefreshToken.Reveal()) != live || rec.UnconfirmedSince.IsZero() {
		t.Errorf("%v is on disk with unconfirmed_since %v, want the live pair in doubt", rec, rec.UnconfirmedSince)
	}
	w.wantOneRotation()
}

// A backup with an older generation replaces the record while a process runs. The newer pair is put back.
func TestOlderRecordIsReplaced(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t)
	p := w.serve()
	p.want(200)
	backup, err := os.ReadFile(w.recordFile())
	w.must(err)
	w.rotateWith(p, 1)
	restored := w.recordFile() + ".new"
	w.must(errors.Join(os.WriteFile(restored, backup, 0o600), os.Rename(restored, w.recordFile())))
	until(t, "put the newer pair back", func() error {
		p.want(200)
		return w.holds(2)
	})
	if w.record().UnconfirmedSince.IsZero() {
		t.Error("it is not in doubt, although another process could know a newer pair")
	}
	w.wantOneRotation()
}

// Records that a build before 0.1.0 wrote have neither lineage nor issuer. They are read, and upgraded by the first
// refresh.
func TestRecordOfAnOlderBuild(t *testing.T) {
	t.Parallel()
	w := newTestbed(t)
	w.login(tokens.DefaultAccount)
	w.must(os.Mkdir(w.dir, 0o700))
	w.mu.Lock()
	old := fmt.Sprintf(`{"schema":1,"version":"v1","generation":4,"access_token":%q,"refresh_token":%q,"token_type":"Bearer","obtained_at":"2025-01-02T03:04:05Z","later":"kept"}`,
		w.accessToken(), w.refreshToken())
	w.mu.Unlock()
	w.must(os.WriteFile(w.recordFile(), []byte(old), 0o600))
	p := w.serve()
	p.want(200)
	w.rotateWith(p, 1)
	p.becomes("ready")
	if rec := w.record(); rec.Generation != 5 || rec.Issuer == (tokens.Issuer{}) {
		t.Errorf("%v of issuer %v is on disk, want generation 5 with its issuer", rec, rec.Issuer)
	}
	data, err := os.ReadFile(w.recordFile())
	w.must(err)
	for _, want := range []string{`"later":"kept"`, `"token_url":"` + w.tokenURL} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the record does not have %s", want)
		}
	}
	w.wantOneRotation()
}
