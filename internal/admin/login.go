package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"
	"golang.org/x/oauth2"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

const (
	loginCookie  = "pandadoc_auth_proxy_login_" // the rest of the name comes from the state
	maxErrorText = 200                          // bytes of a text from PandaDoc's page

	loginLifetime = 10 * time.Minute // the same as PandaDoc's codes
	loginMemory   = time.Hour        // how long an ended login is kept, to answer questions about it
	maxLogins     = 100              // kept at the same time; a new one replaces the oldest
)

// BegunLogin is the answer to POST /api/v1/accounts/{account}/login.
type BegunLogin struct {
	// AuthorizeURL can be opened in any browser.
	AuthorizeURL string `json:"authorize_url"`
	// State comes back in the last address of the browser.
	State string `json:"state"`
}

// EndLogin is the body of POST /api/v1/accounts/{account}/code: the answer from PandaDoc. It has either a code
// or an error.
type EndLogin struct {
	State string `json:"state"`
	Code  string `json:"code,omitempty"`
	Error string `json:"error,omitempty"`
}

// authorizeURL returns the address of the consent page.
//
// It does not use PKCE: PandaDoc does not document it, a server without it ignores the challenge, and every
// code is already bound to our client secret. The state binds the login to the browser.
func (h *Handler) authorizeURL(state string) string {
	c := h.config.Login
	return (&oauth2.Config{
		ClientID:    c.ClientID,
		Endpoint:    oauth2.Endpoint{AuthURL: c.AuthorizeURL},
		RedirectURL: c.RedirectURL.String(),
		// In a query, "read+write" means read and write: the plus is a space there.
		Scopes: strings.Split(c.Scope, "+"),
	}).AuthCodeURL(state)
}

// loginProblem returns why no login can begin, or nil.
func (h *Handler) loginProblem(ctx context.Context, account string) *problem.Problem {
	if s, err := h.config.Manager.AccountStatus(ctx, account); err == nil && s.Scheme == tokens.APIKey {
		return new(problem.Of(problem.APIKeyAccount, about(account)...))
	}
	switch {
	case !tokens.ValidAccount(account):
		return new(problem.Of(problem.InvalidAccount))
	case h.config.Login.ClientID == "":
		return new(problem.Of(problem.LoginImpossible, "redirect", h.config.Login.RedirectURL.String()))
	}
	return nil
}

// beginProblem returns why no login can begin now: the reasons of loginProblem, and a store that could
// not save the login.
func (h *Handler) beginProblem(ctx context.Context, account string) *problem.Problem {
	if p := h.loginProblem(ctx, account); p != nil {
		return p
	}
	if err := h.config.Manager.Savable(account); err != nil {
		return new(problemOf(account, err))
	}
	return nil
}

// problemPage shows a problem as a page, with links to what the user can do next.
func (h *Handler) problemPage(w http.ResponseWriter, p problem.Problem, links ...pageLink) {
	if h.config.Proxy != nil {
		links = append(links, pageLink{To: "/#/setup", Text: "Go to the console"})
	}
	h.page(w, p.Status, page{Title: p.Title, Text: p.Detail, Hint: p.Hint, Links: links})
}

// retryLink returns a link to begin the login again. It returns none if that needs a link from the command line.
func (h *Handler) retryLink(ctx context.Context, account string) []pageLink {
	if h.locked() || h.loginProblem(ctx, account) != nil {
		return nil
	}
	return []pageLink{{To: "/connect/" + account, Text: "Try again"}}
}

// connect begins a login in this browser.
func (h *Handler) connect(w http.ResponseWriter, r *http.Request) {
	account := mux.Vars(r)["account"]
	code := r.URL.Query().Get("code")
	if h.locked() && !h.links.valid(code, forLogin+account) {
		h.refuseLink(w, account)
		return
	}
	if p := h.beginProblem(r.Context(), account); p != nil {
		h.problemPage(w, *p)
		return
	}
	redirect := h.config.Login.RedirectURL
	if !strings.EqualFold(r.Host, redirect.Host) {
		h.moveToRedirectHost(w, r, account)
		return
	}
	if h.locked() && !h.links.spend(code, forLogin+account) { // another request was faster
		h.refuseLink(w, account)
		return
	}
	a := h.logins.begin(account, rand.Text())
	http.SetCookie(w, &http.Cookie{
		Name: cookieOf(a.state), Value: a.cookie, Path: redirect.Path, MaxAge: int(loginLifetime / time.Second),
		HttpOnly: true, Secure: redirect.Scheme == "https",
		SameSite: http.SameSiteLaxMode, // a Strict cookie would not be sent when PandaDoc redirects here
	})
	w.Header().Set("Location", h.authorizeURL(a.state))
	w.WriteHeader(http.StatusFound)
}

// cookieOf names the cookie of the login with this state: each has its own, so that logins in two tabs do not end
// each other.
func cookieOf(state string) string {
	hash := sha256.Sum256([]byte(state))
	return loginCookie + hex.EncodeToString(hash[:8])
}

func (h *Handler) refuseLink(w http.ResponseWriter, account string) {
	if !tokens.ValidAccount(account) {
		account = tokens.DefaultAccount
	}
	h.problemPage(w, problem.Of(problem.LinkRefused, "command", problem.LoginCommand(account)))
}

// moveToRedirectHost redirects the request to the host of the redirect URL, because a browser does not send a
// cookie of 127.0.0.1 to localhost. It does so only once, because behind a front-end we may see another host
// name than the browser.
func (h *Handler) moveToRedirectHost(w http.ResponseWriter, r *http.Request, account string) {
	redirect := h.config.Login.RedirectURL
	if r.URL.Query().Has("moved") {
		at := redirect.Scheme + "://" + redirect.Host
		h.problemPage(w, problem.Of(problem.LoginElsewhere, "host", r.Host, "redirect", at))
		return
	}
	query := url.Values{"moved": {"1"}}
	if code := r.URL.Query().Get("code"); code != "" {
		query.Set("code", code)
	}
	target := url.URL{Scheme: redirect.Scheme, Host: redirect.Host, Path: "/connect/" + account, RawQuery: query.Encode()}
	w.Header().Set("Location", target.String())
	w.WriteHeader(http.StatusFound)
}

// callback serves the redirect URL, to which PandaDoc sends the browser.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	state, cookie := query.Get("state"), ""
	if c, err := r.Cookie(cookieOf(state)); err == nil {
		cookie = c.Value
	}
	a, err := h.logins.claim(state, cookie, "")
	if err == nil {
		_, err = h.finish(r.Context(), a, query.Get("code"), query.Get("error"))
	}
	if err != nil {
		h.problemPage(w, loginRefused(a.account, err), h.retryLink(r.Context(), a.account)...)
		return
	}
	done := page{Title: "Signed in", Text: "The account \"" + a.account + "\" is signed in to PandaDoc.", Hint: "You can close this page."}
	if h.config.Proxy != nil {
		done.Links = []pageLink{{To: "/#/setup", Text: "Continue in the console"}}
	}
	h.page(w, http.StatusOK, done)
}

// beginLogin begins a login whose result a person will paste.
func (h *Handler) beginLogin(w http.ResponseWriter, r *http.Request) {
	account := mux.Vars(r)["account"]
	if p := h.beginProblem(r.Context(), account); p != nil {
		p.Write(w)
		return
	}
	a := h.logins.begin(account, "")
	writeJSON(w, http.StatusOK, BegunLogin{AuthorizeURL: h.authorizeURL(a.state), State: a.state})
}

// endLogin ends a login with the answer from PandaDoc that a person has pasted.
func (h *Handler) endLogin(w http.ResponseWriter, r *http.Request) {
	var body EndLogin
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&body); err != nil {
		problem.Of(problem.InvalidInput, "reason", `send {"state": …, "code": …}`).Write(w)
		return
	}
	account := mux.Vars(r)["account"]
	a, err := h.logins.claim(body.State, "", account)
	if err != nil {
		loginRefused(account, err).Write(w)
		return
	}
	status, err := h.finish(r.Context(), a, body.Code, body.Error)
	if err != nil {
		loginRefused(a.account, err).Write(w)
		return
	}
	writeJSON(w, http.StatusOK, accountOf(status))
}

// loginRefused returns the problem of a failed login: a wrong state, a refusal from PandaDoc's page, or an
// error of the Manager.
func loginRefused(account string, err error) problem.Problem {
	p := problemOf(account, err)
	if p.Code == problem.Internal { // the token endpoint, or PandaDoc's page, refused
		p = problem.Of(problem.LoginRefused, about(account)...)
		p.Detail = sentence(err)
	}
	return p
}

// loginResult returns the result of a login, also if it could not begin.
func (h *Handler) loginResult(w http.ResponseWriter, r *http.Request) {
	account := mux.Vars(r)["account"]
	if p := h.loginProblem(r.Context(), account); p != nil {
		p.Write(w)
		return
	}
	writeJSON(w, http.StatusOK, LastLogin{h.logins.result(account)})
}

// finish exchanges the code of a claimed login for tokens and stores them.
func (h *Handler) finish(ctx context.Context, a attempt, code, refusal string) (status tokens.Status, err error) {
	failure := LoginFailed
	switch {
	case refusal != "":
		failure, err = LoginDenied, errors.New("PandaDoc ended the login with: "+bounded(refusal, maxErrorText))
	case code == "":
		err = errors.New("PandaDoc sent neither a code nor an error")
	default:
		status, err = h.config.Manager.SignIn(ctx, a.account, code, h.config.Login.RedirectURL.String())
	}
	if err != nil {
		h.logins.record(a.account, failure, err.Error())
		return status, err
	}
	h.logins.record(a.account, LoginDone, "")
	return status, nil
}

// Reasons why a callback ends no login. They change nothing: the right login continues.
var (
	errUnknownLogin = errors.New("this login is not known here: no login was begun with the state in the address")
	errUsedLogin    = errors.New("this login has ended already: a login works only once")
	errExpiredLogin = errors.New("this login has expired: it must be finished within 10 minutes")
	errOtherBrowser = errors.New("this login was begun in another browser")
	errOtherAccount = errors.New("this login was begun for another account")
	errByHand       = errors.New("this login was begun by a command: paste the address of this page there")
)

// attempt is one login from the redirect to PandaDoc until the browser comes back.
type attempt struct {
	account string
	state   string // PandaDoc sends it back in the address
	cookie  string // stays in the browser; empty if a person pastes the code
	begun   time.Time
	ended   bool
}

// LastLogin is the answer of /api/v1/accounts/{account}/login-result. It also works for accounts that do not
// exist yet.
type LastLogin struct {
	// LastLogin is the result of the last login through this listener. Nil if there was none.
	LastLogin *LoginResult `json:"last_login"`
}

// LoginResult is the result of a login.
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

// logins are the login attempts of this process. They are not stored: after a restart, a person begins again.
type logins struct {
	mu       sync.Mutex // guards the fields below
	attempts []*attempt // oldest first
	results  map[string]LoginResult
}

func newLogins() *logins { return &logins{results: map[string]LoginResult{}} }

// begin starts a login of account. The cookie is for the browser that began it, or empty if a person will paste the
// answer from PandaDoc.
func (l *logins) begin(account, cookie string) attempt {
	a := &attempt{account: account, state: rand.Text(), cookie: cookie, begun: time.Now()} // 130 bits
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts = slices.DeleteFunc(l.attempts, func(a *attempt) bool { return time.Since(a.begun) > loginMemory })
	if len(l.attempts) >= maxLogins {
		l.attempts = slices.Delete(l.attempts, 0, 1)
	}
	l.attempts = append(l.attempts, a)
	return *a
}

// claim ends the login with this state, so that nobody else can, and returns it. A login that was begun in a browser
// is returned only for its cookie, and one by hand only for its account, which is empty if the answer came in a
// browser. If the login can no longer be ended, its browser learns the account, to begin another login.
func (l *logins) claim(state, cookie, account string) (attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.findLocked(state)
	if a == nil {
		return attempt{}, errUnknownLogin
	}
	var over attempt
	if cookie != "" && same(a.cookie, cookie) {
		over.account = a.account
	}
	switch {
	case a.ended:
		return over, errUsedLogin
	case time.Since(a.begun) > loginLifetime:
		return over, errExpiredLogin
	case a.cookie == "" && account == "":
		return attempt{}, errByHand
	case a.cookie == "" && account != a.account:
		return attempt{}, errOtherAccount
	case !same(a.cookie, cookie):
		return attempt{}, errOtherBrowser
	}
	a.ended = true
	return *a, nil
}

// findLocked compares state with every attempt, in constant time, so that timing does not reveal how much of it was
// right.
func (l *logins) findLocked(state string) *attempt {
	var found *attempt
	for _, a := range l.attempts {
		if same(a.state, state) {
			found = a
		}
	}
	return found
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// record notes the result of an account's login.
func (l *logins) record(account, result, detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.results[account]; !known && len(l.results) >= maxLogins {
		clear(l.results) // results are only needed right after a login
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
