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
	UpstreamProtocol     Code = "upstream-protocol"
	UpstreamTimeout      Code = "upstream-timeout"
	Overloaded           Code = "overloaded"
)

// Codes of answers on the admin listener only.
const (
	NotFound         Code = "not-found"
	AdminKeyRequired Code = "admin-key-required"
	APIKeyAccount    Code = "api-key"
	LoginRefused     Code = "login-refused"
	Internal         Code = "internal"
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

// table has a section for each place where a problem is met. The first row of a code is its general one.
var table = []Problem{
	// The guard.
	{Code: HostNotAllowed, Variant: "http_request_denied", Status: 403, Title: "Host not allowed",
		Detail: "The Host {host} is not a name of this proxy.",
		Hint:   "use http://localhost:PORT, or allow the name with --allow-host {host}"},
	{Code: OriginNotAllowed, Variant: "http_request_denied", Status: 403, Title: "Origin not allowed",
		Detail: "A web page of {origin} may not use this proxy.",
		Hint:   "if the page is yours, allow it with --allow-origin {origin}"},
	{Code: RouteNotAllowed, Variant: "http_request_denied", Status: 403, Title: "Route not allowed",
		Detail: "No rule of this proxy allows {method} on this path.",
		Hint:   "see --allow-route and --read-only"},
	{Code: HeaderRequired, Variant: "http_request_denied", Status: 403, Title: "Header required",
		Detail: "The request lacks the header {header} that this proxy requires, or has another value in it.",
		Hint:   "send {header} with the value of --require-header"},
	{Code: TokenEndpointRefused, Variant: "http_request_denied", Status: 403, Title: "Token endpoint refused",
		Detail: "The token endpoint cannot be reached through the proxy, which refreshes tokens itself.",
		Hint:   "remove the OAuth step from the client: no token is needed here"},
	{Code: ClientKeyRequired, Variant: "http_request_denied", Status: 401, Title: "Client key required",
		Detail: "The request has no client key that this proxy knows.",
		Hint:   "send the key as a bearer token, or as the password of Basic authentication"},
	{Code: UnknownAccount, Variant: "http_request_denied", Status: 404, Title: "Unknown account",
		Detail: "There is no account {account}.",
		Hint:   "sign it in: {login}"},
	{Code: MethodNotAllowed, Variant: "http_request_denied", Status: 405, Title: "Method not allowed",
		Detail: "The API has no such method.",
		Hint:   "use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"},
	{Code: BadRequest, Variant: "http_request_error", Status: 400, Title: "Bad request",
		Detail: "The request is malformed."},
	{Code: RequestTimeout, Variant: "http_request_error", Status: 408, Title: "Request timeout",
		Detail: "The body of the request stopped coming.",
		Hint:   "send the body without long pauses, or raise --client-body-timeout"},
	{Code: TargetTooLong, Variant: "http_request_error", Status: 414, Title: "Request target too long",
		Detail: "The request target is longer than 16 KiB.",
		Hint:   "send fewer query parameters"},
	{Code: HeadersTooLarge, Variant: "http_request_error", Status: 431, Title: "Request header too large",
		Detail: "The header of the request is larger than 32 KiB, or has more than 100 lines.",
		Hint:   "send fewer or shorter header fields"},

	// Tokens.
	{Code: LoginRequired, Variant: "proxy_configuration_error", Status: 502, Title: "Login required",
		Detail: "Nobody is signed in for account {account}, or the login has ended.",
		Hint:   "run: {login}"},
	{Code: ClientNotConfigured, Variant: "proxy_configuration_error", Status: 502, Title: "Client not configured",
		Detail: "The token must be refreshed, and no client id and secret are set.",
		Hint:   "set PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET to those of your PandaDoc application"},
	{Code: ClientRefused, Variant: "proxy_configuration_error", Status: 502, Title: "Client refused",
		Detail: "The token endpoint does not accept the client id or secret.",
		Hint:   "check PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET, and that --region is the application's"},
	{Code: RefreshUnavailable, Variant: "proxy_internal_error", Status: 503, Title: "Refresh unavailable", RetryAfter: 5 * time.Second,
		Detail: "There is no usable token, and the token endpoint is not answering.",
		Hint:   "wait: the proxy tries again by itself"},
	{Code: StoreUnavailable, Variant: "proxy_internal_error", Status: 503, Title: "Token store unavailable", RetryAfter: 5 * time.Second,
		Detail: "There is no usable token in memory, and the token store cannot be used.",
		Hint:   "run: pandadoc-auth-proxy doctor"},

	// The way to the API.
	{Code: UpstreamUnreachable, Variant: "destination_unavailable", Status: 502, Title: "API unreachable",
		Detail: "The API cannot be reached.",
		Hint:   "check --api-url and the network"},
	{Code: UpstreamUnreachable, Variant: "dns_error", Status: 502, Title: "API unreachable",
		Detail: "The name of the API cannot be looked up.",
		Hint:   "check --api-url and the name servers"},
	{Code: UpstreamUnreachable, Variant: "connection_refused", Status: 502, Title: "API unreachable",
		Detail: "The API refused the connection.",
		Hint:   "check --api-url"},
	{Code: UpstreamUnreachable, Variant: "destination_ip_unroutable", Status: 502, Title: "API unreachable",
		Detail: "There is no route to the API.",
		Hint:   "check the network"},
	{Code: UpstreamUnreachable, Variant: "connection_terminated", Status: 502, Title: "API unreachable",
		Detail: "The API closed the connection without an answer.",
		Hint:   "check whether the request took effect before you send it again"},
	{Code: UpstreamUnreachable, Variant: "tls_certificate_error", Status: 502, Title: "API unreachable",
		Detail: "The certificate of the API cannot be trusted.",
		Hint:   "check --api-url, or name the trusted roots with --ca-file"},
	{Code: UpstreamUnreachable, Variant: "tls_protocol_error", Status: 502, Title: "API unreachable",
		Detail: "The API does not speak TLS.",
		Hint:   "check --api-url"},
	{Code: UpstreamUnreachable, Variant: "tls_alert_received", Status: 502, Title: "API unreachable",
		Detail: "The API ended the TLS handshake.",
		Hint:   "check --api-url and the clock of this machine"},
	{Code: UpstreamUnreachable, Variant: "proxy-refused", Status: 502, Title: "Forward proxy refused",
		Detail: "The forward proxy refused the connection to the API.",
		Hint:   "check HTTPS_PROXY, its user and its rules, or exclude the API with NO_PROXY"},
	{Code: UpstreamProtocol, Variant: "http_protocol_error", Status: 502, Title: "API answer unusable",
		Detail: "The answer of the API is not valid HTTP.",
		Hint:   "check that --api-url is the API and not another server"},
	{Code: UpstreamTimeout, Variant: "http_response_timeout", Status: 504, Title: "API timeout",
		Detail: "The API did not answer in time.",
		Hint:   "try again, or raise --upstream-header-timeout"},
	{Code: UpstreamTimeout, Variant: "dns_timeout", Status: 504, Title: "API timeout",
		Detail: "The name of the API could not be looked up in time.",
		Hint:   "check the name servers"},
	{Code: UpstreamTimeout, Variant: "connection_timeout", Status: 504, Title: "API timeout",
		Detail: "The API could not be reached in time.",
		Hint:   "check --api-url and the network"},
	{Code: LoopDetected, Variant: "proxy_loop_detected", Status: 508, Title: "Loop detected",
		Detail: "The name of the API leads back to this proxy.",
		Hint:   "say where the real API is with --api-address HOST:PORT, or remove the name from the hosts file"},
	{Code: Overloaded, Variant: "http_request_denied", Status: 503, Title: "Overloaded", RetryAfter: time.Second,
		Detail: "The proxy is working on as many requests as it is allowed to.",
		Hint:   "try again, or raise --max-in-flight"},

	// The admin listener.
	{Code: NotFound, Status: 404, Title: "Not found",
		Detail: "There is nothing at this path.",
		Hint:   "see GET /api/v1/status; requests to the API belong on the proxied port"},
	{Code: AdminKeyRequired, Status: 401, Title: "Admin key required",
		Detail: "This action needs the admin key, because the proxied port asks for authentication too.",
		Hint:   "run: pandadoc-auth-proxy console"},
	{Code: APIKeyAccount, Status: 409, Title: "Account uses an API key",
		Detail: "Account {account} signs in with an API key, which cannot be refreshed.",
		Hint:   "replace the API key in the configuration"},
	{Code: LoginRefused, Status: 400, Title: "Not signed in",
		Detail: "The login was not completed.",
		Hint:   "run: {login}"},
	{Code: Internal, Status: 500, Title: "Internal error",
		Detail: "The proxy met an error that it does not know.",
		Hint:   "see the log of the proxy"},

	// Causes: why an account is not ready.
	{Code: NotSignedIn, Title: "Not signed in",
		Detail: "Nobody has signed in to account {account}.",
		Hint:   "run: {login}"},
	{Code: LoggedOut, Title: "Logged out",
		Detail: "Account {account} was logged out.",
		Hint:   "run: {login}"},
	{Code: NoRefreshToken, Title: "No refresh token",
		Detail: "The access token has ended, and it came without a refresh token.",
		Hint:   "run: {login}"},
	{Code: RevokedOrSpent, Title: "Refresh token refused",
		Detail: "The token endpoint refused the refresh token: it is revoked, or was used by another program.",
		Hint:   "run: {login}"},
	{Code: LostInTransit, Title: "Rotation lost in transit",
		Detail: "The answer to a refresh was lost, and the old refresh token is no longer accepted.",
		Hint:   "run: {login}"},
	{Code: OtherIssuer, Title: "Tokens of another issuer",
		Detail: "The stored tokens belong to {stored}, and the configuration names {configured}.",
		Hint:   "set the configuration back to {stored}, or sign in under the new one: {login}"},
	{Code: RefreshFailing, Title: "Refresh failing",
		Detail: "The token endpoint is not answering.",
		Hint:   "wait: the proxy tries again by itself; if it lasts, check the network and --token-url"},
	{Code: RefreshInDoubt, Title: "Refresh in doubt",
		Detail: "A refresh was cut off, and it may have spent the refresh token.",
		Hint:   "wait: the proxy tries again by itself; if that fails, run: {login}"},
	{Code: UnsavedRotation, Title: "Unsaved rotation",
		Detail: "The newest tokens are not in the store yet.",
		Hint:   "make the store writable; if that takes long, name another place with --temp-dir"},
	{Code: APIKeyRefused, Title: "API key refused",
		Detail: "The API refuses the API key of account {account}.",
		Hint:   "replace the API key: PANDADOC_API_KEY or --api-key-file"},
	{Code: StoreNotWatched, Title: "Store not watched",
		Detail: "The connection that tells of changes in the store is broken; accounts in use are read again every 30 s.",
		Hint:   "wait: the proxy connects again by itself; if it lasts, check the store"},
	{Code: RefreshDidNotHelp, Title: "Refresh did not help",
		Detail: "The API refuses tokens that were just refreshed; the next refresh waits.",
		Hint:   "check that the user of account {account} may use the API"},
}
