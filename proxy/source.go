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
	// Renew reports that the API refused a request. It returns a different token, or an error that
	// says why there is none: tokens.ErrTokenGood, ErrAPIKey and ErrRefreshDidNotHelp mean that
	// the API's 401 stands.
	Renew(ctx context.Context, account string, refusal tokens.Refusal) (tokens.Token, error)
	// Accepted reports that the API answered a request with token by anything but a 401. It must be
	// called before that answer is passed on; it is cheap unless the token was renewed after a 401.
	Accepted(ctx context.Context, account string, token tokens.Token)
	// RefusedAgain reports that the request which was repeated with a token from Renew was refused as
	// well. It returns tokens.ErrRefreshDidNotHelp if that token came from a refresh, else nil.
	RefusedAgain(ctx context.Context, account string, refusal tokens.Refusal) error
}
