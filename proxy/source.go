package proxy

import (
	"context"

	"pandadoc-auth-proxy/tokens"
)

// TokenSource is what the traffic side needs of tokens. *tokens.Manager is one.
type TokenSource interface {
	// Token returns the current token of account. It does not block on the network while a usable
	// token is known.
	Token(ctx context.Context, account string) (tokens.Token, error)
	// Renew is told that the API refused rejected. It returns a different token, or an error that
	// says why there is none: tokens.ErrTokenGood, ErrAPIKey and ErrRefreshDidNotHelp mean that
	// the API's 401 stands.
	Renew(ctx context.Context, account string, rejected tokens.Token) (tokens.Token, error)
}
