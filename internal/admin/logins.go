package admin

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	loginLifetime = 10 * time.Minute // PandaDoc's codes live no longer either
	loginMemory   = time.Hour        // how long an ended login is remembered, to say so
	maxLogins     = 100              // remembered at once; the oldest makes room
)

// Why a callback ends no login. None of them changes anything: the login that was meant goes on.
var (
	errUnknownLogin = errors.New("this login is not known here: the state in the address matches none that was begun")
	errUsedLogin    = errors.New("this login has ended already: each can be used once")
	errExpiredLogin = errors.New("this login has expired: it must be finished within 10 minutes")
	errOtherBrowser = errors.New("this login was begun in another browser")
	errByHand       = errors.New("this login was begun by a command: paste the address of this page there")
)

// attempt is one login from the redirect to PandaDoc until the browser comes back.
type attempt struct {
	account string
	state   string // goes through PandaDoc and comes back in the address
	cookie  string // stays in the browser; empty if the code comes back by hand
	begun   time.Time
	ended   bool
}

// LoginResult is how a login ended.
type LoginResult struct {
	At     time.Time `json:"at"`
	Result string    `json:"result"`           // "signed-in", "denied" or "failed"
	Detail string    `json:"detail,omitempty"` // safe to show
}

// The results of a login.
const (
	LoginDone   = "signed-in"
	LoginDenied = "denied"
	LoginFailed = "failed"
)

// logins are the attempts of this process. They need no store: after a restart a person begins anew.
type logins struct {
	mu       sync.Mutex // guards the fields below
	attempts []*attempt // oldest first
	results  map[string]LoginResult
}

func newLogins() *logins { return &logins{results: map[string]LoginResult{}} }

// begin starts a login of account, bound to a browser by a cookie or not bound at all.
func (l *logins) begin(account string, inBrowser bool) attempt {
	a := &attempt{account: account, state: rand.Text(), begun: time.Now()} // 130 bits
	if inBrowser {
		a.cookie = rand.Text()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts = slices.DeleteFunc(l.attempts, func(a *attempt) bool { return time.Since(a.begun) > loginMemory })
	if len(l.attempts) >= maxLogins {
		l.attempts = slices.Delete(l.attempts, 0, 1)
	}
	l.attempts = append(l.attempts, a)
	return *a
}

// claim ends the login that has this state, so that nobody else can, and returns it. A login of a
// browser is given only to that browser, one without only to a caller without.
func (l *logins) claim(state, cookie string, inBrowser bool) (attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.find(state)
	switch {
	case a == nil:
		return attempt{}, errUnknownLogin
	case a.ended:
		return attempt{}, errUsedLogin
	case time.Since(a.begun) > loginLifetime:
		return attempt{}, errExpiredLogin
	case inBrowser && a.cookie == "":
		return attempt{}, errByHand
	case a.cookie != "" && !same(a.cookie, cookie):
		return attempt{}, errOtherBrowser
	}
	a.ended = true
	return *a, nil
}

// find compares with every attempt in a time that does not tell how much of a state was right.
func (l *logins) find(state string) *attempt {
	var found *attempt
	for _, a := range l.attempts {
		if same(a.state, state) {
			found = a
		}
	}
	return found
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// ended notes how the login of an account came out.
func (l *logins) ended(account, result, detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.results[account]; !known && len(l.results) >= maxLogins {
		clear(l.results) // only for people who look right after a login
	}
	l.results[account] = LoginResult{At: time.Now().UTC(), Result: result, Detail: detail}
}

// result returns how the last login of an account ended, or nil.
func (l *logins) result(account string) *LoginResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r, ok := l.results[account]; ok {
		return &r
	}
	return nil
}
