package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/admin/client"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

// Texts of others (a server, the system) end up in findings.
func TestAReportHidesWhatOthersRepeat(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef01234567"
	r := newReport([]Finding{failing("somebody said "+secret, "not "+secret)}, []tokens.Secret{tokens.NewSecret(secret)})
	for _, text := range []string{r.String(), r.Checks[0].Seen + r.Checks[0].Fix} {
		if strings.Contains(text, secret) || !strings.Contains(text, "somebody said [redacted]") {
			t.Errorf("got %s", text)
		}
	}
}

func TestFindingsOfOthersStayOnTheirLine(t *testing.T) {
	r := newReport([]Finding{fine("all\nfail  token \x1b[2K forged")}, nil)
	if got, want := strings.Split(r.String(), "\n")[0], "ok                   all fail token forged"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheSummaryCountsInPlainEnglish(t *testing.T) {
	r := newReport([]Finding{fine(""), warning("", "x"), skipped(""), skipped(""), needsLogin("", "x")}, nil)
	if got, want := r.summary(), "1 failed, 1 warning, 2 skipped, 1 ok; an account needs a login"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The Manager uses a record that does not name its token endpoint, and doctor warned of another issuer.
func TestAnUnknownTokenEndpointIsNoOtherIssuer(t *testing.T) {
	now := time.Now()
	a := account{name: "acme", record: tokens.Record{
		Generation: 1, AccessToken: tokens.NewSecret("access"), RefreshToken: tokens.NewSecret("refresh"),
		ObtainedAt: now, ExpiresAt: now.Add(time.Hour), Issuer: tokens.Issuer{API: "https://api.example.com"},
	}}
	here := tokens.NewIssuer("https://api.example.com", "https://api.example.com/token", "id")
	if f := a.state(here, now); f.Result != OK {
		t.Errorf("got %s: %s", f.Result, f.Seen)
	}
}

// docs/doctor.md has the program's table of checks.
func TestDoctorsPageNamesItsChecks(t *testing.T) {
	page, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, c := range checks() {
		fmt.Fprintf(&table, "| `%s` | %s |\n", c.name, c.about)
	}
	if !strings.Contains(string(page), "|---|---|\n"+table.String()+"\n") {
		t.Errorf("docs/doctor.md does not hold this table:\n%s", table.String())
	}
}

// Any error of a refresh without a hint counted as a missing login, with exit status 3 and the command to sign in: also a
// refresh that was too slow, although the account works.
func TestOnlyAMissingLoginNeedsALogin(t *testing.T) {
	answer := func(code problem.Code) error {
		p := problem.Of(code, "login", problem.LoginCommand("acme"))
		return problem.WithHint(&client.ProblemError{Status: p.Status, Code: string(code), Detail: p.Detail}, p.Hint)
	}
	for _, row := range []struct {
		name  string
		err   error
		login bool
	}{
		{"no login", answer(problem.LoginRequired), true},
		{"no answer in time", context.DeadlineExceeded, false},
		{"a login might be needed later", answer(problem.RefreshInDoubt), false},
		{"another problem", answer(problem.RefreshUnavailable), false},
	} {
		x := &examination{Input: Input{Refresh: func(context.Context, string) (admin.Account, error) { return admin.Account{}, row.err }}}
		f := x.refreshed(t.Context(), "acme")
		if f.Result != Failure || f.Login != row.login || f.Fix == "" || !row.login && f.Fix == loginFix("acme") {
			t.Errorf("%s: got %+v", row.name, f)
		}
	}
}

// All refreshes share the time of one check. When it was over, all other accounts failed.
func TestAccountsForWhichThereIsNoTimeAreSkipped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	x := &examination{
		Input: Input{Refresh: func(ctx context.Context, _ string) (admin.Account, error) {
			defer cancel() // the time is over
			return admin.Account{}, ctx.Err()
		}},
		store: stores.Store{Records: tokens.NewMemory(), Abilities: stores.Abilities{Persistent: true}},
		known: []account{{name: "a"}, {name: "b"}, {name: "c"}},
	}
	found := x.refresh(ctx)
	if len(found) != 2 || found[0].Result != OK || found[1].Result != Skipped || !strings.HasPrefix(found[1].Seen, "2 more accounts") {
		t.Errorf("got %+v", found)
	}
}

// Only the first accounts are asked about at the API, but each API key was sent there to look for a sandbox key.
func TestOnlyTheFirstAccountsAreAskedAbout(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	api, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	x := &examination{Input: Input{Config: &config.Config{Upstream: config.Upstream{API: api, Token: api}}}}
	for range manyAccounts + 5 {
		x.known = append(x.known, account{config: tokens.AccountConfig{APIKey: tokens.NewSecret("key")}})
	}
	x.sandboxKeys(t.Context())
	if got := asked.Load(); got != manyAccounts {
		t.Errorf("got %d requests, want %d", got, manyAccounts)
	}
}

// doctor --refresh without a proxy used up the refresh token of the configuration for a pair in its own memory.
func TestNoRefreshForAStoreThatEndsWithDoctor(t *testing.T) {
	x := &examination{
		Input: Input{Refresh: func(context.Context, string) (admin.Account, error) {
			t.Error("the refresh token was used")
			return admin.Account{}, nil
		}},
		store: stores.Store{Records: tokens.NewMemory(), Name: "memory:"},
		known: []account{{name: "default"}},
	}
	if found := x.refresh(t.Context()); len(found) != 1 || found[0].Result != Skipped {
		t.Errorf("got %+v", found)
	}
}
