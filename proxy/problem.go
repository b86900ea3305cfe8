package proxy

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Name is what the proxy calls itself in Proxy-Status (RFC 9209).
const Name = "pandadoc-auth-proxy"

// Problem is an answer of our own (RFC 9457). It is a superset of the error shape of PandaDoc's
// version 1, so that clients which read "detail" show it to people. It never holds a secret or an
// address.
type Problem struct {
	Code   string // one of the codes below
	Status int
	Title  string
	Detail string // what happened, in a sentence
	Hint   string // the next command or setting to try; empty if there is none
	// RetryAfter is sent if it is more than zero, rounded up to seconds.
	RetryAfter time.Duration

	proxyError string // of RFC 9209 section 2.3
	allow      string // Allow, for 405

	authenticate []string // WWW-Authenticate, for 401
}

// kind is what all problems of one code have in common.
type kind struct {
	code       string
	status     int
	title      string
	proxyError string
}

// Every code there is. They are part of the contract with clients.
var (
	hostNotAllowed       = kind{"host-not-allowed", 403, "Host not allowed", "http_request_denied"}
	originNotAllowed     = kind{"origin-not-allowed", 403, "Origin not allowed", "http_request_denied"}
	routeNotAllowed      = kind{"route-not-allowed", 403, "Route not allowed", "http_request_denied"}
	headerRequired       = kind{"header-required", 403, "Header required", "http_request_denied"}
	clientKeyRequired    = kind{"client-key-required", 401, "Client key required", "http_request_denied"}
	tokenEndpointRefused = kind{"token-endpoint-refused", 403, "Token endpoint refused", "http_request_denied"}
	badRequest           = kind{"bad-request", 400, "Bad request", "http_request_error"}
	requestTimeout       = kind{"request-timeout", 408, "Request timeout", "http_request_error"}
	targetTooLong        = kind{"target-too-long", 414, "Request target too long", "http_request_error"}
	headersTooLarge      = kind{"headers-too-large", 431, "Request header too large", "http_request_error"}
	unknownAccount       = kind{"unknown-account", 404, "Unknown account", "http_request_denied"}
	methodNotAllowed     = kind{"method-not-allowed", 405, "Method not allowed", "http_request_denied"}
	loginRequired        = kind{"login-required", 502, "Login required", "proxy_configuration_error"}
	clientRefused        = kind{"client-refused", 502, "Client refused", "proxy_configuration_error"}
	refreshUnavailable   = kind{"refresh-unavailable", 503, "Refresh unavailable", "proxy_internal_error"}
	storeUnavailable     = kind{"store-unavailable", 503, "Token store unavailable", "proxy_internal_error"}
	upstreamUnreachable  = kind{"upstream-unreachable", 502, "API unreachable", "destination_unavailable"}
	upstreamProtocol     = kind{"upstream-protocol", 502, "API answer unusable", "http_protocol_error"}
	upstreamTimeout      = kind{"upstream-timeout", 504, "API timeout", "http_response_timeout"}
	overloaded           = kind{"overloaded", 503, "Overloaded", "http_request_denied"}
)

// problem makes a Problem of k. A 503 always says when to come back.
func (k kind) problem(detail, hint string) *Problem {
	p := &Problem{
		Code: k.code, Status: k.status, Title: k.title, Detail: detail, Hint: hint,
		proxyError: k.proxyError,
	}
	if k.status == http.StatusServiceUnavailable {
		p.RetryAfter = time.Second
	}
	return p
}

// because replaces the registered error type by a more exact one.
func (p *Problem) because(proxyError string) *Problem {
	p.proxyError = proxyError
	return p
}

// Write answers with p. The caller must not have begun an answer.
func (p *Problem) Write(w http.ResponseWriter) {
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
		Hint   string `json:"hint,omitempty"`
	}{"urn:" + Name + ":" + p.Code, p.Title, p.Status, p.Detail, p.Code, p.Hint})
	if err != nil { // strings and an int always marshal
		panic(err)
	}
	body = append(body, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Proxy-Status", Name+"; error="+p.proxyError+`; details="`+p.Code+`"`)
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.authenticate != nil {
		h["Www-Authenticate"] = p.authenticate
	}
	w.WriteHeader(p.Status)
	w.Write(body) // a client that has gone is noticed by the server
}
