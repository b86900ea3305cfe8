package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// Accounts that a command had signed in to were unknown to a new process until their first request.
func TestAccountsOfTheStoreAreKnownFromTheStart(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		command := w.bare()
		for _, name := range []string{"acme", "other"} {
			if _, err := command.Login(t.Context(), name, w.server.pair()); err != nil {
				t.Fatal(err)
			}
		}
		m := w.manager()
		if got := states(m); got != "acme ready, other ready" {
			t.Errorf("after the start: %s", got)
		}
		if _, err := command.Login(t.Context(), "third", w.server.pair()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := states(m); got != "acme ready, other ready, third ready" {
			t.Errorf("a minute after another login: %s", got)
		}
		w.login(command)
		time.Sleep(time.Minute)
		if got := states(m); got != "acme ready, default ready, other ready, third ready" {
			t.Errorf("after a login to the default account: %s", got)
		}
	})
}

func states(m *tokens.Manager) string {
	var all []string
	for _, s := range m.Status() {
		all = append(all, s.Account+" "+string(s.State))
	}
	return strings.Join(all, ", ")
}

// All accounts are shown, even if there are more than fit in memory.
func TestAccountsBeyondMemoryAreShown(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		command := w.bare()
		for i := range 20 {
			if _, err := command.Login(t.Context(), fmt.Sprintf("a%02d", i), w.server.pair()); err != nil {
				t.Fatal(err)
			}
		}
		m := w.manager(func(c *tokens.Config) { c.MaxAccounts = 3 })
		if got := len(m.Status()); got != 20 {
			t.Errorf("%d accounts are shown, want 20", got)
		}
		for i := range 20 {
			if _, err := m.Token(t.Context(), fmt.Sprintf("a%02d", i)); err != nil {
				t.Error(err)
			}
		}
		if got := len(m.Status()); got != 20 {
			t.Errorf("%d accounts are shown after use, want 20", got)
		}
	})
}

// Changes by other processes to accounts that did not fit in memory were not noticed: the old state was shown.
func TestAccountsBeyondMemoryAreShownAsTheyAre(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		command := w.bare()
		for _, name := range []string{"a", "b", "c", "d"} {
			if _, err := command.Login(t.Context(), name, w.server.pair()); err != nil {
				t.Fatal(err)
			}
		}
		m := w.manager(func(c *tokens.Config) { c.MaxAccounts = 1 })
		if got, want := states(m), "a ready, b ready, c ready, d ready"; got != want {
			t.Errorf("after the start: %s; want %s", got, want)
		}
		for _, name := range []string{"a", "b", "c", "d"} {
			if _, err := m.Token(t.Context(), name); err != nil {
				t.Error(err)
			}
		}
		_, _ = command.Logout(t.Context(), "a")
		_, _ = command.Forget(t.Context(), "b")
		time.Sleep(time.Minute)
		if got, want := states(m), "a login-required, c ready, d ready"; got != want {
			t.Errorf("after a logout elsewhere: %s; want %s", got, want)
		}
		for _, name := range []string{"a", "b"} {
			if _, err := command.Login(t.Context(), name, w.server.pair()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if got, want := states(m), "a ready, b ready, c ready, d ready"; got != want {
			t.Errorf("after a login elsewhere: %s; want %s", got, want)
		}
		w.wantCalls(0, 0, 0)
	})
}

// A record that could not be read at the start was not read again before its first request.
func TestAccountThatCouldNotBeReadIsReadAgain(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		if _, err := w.bare().Login(t.Context(), "acme", w.server.pair()); err != nil {
			t.Fatal(err)
		}
		w.store.fail(errors.New("not a valid record"), nil)
		m := w.manager()
		if got := states(m); got != "acme unavailable" {
			t.Errorf("after the start: %s", got)
		}
		w.store.fail(nil, nil)
		time.Sleep(30 * time.Second)
		if got := states(m); got != "acme ready" {
			t.Errorf("half a minute after its repair: %s", got)
		}
	})
}

// slowStore needs a while for each record, like a store with locks that others hold.
type slowStore struct {
	*faultyStore
	running, most atomic.Int32
}

func (s *slowStore) Load(ctx context.Context, account string) (tokens.Record, error) {
	n := s.running.Add(1)
	defer s.running.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	time.Sleep(9 * time.Second) // by the clock of the bubble
	return s.faultyStore.Load(ctx, account)
}

func TestAccountsAreReadSeveralAtOnceAndTheStartDoesNotWait(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		command := w.bare()
		for i := range 40 {
			if _, err := command.Login(t.Context(), fmt.Sprintf("a%02d", i), w.server.pair()); err != nil {
				t.Fatal(err)
			}
		}
		slow := &slowStore{faultyStore: w.store}
		begin := time.Now()
		m := w.manager(func(c *tokens.Config) { c.Store = slow })
		if took := time.Since(begin); took > time.Second {
			t.Errorf("Start took %v", took)
		}
		time.Sleep(19 * time.Second) // before the first is read again
		if got := slow.most.Load(); got < 2 || got > 8 {
			t.Errorf("%d accounts were read at once, want 2 to 8", got)
		}
		time.Sleep(time.Minute)
		if strings.Contains(states(m), "unknown") {
			t.Errorf("after more than a minute: %s", states(m))
		}
	})
}

// 80 seeded accounts made 80 token calls at once.
func TestAtMostEightTokenCallsAtOnce(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		var running, most atomic.Int32
		slow := func(*authServer, http.ResponseWriter, *http.Request) bool {
			n := running.Add(1)
			defer running.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			return false
		}
		for range 80 {
			w.server.next(slow)
		}
		accounts := map[string]tokens.AccountConfig{}
		for i := range 80 {
			accounts[fmt.Sprintf("a%02d", i)] = tokens.AccountConfig{RefreshToken: w.server.pair().RefreshToken}
		}
		m := w.manager(func(c *tokens.Config) { c.Accounts = accounts; c.RefreshTimeout = 5 * time.Second })
		time.Sleep(100 * time.Millisecond)
		// A request does not wait for background refreshes.
		if _, err := m.Token(t.Context(), "a77"); err != nil {
			t.Error("Token:", err)
		}
		time.Sleep(time.Minute)
		w.wantCalls(80, 80, 0)
		if got := most.Load(); got != 8 {
			t.Errorf("%d calls at once, want 8", got)
		}
	})
}

func TestSameRefreshTokenForTwoAccountsIsAMistake(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		c := w.config()
		same := tokens.NewSecret("one-token")
		c.Accounts = map[string]tokens.AccountConfig{"acme": {RefreshToken: same}, "other": {RefreshToken: same}}
		if _, err := tokens.New(c); err == nil || !strings.Contains(err.Error(), `"acme"`) || !strings.Contains(err.Error(), `"other"`) {
			t.Errorf("New = %v, want an error that names both accounts", err)
		}
	})
}

// checkedStore can check whether it accepts records.
type checkedStore struct {
	*faultyStore
}

func (s checkedStore) Check(context.Context, string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failSave
}

func TestStoreThatBecameReadOnlyDegrades(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn(func(c *tokens.Config) { c.Store = checkedStore{w.store} })
		w.store.fail(nil, errors.New("read-only file system"))
		time.Sleep(time.Minute)
		wantState(t, m, "degraded: store-unavailable")
		token(t, m)
		w.store.fail(nil, nil)
		time.Sleep(time.Minute)
		wantState(t, m, "ready")
	})
}

// All mistakes are reported together, in the order of the fields. The order changed from call to call.
func TestAllMistakesAreReportedInOrder(t *testing.T) {
	want := strings.Join([]string{
		"tokens: no store", "tokens: no token endpoint", "tokens: the refresh time-out must be more than zero",
		"tokens: refresh-before must not be negative", "tokens: at least one account must fit in memory",
		"tokens: emergency files need the name of their store",
		`account name "Acme": use 1 to 63 of a-z, 0-9 and -, with no - at either end`,
	}, "\n")
	for range 10 {
		_, err := tokens.New(tokens.Config{
			RefreshBefore: -1, EmergencyDirs: []string{"dir"}, Accounts: map[string]tokens.AccountConfig{"Acme": {}},
		})
		if err == nil || err.Error() != want {
			t.Fatalf("got\n%v\nwant\n%s", err, want)
		}
	}
}

// A person who has to sign in is told that a login cannot be saved, before PandaDoc is asked for a code.
func TestStoreThatIsReadOnlyBeforeTheFirstLogin(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.manager(func(c *tokens.Config) { c.Store = checkedStore{w.store} })
		readOnly := errors.New("read-only file system")
		w.store.fail(nil, readOnly)
		time.Sleep(time.Minute)
		_, _ = m.Token(t.Context(), tokens.DefaultAccount)
		s, err := m.AccountStatus(t.Context(), tokens.DefaultAccount)
		if err != nil || s.State != tokens.LoginRequired || s.Detail != "a login cannot be saved now: read-only file system" {
			t.Errorf("status is %+v, %v", s, err)
		}
		if err := m.Savable(tokens.DefaultAccount); !errors.Is(err, tokens.ErrStoreUnavailable) || !errors.Is(err, readOnly) {
			t.Errorf("Savable = %v, want ErrStoreUnavailable", err)
		}
		w.store.fail(nil, nil)
		if err := m.Savable(tokens.DefaultAccount); err != nil {
			t.Error("Savable:", err)
		}
	})
}

// While requests get no token, the state of the account is not "unknown".
func TestAccountIsUnavailableWhileRequestsWait(t *testing.T) {
	for _, row := range []struct {
		name   string
		script func(*authServer, http.ResponseWriter, *http.Request) bool
		after  time.Duration // how long the request has waited when the state is read
		want   string
	}{
		{"a refresh was cut off", cuts, 10 * time.Second, "unavailable: refresh-in-doubt"},
		{"the token endpoint is silent", silent, 30 * time.Second, "unavailable: refresh-failing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				w.server.next(row.script)
				m := w.manager(seeded(w.server.pair().RefreshToken, tokens.Secret{}))
				time.Sleep(5 * time.Second)
				go func() { _, _ = m.Token(t.Context(), tokens.DefaultAccount) }()
				time.Sleep(row.after)
				synctest.Wait()
				s := m.Status()
				if got := string(s[0].State) + ": " + string(s[0].Cause); got != row.want {
					t.Errorf("state = %q, want %q", got, row.want)
				}
			})
		})
	}
}

// After three 503s at the start of the window, there was no further try for up to a day.
func TestBackgroundRefreshIsNotGivenUpAfterServerErrors(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.server.life = 240 * 3600
		m := w.signedIn()
		var at []time.Time
		down := func(s *authServer, rw http.ResponseWriter, r *http.Request) bool {
			at = append(at, time.Now())
			return answers(503, nil, "")(s, rw, r)
		}
		for range 60 {
			w.server.next(down)
		}
		time.Sleep(239 * time.Hour)
		if len(at) < 20 {
			t.Fatalf("%d tries in a day, want them to go on", len(at))
		}
		var longest time.Duration
		for i := 1; i < len(at); i++ {
			longest = max(longest, at[i].Sub(at[i-1]))
		}
		if longest > time.Hour+time.Minute {
			t.Errorf("a pause of %v between two tries, want an hour at most", longest)
		}
		token(t, m)
		_, grants, invalid := w.server.counts()
		if grants != 1 || invalid != 0 {
			t.Errorf("%d pairs and %d refusals in the end, want one pair", grants, invalid)
		}
		wantState(t, m, "ready")
	})
}

func TestRetryAfterOfAServerErrorIsKept(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		m := w.signedIn()
		var at []time.Time
		w.server.next(func(s *authServer, rw http.ResponseWriter, r *http.Request) bool {
			at = append(at, time.Now())
			return answers(503, http.Header{"Retry-After": {"2"}}, "")(s, rw, r)
		}, func(*authServer, http.ResponseWriter, *http.Request) bool {
			at = append(at, time.Now())
			return false
		})
		if _, err := m.Refresh(t.Context(), tokens.DefaultAccount); err != nil {
			t.Fatal(err)
		}
		if len(at) != 2 || at[1].Sub(at[0]) < 2*time.Second {
			t.Errorf("calls at %v, want two with 2 s between them", at)
		}
	})
}

// The answer is cut at every byte: the account is never "ready" with a used refresh token.
func TestAnswerCutAtEveryByte(t *testing.T) {
	whole := `{"access_token":"access-of-the-answer","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-of-the-answer","scope":"read+write"}`
	for n := range len(whole) {
		inTestbed(t, func(t *testing.T, w *testbed) {
			m := w.signedIn(func(c *tokens.Config) { c.RefreshBefore = 0 })
			before := w.record()
			w.server.next(func(s *authServer, rw http.ResponseWriter, r *http.Request) bool {
				s.grant(discard{http.Header{}}, r) // the old pair is invalid
				rw.Header().Set("Content-Length", fmt.Sprint(len(whole)))
				fmt.Fprint(rw, whole[:n])
				rw.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			})
			_, _ = m.Refresh(t.Context(), tokens.DefaultAccount)
			s, _ := m.AccountStatus(t.Context(), tokens.DefaultAccount)
			if rec := w.record(); s.State == tokens.Ready && rec.RefreshToken.Equal(before.RefreshToken) {
				t.Errorf("cut after %d bytes: ready with the spent refresh token (%v)", n, rec)
			}
		})
	}
}

func TestNamesOfAccounts(t *testing.T) {
	good := []string{"a", "0", "default", "a-b", strings.Repeat("x", 63)}
	for _, name := range slices.Concat(good, []string{"", "-a", "a-", "A", "a_b", "a.b", "é", strings.Repeat("x", 64)}) {
		if got, want := tokens.ValidAccount(name), slices.Contains(good, name); got != want {
			t.Errorf("ValidAccount(%q) = %v, want %v", name, got, want)
		}
	}
}

// A damaged record is reported even if there was no request for its account.
func TestAccountThatCannotBeReadIsReported(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.login(w.bare())
		w.store.fail(errors.New("not a valid record"), nil)
		m := w.manager()
		if got := states(m); got != "default unavailable" {
			t.Errorf("after the start: %s", got)
		}
		if n := w.count(tokens.EventState); n == 0 {
			t.Error("no event tells of it")
		}
	})
}
