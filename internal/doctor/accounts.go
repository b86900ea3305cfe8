package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/admin/client"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

// account is one account, as the configuration and the store know it.
type account struct {
	name   string
	config tokens.AccountConfig
	record tokens.Record
	err    error  // of reading the record; nil also if nobody ever signed in
	unseen string // why the content of the record is unknown
}

// accounts returns the accounts of the store and of the configuration, with their current records. It only
// reads the records; unlike a Manager, it changes nothing.
func (x *examination) accounts(ctx context.Context) []account {
	if x.known == nil {
		for _, name := range x.accountNames(ctx) {
			_, configured := x.Config.Tokens.Accounts[name]
			if a := x.load(ctx, name); !a.record.Forgotten || configured || name == x.Account {
				x.known = append(x.known, a)
			}
		}
		if len(x.known) == 0 {
			x.known = []account{x.load(ctx, tokens.DefaultAccount)}
		}
	}
	return x.known
}

func (x *examination) load(ctx context.Context, name string) account {
	a := account{name: name, config: x.Config.Tokens.Accounts[name]}
	switch {
	case x.store.Records == nil:
		a.unseen = "the store cannot be opened"
		return a
	case !x.store.Persistent && x.Proxy != nil:
		a.unseen = "its tokens are in the memory of the running proxy"
		return a
	}
	a.record, a.err = x.store.Records.Load(ctx, name)
	switch {
	case errors.Is(a.err, tokens.ErrNotFound):
		a.err = nil
	case a.err != nil:
		a.unseen = "its record cannot be read"
	}
	return a
}

// accountNames returns the names of the accounts that are configured or stored.
func (x *examination) accountNames(ctx context.Context) []string {
	if x.Account != "" {
		return []string{x.Account}
	}
	names := slices.Collect(maps.Keys(x.Config.Tokens.Accounts))
	if l, ok := x.store.Records.(tokens.Lister); ok {
		stored, _ := l.Accounts(ctx) // an error shows in the check of the store
		names = append(names, stored...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// manyAccounts is how many accounts without a problem are listed, and how many are checked at the API.
const manyAccounts = 20

// records reports whether each record can be read.
func (x *examination) records(ctx context.Context) (found []Finding) {
	if x.store.Records == nil {
		return []Finding{skipped("the store cannot be opened")}
	}
	read := 0
	for _, a := range x.accounts(ctx) {
		switch {
		case a.err != nil:
			found = append(found, failingAs(a.err, stores.Fix))
		case a.record.Generation > 0:
			read++
			if key := x.store.Keys.KeyID(); a.record.HasTokens() && a.record.KeyID() != key {
				found = append(found, x.oldKey(a.name, a.record.KeyID()))
			}
		}
	}
	if len(found) > 0 {
		return found
	}
	return []Finding{fine(fmt.Sprintf("records that can be read: %d", read))}
}

// oldKey warns about tokens that are not encrypted with the first key.
func (x *examination) oldKey(account, key string) Finding {
	text := fmt.Sprintf("the tokens of %q are not encrypted: they were stored before there was a key", account)
	if key != "" {
		text = fmt.Sprintf("the tokens of %q are still encrypted with the old key %s", account, key)
	}
	now := fmt.Sprintf("encrypt them with the new key now: %s import --account %s --from %s --to %[3]s", problem.Program, account, x.store.Name)
	if x.Config.Store.HasPassword() { // which a flag must not show
		now = "refresh now: " + problem.AccountCommand("refresh", account)
	}
	return warning(text, "wait for the next refresh, or "+now)
}

// refresh gets new tokens, if --refresh was given.
func (x *examination) refresh(ctx context.Context) (found []Finding) {
	switch {
	case x.Refresh == nil:
		return []Finding{skipped("not tried, because it uses a refresh token; --refresh tries it")}
	case x.Proxy == nil && x.store.Records == nil:
		return []Finding{failingAs(x.storeErr, stores.Fix)}
	case x.Proxy == nil && !x.store.Persistent: // a refresh token of the configuration would be used up
		return []Finding{skipped("not tried, because " + x.store.Name + " would lose the new tokens at the end of this command; start the proxy first")}
	}
	left := 0
	for _, a := range x.accounts(ctx) {
		switch {
		case !a.config.APIKey.IsZero():
		case ctx.Err() != nil:
			left++
		default:
			found = append(found, x.refreshed(ctx, a.name))
		}
	}
	x.known = nil // the records have changed
	switch {
	case left > 0:
		found = append(found, skipped(fmt.Sprintf("%d more accounts were not tried within %v; --account NAME tries one", left, checkTimeout)))
	case len(found) == 0:
		return []Finding{fine("there are API keys only: nothing is refreshed")}
	}
	return found
}

func (x *examination) refreshed(ctx context.Context, name string) Finding {
	s, err := x.Refresh(ctx, name)
	if err == nil {
		return fine(fmt.Sprintf("account %s has new tokens (generation %d), %s", name, s.Generation, problem.Validity(s.ExpiresAt, time.Now())))
	}
	f := failingAs(err, "run: "+problem.AccountCommand("refresh", name))
	f.Seen = "account " + name + ": " + f.Seen
	answer, ok := errors.AsType[*client.ProblemError](err)
	f.Login = ok && answer.Code == string(problem.LoginRequired)
	return f
}

// tokens checks the stored and configured tokens, without any request. If there are many accounts, those without a
// problem are only counted.
func (x *examination) tokens(ctx context.Context) (found []Finding) {
	all, here, counted := x.accounts(ctx), x.issuer(), 0
	for _, a := range all {
		f := a.state(here, time.Now())
		if f.Result == OK && len(all) > manyAccounts {
			counted++
			continue
		}
		found = append(found, f)
	}
	if counted > 0 {
		found = append(found, fine(fmt.Sprintf("%d of %d accounts are in order", counted, len(all))))
	}
	return found
}

// issuer returns the issuer of the configuration.
func (x *examination) issuer() tokens.Issuer {
	return tokens.NewIssuer(x.Config.Upstream.API.String(), x.Config.Upstream.Token.String(), x.Config.Tokens.Endpoint.ClientID)
}

// refreshFix is for an account without an access token that works.
const refreshFix = "nothing to do if a refresh works: the next request starts one, and \"" + problem.Program + " doctor --refresh\" tries it now"

// state returns a finding about an account from its record, by the wall clock.
func (a account) state(here tokens.Issuer, now time.Time) Finding {
	name := "account " + a.name + ": "
	switch expires := a.record.ExpiresAt; {
	case !a.config.APIKey.IsZero():
		return fine(name + "an API key, which is used as it is and never refreshed")
	case a.unseen != "":
		return skipped(name + a.unseen)
	case a.config.Fresh(a.record, here) != (tokens.AccountConfig{}):
		return fine(name + "the next start will use the new token of the configuration")
	case a.record.Generation == 0:
		return a.needsLogin(problem.NotSignedIn, "")
	case !a.record.HasTokens():
		return a.needsLogin(problem.LoggedOut, problem.When(a.record.ObtainedAt, now))
	case !a.record.Issuer.Matches(here):
		return a.otherIssuer(here)
	case a.record.IsRejected():
		return a.rejected(now)
	case a.expired(now) && a.record.RefreshToken.IsZero():
		return a.needsLogin(problem.NoRefreshToken, "it ended "+problem.When(expires, now))
	case a.record.AccessToken.IsZero():
		return warning(name+"there is a refresh token, and no access token yet", refreshFix)
	case a.expired(now):
		return warning(name+"its token expired "+problem.When(expires, now), refreshFix)
	case !a.record.UnconfirmedSince.IsZero():
		p := a.problem(problem.RefreshInDoubt)
		return warning(a.describe(p)+", "+problem.When(a.record.UnconfirmedSince, now), p.Hint)
	case a.record.RefreshToken.IsZero():
		return warning(name+"there is no refresh token: "+age(a.record, now), "before the token ends, "+loginFix(a.name))
	}
	return fine(name + age(a.record, now))
}

// problem returns the row of a cause for this account.
func (a account) problem(code problem.Code, values ...string) problem.Problem {
	return problem.Of(code, append([]string{"account", a.name, "login", problem.LoginCommand(a.name)}, values...)...)
}

// needsLogin returns a failure with the text of a cause, and more about it.
func (a account) needsLogin(code problem.Code, more string) Finding {
	p := a.problem(code)
	seen := a.describe(p)
	if more != "" {
		seen += ", " + more
	}
	return needsLogin(seen, p.Hint)
}

// describe returns the detail of a problem, with the name of the account.
func (a account) describe(p problem.Problem) string {
	text := problem.Clause(p.Detail)
	if strings.Contains(text, "account "+a.name) {
		return text
	}
	return "account " + a.name + ": " + text
}

// otherIssuer is about tokens of another issuer: the access token is bound to the API, the refresh token to the
// token endpoint and the client.
func (a account) otherIssuer(here tokens.Issuer) Finding {
	is := a.record.Issuer
	if !is.MatchesAPI(here) {
		p := a.problem(problem.OtherIssuer, "stored", is.API, "configured", here.API)
		return needsLogin(a.describe(p), p.Hint)
	}
	client := func(i tokens.Issuer) string {
		return cmp.Or(i.TokenURL, "another token endpoint") + " (client id " + cmp.Or(i.ClientID, "unknown") + ")"
	}
	p := a.problem(problem.OtherIssuer, "stored", client(is), "configured", client(here))
	return warning(a.describe(p)+"; requests work as long as the access token does", p.Hint)
}

// rejected is about a refresh token that the token endpoint has refused. The access token may still work.
func (a account) rejected(now time.Time) Finding {
	code := problem.RevokedOrSpent
	if problem.Known(a.record.Rejected.Cause) {
		code = a.record.Rejected.Cause
	}
	f := a.needsLogin(code, problem.When(a.record.Rejected.At, now))
	if a.record.AccessToken.IsZero() || a.expired(now) {
		return f
	}
	return warning(f.Seen+"; requests work as long as the access token does", f.Fix)
}

// expired compares wall clocks.
func (a account) expired(now time.Time) bool {
	return a.record.AccessToken.IsZero() || !a.record.ExpiresAt.IsZero() && !now.Round(0).Before(a.record.ExpiresAt)
}

func age(r tokens.Record, now time.Time) string {
	text := fmt.Sprintf("tokens of generation %d, obtained %s, %s", r.Generation, problem.When(r.ObtainedAt, now), problem.Validity(r.ExpiresAt, now))
	if !r.ProvenAt.IsZero() {
		text += ", a refresh last worked " + problem.When(r.ProvenAt, now)
	}
	return text
}

// loginFix is the command that signs an account in.
func loginFix(name string) string { return "run: " + problem.LoginCommand(name) }
