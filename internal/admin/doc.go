// Package admin is the HTTP side of the proxy for people and for those who watch it: health, metrics, the
// state of accounts, what happened to requests, sign-in by browser, and the console. It listens apart from the
// proxied port, so that nothing of ours lies in the path space of the API.
//
//	h, err := admin.New(admin.Config{Manager: m, Login: login, Key: key})
//	http.Serve(tcp, h)             // asks for the key, if there is one
//	http.Serve(socket, h.Socket()) // only this user can connect to it
//
// docs/admin.md lists the routes.
//
// # Security
//
// Whoever reaches this listener may use the accounts but never sees a token. It asks for no less than the
// proxied port: where that asks for authentication, everything that acts or shows traffic needs the admin key, or
// a session that began with a one-time link from the command line. Requests must carry a host name of ours
// (with another only /livez answers, with ok), must not come from a foreign page, and must carry RequestHeader
// where a browser changes something, which no page elsewhere can send without asking first. A connection that arrives
// on an address beyond loopback gets /livez, /readyz and /metrics and nothing else.
//
// # Answers
//
// JSON, or for people who come by browser a page without third-party content. Errors are
// application/problem+json, with the texts of package problem, like those of the proxied port. Nothing may be
// stored by caches.
package admin
