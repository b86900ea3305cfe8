//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// The API answers 401 to everything, for example because the plan has no API access or the user has no rights. No
// refresh helps, and each refresh uses a refresh token. There is one refresh in a hold period, by all processes
// together, also after restarts and evictions. Every client gets the API's own 401.
func TestRefreshesThatDoNotHelp(t *testing.T) {
	t.Parallel()
	long := size(6*time.Second, 25*time.Second) // less than the first hold
	for _, row := range []struct {
		name      string
		processes int
		accounts  []string
		restarts  int
		args      []string
	}{
		{name: "one process", processes: 1},
		{name: "two processes", processes: 2},
		{name: "three processes", processes: 3},
		{name: "six starts one after the other", processes: 1, restarts: 5},
		{name: "three accounts with room for one", processes: 1, accounts: []string{"red", "green", "blue"}, args: []string{"--max-accounts", "1"}},
		{name: "without a probe", processes: 2, args: []string{"--probe-path", ""}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newTestbed(t)
			accounts := row.accounts
			if accounts == nil {
				accounts = []string{tokens.DefaultAccount}
			}
			for _, account := range accounts {
				w.signInAs(account)
			}
			w.refuseEverything()
			began, requests := time.Now(), 0
			for range 1 + row.restarts {
				requests += w.askInVain(row.processes, accounts, long/time.Duration(1+row.restarts), row.args)
			}
			// A busy machine may take longer than one hold.
			most := len(accounts) * (1 + int(time.Since(began)/(30*time.Second)))
			if c := w.counts(); c.calls < len(accounts) || c.calls > most {
				t.Errorf("%d token calls for %d requests, want %d", c.calls, requests, len(accounts))
			}
			t.Logf("%v: %d requests, %d token calls", long, requests, w.counts().calls)
			w.wantNoReuse()
		})
	}
}

// askInVain starts processes, sends requests to them for a while, and ends them. It returns the number of
// requests.
func (w *testbed) askInVain(processes int, accounts []string, long time.Duration, args []string) int {
	w.t.Helper()
	var mu sync.Mutex
	requests := 0
	proxies := make([]*proxy, processes)
	for i := range proxies {
		proxies[i] = w.serve(args...)
	}
	end := time.Now().Add(long)
	asOne(processes*len(accounts), func(i int) {
		for time.Now().Before(end) {
			got, err := proxies[i%processes].getAs(w.t.Context(), accounts[i/processes])
			if err != nil || got.status != 401 || got.code != "" {
				w.t.Errorf("GET = %v, %v, want the API's own 401", got, err)
				return
			}
			mu.Lock()
			requests++
			mu.Unlock()
		}
	})
	for _, p := range proxies {
		p.Kill()
	}
	return requests
}

// The token endpoint returns the access token that the API has just refused. That does not help either.
func TestRefreshThatReturnsTheSameAccessToken(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t)
	p := w.serve()
	w.mu.Lock()
	same := w.accessToken()
	w.mu.Unlock()
	w.refuseEverything()
	w.plan(always(plan{answer: func(rw http.ResponseWriter, body []byte) {
		var fields map[string]any
		if err := json.Unmarshal(body, &fields); err != nil {
			t.Error(err)
		}
		fields["access_token"] = same
		_ = json.NewEncoder(rw).Encode(fields)
	}}))
	began, requests := time.Now(), 0
	for end := time.Now().Add(size(5*time.Second, 20*time.Second)); time.Now().Before(end); requests++ {
		if got, err := p.get(context.Background()); err != nil || got.status != 401 {
			t.Fatalf("GET = %v, %v, want the API's 401", got, err)
		}
	}
	if c := w.counts(); c.calls < 1 || c.calls > 1+int(time.Since(began)/(30*time.Second)) {
		t.Errorf("%d token calls for %d requests, want 1", c.calls, requests)
	}
	w.wantNoReuse()
}

// The first answer other than 401 clears the hold, for all processes. After that, an invalid token is a reason to
// refresh again.
func TestHoldEndsWithAGoodAnswer(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t)
	first, second := w.serve(), w.serve()
	for n := range 3 {
		w.refuse()
		until(t, fmt.Sprintf("answer 200 after refusal %d", n+1), func() error { return first.is(200) })
		w.refuse()
		until(t, fmt.Sprintf("answer 200 in the other process after refusal %d", n+1), func() error { return second.is(200) })
	}
	if c := w.counts(); c.calls != 6 || c.invalid != 0 {
		t.Errorf("token endpoint: %+v, want 6 calls", c)
	}
	w.wantNoReuse()
}
