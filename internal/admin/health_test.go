package admin

import (
	"net/http"
	"testing"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

func account(name string, state tokens.State, cause problem.Code) tokens.Status {
	return tokens.Status{Account: name, State: state, Cause: cause}
}

func TestReadyWhileOneAccountIsUsable(t *testing.T) {
	unused := account("default", tokens.LoginRequired, problem.NotSignedIn)
	for _, row := range []struct {
		name   string
		all    []tokens.Status
		status int
		state  tokens.State
		listed int
	}{
		{"ready", []tokens.Status{account("default", tokens.Ready, "")}, 200, tokens.Ready, 1},
		{"not used yet counts as usable", []tokens.Status{account("default", tokens.Unknown, "")}, 200, tokens.Ready, 1},
		{"degraded still works", []tokens.Status{account("default", tokens.Degraded, problem.RefreshFailing)}, 200, tokens.Degraded, 1},
		{"nobody signed in", []tokens.Status{unused}, 503, tokens.LoginRequired, 1},
		{"revoked", []tokens.Status{account("default", tokens.LoginRequired, problem.RevokedOrSpent)}, 503, tokens.LoginRequired, 1},
		{"may mend itself", []tokens.Status{account("default", tokens.Unavailable, problem.StoreUnavailable)}, 503, tokens.Unavailable, 1},
		{"one of two works", []tokens.Status{account("acme", tokens.Ready, ""), account("b", tokens.LoginRequired, problem.RevokedOrSpent)}, 200, tokens.Degraded, 2},
		{"neither of two works", []tokens.Status{account("acme", tokens.Unavailable, ""), account("b", tokens.LoginRequired, problem.RevokedOrSpent)}, 503, tokens.Unavailable, 2},
		{"an unused default is no trouble", []tokens.Status{account("acme", tokens.Ready, ""), unused}, 200, tokens.Ready, 1},
		{"a default that lost its login is", []tokens.Status{account("acme", tokens.Ready, ""), account("default", tokens.LoginRequired, problem.RevokedOrSpent)}, 200, tokens.Degraded, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			x := newTester(t, row.all...)
			r := x.send(http.MethodGet, "/readyz", "")
			var got Readiness
			r.decode(t, &got)
			check(t, "status", r.status, row.status)
			check(t, "state", got.State, row.state)
			check(t, "accounts", len(got.Accounts), row.listed)
			for _, a := range got.Accounts {
				if (a.State == tokens.LoginRequired || a.Cause != "") && a.Hint == "" {
					t.Errorf("account %+v: got no hint, want one", a)
				}
			}
		})
	}
}

func TestStoppingIsNotReadyButAlive(t *testing.T) {
	x := newTester(t, account("default", tokens.Ready, ""))
	x.handler.Stopping()
	r := x.send(http.MethodGet, "/readyz", "")
	check(t, "status", r.status, http.StatusServiceUnavailable)
	wantText(t, r, `"state": "stopping"`)
	alive := x.send(http.MethodGet, "/livez", "")
	check(t, "status", alive.status, http.StatusOK)
	wantText(t, alive, `"program": "pandadoc-auth-proxy"`)
}

func TestHealthAsksNobody(t *testing.T) {
	x := newTester(t, account("default", tokens.Ready, ""))
	x.send(http.MethodGet, "/readyz", "")
	x.send(http.MethodGet, "/livez", "")
	check(t, "calls that may do I/O", x.accounts.calls, nil)
}
