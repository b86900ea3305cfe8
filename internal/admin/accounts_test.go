package admin

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

func TestStatusTellsEverything(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	x := newTester(t, tokens.Status{Account: "acme", State: tokens.LoginRequired, Cause: problem.RevokedOrSpent, Since: since, Generation: 3})
	var got Overview
	x.send(http.MethodGet, "/api/v1/status", "").decode(t, &got)
	check(t, "state", got.State, tokens.LoginRequired)
	check(t, "version", got.Version, "v1")
	check(t, "redirect", got.RedirectURL, x.server.URL+"/oauth2/callback")
	check(t, "accounts", len(got.Accounts), 1)
	check(t, "since", got.Accounts[0].Since, since)
	check(t, "title", got.Accounts[0].Title, "Refresh token refused")
	check(t, "why", got.Accounts[0].Why, problem.Of(problem.RevokedOrSpent).Detail)
	check(t, "hint", got.Accounts[0].Hint, "run: pandadoc-auth-proxy login --account acme")
}

// The hint said "change the configuration back to another API, token endpoint or client id".
func TestTokensOfAnotherIssuerNameBoth(t *testing.T) {
	x := newTester(t, tokens.Status{
		Account: "acme", State: tokens.LoginRequired, Cause: problem.OtherIssuer,
		StoredIssuer: "https://api.pandadoc.com (client id one)", ConfiguredIssuer: "https://api.pandadoc.eu (client id two)",
	})
	var all Overview
	x.send(http.MethodGet, "/api/v1/status", "").decode(t, &all)
	var ready Readiness
	x.send(http.MethodGet, "/readyz", "").decode(t, &ready)
	check(t, "why", all.Accounts[0].Why, "The stored tokens belong to https://api.pandadoc.com (client id one), but the configuration names https://api.pandadoc.eu (client id two).")
	want := "change the configuration back from https://api.pandadoc.eu (client id two) to https://api.pandadoc.com (client id one), or sign in with the new configuration: pandadoc-auth-proxy login --account acme"
	check(t, "hint of status", all.Accounts[0].Hint, want)
	check(t, "hint of readyz", ready.Accounts[0].Hint, want)
}

func TestAnAccountInOrderHasNothingToTell(t *testing.T) {
	x := newTester(t, account("acme", tokens.Ready, ""))
	var got Overview
	x.send(http.MethodGet, "/api/v1/status", "").decode(t, &got)
	check(t, "told", []string{got.Accounts[0].Title, got.Accounts[0].Why, got.Accounts[0].Hint}, []string{"", "", ""})
}

func TestAccountsAreChanged(t *testing.T) {
	x := newTester(t, account("acme", tokens.Ready, ""))
	for _, row := range []struct{ method, verb, call string }{
		{http.MethodGet, "", "status acme"},
		{http.MethodPost, "/refresh", "refresh acme"},
		{http.MethodPost, "/logout", "logout acme"},
	} {
		r := x.send(row.method, "/api/v1/accounts/acme"+row.verb, "", RequestHeader, "1")
		check(t, row.call, r.status, http.StatusOK)
		var got Account
		r.decode(t, &got)
		check(t, row.call, got.Account, "acme")
		check(t, row.call, x.accounts.calls[len(x.accounts.calls)-1], row.call)
	}
}

// It used to leave a tombstone under the misspelled name, which kept status at "login required".
func TestLogoutOfAMisspelledAccountLeavesNothing(t *testing.T) {
	x := newTester(t, tokens.Status{Account: "acme", State: tokens.Ready})
	r := x.send(http.MethodPost, "/api/v1/accounts/acmee/logout", "", RequestHeader, "1")
	check(t, "status", r.status, http.StatusNotFound)
	check(t, "code", r.code(t), "unknown-account")
	check(t, "calls", x.accounts.calls, []string{"status acmee"})
}

func TestErrorsOfTheManagerKeepTheirMeaning(t *testing.T) {
	for _, row := range []struct {
		err        error
		status     int
		code       string
		retryAfter string
	}{
		{tokens.ErrUnknownAccount, 404, "unknown-account", ""},
		{tokens.ErrLoginRequired, 502, "login-required", ""},
		{&tokens.UnavailableError{Err: tokens.ErrClientRefused}, 502, "client-refused", ""},
		{&tokens.UnavailableError{Err: tokens.ErrRefreshUnavailable, RetryAfter: 1500 * time.Millisecond}, 503, "refresh-unavailable", "2"},
		{&tokens.UnavailableError{Err: tokens.ErrStoreUnavailable, Cause: errors.New("disk full")}, 503, "store-unavailable", "5"},
		{tokens.ErrAPIKey, 409, "api-key", ""},
	} {
		x := newTester(t)
		x.accounts.err = row.err
		r := x.send(http.MethodPost, "/api/v1/accounts/acme/refresh", "", RequestHeader, "1")
		check(t, row.code, r.status, row.status)
		check(t, row.code, r.code(t), row.code)
		check(t, row.code, r.header.Get("Retry-After"), row.retryAfter)
		var p problem.Problem
		r.decode(t, &p)
		if p.Hint == "" {
			t.Errorf("%s: got no hint, want one", row.code)
		}
	}
}
