package problem

import "time"

// Codes of answers on the proxied port.
const (
	HostNotAllowed       Code = "host-not-allowed"
	OriginNotAllowed     Code = "origin-not-allowed"
	RouteNotAllowed      Code = "route-not-allowed"
	HeaderRequired       Code = "header-required"
	TokenEndpointRefused Code = "token-endpoint-refused"
	BadRequest           Code = "bad-request"
	RequestTimeout       Code = "request-timeout"
	TargetTooLong        Code = "target-too-long"
	HeadersTooLarge      Code = "headers-too-large"
	ClientKeyRequired    Code = "client-key-required"
	UnknownAccount       Code = "unknown-account"
	MethodNotAllowed     Code = "method-not-allowed"
	LoopDetected         Code = "loop-detected"
	LoginRequired        Code = "login-required"
	ClientNotConfigured  Code = "client-not-configured"
	ClientRefused        Code = "client-refused"
	RefreshUnavailable   Code = "refresh-unavailable"
	StoreUnavailable     Code = "store-unavailable"
	UpstreamUnreachable  Code = "upstream-unreachable"
	ProxyRefused         Code = "proxy-refused"
	UpstreamProtocol     Code = "upstream-protocol"
	UpstreamTimeout      Code = "upstream-timeout"
	Overloaded           Code = "overloaded"
)

// Codes of answers on the admin listener only.
const (
	NotFound            Code = "not-found"
	WrongMethod         Code = "wrong-method"
	LoopbackOnly        Code = "loopback-only"
	AdminHeaderRequired Code = "admin-header-required"
	AdminKeyRequired    Code = "admin-key-required"
	LinkRefused         Code = "link-refused"
	NoAdminPort         Code = "no-admin-port"
	InvalidInput        Code = "invalid-input"
	RequestTooLarge     Code = "request-too-large"
	UnknownRequest      Code = "unknown-request"
	InvalidAccount      Code = "invalid-account"
	APIKeyAccount       Code = "api-key"
	LoginImpossible     Code = "login-impossible"
	LoginElsewhere      Code = "login-elsewhere"
	CallbackElsewhere   Code = "callback-elsewhere"
	LoginRefused        Code = "login-refused"
	TestTimeout         Code = "test-timeout"
	PersonUnknown       Code = "person-unknown"
	Internal            Code = "internal"
)

// Causes: why an account is not ready. ClientRefused, ClientNotConfigured and StoreUnavailable are
// causes as well.
const (
	NotSignedIn       Code = "not-signed-in"
	LoggedOut         Code = "logged-out"
	NoRefreshToken    Code = "no-refresh-token"
	RevokedOrSpent    Code = "revoked-or-spent"
	LostInTransit     Code = "rotation-lost-in-transit"
	OtherIssuer       Code = "other-issuer"
	RefreshFailing    Code = "refresh-failing"
	RefreshInDoubt    Code = "refresh-in-doubt"
	UnsavedRotation   Code = "unsaved-rotation"
	APIKeyRefused     Code = "api-key-refused"
	StoreNotWatched   Code = "store-not-watched"
	RefreshDidNotHelp Code = "refresh-did-not-help"
)

// Cases: they distinguish the rows of one code. Rows about the connection to the API use the error types of
// RFC 9209 as their case.
const (
	CaseAccounts     = "accounts"
	CaseNoHost       = "no-host"
	CaseHTTP2        = "http2"
	CaseTarget       = "target"
	CaseFragment     = "fragment"
	CaseEncoding     = "encoding"
	CaseSlashes      = "slashes"
	CaseControl      = "control"
	CaseDots         = "dots"
	CaseAccessToken  = "access-token"
	CaseName         = "name"
	CaseReadOnly     = "read-only"
	CaseNullOrigin   = "null-origin"
	CaseNoOrigin     = "no-origin"
	CaseBrowser      = "browser"
	CaseNotProcessed = "not-processed"
	CaseShutdown     = "shutdown"
	CaseUnreachable  = "unreachable"
	CaseAction       = "action" // what a person asked for, and not a request
)

// table has a section for each place where a problem happens. The first row of a code is its general row.
var table = []Problem{
	// The guard.
	{Code: HostNotAllowed, Error: "http_request_denied", Status: 403, Title: "Host not allowed",
		Detail: "The Host {host} is not a name of this proxy.",
		Hint:   "use http://localhost:PORT; on the proxied port (--listen), --allow-host {host} allows the name"},
	{Code: OriginNotAllowed, Error: "http_request_denied", Status: 403, Title: "Origin not allowed",
		Detail: "A web page of {origin} may not use this proxy.",
		Hint:   "if the page is yours, allow it on the proxied port (--listen) with --allow-origin {origin}"},
	{Code: OriginNotAllowed, Case: CaseNullOrigin, Error: "http_request_denied", Status: 403, Title: "Origin not allowed",
		Detail: "The request has the header Origin: null, which sandboxed pages, local files and some desktop applications send.",
		Hint:   "send no Origin header, or serve the page from a web server and allow its origin on the proxied port (--listen) with --allow-origin"},
	{Code: OriginNotAllowed, Case: CaseNoOrigin, Error: "http_request_denied", Status: 403, Title: "Origin not allowed",
		Detail: "A browser sent the request for a page of another site, and did not say which.",
		Hint:   "if the page is yours, let it send the request with fetch(), and allow its origin on the proxied port (--listen) with --allow-origin"},
	{Code: OriginNotAllowed, Case: CaseBrowser, Error: "http_request_denied", Status: 403, Title: "Origin not allowed",
		Detail: "The request looks like that of a browser. Over plain http with the host name {host}, browsers do not tell the proxy which site a request comes from, so it is refused.",
		Hint:   "use http://localhost; on the proxied port (--listen), https (--tls-cert) or a client key also works"},
	{Code: RouteNotAllowed, Error: "http_request_denied", Status: 403, Title: "Route not allowed",
		Detail: "No rule of this proxy allows {method} on this path.",
		Hint:   "allow it with --allow-route '{method} {path}'"},
	{Code: RouteNotAllowed, Case: CaseReadOnly, Error: "http_request_denied", Status: 403, Title: "Route not allowed",
		Detail: "This proxy is read-only: it does not forward {method}.",
		Hint:   "start the proxy without --read-only to allow changes"},
	{Code: HeaderRequired, Error: "http_request_denied", Status: 403, Title: "Header required",
		Detail: "This proxy requires the header {header}. The request does not have it, or has a wrong value.",
		Hint:   "send {header} with the value of --require-header"},
	{Code: TokenEndpointRefused, Error: "http_request_denied", Status: 403, Title: "Token endpoint refused",
		Detail: "The token endpoint cannot be reached through the proxy, which refreshes tokens itself.",
		Hint:   "remove the OAuth step from the client: no token is needed here"},
	{Code: ClientKeyRequired, Error: "http_request_denied", Status: 401, Title: "Client key required",
		Detail: "The request has no valid client key.",
		Hint:   "send the key as a bearer token, or as the password of Basic authentication"},
	{Code: UnknownAccount, Error: "http_request_denied", Status: 404, Title: "Unknown account",
		Detail: "There is no account {account}.",
		Hint:   "correct the name, or run: {login}"},
	{Code: UnknownAccount, Case: CaseName, Error: "http_request_denied", Status: 404, Title: "Unknown account",
		Detail: "An account cannot have the name {account}.",
		Hint:   "use up to 63 lower-case letters, digits and hyphens"},
	{Code: MethodNotAllowed, Error: "http_request_denied", Status: 405, Title: "Method not allowed",
		Detail: "The API has no such method.",
		Hint:   "use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"},
	{Code: BadRequest, Error: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "The body of the request is malformed or incomplete.",
		Hint:   "check how the client sends its body"},
	{Code: BadRequest, Case: CaseAccounts, Error: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "Two parts of the request name different accounts: {one} and {other}.",
		Hint:   "name the account in one of them only"},
	{Code: BadRequest, Case: CaseNoHost, Error: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "The request has no Host.",
		Hint:   "send a Host header"},
	{Code: BadRequest, Case: CaseHTTP2, Error: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "The proxy does not speak HTTP/2.",
		Hint:   "use HTTP/1.1"},
	{Code: BadRequest, Case: CaseTarget, Error: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "The request target is not a path.",
		Hint:   "use the address of the proxy as the base URL, not as an HTTP proxy"},
	{Code: BadRequest, Case: CaseFragment, Error: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "The request target has a fragment.",
		Hint:   "encode # as %23"},
	{Code: BadRequest, Case: CaseEncoding, Error: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "The percent-encoding of the path is invalid, or the path is encoded too many times.",
		Hint:   "percent-encode the path once"},
	{Code: BadRequest, Case: CaseSlashes, Error: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "The path begins with // and contains characters that must be percent-encoded.",
		Hint:   "percent-encode the path, or begin it with one slash"},
	{Code: BadRequest, Case: CaseControl, Error: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "The path contains an encoded NUL or line break.",
		Hint:   "send the path without them"},
	{Code: BadRequest, Case: CaseDots, Error: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "The path contains a . or .. segment.",
		Hint:   "send the path without these segments"},
	{Code: BadRequest, Case: CaseAccessToken, Error: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "The query contains an access_token.",
		Hint:   "leave it out: the proxy adds its own token"},
	{Code: RequestTimeout, Error: "http_request_error", Status: 408, Title: "Request timeout",
		Detail: "The body of the request stopped arriving.",
		Hint:   "send the body without long pauses, or raise --client-body-timeout"},
	{Code: TargetTooLong, Error: "http_request_error", Status: 414, Title: "Request target too long",
		Detail: "The request target is longer than 16 KiB.",
		Hint:   "send fewer query parameters"},
	{Code: HeadersTooLarge, Error: "http_request_error", Status: 431, Title: "Request header too large",
		Detail: "The header of the request is larger than 32 KiB, or has more than 100 lines.",
		Hint:   "send fewer or shorter header fields"},

	// Tokens.
	{Code: LoginRequired, Error: "proxy_configuration_error", Status: 502, Title: "Login required",
		Detail: "Nobody is signed in for account {account}, or the login has ended.",
		Hint:   "run: {login}"},
	{Code: ClientNotConfigured, Error: "proxy_configuration_error", Status: 502, Title: "Client not configured",
		Detail: "The token must be refreshed, but the client id or the client secret is not set.",
		Hint:   "set PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET to those of your PandaDoc application"},
	{Code: ClientRefused, Error: "proxy_configuration_error", Status: 502, Title: "Client refused",
		Detail: "The token endpoint does not accept the client id or secret.",
		Hint:   "check PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET, and that --region is the region of your PandaDoc application"},
	{Code: RefreshUnavailable, Error: "proxy_internal_error", Status: 503, Title: "Refresh unavailable", RetryAfter: 5 * time.Second,
		Detail: "There is no usable token, and the proxy could not get a new one yet.",
		Hint:   "wait: the proxy tries again by itself"},
	{Code: RefreshUnavailable, Case: CaseAction, Error: "proxy_internal_error", Status: 503, Title: "Refresh unavailable", RetryAfter: 5 * time.Second,
		Detail: "The proxy could not get new tokens.",
		Hint:   "wait: the proxy tries again by itself"},
	{Code: StoreUnavailable, Error: "proxy_internal_error", Status: 503, Title: "Token store unavailable", RetryAfter: 5 * time.Second,
		Detail: "There is no usable token in memory, and the token store is not available.",
		Hint:   "run: pandadoc-auth-proxy doctor"},
	{Code: StoreUnavailable, Case: CaseAction, Error: "proxy_internal_error", Status: 503, Title: "Token store unavailable", RetryAfter: 5 * time.Second,
		Detail: "The token store cannot be read or written.",
		Hint:   "run: pandadoc-auth-proxy doctor"},

	// The connection to the API.
	{Code: UpstreamUnreachable, Error: "destination_unavailable", Status: 502, Title: "API unreachable",
		Detail: "The API cannot be reached.",
		Hint:   "check --api-url and the network"},
	{Code: UpstreamUnreachable, Case: CaseShutdown, Error: "connection_terminated", Status: 502, Title: "API unreachable",
		Detail: "The proxy is shutting down and did not wait for the answer of the API.",
		Hint:   "check whether the request took effect before you send it again"},
	{Code: UpstreamUnreachable, Case: "dns_error", Error: "dns_error", Status: 502, Title: "API unreachable",
		Detail: "The name of the API cannot be looked up.",
		Hint:   "check --api-url and the name servers"},
	{Code: UpstreamUnreachable, Case: "connection_refused", Error: "connection_refused", Status: 502, Title: "API unreachable",
		Detail: "The API refused the connection.",
		Hint:   "check --api-url"},
	{Code: UpstreamUnreachable, Case: "destination_ip_unroutable", Error: "destination_ip_unroutable", Status: 502, Title: "API unreachable",
		Detail: "There is no route to the API.",
		Hint:   "check the network"},
	{Code: UpstreamUnreachable, Case: "connection_terminated", Error: "connection_terminated", Status: 502, Title: "API unreachable",
		Detail: "The API closed the connection without an answer.",
		Hint:   "check whether the request took effect before you send it again"},
	{Code: UpstreamUnreachable, Case: "tls_certificate_error", Error: "tls_certificate_error", Status: 502, Title: "API unreachable",
		Detail: "The certificate of the API cannot be trusted.",
		Hint:   "check --api-url and the clock of this machine, or give the certificate authority to trust with --ca-file"},
	{Code: UpstreamUnreachable, Case: "tls_protocol_error", Error: "tls_protocol_error", Status: 502, Title: "API unreachable",
		Detail: "The API does not speak TLS.",
		Hint:   "check --api-url"},
	{Code: UpstreamUnreachable, Case: "tls_alert_received", Error: "tls_alert_received", Status: 502, Title: "API unreachable",
		Detail: "The API ended the TLS connection with an error.",
		Hint:   "check that --api-url is the API and not another server, and whether the request took effect before you send it again"},
	{Code: ProxyRefused, Error: "connection_refused", Status: 502, Title: "Forward proxy refused",
		Detail: "The forward proxy refused the connection to the API.",
		Hint:   "check HTTPS_PROXY and the forward proxy's user and rules, or exclude the API with NO_PROXY"},
	{Code: ProxyRefused, Case: CaseUnreachable, Error: "destination_unavailable", Status: 502, Title: "Forward proxy unreachable",
		Detail: "The forward proxy cannot be reached.",
		Hint:   "check HTTPS_PROXY and the network, or exclude the API with NO_PROXY"},
	{Code: UpstreamUnreachable, Case: CaseNotProcessed, Error: "destination_unavailable", Status: 502, Title: "API unreachable",
		Detail: "The API did not process the request.",
		Hint:   "send it again later: the request had no effect"},
	{Code: UpstreamProtocol, Error: "http_protocol_error", Status: 502, Title: "API answer unusable",
		Detail: "The API gave no valid HTTP answer.",
		Hint:   "check that --api-url is the API and not another server, and whether the request took effect before you send it again"},
	{Code: UpstreamTimeout, Error: "http_response_timeout", Status: 504, Title: "API timeout",
		Detail: "The API did not answer in time.",
		Hint:   "check whether the request took effect before you send it again; if this continues, raise --upstream-header-timeout"},
	{Code: UpstreamTimeout, Case: "dns_timeout", Error: "dns_timeout", Status: 504, Title: "API timeout",
		Detail: "The name of the API could not be looked up in time.",
		Hint:   "check the name servers"},
	{Code: UpstreamTimeout, Case: "connection_timeout", Error: "connection_timeout", Status: 504, Title: "API timeout",
		Detail: "The API could not be reached in time.",
		Hint:   "check --api-url and the network"},
	{Code: LoopDetected, Error: "proxy_loop_detected", Status: 508, Title: "Loop detected",
		Detail: "The name of the API leads back to this proxy.",
		Hint:   "give the address of the real API with --api-address HOST:PORT, or remove the name from the hosts file"},
	{Code: Overloaded, Error: "http_request_denied", Status: 503, Title: "Overloaded", RetryAfter: time.Second,
		Detail: "The proxy is already working on as many requests as its limits for number and memory allow.",
		Hint:   "try again, or raise --max-in-flight or the memory limit of the proxy"},

	// The admin listener.
	{Code: NotFound, Status: 404, Title: "Not found",
		Detail: "There is nothing at this path.",
		Hint:   "see GET /api/v1/status; send requests for the PandaDoc API to the proxied port (--listen)"},
	{Code: AdminKeyRequired, Status: 401, Title: "Admin key required",
		Detail: "This action needs the admin key, because the proxied port (--listen) requires authentication, or --admin-key-file is set.",
		Hint:   "run: pandadoc-auth-proxy console"},
	{Code: WrongMethod, Status: 405, Title: "Method not allowed",
		Detail: "This path does not serve the method {method}.",
		Hint:   "use {allow}"},
	{Code: LoopbackOnly, Status: 403, Title: "Not served here",
		Detail: "At an address that is not loopback, the admin listener serves only /livez, /readyz and /metrics.",
		Hint:   "on the machine or in the container that the proxy runs in, use the admin listener at localhost"},
	{Code: AdminHeaderRequired, Status: 403, Title: "Header required",
		Detail: "A change that a browser requests needs the header {header}, which pages of other sites cannot send.",
		Hint:   "send {header}: 1"},
	{Code: LinkRefused, Status: 401, Title: "Link used or expired",
		Detail: "A link from the command line works only once, and only for 10 minutes.",
		Hint:   "get a new link: {command}"},
	{Code: NoAdminPort, Status: 409, Title: "No admin port",
		Detail: "The proxy has no admin listener that a browser could reach.",
		Hint:   "start it with --admin-listen localhost:8081"},
	{Code: InvalidInput, Status: 400, Title: "Invalid input",
		Detail: "The request is not what this path expects: {reason}.",
		Hint:   "see docs/admin.md"},
	{Code: RequestTooLarge, Status: 413, Title: "Request too large",
		Detail: "The JSON of a test request can be at most 12 MiB, enough for a file of 8 MB.",
		Hint:   "send larger files with curl"},
	{Code: UnknownRequest, Status: 404, Title: "Unknown request",
		Detail: "The proxy does not know a request with this id. It keeps the last {count} requests since its start.",
		Hint:   "take the id from the answer's X-Request-Id header, or from the log"},
	{Code: InvalidAccount, Status: 404, Title: "Unknown account",
		Detail: "This is not a valid account name. Use up to 63 lower-case letters, digits and hyphens.",
		Hint:   "run: pandadoc-auth-proxy status"},
	{Code: TestTimeout, Status: 504, Title: "API timeout",
		Detail: "There was no answer within {limit}.",
		Hint:   "check whether the request took effect; if it did not, send it again with curl, which has no time limit"},
	{Code: PersonUnknown, Status: 502, Title: "Signed-in user unknown",
		Detail: "The API did not report who is signed in to account {account}.",
		Hint:   "run: pandadoc-auth-proxy status --account {account}"},
	{Code: LoginImpossible, Status: 409, Title: "No client id",
		Detail: "There is no client id, which PandaDoc needs to identify your application.",
		Hint:   "register an application at PandaDoc with the redirect URL {redirect}, and set PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET; if the proxy is running, restart it with them"},
	{Code: LoginElsewhere, Status: 400, Title: "Cannot sign in here",
		Detail: "This page was opened under {host}, but PandaDoc will send the browser to {redirect}.",
		Hint:   "open it under {redirect}, or set --redirect-url to the redirect URL registered at PandaDoc"},
	{Code: CallbackElsewhere, Status: 409, Title: "Cannot sign in by browser",
		Detail: "PandaDoc sends the browser to {redirect}, where the running proxy does not listen.",
		Hint:   "run: {login} --paste, or start the proxy with an --admin-listen that matches the redirect URL"},
	{Code: APIKeyAccount, Status: 409, Title: "Account uses an API key",
		Detail: "Account {account} uses an API key, so it needs no login, refresh or logout.",
		Hint:   "replace or remove the API key in the configuration"},
	{Code: LoginRefused, Status: 400, Title: "Not signed in",
		Detail: "The login was not completed.",
		Hint:   "run: {login}"},
	{Code: Internal, Error: "proxy_internal_error", Status: 500, Title: "Internal error",
		Detail: "An unexpected error happened in the proxy.",
		Hint:   "see the log of the proxy"},

	// Causes: why an account is not ready.
	{Code: NotSignedIn, Title: "Not signed in",
		Detail: "Nobody has signed in to account {account}.",
		Hint:   "run: {login}"},
	{Code: LoggedOut, Title: "Logged out",
		Detail: "Account {account} was logged out.",
		Hint:   "run: {login}"},
	{Code: NoRefreshToken, Title: "No refresh token",
		Detail: "The access token has expired, and there is no refresh token.",
		Hint:   "run: {login}"},
	{Code: RevokedOrSpent, Title: "Refresh token refused",
		Detail: "The token endpoint refused the refresh token: it was revoked, or another program has used it.",
		Hint:   "run: {login}"},
	{Code: LostInTransit, Title: "New tokens lost",
		Detail: "The answer to a refresh was lost, and the old refresh token is no longer accepted.",
		Hint:   "run: {login}"},
	{Code: OtherIssuer, Title: "Tokens of another issuer",
		Detail: "The stored tokens belong to {stored}, but the configuration names {configured}.",
		Hint:   "change the configuration back from {configured} to {stored}, or sign in with the new configuration: {login}"},
	{Code: RefreshFailing, Title: "Refresh failing",
		Detail: "The token endpoint gives no usable answer.",
		Hint:   "wait: the proxy tries again by itself; if this continues, check the network and --token-url"},
	{Code: RefreshInDoubt, Title: "Refresh in doubt",
		Detail: "A refresh was interrupted, and the refresh token may have been used up.",
		Hint:   "wait: the proxy tries again by itself; if that fails, run: {login}"},
	{Code: UnsavedRotation, Title: "New tokens not saved",
		Detail: "The newest tokens are not in the store yet.",
		Hint:   "make the store writable before you stop the proxy; --temp-dir names a directory for tokens that the store cannot save"},
	{Code: APIKeyRefused, Title: "API key refused",
		Detail: "The API refuses the API key of account {account}.",
		Hint:   "replace the API key: for account default in PANDADOC_API_KEY or --api-key-file, for other accounts in the configuration file, under accounts:"},
	{Code: StoreNotWatched, Title: "Store not watched",
		Detail: "The connection that reports changes in the store is broken. The proxy reads each account in use at least every 30 s instead.",
		Hint:   "wait: the proxy connects again by itself; if this continues, check the store"},
	{Code: RefreshDidNotHelp, Title: "Refresh did not help",
		Detail: "The API refuses tokens that were just refreshed; the proxy waits before it refreshes again.",
		Hint:   "check that the PandaDoc user of account {account} has permission to use the API"},
}
