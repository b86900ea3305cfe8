package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

// refresh gets new tokens, by the running proxy or by ourselves, because that was asked for.
func (x *examination) refresh(ctx context.Context) (found []finding) {
	if !x.command.Refresh {
		return []finding{skipped("no token is spent to look; --refresh tries it")}
	}
	acc, err := x.accounts(ctx)
	if err != nil {
		return []finding{failingAs(err, stores.Fix)}
	}
	if x.proxy == nil {
		defer acc.close()
	}
	for _, p := range x.patients(ctx) {
		if p.config.APIKey.IsZero() {
			found = append(found, refreshed(ctx, acc, p.name))
		}
	}
	if len(found) == 0 {
		return []finding{fine("there are API keys only: nothing is refreshed")}
	}
	return found
}

// accounts is the running proxy, or what a command uses without one.
func (x *examination) accounts(ctx context.Context) (*accounts, error) {
	switch {
	case x.proxy != nil:
		return &accounts{adminClient: x.proxy}, nil
	case x.store.Records == nil:
		return nil, x.storeErr
	}
	logger := newLogger(x.Stderr, logrus.WarnLevel, "text", newRedactor(x.config.Secrets))
	return x.ownAccounts(ctx, managerConfig(x.config, x.store, logger),
		admin.LoginConfig{RedirectURL: x.redirect()}, x.store, x.config.Admin)
}

func refreshed(ctx context.Context, acc *accounts, account string) finding {
	s, err := acc.act(ctx, http.MethodPost, account, "refresh", nil)
	if err == nil {
		return fine(fmt.Sprintf("account %s has new tokens (generation %d), %s", account, s.Generation, validity(s.ExpiresAt)))
	}
	f := failingAs(err, loginFix(account))
	f.Seen = "account " + account + ": " + f.Seen
	f.Login = exitStatus(err) == exitLoginRequired
	return f
}

// tokens looks at what is stored or configured, and asks nobody.
func (x *examination) tokens(ctx context.Context) (found []finding) {
	for _, p := range x.patients(ctx) {
		found = append(found, p.state(time.Now()))
	}
	return found
}

const refreshFix = "nothing, if a refresh works: the next request makes one, and \"" + programName + " doctor --refresh\" tries it now"

// state tells what the record says of an account, by the wall clock.
func (p patient) state(now time.Time) finding {
	name := "account " + p.name + ": "
	switch expires := p.record.ExpiresAt; {
	case !p.config.APIKey.IsZero():
		return fine(name + "an API key, which is used as it is and never refreshed")
	case p.unseen != "":
		return skipped(name + p.unseen)
	case p.freshSeeds() != (tokens.AccountConfig{}):
		return fine(name + "a token of the configuration that was not used yet takes over at the next start")
	case p.record.Generation == 0:
		return needsLogin(name+"nobody has signed in", loginFix(p.name))
	case !p.record.HasTokens():
		return needsLogin(name+"logged out "+when(p.record.ObtainedAt, now), loginFix(p.name))
	case p.record.IsRejected():
		return rejected(p, now)
	case p.expired(now) && p.record.RefreshToken.IsZero():
		return needsLogin(name+"its token expired "+when(expires, now)+", and there is no refresh token", loginFix(p.name))
	case p.record.AccessToken.IsZero():
		return worrying(name+"there is a refresh token, and no access token yet", refreshFix)
	case p.expired(now):
		return worrying(name+"its token expired "+when(expires, now), refreshFix)
	case !p.record.UnconfirmedSince.IsZero():
		return worrying(name+"a refresh was cut off "+when(p.record.UnconfirmedSince, now)+", and it is not known whether PandaDoc has replaced the tokens",
			"wait: it is tried again by itself when it is safe. If that fails, "+loginFix(p.name))
	case p.record.RefreshToken.IsZero():
		return worrying(name+"there is no refresh token: "+age(p.record, now), loginFix(p.name)+" before the token ends")
	}
	return fine(name + age(p.record, now))
}

// rejected is about a refresh token that PandaDoc has refused. The access token may still work.
func rejected(p patient, now time.Time) finding {
	seen := fmt.Sprintf("account %s: PandaDoc refused its refresh token %s (%s)", p.name, when(p.record.Rejected.At, now), p.record.Rejected.Cause)
	if p.record.AccessToken.IsZero() || p.expired(now) {
		return needsLogin(seen, loginFix(p.name))
	}
	return worrying(seen+"; requests work as long as its access token does", loginFix(p.name))
}

// freshSeeds are those of the configuration that take over at the next start, by the rules of
// tokens.AccountConfig: they were never used, and the record was not made by a login that knew of none.
func (p patient) freshSeeds() (fresh tokens.AccountConfig) {
	if p.record.HasTokens() && len(p.record.Seeds) == 0 {
		return tokens.AccountConfig{}
	}
	if s := p.config.RefreshToken; !s.IsZero() && !p.record.HasSeed(s.Fingerprint("refresh_token")) {
		fresh.RefreshToken = s
	}
	if s := p.config.AccessToken; !s.IsZero() && !p.record.HasSeed(s.Fingerprint("access_token")) {
		fresh.AccessToken = s
	}
	return fresh
}

// expired compares wall clocks.
func (p patient) expired(now time.Time) bool {
	return p.record.AccessToken.IsZero() || !p.record.ExpiresAt.IsZero() && !now.Round(0).Before(p.record.ExpiresAt)
}

func age(r tokens.Record, now time.Time) string {
	text := fmt.Sprintf("tokens of generation %d, obtained %s, ", r.Generation, when(r.ObtainedAt, now))
	if r.ExpiresAt.IsZero() {
		text += "valid until the API refuses them"
	} else {
		text += "valid until " + when(r.ExpiresAt, now)
	}
	if !r.ProvenAt.IsZero() {
		text += ", a refresh last worked " + when(r.ProvenAt, now)
	}
	return text
}

// token is what the account signs requests in with now, or an error that says why there is nothing.
func (p patient) token(now time.Time) (tokens.Token, error) {
	t := tokens.Token{Account: p.name, Scheme: tokens.Bearer, ExpiresAt: p.record.ExpiresAt}
	seeds := p.freshSeeds()
	switch {
	case !p.config.APIKey.IsZero():
		t.Scheme, t.Access = tokens.APIKey, p.config.APIKey
	case p.unseen != "":
		return t, errors.New(p.unseen)
	case seeds != (tokens.AccountConfig{}):
		t.Access = seeds.AccessToken
	case !p.expired(now):
		t.Access = p.record.AccessToken
	}
	if t.Access.IsZero() {
		return t, errors.New("there is no token to ask with")
	}
	return t, nil
}
