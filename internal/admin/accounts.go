package admin

import (
	"context"
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// Liveness is the answer of /livez under a host name of ours. Under any other name the answer is "ok".
type Liveness struct {
	State   string `json:"state"`   // always "alive"
	Program string `json:"program"` // always "pandadoc-auth-proxy"
}

// Stopping is the state of /readyz from SIGTERM on.
const Stopping tokens.State = "stopping"

// Readiness is the answer of /readyz: 200 while at least one account is usable, else 503.
type Readiness struct {
	// State is ready, degraded (usable, but not every account, or something is failing), unavailable
	// (may recover by itself), login-required or stopping.
	State    tokens.State    `json:"state"`
	Accounts []AccountHealth `json:"accounts"` // sorted by name
}

// AccountHealth is the part of an account that probes may see.
type AccountHealth struct {
	Account string       `json:"account"`
	State   tokens.State `json:"state"`
	Cause   problem.Code `json:"cause,omitempty"`
	Hint    string       `json:"hint,omitempty"`
}

// Overview is the answer of /api/v1/status.
type Overview struct {
	Info
	// Environment is the kind of API that Upstream is: one of the Environment constants, or "" without a proxy.
	Environment string       `json:"environment,omitempty"`
	State       tokens.State `json:"state"` // as in Readiness
	Accounts    []Account    `json:"accounts"`
	// RedirectURL is the URL that must be registered at PandaDoc.
	RedirectURL string `json:"redirect_url"`
	// HasClientID is false if there is no client id, so that no login is possible.
	HasClientID bool `json:"has_client_id"`
}

// Account is the state of one account, with an explanation and a hint. The texts come from package problem, and
// are empty if there is no problem.
type Account struct {
	tokens.Status
	Title string `json:"title,omitempty"` // the cause in a few words
	Why   string `json:"why,omitempty"`   // the cause in sentences
	Hint  string `json:"hint,omitempty"`
}

// livez checks nothing: a process that answers is alive, and a restart would not fix other problems.
func (h *Handler) livez(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, Liveness{State: "alive", Program: problem.Program})
}

// readyz uses only what is in memory. It does not matter if PandaDoc is available: to take the proxy out of
// service would fix nothing.
func (h *Handler) readyz(w http.ResponseWriter, _ *http.Request) {
	all := relevant(h.config.Manager.Status())
	answer := Readiness{State: h.overall(all), Accounts: []AccountHealth{}}
	for _, s := range all {
		answer.Accounts = append(answer.Accounts, AccountHealth{s.Account, s.State, s.Cause, accountProblem(s).Hint})
	}
	status := http.StatusServiceUnavailable
	if answer.State == tokens.Ready || answer.State == tokens.Degraded {
		status = http.StatusOK
	}
	writeJSON(w, status, answer)
}

// relevant leaves out the account "default" if nobody ever signed in to it and other accounts are in use. This
// account always exists, and must not make an installation that does not need it look broken.
func relevant(all []tokens.Status) []tokens.Status {
	kept := slices.DeleteFunc(slices.Clone(all), func(s tokens.Status) bool {
		return s.Account == tokens.DefaultAccount && s.Cause == problem.NotSignedIn
	})
	if len(kept) == 0 {
		return all
	}
	return kept
}

// overall returns the state of all accounts together: ready if every account is usable, degraded if at least
// one is, else unavailable if one may recover by itself, else login-required.
func (h *Handler) overall(all []tokens.Status) tokens.State {
	usable, failing, recovering := false, false, false
	for _, s := range all {
		switch s.State {
		case tokens.Ready, tokens.Unknown:
			usable = true
		case tokens.Degraded:
			usable, failing = true, true
		case tokens.Unavailable:
			failing, recovering = true, true
		default:
			failing = true
		}
	}
	switch {
	case h.stopping.Load():
		return Stopping
	case usable && failing:
		return tokens.Degraded
	case usable:
		return tokens.Ready
	case recovering:
		return tokens.Unavailable
	}
	return tokens.LoginRequired
}

func (h *Handler) status(w http.ResponseWriter, _ *http.Request) {
	all := relevant(h.config.Manager.Status())
	answer := Overview{
		Info: h.config.Info, State: h.overall(all), Accounts: []Account{}, RedirectURL: h.config.Login.RedirectURL.String(),
		HasClientID: h.config.Login.ClientID != "",
	}
	if h.config.Environment != nil {
		answer.Environment = h.config.Environment()
	}
	for _, s := range all {
		answer.Accounts = append(answer.Accounts, accountOf(s))
	}
	writeJSON(w, http.StatusOK, answer)
}

type accountAction func(ctx context.Context, account string) (tokens.Status, error)

// ifKnown refuses an account that does not exist. Otherwise a misspelled name would create a record in the store, and
// an account that needs a login would stay there for ever.
func (h *Handler) ifKnown(do accountAction) accountAction {
	return func(ctx context.Context, account string) (tokens.Status, error) {
		if s, err := h.config.Manager.AccountStatus(ctx, account); err != nil {
			return s, err
		}
		return do(ctx, account)
	}
}

// act returns a handler that runs do for the account in the path, and answers with the account's new state.
func (h *Handler) act(do accountAction) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		account := mux.Vars(r)["account"]
		status, err := do(r.Context(), account)
		if err != nil {
			problemOf(account, err).Write(w)
			return
		}
		writeJSON(w, http.StatusOK, accountOf(status))
	}
}
