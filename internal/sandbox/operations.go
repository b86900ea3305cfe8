package sandbox

import "pandadoc-auth-proxy/internal/sandbox/workspace"

// operations is the whole table: PandaDoc's 127 operations, and the emulator's own routes at the end.
func operations() []operation {
	list := signInOperations()
	for _, o := range workspace.Operations() {
		list = append(list, operation{Operation: o})
	}
	return append(list, ownRoutes()...)
}

func signInOperations() []operation {
	return []operation{
		{Operation: workspace.Operation{Number: tokenOperation, Method: "POST", Path: "/oauth2/access_token", Summary: "exchange a code or refresh a token"}, stream: (*Emulator).serveToken, open: true},
		{Operation: workspace.Operation{Method: "GET", Path: "/oauth2/access_token", Summary: "refused: the token endpoint takes POST only"}, stream: (*Emulator).serveToken, open: true},
		{Operation: workspace.Operation{Method: "GET", Path: "/oauth2/authorize", Summary: "the consent page"}, stream: (*Emulator).serveAuthorize, open: true, consent: true},
		{Operation: workspace.Operation{Method: "POST", Path: "/oauth2/authorize/confirm", Summary: "the answer of the consent page"}, stream: (*Emulator).serveConsent, open: true, consent: true},
	}
}

// ownRoutes are routes that PandaDoc does not have. See instruments.go.
func ownRoutes() []operation {
	own := []operation{
		{Operation: workspace.Operation{Method: "GET", Path: "/", Summary: "a description of the emulator"}, stream: (*Emulator).serveRoot, open: true},
		{Operation: workspace.Operation{Method: "GET", Path: "/emulator/stream", Summary: "a download: ?bytes= &chunked &pause="}, stream: (*Emulator).serveStream},
		{Operation: workspace.Operation{Method: "GET", Path: "/emulator/events", Summary: "an event stream: ?count= &interval="}, stream: (*Emulator).serveEvents},
	}
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		own = append(own, operation{Operation: workspace.Operation{Method: method, Path: "/emulator/echo", Summary: "what arrived: target, headers, size and hash of the body"}, stream: (*Emulator).serveEcho})
	}
	return own
}
