package sandbox

import (
	"mime"
	"net/http"
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

// tokenRequest is the form of a token call.
type tokenRequest struct {
	grantType, clientID, clientSecret string
	code, refreshToken                string
	scope                             string
	hasGrantType, hasCredential       bool
}

// serveToken answers POST /oauth2/access_token. It checks the same things in the same order as django-oauth2-provider,
// because PandaDoc's published answers are similar: the grant type before the client, and 400 for every error.
func (e *Emulator) serveToken(x *exchange) {
	x.w.Header().Set("Cache-Control", "no-store")
	x.w.Header().Set("Pragma", "no-cache")
	form, ok := readTokenRequest(x)
	switch {
	case !ok || !form.hasGrantType:
		x.refuseToken("invalid_request")
	case form.grantType != "authorization_code" && form.grantType != "refresh_token":
		x.refuseToken("unsupported_grant_type")
	case form.clientID != e.client.id || form.clientSecret != e.client.secret:
		x.refuseToken("invalid_client")
	case !form.hasCredential:
		x.refuseToken("invalid_request")
	case form.grantType == "authorization_code":
		e.exchangeCode(x, form)
	default:
		e.refresh(x, form)
	}
}

// readTokenRequest reads the form from the body only: secrets in a query would be written to logs, and the service
// does not accept them there.
func readTokenRequest(x *exchange) (tokenRequest, bool) {
	kind, _, _ := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if x.r.Method != http.MethodPost || kind != "application/x-www-form-urlencoded" {
		return tokenRequest{}, false
	}
	x.r.Body = http.MaxBytesReader(nil, x.r.Body, 1<<20)
	if err := x.r.ParseForm(); err != nil {
		return tokenRequest{}, false
	}
	form := x.r.PostForm
	req := tokenRequest{
		grantType: form.Get("grant_type"), clientID: form.Get("client_id"), clientSecret: form.Get("client_secret"),
		code: form.Get("code"), refreshToken: form.Get("refresh_token"), scope: form.Get("scope"),
		hasGrantType: form.Has("grant_type"),
	}
	req.hasCredential = req.code != "" && req.grantType == "authorization_code" ||
		req.refreshToken != "" && req.grantType == "refresh_token"
	x.entry.Grant = workspace.Bounded(req.grantType, 40)
	return req, true
}

func (e *Emulator) exchangeCode(x *exchange, form tokenRequest) {
	if !knownScope(form.scope) {
		x.refuseToken("invalid_scope")
		return
	}
	p, ok := e.grants.exchange(form.code, time.Now())
	if !ok {
		x.refuseToken("invalid_grant")
		return
	}
	e.answerPair(x, p, outcomeExchanged)
}

func (e *Emulator) refresh(x *exchange, form tokenRequest) {
	x.entry.Token = fingerprint(form.refreshToken)
	if !knownScope(form.scope) {
		x.refuseToken("invalid_scope")
		return
	}
	var rot rotation
	if x.fault.is(FaultNoRefreshToken) {
		rot = e.grants.renewAccess(form.refreshToken, time.Now())
	} else {
		rot = e.grants.rotate(form.refreshToken, x.fault.is(FaultKeepOld), time.Now())
	}
	x.entry.Generation = rot.from
	if !rot.ok {
		x.entry.Spent = rot.spent
		x.refuseToken("invalid_grant")
		return
	}
	e.answerPair(x, rot.pair, outcomeRefreshed)
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
		e.behaviour.bendExpiry(answer)
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
