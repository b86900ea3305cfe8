//go:build unix

package chaos

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The answer of the token endpoint, with a new pair that the server has committed, is cut at every byte. If both tokens
// were read, the pair is used. If not, nobody knows if the refresh token was used: it is in doubt, and is never
// treated as certainly valid.
func TestAnswerIsCutAtEveryByte(t *testing.T) {
	t.Parallel()
	for _, framing := range []string{"with a length", "in chunks"} {
		t.Run(framing, func(t *testing.T) {
			t.Parallel()
			const most = 140 // an answer has fewer bytes
			w := newTestbed(t)
			for n := range most { // the name of the account gives the place of the cut
				w.signInAs(fmt.Sprintf("c%d", n))
				w.grants[fmt.Sprintf("c%d", n)].refuses = true
			}
			w.plan(always(plan{lost: true, answer: func(rw http.ResponseWriter, body []byte) {
				g, _ := w.grantOf(body)
				n, _ := strconv.Atoi(g[1:])
				if framing == "with a length" {
					rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
				}
				cutAt(n)(rw, body)
			}}))
			p := w.serve("--refresh-timeout", "1s")
			var mu sync.Mutex
			good, doubtful := 0, 0
			asOne(14, func(worker int) {
				for n := worker; n < most; n += 14 {
					account := fmt.Sprintf("c%d", n)
					got, err := p.getAs(t.Context(), account)
					if err != nil {
						t.Error(err)
						return
					}
					saved, err := w.outcome(account)
					mu.Lock()
					switch {
					case err != nil || saved == 1 && got.status == 200:
						t.Errorf("cut after %d bytes: GET = %v, pair %d of 2 on disk, %v", n, got, saved, err)
					case saved == 2:
						good++
					default:
						doubtful++
					}
					mu.Unlock()
				}
			})
			t.Logf("%d answers: %d times the pair was read, %d times the refresh is in doubt", most, good, doubtful)
			if good == 0 || doubtful == 0 {
				t.Error("want some of both")
			}
			w.wantNoReuse()
		})
	}
}

// grantOf returns the account and the pair in an answer.
func (a *authority) grantOf(body []byte) (account string, pair int) {
	var fields struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &fields); err != nil {
		a.t.Error(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	g, pair := a.grantLocked(fields.AccessToken)
	return g.account, pair
}

// outcome waits until the first refresh of an account has ended. It returns the pair on disk: the new one, or the
// old one in doubt.
func (w *testbed) outcome(account string) (saved int, err error) {
	err = within(waitLimit, func() error {
		rec, err := w.store().Load(w.t.Context(), account)
		if err != nil {
			return err
		}
		saved = numberOf(rec.RefreshToken.Reveal())
		if saved == 1 && rec.UnconfirmedSince.IsZero() || rec.Pending != nil {
			return fmt.Errorf("unconfirmed since %v, marker %v", rec.UnconfirmedSince, rec.Pending)
		}
		return nil
	})
	return saved, err
}

// Answers in an unusual form that contain a pair are accepted: the server has committed it, and the old pair is
// invalid.
func TestOddAnswersAreRead(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		answer func(rw http.ResponseWriter, body string)
	}{
		{"HTML as content type", func(rw http.ResponseWriter, body string) {
			rw.Header().Set("Content-Type", "text/html")
			fmt.Fprint(rw, body)
		}},
		{"status 201", func(rw http.ResponseWriter, body string) { rw.WriteHeader(http.StatusCreated); fmt.Fprint(rw, body) }},
		{"a byte order mark", func(rw http.ResponseWriter, body string) { fmt.Fprint(rw, "\ufeff"+body) }},
		{"the answer twice", func(rw http.ResponseWriter, body string) { fmt.Fprint(rw, body+body) }},
		{"another token type", func(rw http.ResponseWriter, body string) {
			fmt.Fprint(rw, strings.Replace(body, `"Bearer"`, `"BearerToken"`, 1))
		}},
		{"expires_in as text", func(rw http.ResponseWriter, body string) {
			fmt.Fprint(rw, strings.Replace(body, `"expires_in":3600`, `"expires_in":"3600"`, 1))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newSignedIn(t)
			p := w.serve()
			w.plan(always(plan{answer: func(rw http.ResponseWriter, body []byte) { row.answer(rw, string(body)) }}))
			w.refuse()
			p.want(200)
			p.becomes("ready")
			if live, _ := w.live(); w.saved() != live {
				t.Errorf("pair %d is on disk, pair %d is live", w.saved(), live)
			}
			w.wantOneRotation()
		})
	}
}

// Answers without a pair, from a server that is not the token endpoint, do not make the proxy drop its tokens.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		status int
		body   string
		dead   bool // the answer says that the refresh token is spent
	}{
		{"a captive portal", 200, "<html>please sign in to the network</html>", false},
		{"nothing", 200, "", false},
		{"JSON of another service", 200, `{"status":"ok"}`, false},
		{"an error as 200", 200, `{"error":"server_error"}`, false},
		{"a bad refresh token as 200", 200, `{"error":"bad_refresh_token"}`, true},
		{"a bad refresh token as 400", 400, `{"error":"invalid_refresh_token"}`, true},
		{"a revoked token", 401, `{"error":"token_revoked"}`, true},
		{"no such place", 404, "not found", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newSignedIn(t)
			p := w.serve("--refresh-timeout", "5s")
			w.plan(always(plan{foreign: func(rw http.ResponseWriter) {
				rw.WriteHeader(row.status)
				fmt.Fprint(rw, row.body)
			}}))
			w.refuse()
			got, err := p.get(t.Context())
			rec := w.record()
			switch {
			case err != nil:
				t.Error(err)
			case row.dead && (got.code != "login-required" || !rec.IsRejected()):
				t.Errorf("GET = %v, rejected %t, want login-required", got, rec.IsRejected())
			case !row.dead && (got.status != 503 || got.retry == "" || rec.IsRejected()):
				t.Errorf("GET = %v, Retry-After %q, rejected %t, want 503 with a time to come back", got, got.retry, rec.IsRejected())
			}
			if numberOf(rec.RefreshToken.Reveal()) != 1 {
				t.Errorf("%v is on disk, want the pair as it was", rec)
			}
			if c := w.counts(); row.dead && c.calls != 1 {
				t.Errorf("%d token calls, want 1", c.calls)
			}
		})
	}
}
