package proxy

import (
	"net/http"
	"strings"
)

const (
	// maxTarget and maxHeader are ours; net/http's own limit lies above them (server.go), so that
	// clients get an answer that they can read.
	maxTarget = 16 << 10
	maxHeader = 64 << 10

	allowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
)

// checkForm looks at the outer form of r: its size, its method and the form of its target.
func (g *Guard) checkForm(r *http.Request) *Problem {
	switch {
	case r.Method == "PRI" || r.ProtoMajor > 1 && r.TLS == nil:
		return badRequest.problem("HTTP/2 is not spoken here.", "use HTTP/1.1")
	case !methodAllowed(r.Method):
		p := methodNotAllowed.problem("The method is not one of the API's.", "")
		p.allow = allowedMethods
		return p
	case len(r.RequestURI) > maxTarget:
		return targetTooLong.problem("The request target is longer than 16 KiB.", "")
	case headerSize(r) > maxHeader:
		return headersTooLarge.problem("The request's header is larger than 64 KiB.", "")
	}
	return g.checkTargetForm(r)
}

func methodAllowed(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions:
		return true
	}
	return false
}

func headerSize(r *http.Request) int {
	size := len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size
}

// checkTargetForm lets through origin-form, "OPTIONS *", and absolute-form of ourselves (RFC 9112
// section 3.2). The API's authority is fixed, so an absolute-form target for anywhere else is a
// client that mistakes us for a forward proxy, or an attempt to have us send the token elsewhere.
func (g *Guard) checkTargetForm(r *http.Request) *Problem {
	switch {
	case strings.Contains(r.RequestURI, "#"):
		return badRequest.problem("The request target has a fragment.", "encode # as %23")
	case strings.HasPrefix(r.RequestURI, "/"), r.RequestURI == "*" && r.Method == http.MethodOptions:
		return nil
	case g.isOurs(r):
		return nil
	}
	return badRequest.problem("The request target is not a path.",
		"use the proxy's address as the base URL, not as an HTTP proxy")
}

// isOurs says whether an absolute-form target names this very proxy.
func (g *Guard) isOurs(r *http.Request) bool {
	return strings.EqualFold(r.URL.Scheme, scheme(r)) && r.URL.User == nil &&
		g.hosts.allows(r.URL.Host, localAddr(r))
}

// rawPath returns the path of r's target exactly as it came.
func rawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if strings.HasPrefix(path, "/") {
		return path
	}
	_, path, _ = strings.Cut(path, "://")
	slash := strings.IndexByte(path, '/')
	if slash < 0 {
		return "/"
	}
	return path[slash:]
}
