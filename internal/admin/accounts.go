package admin

import (
	"context"
	"net/http"

	"github.com/gorilla/mux"

	"pandadoc-auth-proxy/tokens"
)

// Overview is the answer of /api/v1/status.
type Overview struct {
	Info
	State    tokens.State `json:"state"` // as in Readiness
	Accounts []Account    `json:"accounts"`
	// RedirectURL is what must be registered at PandaDoc.
	RedirectURL string `json:"redirect_url"`
	// HasClientID says whether a login can begin at all.
	HasClientID bool `json:"has_client_id"`
}

// Account is how one account stands, and the next thing to try.
type Account struct {
	tokens.Status
	Hint string `json:"hint,omitempty"`
}

// LastLogin is the answer of /api/v1/accounts/{account}/login-result. It is given for accounts that do
// not exist yet as well.
type LastLogin struct {
	// LastLogin is how the last login through this listener ended. Nil if there was none.
	LastLogin *LoginResult `json:"last_login"`
}

func describe(s tokens.Status) Account { return Account{Status: s, Hint: hint(s)} }

// loginResult tells those who wait for a login also that none can begin.
func (h *Handler) loginResult(w http.ResponseWriter, r *http.Request) {
	account := mux.Vars(r)["account"]
	if p := h.loginProblem(r.Context(), account); p != nil {
		writeProblem(w, *p)
		return
	}
	writeJSON(w, http.StatusOK, LastLogin{h.logins.result(account)})
}

func (h *Handler) status(w http.ResponseWriter, _ *http.Request) {
	all := relevant(h.config.Accounts.Status())
	answer := Overview{
		Info: h.config.Info, State: overall(all), Accounts: []Account{}, RedirectURL: h.config.Login.RedirectURL.String(),
		HasClientID: h.config.Login.ClientID != "",
	}
	if h.stopping.Load() {
		answer.State = Stopping
	}
	for _, s := range all {
		answer.Accounts = append(answer.Accounts, describe(s))
	}
	writeJSON(w, http.StatusOK, answer)
}

func (h *Handler) account(w http.ResponseWriter, r *http.Request) {
	h.act(w, r, h.config.Accounts.AccountStatus)
}

func (h *Handler) refresh(w http.ResponseWriter, r *http.Request) {
	h.act(w, r, h.config.Keeper.Refresh)
}

// logout refuses an account that does not exist: what a misspelled name would leave in the store, an
// account that needs a login, would stay there for good.
func (h *Handler) logout(w http.ResponseWriter, r *http.Request) {
	h.act(w, r, func(ctx context.Context, account string) (tokens.Status, error) {
		if s, err := h.config.Accounts.AccountStatus(ctx, account); err != nil {
			return s, err
		}
		return h.config.Keeper.Logout(ctx, account)
	})
}

// act does something with the account that the path names, and answers with how it then stands.
func (h *Handler) act(w http.ResponseWriter, r *http.Request, do func(context.Context, string) (tokens.Status, error)) {
	account := mux.Vars(r)["account"]
	status, err := do(r.Context(), account)
	if err != nil {
		writeError(w, account, err)
		return
	}
	writeJSON(w, http.StatusOK, describe(status))
}
