package tokens

import (
	"errors"
	"fmt"
	"time"
)

// What a Manager returns instead of a token. Compare with errors.Is; UnavailableError adds the time
// after which it is worth asking again.
var (
	// ErrTokenGood is returned by Renew when the API still accepts the refused token elsewhere: the
	// refusal was not about the token.
	ErrTokenGood = errors.New("the API refused the request, but not because of its token")
	// ErrAPIKey is returned by Renew for an account that signs in with an API key: nothing can be renewed.
	ErrAPIKey = errors.New("an API key cannot be refreshed")
	// ErrRefreshDidNotHelp is returned by Renew while a token that was refreshed because of a 401 meets
	// 401 again: another refresh is held back for a while.
	ErrRefreshDidNotHelp = errors.New("a refresh did not help against this refusal")
	// ErrLoginRequired means that there is no refresh token, or that it is spent, revoked or of another issuer:
	// only a person can help. A *CauseError tells which.
	ErrLoginRequired = errors.New("login required")
	// ErrClientNotConfigured means that a refresh is due and no client id is configured.
	ErrClientNotConfigured = errors.New("no client id and secret are configured")
	// ErrClientRefused means that the token endpoint does not accept the client id or secret.
	ErrClientRefused = errors.New("the token endpoint refused the client id or secret")
	// ErrRefreshUnavailable means that there is no usable token now and that the token endpoint did not
	// give one; it may recover by itself.
	ErrRefreshUnavailable = errors.New("token endpoint unavailable")
	// ErrStoreUnavailable means that there is no usable token in memory and that the store cannot be
	// read or written.
	ErrStoreUnavailable = errors.New("the token store is not available")
	// ErrUnknownAccount means that no such account is configured or stored.
	ErrUnknownAccount = errors.New("no such account")
)

// What a Store returns.
var (
	// ErrNotFound is returned by Load when the store holds no record of the account.
	ErrNotFound = errors.New("no record")
	// ErrConflict is returned by Save when the stored record is not the one that the new one was based on.
	ErrConflict = errors.New("the record was changed by another")
)

// UnavailableError tells when it is worth asking again. Err is one of the sentinels of this package,
// Cause what lay behind it, already safe to show.
type UnavailableError struct {
	Err        error
	Cause      error
	RetryAfter time.Duration // zero means unknown
}

func (e *UnavailableError) Error() string {
	if e.Cause == nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v: %v", e.Err, e.Cause)
}

// Unwrap gives both, so that errors.Is finds the sentinel and errors.As the cause.
func (e *UnavailableError) Unwrap() []error { return []error{e.Err, e.Cause} }

// CauseError is why an account needs a login.
type CauseError struct {
	Code string // one of the Cause constants
	// Stored and Configured name the issuer of the stored tokens and that of the configuration, for
	// CauseOtherIssuer.
	Stored, Configured string
}

func (e *CauseError) Error() string {
	if e.Code == CauseOtherIssuer {
		return fmt.Sprintf("%s: the tokens belong to %s, and the configuration names %s", e.Code, e.Stored, e.Configured)
	}
	return e.Code
}

// EndpointError is a complete answer of the token endpoint that is not a pair of tokens. Code and
// Description are bounded and stripped of control characters; the body is not kept.
type EndpointError struct {
	Status      int           // HTTP status
	Code        string        // "error" of RFC 6749 section 5.2; empty if the answer had none
	Description string        // "error_description"; often empty
	RetryAfter  time.Duration // from Retry-After; zero if absent
}

func (e *EndpointError) Error() string {
	switch {
	case e.Code == "":
		return fmt.Sprintf("the token endpoint answered %d", e.Status)
	case e.Description == "":
		return fmt.Sprintf("the token endpoint answered %d %s", e.Status, e.Code)
	}
	return fmt.Sprintf("the token endpoint answered %d %s (%s)", e.Status, e.Code, e.Description)
}
