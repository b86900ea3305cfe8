// Package tokens keeps PandaDoc access tokens fresh. It stands between a proxy that wants "the token of
// this account, now" and an OAuth 2.0 token endpoint that gives out pairs, each of which may be used once:
//
//	m, err := tokens.New(config)      // a Store, an Endpoint, the accounts of the configuration
//	err = m.Start(ctx)
//	t, err := m.Token(ctx, "default") // no network while a usable token is known
//	m.Accepted(ctx, "default", t)     // the API answered a request with t
//	t, err = m.Renew(ctx, "default", tokens.Refusal{Token: t, Method: "GET", Path: "/x"}) // the API refused it
//
// # The life of a pair
//
// A refresh replaces both tokens and kills the old ones at once, so an answer that is lost costs a
// person a login. A refresh is therefore written down before it is sent: the record of the account
// gets a marker ([Pending]) by compare-and-swap, and whoever wins that write is the only one to call
// the token endpoint, among all processes that share the store. The new pair is saved before it is
// used. The marker is at once lock and crash evidence: a process that finds the marker of a dead
// owner knows that the refresh token may be spent, and treats it accordingly (refresh.go, exchange.go).
//
// # Which record counts
//
// The store is the truth and memory is a cache. [Record.Compare] is the one order of records: every login,
// logout and seed begins a lineage, the younger lineage is newer, and within a lineage the higher
// generation. What is newer in the store is adopted, what is older there is replaced by ours.
//
// # Where tokens may go
//
// A record tells its [Issuer]. The access token goes to that API only, the refresh token to that token
// endpoint on behalf of that client only, whatever is configured now.
//
// # What failure does
//
// A failure only adds information: it never deletes or blanks a token. While the old access token works it
// keeps being used; once it is known dead, Token fails at once, without asking the token endpoint more
// often than the cool-down allows. A 401 that a refresh did not help against holds the next refresh
// back, in all processes ([Hold]). A pair that the store does not take goes to an emergency file before
// it is used.
//
// # Secrets
//
// Tokens are of type [Secret], which cannot be printed. Errors and events carry no body of any answer.
package tokens
