package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/mux"
	"golang.org/x/oauth2"

	"pandadoc-auth-proxy/tokens"
)

const (
	loginCookie     = "pandadoc_auth_proxy_login"
	exchangeTimeout = 3 * time.Minute // the token call is listened to for two
	maxErrorText    = 200
)

// BegunLogin is the answer to POST /api/v1/accounts/{account}/login.
type BegunLogin struct {
	// AuthorizeURL is to be opened in any browser.
	AuthorizeURL string `json:"authorize_url"`
	// State comes back in the address that the browser ends up at.
	State string `json:"state"`
}

// EndLogin is the body of POST /api/v1/accounts/{account}/code: what came back from PandaDoc. It has
// either a code or an error.
type EndLogin struct {
	State string `json:"state"`
	Code  string `json:"code,omitempty"`
	Error string `json:"error,omitempty"`
}

// authorizeURL returns the address of the consent page.
//
// There is no PKCE in it: PandaDoc documents none, a server that does not know it ignores the challenge,
// and every code is already bound to our client secret. The binding to the browser is the state's.
func (h *Handler) authorizeURL(state string) string {
	c := h.config.Login
	return (&oauth2.Config{
		ClientID:    c.ClientID,
		Endpoint:    oauth2.Endpoint{AuthURL: c.AuthorizeURL},
		RedirectURL: c.RedirectURL.String(),
		// "read+write" in a query is read and write: the plus is a space there.
		Scopes: strings.Split(c.Scope, "+"),
	}).AuthCodeURL(state)
}

// loginProblem says why no login can begin, or nil.
func (h *Handler) loginProblem(ctx context.Context, account string) *problem {
	if s, err := h.config.Accounts.AccountStatus(ctx, account); err == nil && s.Scheme == tokens.APIKey {
		p := problemOf(account, tokens.ErrAPIKey)
		return &p
	}
	switch err := tokens.CheckAccount(account); {
	case err != nil:
		return &problem{Status: http.StatusNotFound, Code: "unknown-account", Detail: err.Error()}
	case h.config.Login.ClientID == "":
		return &problem{
			Status: http.StatusConflict, Code: "client-refused",
			Detail: "There is no client id, so PandaDoc would not know who asks.",
			Hint:   "Register an application at PandaDoc with the redirect URL " + h.config.Login.RedirectURL.String() + " and set PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET.",
		}
	}
	return nil
}

// connect begins a login in this browser.
func (h *Handler) connect(w http.ResponseWriter, r *http.Request) {
	account := mux.Vars(r)["account"]
	if p := h.loginProblem(r.Context(), account); p != nil {
		h.page(w, p.Status, page{Title: "Cannot sign in", Text: p.Detail, Hint: p.Hint})
		return
	}
	redirect := h.config.Login.RedirectURL
	if !strings.EqualFold(r.Host, redirect.Host) {
		h.moveToRedirectHost(w, r, account)
		return
	}
	a := h.logins.begin(account, true)
	http.SetCookie(w, &http.Cookie{
		Name: loginCookie, Value: a.cookie, Path: redirect.Path, MaxAge: int(loginLifetime / time.Second),
		HttpOnly: true, Secure: redirect.Scheme == "https",
		SameSite: http.SameSiteLaxMode, // Strict would not be sent on the way back from PandaDoc
	})
	w.Header().Set("Location", h.authorizeURL(a.state))
	w.WriteHeader(http.StatusFound)
}

// moveToRedirectHost repeats the request at the host to which PandaDoc will send the browser: a cookie
// set for 127.0.0.1 would not come back to localhost. It does so once, because a front-end may show
// us another host name than the browser uses.
func (h *Handler) moveToRedirectHost(w http.ResponseWriter, r *http.Request, account string) {
	redirect := h.config.Login.RedirectURL
	if r.URL.Query().Has("moved") {
		h.page(w, http.StatusBadRequest, page{
			Title: "Cannot sign in here",
			Text:  "This address is served under the host " + r.Host + ", but PandaDoc will send the browser to " + redirect.Host + ".",
			Hint:  "Open the login under the host of the redirect URL, or set --redirect-url to the one registered at PandaDoc.",
		})
		return
	}
	target := url.URL{Scheme: redirect.Scheme, Host: redirect.Host, Path: "/connect/" + account, RawQuery: "moved=1"}
	w.Header().Set("Location", target.String())
	w.WriteHeader(http.StatusFound)
}

// callback is where PandaDoc sends the browser back to.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.WriteHeader(http.StatusOK) // a HEAD must not use the code up
		return
	}
	query := r.URL.Query()
	cookie := ""
	if c, err := r.Cookie(loginCookie); err == nil {
		cookie = c.Value
	}
	a, err := h.logins.claim(query.Get("state"), cookie, true)
	if err != nil {
		h.page(w, http.StatusBadRequest, page{Title: "Not signed in", Text: sentence(err), Hint: "If you want to sign in, begin again with: pandadoc-auth-proxy login"})
		return
	}
	status, err := h.finish(r.Context(), a, query.Get("code"), query.Get("error"))
	if err != nil {
		h.page(w, http.StatusBadGateway, page{Title: "Not signed in", Text: sentence(err), Hint: problemOf(a.account, err).Hint})
		return
	}
	h.page(w, http.StatusOK, page{
		Title: "Signed in", Text: "The account \"" + status.Account + "\" is signed in to PandaDoc.",
		Hint: "You can close this page.", Next: h.toConsole(),
	})
}

// toConsole leads to the console, where there is one.
func (h *Handler) toConsole() *link {
	if h.config.Proxy == nil {
		return nil
	}
	return &link{To: "/#/setup", Text: "Go on in the console"}
}

// beginLogin begins a login whose result a person carries over by hand.
func (h *Handler) beginLogin(w http.ResponseWriter, r *http.Request) {
	account := mux.Vars(r)["account"]
	if p := h.loginProblem(r.Context(), account); p != nil {
		writeProblem(w, *p)
		return
	}
	a := h.logins.begin(account, false)
	writeJSON(w, http.StatusOK, BegunLogin{AuthorizeURL: h.authorizeURL(a.state), State: a.state})
}

// endLogin takes what came back from PandaDoc from a person's hand.
func (h *Handler) endLogin(w http.ResponseWriter, r *http.Request) {
	var body EndLogin
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&body); err != nil {
		writeProblem(w, problem{
			Status: http.StatusBadRequest, Code: "bad-request", Detail: "The body is not the JSON that is expected.",
			Hint: `Send {"state": …, "code": …}.`,
		})
		return
	}
	a, err := h.logins.claim(body.State, "", false)
	if err != nil {
		writeProblem(w, problem{
			Status: http.StatusBadRequest, Code: "login-refused", Detail: sentence(err), Hint: hintLogin(mux.Vars(r)["account"]),
		})
		return
	}
	status, err := h.finish(r.Context(), a, body.Code, body.Error)
	if err != nil {
		writeLoginError(w, a.account, err)
		return
	}
	writeJSON(w, http.StatusOK, describe(status))
}

func writeLoginError(w http.ResponseWriter, account string, err error) {
	p := problemOf(account, err)
	if p.Code == "internal" { // the token endpoint, or PandaDoc's page, said no
		p.Status, p.Code, p.Hint = http.StatusBadGateway, "login-refused", hintLogin(account)
	}
	p.Detail = sentence(err)
	writeProblem(w, p)
}

// finish trades the code of a claimed login for tokens and stores them. It goes on when the caller hangs
// up: the code is used up by then.
func (h *Handler) finish(ctx context.Context, a attempt, code, refusal string) (tokens.Status, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTimeout)
	defer cancel()
	switch {
	case refusal != "":
		err := errors.New("PandaDoc ended the login with: " + printable(refusal))
		h.logins.ended(a.account, LoginDenied, err.Error())
		return tokens.Status{}, err
	case code == "":
		err := errors.New("PandaDoc sent neither a code nor an error")
		h.logins.ended(a.account, LoginFailed, err.Error())
		return tokens.Status{}, err
	}
	pair, err := h.config.Authorizer.Exchange(ctx, code, h.config.Login.RedirectURL.String())
	if err != nil {
		h.logins.ended(a.account, LoginFailed, err.Error())
		return tokens.Status{}, err
	}
	status, err := h.config.Authorizer.Login(ctx, a.account, pair)
	if err != nil {
		h.logins.ended(a.account, LoginFailed, err.Error())
		return status, err
	}
	h.logins.ended(a.account, LoginDone, "")
	return status, nil
}

// printable bounds a text from outside and takes out what could deceive a terminal or a log.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), maxErrorText)]
}

// sentence makes a sentence of an error.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
