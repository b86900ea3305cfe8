package sandbox

import (
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/sandbox/workspace"
)

const defaultScope = "read+write"

// Results of token calls in the history and the counters. A refused call has its error code as the result.
const (
	outcomeRefreshed = "refreshes"
	outcomeExchanged = "exchanges"
)

// serveToken answers POST /oauth2/access_token. It checks the same things in the same order as django-oauth2-provider,
// because PandaDoc's published answers are similar: the grant type before the client, and 400 for every error.
func (e *Emulator) serveToken(x *exchange) {
	x.w.Header().Set("Cache-Control", "no-store")
	x.w.Header().Set("Pragma", "no-cache")
	form := readTokenForm(x)
	fields := map[string]string{"authorization_code": "code", "refresh_token": "refresh_token"} // by grant type
	field, supported := fields[form.Get("grant_type")]
	switch {
	case !form.Has("grant_type"):
		x.refuseToken("invalid_request")
	case !supported:
		x.refuseToken("unsupported_grant_type")
	case form.Get("client_id") != e.client.id || form.Get("client_secret") != e.client.secret:
		x.refuseToken("invalid_client")
	case form.Get(field) == "":
		x.refuseToken("invalid_request")
	case field == "code":
		e.exchangeCode(x, form.Get(field), form.Get("scope"))
	default:
		e.refresh(x, form.Get(field), form.Get("scope"))
	}
}

// readTokenForm reads the form from the body only: secrets in a query would be written to logs, and the service does
// not accept them there. It returns nil if there is no form.
func readTokenForm(x *exchange) url.Values {
	kind, _, _ := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if x.r.Method != http.MethodPost || kind != "application/x-www-form-urlencoded" {
		return nil
	}
	x.r.Body = http.MaxBytesReader(nil, x.r.Body, 1<<20)
	if err := x.r.ParseForm(); err != nil {
		return nil
	}
	x.entry.Grant = workspace.Bounded(x.r.PostForm.Get("grant_type"), 40)
	return x.r.PostForm
}

func (e *Emulator) exchangeCode(x *exchange, code, scope string) {
	if !knownScope(scope) {
		x.refuseToken("invalid_scope")
		return
	}
	granted, ok := e.grants.codes.take(code, time.Now())
	if !ok {
		x.refuseToken("invalid_grant")
		return
	}
	e.answerPair(x, e.grants.consented(granted, time.Now()), outcomeExchanged)
}

func (e *Emulator) refresh(x *exchange, refreshToken, scope string) {
	x.entry.Token = fingerprint(refreshToken)
	if !knownScope(scope) {
		x.refuseToken("invalid_scope")
		return
	}
	before, issued, ok := e.grants.rotate(refreshToken, x.fault, time.Now())
	x.entry.Generation, x.entry.Spent = before.generation, before.spent
	if !ok {
		x.refuseToken("invalid_grant")
		return
	}
	e.answerPair(x, issued, outcomeRefreshed)
}

func (e *Emulator) answerPair(x *exchange, p pair, outcome string) {
	x.entry.Outcome, x.entry.Issued = outcome, p.generation
	answer := map[string]any{
		"access_token": p.access, "token_type": "Bearer", "scope": p.scope,
		"expires_in": int64(time.Until(p.expires).Round(time.Second).Seconds()),
	}
	if !x.fault.is(FaultNoRefreshToken) {
		answer["refresh_token"] = p.refresh
	}
	if x.fault.is(FaultExpiresIn) {
		answer["expires_in"] = x.fault.ExpiresIn
	} else {
		e.behaviour.varyExpiry(answer)
	}
	x.writeJSON(http.StatusOK, answer)
}

// refuseToken answers 400 for every error, also for invalid_client, where RFC 6749 section 5.2 recommends 401.
func (x *exchange) refuseToken(code string) {
	x.entry.Outcome = code
	x.writeJSON(http.StatusBadRequest, map[string]string{"error": code})
}

// knownScope reports whether every name of a scope parameter exists. "read+write" is one name; if the client does
// not escape the plus, it arrives as two.
func knownScope(scope string) bool {
	for name := range strings.FieldsSeq(scope) {
		if name != "read" && name != "write" && name != defaultScope {
			return false
		}
	}
	return true
}
