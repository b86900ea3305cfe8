// Package admin is the proxy's HTTP interface for administrators and monitoring: health, metrics, the state of
// accounts, recent requests, sign-in by browser, and the console. It has a listener of its own, so that none of
// our paths can conflict with paths of the API.
//
//	h, err := admin.New(admin.Config{Manager: m, Login: login, Key: key})
//	http.Serve(tcp, h)             // requires the key, if there is one
//	http.Serve(socket, h.Socket()) // only this user can connect to it
//
// docs/admin.md lists the routes.
//
// # Security
//
// A client of this listener can use the accounts, but never sees a token. If the proxied port requires
// authentication, this listener does too: everything except /livez, /readyz, /metrics, the files of the console
// and the pages of a login needs the admin key, or a session that began with a one-time link from the command
// line. Requests must have a host name of ours: with another one, only /livez answers, and only with "ok". Requests
// must not come from a page of another site, with two exceptions: a link on any page may open the console, and
// PandaDoc's page leads the browser to the end of a login. A request from a browser that changes something must have
// RequestHeader, which a page of another site cannot send without permission. Connections to an address that is not
// loopback can use only /livez, /readyz and /metrics.
//
// # Answers
//
// Answers are JSON, for browsers a page without third-party content, and at /metrics the text format of
// Prometheus. Errors are application/problem+json with the texts of package problem, as on the proxied port.
// Caches may store nothing.
package admin
