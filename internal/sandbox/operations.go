package sandbox

import "slices"

// operations is the whole table: PandaDoc's 127 operations, and the emulator's own routes at the end.
func operations() []operation {
	return slices.Concat(
		signInOperations(), documentOperations(), documentPartOperations(), contentOperations(), peopleOperations(), ownRoutes(),
	)
}

func signInOperations() []operation {
	return []operation{
		{number: tokenOperation, method: "POST", path: "/oauth2/access_token", summary: "exchange a code or refresh a token", stream: (*Emulator).serveToken, open: true},
		{method: "GET", path: "/oauth2/access_token", summary: "refused: the token endpoint takes POST only", stream: (*Emulator).serveToken, open: true},
		{method: "GET", path: "/oauth2/authorize", summary: "the consent page", stream: (*Emulator).serveAuthorize, open: true, consent: true},
		{method: "POST", path: "/oauth2/authorize/confirm", summary: "the answer of the consent page", stream: (*Emulator).serveConsent, open: true, consent: true},
	}
}

// ownRoutes are no part of PandaDoc. See instruments.go.
func ownRoutes() []operation {
	own := []operation{
		{method: "GET", path: "/", summary: "what this is", stream: (*Emulator).serveRoot, open: true},
		{method: "GET", path: "/emulator/stream", summary: "a download: ?bytes= &chunked &pause=", stream: (*Emulator).serveStream},
		{method: "GET", path: "/emulator/events", summary: "an event stream: ?count= &interval=", stream: (*Emulator).serveEvents},
	}
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		own = append(own, operation{method: method, path: "/emulator/echo", summary: "what arrived: target, headers, size and hash of the body", stream: (*Emulator).serveEcho})
	}
	return own
}
