//go:build unix

package chaos

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// plan is what one token call meets. The zero plan is a quick, honest answer.
type plan struct {
	before    func() // runs when the request has arrived; nothing is committed yet
	after     func() // runs when the pair is committed; nothing is answered yet
	cutBefore bool   // the connection is cut after before
	cutAfter  bool   // the connection is cut after after
	mindful   bool   // nothing is committed for a client that is gone after before
	status    int    // answered instead of a pair, which is then not committed
}

// authority is an authorization server with one grant, and the API behind it. Every refresh replaces both
// tokens and ends the old ones at once; the second use of a refresh token ends the grant. It counts.
type authority struct {
	t     *testing.T
	api   *http.Server
	token *http.Server
	// URLs of the API and of the token endpoint.
	apiURL, tokenURL string

	mu       sync.Mutex // guards the fields below
	pair     int        // number of the live pair; every pair has tokens of its own
	dead     bool       // a refresh token was used twice: only a login helps
	refuses  bool       // the API refuses the live access token, as at an early expiry
	life     time.Duration
	expires  time.Time // of the live access token; zero for never
	next     func() plan
	open     int         // connections to the token endpoint; each carries one call
	used     int         // requests served with the live pair
	arrivals map[int]int // by pair: how often its refresh token came
	excuses  map[int]int // by pair: how often a call with it was lost
	count    counts
}

// counts is what an authority has seen.
type counts struct {
	calls, rotations, invalid int // of the token endpoint
	served, refused           int // by the API
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, arrivals: map[int]int{}, excuses: map[int]int{}, life: time.Hour}
	a.next = func() plan { return plan{} }
	a.api = &http.Server{Handler: http.HandlerFunc(a.serveAPI)}
	a.token = a.tokenServer()
	a.apiURL = "http://" + serveOn(t, a.api, "127.0.0.1:0")
	a.tokenURL = "http://" + serveOn(t, a.token, "127.0.0.1:0") + "/oauth2/access_token"
	t.Cleanup(func() { _ = a.api.Close(); _ = a.token.Close() })
	return a
}

func (a *authority) tokenServer() *http.Server {
	return &http.Server{Handler: http.HandlerFunc(a.serveToken), ConnState: a.connection}
}

func (a *authority) connection(_ net.Conn, s http.ConnState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch s {
	case http.StateNew:
		a.open++
	case http.StateClosed:
		a.open--
	}
}

// serveOn lets s serve and returns its address.
func serveOn(t *testing.T, s *http.Server, address string) string {
	t.Helper()
	var l net.Listener
	until(t, "listen on "+address, func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
	go func() { _ = s.Serve(l) }()
	return l.Addr().String()
}

func accessToken(pair int) string  { return fmt.Sprintf("access-%d", pair) }
func refreshToken(pair int) string { return fmt.Sprintf("refresh-%d", pair) }

// login makes a new grant, and returns its first pair as Exchange would.
func (a *authority) login() tokens.Pair {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dead = false
	a.rotate()
	return tokens.Pair{
		AccessToken: tokens.NewSecret(accessToken(a.pair)), RefreshToken: tokens.NewSecret(refreshToken(a.pair)),
		TokenType: tokens.Bearer, ExpiresIn: a.life,
	}
}

// rotate makes the next pair the live one. mu is held.
func (a *authority) rotate() {
	a.pair++
	a.refuses, a.used, a.expires = false, 0, time.Now().Add(a.life)
}

func (a *authority) serveAPI(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	good := !a.dead && !a.refuses && time.Now().Before(a.expires) && r.Header.Get("Authorization") == "Bearer "+accessToken(a.pair)
	if good {
		a.count.served++
		a.used++
	} else {
		a.count.refused++
	}
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if !good {
		w.WriteHeader(http.StatusUnauthorized)
	}
	fmt.Fprintf(w, `{"good": %t}`, good)
}

func (a *authority) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet { // see rest
		return
	}
	refresh := r.PostFormValue("refresh_token")
	p := a.begin(refresh)
	run(p.before)
	if p.cutBefore || (p.mindful && r.Context().Err() != nil) {
		panic(http.ErrAbortHandler)
	}
	if p.status != 0 {
		w.WriteHeader(p.status)
		return
	}
	status, answer := a.grant(r, refresh)
	run(p.after)
	if p.cutAfter {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func run(f func()) {
	if f != nil {
		f()
	}
}

// begin counts a call and draws its plan.
func (a *authority) begin(refresh string) plan {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count.calls++
	pair := numberOf(refresh)
	a.arrivals[pair]++
	p := a.next()
	if p.cutBefore || p.cutAfter || p.status >= 500 {
		a.excuses[pair]++
	}
	return p
}

func numberOf(token string) int {
	var n int
	_, _ = fmt.Sscanf(token[strings.LastIndexByte(token, '-')+1:], "%d", &n)
	return n
}

// grant rotates, or ends the grant because the token was spent before.
func (a *authority) grant(r *http.Request, refresh string) (int, map[string]any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case r.PostFormValue("client_id") != clientID || r.PostFormValue("client_secret") != clientSecret:
		return http.StatusBadRequest, map[string]any{"error": "invalid_client"}
	case a.dead || refresh != refreshToken(a.pair):
		a.dead = true
		a.count.invalid++
		return http.StatusBadRequest, map[string]any{"error": "invalid_grant"}
	}
	a.count.rotations++
	a.rotate()
	return http.StatusOK, map[string]any{
		"access_token": accessToken(a.pair), "refresh_token": refreshToken(a.pair),
		"token_type": "Bearer", "scope": "read+write", "expires_in": int(a.life.Seconds()),
	}
}

// refuse ends the live access token, so that the next request meets 401 and a refresh helps.
func (a *authority) refuse() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuses = true
}

// refuseIfUsed is refuse for a pair that has been in use for a moment. One that is refused right after the
// refresh that a refusal caused looks as if refreshing did not help, and is held for half a minute.
func (a *authority) refuseIfUsed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuses = a.refuses || a.used > 10
}

// plan sets what the token calls from now on meet. f is called once for each, one after the other.
func (a *authority) plan(f func() plan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = f
}

// always is a plan for every call.
func always(p plan) func() plan { return func() plan { return p } }

func (a *authority) counts() counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count
}

// live returns the number of the live pair; alive is false once the grant was ended.
func (a *authority) live() (pair int, alive bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pair, !a.dead
}

// excuse allows the live refresh token to come once more: its owner was killed.
func (a *authority) excuse(pair int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.excuses[pair]++
}

// rest waits until no token call is under way, nor one that a dead process has sent and that the kernel
// holds for us: such connections are accepted before the one that is made here.
func (a *authority) rest() {
	a.t.Helper()
	req, err := http.NewRequest(http.MethodGet, a.tokenURL, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Close = true
	if resp, err := http.DefaultClient.Do(req); err == nil { // else nobody listens, and nothing waits
		_ = resp.Body.Close()
	}
	until(a.t, "end the token calls", func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.open > 0 {
			return fmt.Errorf("%d are under way", a.open)
		}
		return nil
	})
}

// wantNoReuse fails the test if a refresh token came more often than crashes and cuts explain.
func (a *authority) wantNoReuse() {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for pair, n := range a.arrivals {
		if n > 1+a.excuses[pair] {
			a.t.Errorf("refresh token %d came %d times; %d calls with it were lost", pair, n, a.excuses[pair])
		}
	}
}

// shut makes the token endpoint refuse connections until reopen.
func (a *authority) shut() { _ = a.token.Close() }

// reopen listens again where the endpoint listened before.
func (a *authority) reopen() {
	a.t.Helper()
	a.token = a.tokenServer()
	serveOn(a.t, a.token, strings.TrimSuffix(strings.TrimPrefix(a.tokenURL, "http://"), "/oauth2/access_token"))
}
