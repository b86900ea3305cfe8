//go:build unix

package chaos

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// plan is what happens to one token call. The zero plan is a quick, correct answer.
type plan struct {
	before    func() // runs when the request has arrived; nothing is committed yet
	after     func() // runs when the pair is committed; nothing is answered yet
	cutBefore bool   // the connection is cut after before
	cutAfter  bool   // the connection is cut after after
	mindful   bool   // nothing is committed if the client has gone after before
	status    int    // answered instead of a pair, which is then not committed
	// answer writes the answer with a committed pair. Nil means a correct one. lost means that a client cannot
	// read the pair in it.
	answer func(w http.ResponseWriter, body []byte)
	lost   bool
	// foreign answers instead of the server, which does not get the request.
	foreign func(w http.ResponseWriter)
}

// authority is an authorization server with its API. Every refresh replaces both tokens and invalidates the old ones at
// once; the second use of a refresh token ends the grant. It counts all calls.
type authority struct {
	t     *testing.T
	api   *http.Server
	token *http.Server
	// URLs of the API and of the token endpoint.
	apiURL, tokenURL string

	mu      sync.Mutex        // guards the fields below, and those of the grants
	*grant                    // of the default account
	grants  map[string]*grant // of all accounts
	useless bool              // the API refuses every token, and no refresh helps
	life    time.Duration
	next    func() plan
	open    int                      // connections to the token endpoint; each carries one call
	running map[*http.Request]string // calls that no plan loses, with their refresh tokens
	count   counts
}

// grant is the grant of one account.
type grant struct {
	account  string
	pair     int         // number of the live pair; every pair has tokens of its own
	dead     bool        // a refresh token was used twice: only a login helps
	revived  time.Time   // when a login last replaced a dead grant
	refuses  bool        // the API refuses the live access token, as at an early expiry
	expires  time.Time   // when the live access token does
	used     int         // requests served with the live pair
	arrivals map[int]int // by pair: how often its refresh token was sent
	excuses  map[int]int // by pair: how often a call with it was lost
}

func newGrant(account string) *grant {
	return &grant{account: account, arrivals: map[int]int{}, excuses: map[int]int{}}
}

func (g *grant) accessToken() string  { return fmt.Sprintf("access-%s-%d", g.account, g.pair) }
func (g *grant) refreshToken() string { return fmt.Sprintf("refresh-%s-%d", g.account, g.pair) }

// counts are the calls that an authority has seen.
type counts struct {
	calls, rotations, invalid int // of the token endpoint
	served, refused           int // by the API
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, grant: newGrant(tokens.DefaultAccount), life: time.Hour}
	a.grants = map[string]*grant{tokens.DefaultAccount: a.grant}
	a.running = map[*http.Request]string{}
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

// login makes a new grant for an account, and returns its first pair as Exchange would.
func (a *authority) login(account string) tokens.Pair {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.grants[account]
	if g == nil {
		g = newGrant(account)
		a.grants[account] = g
	}
	if g.dead {
		g.dead, g.revived = false, time.Now()
	}
	a.rotateLocked(g)
	return tokens.Pair{
		AccessToken: tokens.NewSecret(g.accessToken()), RefreshToken: tokens.NewSecret(g.refreshToken()),
		TokenType: tokens.Bearer, ExpiresIn: a.life,
	}
}

// rotateLocked makes the next pair the live one.
func (a *authority) rotateLocked(g *grant) {
	g.pair++
	g.refuses, g.used, g.expires = false, 0, time.Now().Add(a.life)
}

// grantLocked returns the grant that a token belongs to, and the number of its pair. The grant is nil for a token that
// this authority has not issued.
func (a *authority) grantLocked(token string) (*grant, int) {
	parts := strings.Split(token, "-")
	if len(parts) != 3 {
		return nil, 0
	}
	n, _ := strconv.Atoi(parts[2])
	return a.grants[parts[1]], n
}

// numberOf returns the number of the pair that a token belongs to.
func numberOf(token string) int {
	n, _ := strconv.Atoi(token[strings.LastIndexByte(token, '-')+1:])
	return n
}

func (a *authority) serveAPI(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	g, _ := a.grantLocked(token)
	good := g != nil && !a.useless && !g.dead && !g.refuses && time.Now().Before(g.expires) && token == g.accessToken()
	if good {
		a.count.served++
		g.used++
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
	p := a.begin(r, refresh)
	defer a.ended(r)
	run(p.before)
	if p.cutBefore || (p.mindful && r.Context().Err() != nil) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case p.status != 0:
		w.WriteHeader(p.status)
		return
	case p.foreign != nil:
		p.foreign(w)
		return
	}
	status, answer := a.exchange(r, refresh)
	run(p.after)
	if p.cutAfter {
		panic(http.ErrAbortHandler)
	}
	body, err := json.Marshal(answer)
	if err != nil {
		a.t.Error(err)
	}
	if p.answer != nil && status == http.StatusOK {
		p.answer(w, body)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// cutAt returns an answer that is cut after n bytes. It is chunked if no length was set.
func cutAt(n int) func(http.ResponseWriter, []byte) {
	return func(w http.ResponseWriter, body []byte) {
		_, _ = w.Write(body[:min(n, len(body))])
		_ = http.NewResponseController(w).Flush()
		if n < len(body) {
			panic(http.ErrAbortHandler)
		}
	}
}

// twice writes the answer two times.
func twice(w http.ResponseWriter, body []byte) { _, _ = w.Write(append(body, body...)) }

// portal answers instead of the server, like a network with a login page.
func portal(w http.ResponseWriter) { fmt.Fprint(w, "<html>please sign in to the network</html>") }

func run(f func()) {
	if f != nil {
		f()
	}
}

// begin counts a call and chooses its plan.
func (a *authority) begin(r *http.Request, refresh string) plan {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count.calls++
	p := a.next()
	g, pair := a.grantLocked(refresh)
	if g == nil {
		return p
	}
	g.arrivals[pair]++
	if p.cutBefore || p.cutAfter || p.lost || p.status >= 500 || p.foreign != nil {
		g.excuses[pair]++
	} else {
		a.running[r] = refresh
	}
	return p
}

func (a *authority) ended(r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.running, r)
}

// exchange rotates. If the token was used before, it ends the grant.
func (a *authority) exchange(r *http.Request, refresh string) (int, map[string]any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	g, _ := a.grantLocked(refresh)
	switch {
	case r.PostFormValue("client_id") != clientID || r.PostFormValue("client_secret") != clientSecret:
		return http.StatusBadRequest, map[string]any{"error": "invalid_client"}
	case g == nil || g.dead || refresh != g.refreshToken():
		if g != nil {
			g.dead = true
		}
		a.count.invalid++
		return http.StatusBadRequest, map[string]any{"error": "invalid_grant"}
	}
	a.count.rotations++
	a.rotateLocked(g)
	return http.StatusOK, map[string]any{
		"access_token": g.accessToken(), "refresh_token": g.refreshToken(),
		"token_type": "Bearer", "scope": "read+write", "expires_in": int(a.life.Seconds()),
	}
}

// refuse invalidates the live access token. The next request gets 401, and a refresh helps.
func (a *authority) refuse() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuses = true
}

// refuseIfUsed is refuse, but only for a pair that has been in use for a moment. If a pair is refused right after a
// refresh because of a 401, the refresh seems not to have helped, and the next one is held for half a minute.
func (a *authority) refuseIfUsed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuses = a.refuses || a.used > 10
}

// refuseEverything makes the API refuse every token: no refresh helps.
func (a *authority) refuseEverything() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.useless = true
}

// plan sets what happens to the token calls from now on. f is called once for each, one at a time.
func (a *authority) plan(f func() plan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = f
}

// always returns the same plan for every call.
func always(p plan) func() plan { return func() plan { return p } }

func (a *authority) counts() counts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count
}

// live returns the number of the live pair. alive is false if the grant was ended.
func (a *authority) live() (pair int, alive bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pair, !a.dead
}

// deadSince reports whether the grant has been dead at any moment since t.
func (a *authority) deadSince(t time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dead || a.revived.After(t)
}

// excuse allows the live refresh token to be sent once more, because its owner was killed.
func (a *authority) excuse(pair int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.excuses[pair]++
}

// rest waits until no token call is in progress. It also waits for calls of dead processes that the kernel has queued
// for us: such connections are accepted before the one that is made here.
func (a *authority) rest() {
	a.t.Helper()
	req, err := http.NewRequest(http.MethodGet, a.tokenURL, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Close = true
	if resp, err := http.DefaultClient.Do(req); err == nil { // otherwise nobody listens, and nothing waits
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

// wantNoReuse fails the test if a refresh token was used more often than crashes and cuts explain.
func (a *authority) wantNoReuse() {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, g := range a.grants {
		for pair, n := range g.arrivals {
			if n > 1+g.excuses[pair] {
				a.t.Errorf("refresh token %d of %s came %d times; %d calls with it were lost", pair, g.account, n, g.excuses[pair])
			}
		}
	}
}

// shut makes the token endpoint refuse connections until reopen. Calls under way are lost.
func (a *authority) shut() {
	_ = a.token.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, refresh := range a.running {
		if g, pair := a.grantLocked(refresh); g != nil {
			g.excuses[pair]++
		}
	}
}

// reopen makes the token endpoint listen again at its old address.
func (a *authority) reopen() {
	a.t.Helper()
	a.token = a.tokenServer()
	serveOn(a.t, a.token, strings.TrimSuffix(strings.TrimPrefix(a.tokenURL, "http://"), "/oauth2/access_token"))
}
