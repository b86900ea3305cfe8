package proxy

import (
	"net/http"
	"strings"
)

// cleanRequestHeader removes what must not reach the API: credentials (the proxy has its own), what
// belongs to pages and cookies of other local applications (cookies ignore ports), and what says
// where a request came from or asks a server to take it for another one. Hop-by-hop fields are gone
// already. No Via is added: to the API we are the client (RFC 9110 section 7.6.3 is about gateways).
func cleanRequestHeader(h http.Header) {
	for name := range h {
		if droppedFromRequest(name) || strings.Contains(name, "_") && droppedFromRequest(unfold(name)) {
			delete(h, name)
		}
	}
	keepFromRepeating(h)
}

func droppedFromRequest(name string) bool {
	switch name {
	case "Authorization", KeyHeader, "Cookie", "Cookie2", "Origin", "Referer", "Forwarded", "Via",
		"Http2-Settings",
		"X-Real-Ip", "X-Original-Url", "X-Rewrite-Url", "X-Original-Host":
		return true
	}
	return strings.HasPrefix(name, "Proxy-") || strings.HasPrefix(name, "X-Forwarded-")
}

// unfold returns the name that a CGI-like server takes name for: there "-" and "_" are the same
// (CVE-2025-64484).
func unfold(name string) string {
	return http.CanonicalHeaderKey(strings.Trim(strings.ReplaceAll(name, "_", "-"), "-"))
}

// keepFromRepeating hides idempotency keys from http.Transport, which takes them as leave to repeat a
// POST without a body on a broken connection. Names in another case are the same on the wire.
func keepFromRepeating(h http.Header) {
	for _, name := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}

// cleanResponseHeader removes what the API says to a browser about its own origin: on a loopback
// address it would act on every application of this machine.
func cleanResponseHeader(h http.Header) {
	for name := range h {
		if droppedFromResponse(name) {
			delete(h, name)
		}
	}
}

func droppedFromResponse(name string) bool {
	switch name {
	case "Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc",
		"Service-Worker-Allowed", "Public-Key-Pins":
		return true
	}
	return strings.HasPrefix(name, "Access-Control-")
}

// What all answers have. The slices are shared by all of them and never written to.
var (
	noSniff = []string{"nosniff"}
	// Browsers that send no Sec-Fetch-Site yet still obey this one.
	sameOriginOnly = []string{"same-origin"}
)

// setCommon sets what all answers have, those of the API and our own.
func setCommon(h http.Header) {
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or net/http would guess one, and a browser would act on the guess
	}
	h["X-Content-Type-Options"] = noSniff
	h["Cross-Origin-Resource-Policy"] = sameOriginOnly
}
