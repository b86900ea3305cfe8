// Package tokens keeps PandaDoc access tokens fresh: it is what stands between a proxy that wants "the
// token of this account, now" and an OAuth 2.0 token endpoint that hands out pairs of which each may
// be used once.
//
//	m, err := tokens.New(config)      // a Store, an Endpoint, the accounts of the configuration
//	err = m.Start(ctx)
//	t, err := m.Token(ctx, "default") // no network while a usable token is known
//	t, err = m.Renew(ctx, "default", t) // the API refused t: another token, or why there is none
//
// # The life of a pair
//
// A refresh replaces both tokens and kills the old ones at once, so an answer that is lost costs a
// person a login. A refresh is therefore written down before it is sent: the record of the account
// gets a marker ([Pending]) by compare-and-swap, and whoever wins that write is the only one to call
// the token endpoint, among all processes that share the store. The new pair is saved before it is
// used. The marker is at once lock and crash evidence: a process that finds the marker of a dead
// owner knows that the refresh token may be spent, and treats it accordingly (refresh.go, doubt.go).
//
// # What failure does
//
// A failure only ever adds information: it never deletes or blanks a token. While the old access
// token works it keeps being used; once it is known dead, Token fails at once, without asking the
// token endpoint more often than the cool-down allows (cooldown.go).
//
// # Secrets
//
// Tokens are of type [Secret], which cannot be printed. Errors and events carry no body of any answer.
package tokens
