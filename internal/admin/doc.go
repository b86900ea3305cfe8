// Package admin is the HTTP face of the proxy for people and for those who watch it: health, metrics, the
// state of accounts, what happened to requests, and the browser login. It listens apart from the proxied port, so that nothing of ours
// lies in the path space of the API.
//
//	GET  /livez                              the process is alive
//	GET  /readyz                             it can sign requests in
//	GET  /metrics                            for Prometheus
//	GET  /api/v1/status                      everything that is known, for people and the commands
//	GET  /api/v1/accounts/{account}          one account, loaded if need be
//	POST /api/v1/accounts/{account}/refresh  a new pair now
//	POST /api/v1/accounts/{account}/logout   forget the tokens
//	POST /api/v1/accounts/{account}/forget   the same, and list the account no longer
//	POST /api/v1/accounts/{account}/login    begin a login whose code comes back by hand
//	POST /api/v1/accounts/{account}/code     end it
//	GET  /api/v1/accounts/{account}/login-result  how the last login ended
//	GET  /api/v1/requests                    recent requests, and the traffic of the last hour
//	GET  /api/v1/requests/{id}               what happened to one request
//	POST /api/v1/test                        one request through the proxied port, for the console
//	GET  /debug/pprof/                       profiles, only where they are asked for
//	GET  /connect/{account}                  begin a login in this browser
//	GET  /oauth2/callback                    PandaDoc sends the browser back here
//
// # Security
//
// Whoever reaches this listener may use the accounts but never sees a token. Requests must carry a
// host name of ours, must not come from a foreign page, and must carry RequestHeader where they change
// something, which no page elsewhere can add without asking first. A connection that arrives on an address beyond
// loopback gets /livez, /readyz and /metrics and nothing else.
//
// # Answers
//
// JSON, or for people who come by browser a page without third-party content. Errors are
// application/problem+json with the members type, title, status, detail, code and hint, like those of
// the proxied port. Nothing may be stored by caches.
package admin
