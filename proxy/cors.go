package proxy

import (
	"net/http"
	"strings"
)

// corsOrigin returns the origin of the page behind r if the operator allowed it, else "". The guard
// has let r in already.
func (g *Guard) corsOrigin(r *http.Request) string {
	origin := r.Header["Origin"]
	if len(origin) != 1 || !g.origins[strings.ToLower(origin[0])] {
		return ""
	}
	return origin[0]
}

// allowOrigin lets the page at origin read the answer. Credentials of the browser are never allowed:
// the proxy has its own.
func allowOrigin(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "*")
	h.Add("Vary", "Origin")
}

// isPreflight says whether a browser asks for leave to send a request (Fetch standard, "CORS-preflight").
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != ""
}

// answerOptions answers those OPTIONS requests that are about this proxy and not about the API:
// preflights, "OPTIONS *", and those that may not travel further (RFC 9110 section 7.6.2).
func answerOptions(c *call) bool {
	r := c.req
	if r.Method != http.MethodOptions {
		return false
	}
	switch {
	case isPreflight(r):
		answerPreflight(c.Header(), r)
	case r.RequestURI == "*", r.Header.Get("Max-Forwards") == "0":
		c.Header().Set("Allow", allowedMethods)
	default:
		return false
	}
	c.answered = true
	c.WriteHeader(http.StatusNoContent)
	return true
}

func answerPreflight(h http.Header, r *http.Request) {
	h.Set("Access-Control-Allow-Methods", allowedMethods)
	h.Set("Access-Control-Max-Age", "600")
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		h.Set("Access-Control-Allow-Headers", wanted)
	}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
}
