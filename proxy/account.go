package proxy

import (
	"context"
	"strings"

	"pandadoc-auth-proxy/tokens"
)

// accountClaim is one way in which a request names its account.
type accountClaim struct {
	account string // empty: this way was not used
	by      string // for people
}

// chooseAccount returns the account that c is for and what is left of path without a prefix that
// names an account. Ways that disagree are refused: a client that believes to act as one account must
// never act as another. No header that a caller can choose freely is a claim.
func chooseAccount(c *call, path string) (account, rest string, problem *Problem) {
	byPath, rest := cutAccount(path)
	account, problem = agree(
		accountClaim{c.keyAccount, "the client key"},
		accountClaim{listenerAccount(c.req.Context()), "the listener"},
		accountClaim{hostAccount(c.req.Host), "the host name"},
		accountClaim{byPath, "the path"},
	)
	if problem != nil {
		return "", path, problem
	}
	if !tokens.ValidAccount(account) {
		return "", path, noSuchAccount()
	}
	return account, rest, nil
}

type listenerKey struct{}

// WithAccount returns a context for the connections of a listener that is for one account only. It
// belongs into http.Server.BaseContext.
func WithAccount(ctx context.Context, account string) context.Context {
	return context.WithValue(ctx, listenerKey{}, account)
}

func listenerAccount(ctx context.Context) string {
	account, _ := ctx.Value(listenerKey{}).(string)
	return account
}

// agree returns the one account that all claims name, or the default account if there is none.
func agree(claims ...accountClaim) (string, *Problem) {
	var chosen accountClaim
	for _, c := range claims {
		switch {
		case c.account == "":
		case chosen.account == "":
			chosen = c
		case c.account != chosen.account:
			return "", badRequest.problem("The account in "+c.by+" is not the one in "+chosen.by+".",
				"name the account once")
		}
	}
	if chosen.account == "" {
		return tokens.DefaultAccount, nil
	}
	return chosen.account, nil
}

// cutAccount splits "/@acme/v1" into "acme" and "/v1".
func cutAccount(path string) (account, rest string) {
	if !strings.HasPrefix(path, "/@") {
		return "", path
	}
	end := strings.IndexByte(path[1:], '/')
	if end < 0 {
		return orEmptyName(path[2:]), ""
	}
	// An empty name stays visible as one, so that "/@/x" is refused and not served as the default account.
	return orEmptyName(path[2 : 1+end]), path[1+end:]
}

// hostAccount returns "acme" for "acme.localhost:8080", and "" for hosts that name no account.
func hostAccount(host string) string {
	name, ok := cutHost(host)
	if !ok {
		return ""
	}
	label, ok := strings.CutSuffix(name, ".localhost")
	if !ok {
		return ""
	}
	return label
}

func orEmptyName(name string) string {
	if name == "" {
		return "@"
	}
	return name
}
