package tokens

import (
	"context"
	"errors"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

var (
	errRefusedSource = problem.Mistake("the refresh token was refused before: it is spent or revoked", "sign in instead: run pandadoc-auth-proxy login")
	errBusySource    = problem.Mistake("a refresh of these tokens is under way", "stop the proxy that uses them, and try again")
	errNoImport      = problem.Mistake("there is no access token and no refresh token in it",
		`paste the whole answer of the token endpoint, like {"access_token": "…", "refresh_token": "…"}`)
)

// ReadAnswer takes a pair out of a stored answer of a token endpoint (RFC 6749 section 5.1).
func ReadAnswer(body []byte) (Pair, error) {
	p, err := readPair(200, body, nil)
	if err != nil {
		return Pair{}, errNoImport // the error would speak of a call
	}
	return p, nil
}

// Import makes the tokens of another store's record the account's own, as a new lineage. The refresh token is
// not spent. A record without an issuer is taken to be of the configured one.
func (m *Manager) Import(ctx context.Context, name string, from Record) (Status, error) {
	switch {
	case !from.HasTokens():
		return Status{}, errNoImport
	case from.IsRejected():
		return Status{}, errRefusedSource
	case from.Pending != nil:
		return Status{}, errBusySource
	}
	pair := Pair{AccessToken: from.AccessToken, RefreshToken: from.RefreshToken, TokenType: from.TokenType, Scope: from.Scope}
	status, err := m.replace(name, EventLogin, func(rec Record, now time.Time) Record {
		next := rec.replaced(pair, m.issuer, now)
		next.ExpiresAt, next.UnconfirmedSince, next.Answered = from.ExpiresAt, from.UnconfirmedSince, from.Answered
		if from.Issuer != (Issuer{}) {
			next.Issuer = from.Issuer
		}
		if !from.ObtainedAt.IsZero() {
			next.ObtainedAt = from.ObtainedAt
		}
		return next
	})
	if err != nil && !errors.Is(err, ErrAPIKey) {
		return status, &UnavailableError{Err: ErrStoreUnavailable, Cause: err}
	}
	return status, err
}
