package admin

import (
	"net/http"

	"pandadoc-auth-proxy/tokens"
)

// program tells those who find something on this port whether it is this program.
const program = "pandadoc-auth-proxy"

// Liveness is the answer of /livez.
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

// AccountHealth is what a probe may know of an account.
type AccountHealth struct {
	Account string       `json:"account"`
	State   tokens.State `json:"state"`
	Cause   string       `json:"cause,omitempty"`
	Hint    string       `json:"hint,omitempty"`
}

// livez never asks anybody: a process that answers is alive, and killing it would not mend the rest.
func (h *Handler) livez(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, Liveness{State: "alive", Program: program})
}

// readyz looks at memory only. Whether PandaDoc is up has no say: taking the proxy out of service would
// mend nothing.
func (h *Handler) readyz(w http.ResponseWriter, _ *http.Request) {
	all := relevant(h.config.Accounts.Status())
	answer := Readiness{State: overall(all), Accounts: []AccountHealth{}}
	for _, s := range all {
		answer.Accounts = append(answer.Accounts, AccountHealth{s.Account, s.State, s.Cause, hint(s)})
	}
	if h.stopping.Load() {
		answer.State = Stopping
	}
	status := http.StatusServiceUnavailable
	if answer.State == tokens.Ready || answer.State == tokens.Degraded {
		status = http.StatusOK
	}
	writeJSON(w, status, answer)
}

// relevant leaves out the account "default" where nobody ever signed it in and others are in use: it
// always exists, and must not make an installation look broken that does without it.
func relevant(all []tokens.Status) []tokens.Status {
	var kept []tokens.Status
	for _, s := range all {
		if s.Account != tokens.DefaultAccount || s.Cause != tokens.CauseNoTokens {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		return all
	}
	return kept
}

// overall sums up: ready if all is well, degraded if at least one account is usable, else what the
// accounts that may recover by themselves say, else login-required.
func overall(all []tokens.Status) tokens.State {
	usable, troubled, recovering := false, false, false
	for _, s := range all {
		switch s.State {
		case tokens.Ready, tokens.Unknown:
			usable = true
		case tokens.Degraded:
			usable, troubled = true, true
		case tokens.Unavailable:
			troubled, recovering = true, true
		default:
			troubled = true
		}
	}
	switch {
	case usable && troubled:
		return tokens.Degraded
	case usable:
		return tokens.Ready
	case recovering:
		return tokens.Unavailable
	}
	return tokens.LoginRequired
}
