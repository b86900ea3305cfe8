package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy/spool"
	"pandadoc-auth-proxy/tokens"
)

func (p *Proxy) newForwarder() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      &authTransport{tokens: p.cfg.Tokens, api: p.cfg.API, next: p.cfg.Transport, renewals: p.renewals},
		ModifyResponse: modifyResponse,
		ErrorHandler:   answerError,
		BufferPool:     newBufferPool(),
		// The access log has it already; log details at debug level.
		ErrorLog: log.New(NewLogWriter(p.log, logrus.DebugLevel), "", 0),
	}
}

// basePath returns the prefix of every path at the API: empty, or "/base".
func basePath(api *url.URL) string {
	base := strings.Trim(api.EscapedPath(), "/")
	if base == "" {
		return ""
	}
	return "/" + base
}

// withoutUpgrade removes Upgrade. ReverseProxy would forward it (golang/go#80416), and reads it before it calls
// any hook.
func withoutUpgrade(r *http.Request) *http.Request {
	if _, ok := r.Header["Upgrade"]; ok {
		r = r.WithContext(r.Context())
		r.Header = maps.Clone(r.Header)
		delete(r.Header, "Upgrade")
	}
	return r
}

// rewrite turns the client's request into the request for the API, except for token and body. The transport
// (transport.go) adds these, because it can fail and repeat.
func rewrite(r *httputil.ProxyRequest) {
	c := callOf(r.In.Context())
	api := c.proxy.cfg.API
	*r.Out.URL = url.URL{
		Scheme: api.Scheme, Host: api.Host, Path: c.target.path, RawPath: c.target.rawPath, Opaque: c.target.opaque,
		RawQuery: c.req.URL.RawQuery, ForceQuery: c.req.URL.ForceQuery,
	}
	r.Out.Host = "" // the target's
	r.Out.Trailer = nil
	cleanRequestHeader(r.Out.Header)
	delete(r.Out.Header, c.proxy.clients.required.Name) // it is for us only
	if c.proxy.policy.narrows() {
		dropOverrides(r.Out.Header)
	}
	if _, ok := r.Out.Header["User-Agent"]; !ok {
		r.Out.Header["User-Agent"] = noUserAgent // net/http would invent one
	}
}

// noUserAgent must not be changed.
var noUserAgent = []string{""}

// modifyResponse turns the API's answer into ours. An error makes ReverseProxy drop the answer.
func modifyResponse(res *http.Response) error {
	if res.StatusCode < 200 { // 101 was not requested; below 100 is no status, and net/http would panic
		return errUpstreamStatus
	}
	c := callOf(res.Request.Context())
	cleanAnswer(res.Header)
	cleanAnswer(res.Trailer) // the announced ones; c.end cleans those that arrived
	if len(res.Trailer) > 0 && c.req.ProtoAtLeast(1, 1) {
		res.Header.Del("Content-Length") // HTTP/2 allows it beside trailers; HTTP/1.1 needs chunks for them
	}
	for _, name := range [...]string{"Location", "Content-Location"} {
		for i, location := range res.Header[name] {
			res.Header[name][i] = c.ownLocation(location)
		}
	}
	if res.StatusCode == http.StatusNotFound && strings.HasPrefix(c.path, "//") {
		res.Header.Add("Proxy-Status", problem.Program+`; details="the path begins with two slashes: remove the one at the end of the base URL"`)
	}
	if c.Reason != "" && res.StatusCode == http.StatusUnauthorized {
		res.Header.Add("Proxy-Status", problem.Program+`; details="not-retried: `+c.Reason+`"`)
	}
	c.answer = res
	c.RequestID = boundedText(res.Header.Get("X-Request-Id"), maxRequestID)
	c.lengthKnown = res.ContentLength >= 0 && !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
	if c.lengthKnown {
		// ReverseProxy would copy value by value. It keeps the header of answers that it flushes at once.
		maps.Copy(c.Header(), res.Header)
		res.Header = nil
	}
	return nil
}

// errUpstreamStatus is returned for an answer whose status is not one of a final answer.
var errUpstreamStatus = errors.New("the API's answer has no usable status")

// answerError is called by ReverseProxy if there is no answer from the API.
func answerError(w http.ResponseWriter, r *http.Request, err error) {
	c := callOf(r.Context())
	if context.Cause(c.req.Context()) == errShutdown { // check this first, because bodyProblem can take a second
		c.closeAfter = true
		c.refuse(new(problem.OfCase(problem.UpstreamUnreachable, problem.CaseShutdown)))
		return
	}
	if broken := c.bodyProblem(); broken != nil {
		c.refuse(broken)
		return
	}
	if c.req.Context().Err() != nil {
		// Nobody will read an answer, and to return would make net/http send an empty 200.
		panic(http.ErrAbortHandler)
	}
	if code, ok := TokenCode(err); ok {
		c.refuse(tokenProblem(c.Account, code, err))
		return
	}
	c.refuse(new(problem.OfCase(upstreamCase(err))))
}

// ownLocation returns location for the client: if it points to the API, it must point to us instead. An
// absolute location stays absolute and a relative one relative, because behind a TLS proxy only the client
// knows the right scheme.
func (c *call) ownLocation(location string) string {
	rest, api := location, c.proxy.cfg.API
	switch u, err := url.Parse(location); {
	case err != nil:
		return location
	case u.Host != "":
		if u.Scheme == "" { // "//host/path"
			u.Scheme = api.Scheme
		}
		if u.User != nil || !sameOrigin(u, api) {
			return location
		}
		rest = afterAuthority(location)
	case u.Scheme != "" || !strings.HasPrefix(location, "/"):
		return location // "x/y" is resolved against our own address already
	}
	base := c.proxy.base
	rest, below := strings.CutPrefix(rest, base)
	if !below || base != "" && rest != "" && rest[0] != '/' && rest[0] != '?' && rest[0] != '#' {
		return location // on the API's origin, but not below its base path: cannot be reached through us
	}
	if c.req.Host == "" || !strings.Contains(location[:len(location)-len(rest)], "//") { // HTTP/1.0, or relative
		return c.prefix + rest
	}
	return scheme(c.req) + "://" + c.req.Host + c.prefix + rest
}

// afterAuthority returns the part after the authority in an absolute or network-path reference.
func afterAuthority(ref string) string {
	_, ref, _ = strings.Cut(ref, "//")
	if i := strings.IndexAny(ref, "/?#"); i >= 0 {
		return ref[i:]
	}
	return ""
}

// bufferPool has the buffers for copying answers.
type bufferPool struct{ pool sync.Pool }

var _ httputil.BufferPool = (*bufferPool)(nil)

func newBufferPool() *bufferPool {
	return &bufferPool{sync.Pool{New: func() any { return new([128 << 10]byte) }}}
}

func (b *bufferPool) Get() []byte { return b.pool.Get().(*[128 << 10]byte)[:] }

func (b *bufferPool) Put(buf []byte) { b.pool.Put((*[128 << 10]byte)(buf)) }

// cleanRequestHeader removes the fields that must not reach the API: credentials (the proxy has its own),
// fields of web pages and cookies of other local applications (cookies ignore ports), and fields that tell
// where a request came from or ask a server to treat it as another request. Hop-by-hop fields were removed
// before. No Via is added: to the API we are the client (RFC 9110 section 7.6.3 is about gateways).
func cleanRequestHeader(h http.Header) {
	for name := range h {
		if droppedFromRequest(name) || strings.Contains(name, "_") && droppedFromRequest(unfold(name)) {
			delete(h, name)
		}
	}
	hideIdempotencyKeys(h)
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

// unfold returns the name that a CGI-like server sees: there "-" and "_" are the same (CVE-2025-64484).
func unfold(name string) string {
	return http.CanonicalHeaderKey(strings.Trim(strings.ReplaceAll(name, "_", "-"), "-"))
}

// hideIdempotencyKeys hides idempotency keys from http.Transport, which treats them as permission to retry a
// POST without a body on a broken connection. Names in another case are the same on the wire.
func hideIdempotencyKeys(h http.Header) {
	for _, name := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}

// cleanAnswer removes fields that control a browser for the API's origin (on a loopback address they would
// affect every application of this machine), fields that control servers in front of us, and fields that only
// we may send. It is for headers and trailers.
func cleanAnswer(h http.Header) {
	for key, values := range h {
		name := strings.TrimPrefix(key, http.TrailerPrefix) // of a trailer that was not announced
		if droppedFromAnswer(name) || name == "Proxy-Status" && namesUs(values) {
			delete(h, key)
		}
	}
}

func droppedFromAnswer(name string) bool {
	switch name {
	case "Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc",
		"Service-Worker-Allowed", "Public-Key-Pins", "Refresh", "Nel", "Report-To", "Reporting-Endpoints",
		"Timing-Allow-Origin":
		return true
	}
	for _, prefix := range []string{"Access-Control-", "X-Accel-", "X-Sendfile", "X-Lighttpd-Send-", "X-Reproxy-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// namesUs reports whether a Proxy-Status of the API names this program (RFC 9209 section 2).
func namesUs(values []string) bool {
	return strings.Contains(strings.ToLower(strings.Join(values, ",")), problem.Program)
}

// Header values of all answers. All answers share these slices, so they must not be changed.
var (
	noSniff = []string{"nosniff"}
	// Older browsers that send no Sec-Fetch-Site obey this one.
	sameOriginOnly = []string{"same-origin"}
	sandboxOnly    = []string{sandboxed}
)

// sandboxed prevents an answer that is opened in a browser from running scripts as this origin. Chromium still
// shows PDFs.
const sandboxed = "sandbox; frame-ancestors 'none'"

// setCommon sets the header fields of all answers: those of the API and our own.
func setCommon(h http.Header) {
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or net/http would guess one, and a browser would act on the guess
	}
	h["X-Content-Type-Options"] = noSniff
	h["Cross-Origin-Resource-Policy"] = sameOriginOnly
	if own := h["Content-Security-Policy"]; own != nil {
		h["Content-Security-Policy"] = append(own, sandboxed)
	} else {
		h["Content-Security-Policy"] = sandboxOnly
	}
}

// bodyProblem returns what is wrong with the client's body, or nil. It is checked before the transport's error,
// because then the API is not the cause.
func (c *call) bodyProblem() *problem.Problem {
	if c.spool == nil {
		return nil
	}
	err := c.spool.ClientError(c.req.Context())
	switch {
	case err == nil:
		return nil
	case errors.Is(err, spool.ErrStalled):
		return new(problem.Of(problem.RequestTimeout))
	case is[net.Error](err):
		return nil // the connection broke; the form of the body is correct
	case errors.Is(err, io.ErrUnexpectedEOF):
		c.clientLeft = true // most likely; if it closed only its sending side, it still gets the answer
	}
	return new(problem.Of(problem.BadRequest))
}

// TokenCode returns the code of an error of a TokenSource. ok is false for other errors.
func TokenCode(err error) (code problem.Code, ok bool) {
	for _, known := range []struct {
		err  error
		code problem.Code
	}{
		{tokens.ErrUnknownAccount, problem.UnknownAccount},
		{tokens.ErrLoginRequired, problem.LoginRequired},
		{tokens.ErrClientNotConfigured, problem.ClientNotConfigured},
		{tokens.ErrClientRefused, problem.ClientRefused},
		{tokens.ErrRefreshUnavailable, problem.RefreshUnavailable},
		{tokens.ErrStoreUnavailable, problem.StoreUnavailable},
	} {
		if errors.Is(err, known.err) {
			return known.code, true
		}
	}
	return "", false
}

// tokenProblem returns the answer for a client when there is no token.
func tokenProblem(account string, code problem.Code, err error) *problem.Problem {
	p := problem.Of(code, "account", account, "login", problem.LoginCommand(account))
	var cause *tokens.CauseError
	if errors.As(err, &cause) && cause.Code == problem.OtherIssuer {
		other := problem.Of(problem.OtherIssuer, "stored", cause.Stored, "configured", cause.Configured, "login", problem.LoginCommand(account))
		p.Detail, p.Hint = other.Detail, other.Hint
	}
	var unavailable *tokens.UnavailableError
	if p.RetryAfter > 0 && errors.As(err, &unavailable) && unavailable.RetryAfter > 0 {
		p.RetryAfter = unavailable.RetryAfter
	}
	return &p
}

// upstreamCase classifies an error of http.Transport. The answer does not show its text, which names addresses.
func upstreamCase(err error) (code problem.Code, name string) {
	switch {
	case errors.Is(err, ErrLoop):
		return problem.LoopDetected, ""
	case errors.Is(err, errProxyRefused):
		return problem.ProxyRefused, ""
	}
	if code, name := dialCase(err); code != "" {
		return code, name
	}
	if is[notProcessedError](err) || errors.Is(err, errTooManyTries) {
		return problem.UpstreamUnreachable, problem.CaseNotProcessed
	}
	if name := tlsCase(err); name != "" {
		return problem.UpstreamUnreachable, name
	}
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return problem.UpstreamTimeout, ""
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errReset),
		errors.Is(err, errBrokenPipe), errors.Is(err, net.ErrClosed):
		return problem.UpstreamUnreachable, "connection_terminated"
	}
	return problem.UpstreamProtocol, ""
}

func dialCase(err error) (code problem.Code, name string) {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return problem.ProxyRefused, problem.CaseUnreachable
	case errors.As(err, &dns) && dns.IsTimeout:
		return problem.UpstreamTimeout, "dns_timeout"
	case errors.As(err, &dns):
		return problem.UpstreamUnreachable, "dns_error"
	case op == nil || op.Op != "dial":
		return "", ""
	case op.Timeout():
		return problem.UpstreamTimeout, "connection_timeout"
	case errors.Is(err, errRefused):
		return problem.UpstreamUnreachable, "connection_refused"
	case errors.Is(err, errNoNetwork), errors.Is(err, errNoRouteToHost):
		return problem.UpstreamUnreachable, "destination_ip_unroutable"
	}
	return problem.UpstreamUnreachable, ""
}

func tlsCase(err error) string {
	var op *net.OpError
	switch {
	case is[*tls.CertificateVerificationError](err), is[x509.UnknownAuthorityError](err), is[x509.HostnameError](err),
		is[x509.CertificateInvalidError](err):
		return "tls_certificate_error"
	case is[tls.RecordHeaderError](err):
		return "tls_protocol_error"
	case errors.As(err, &op) && op.Op == "remote error": // crypto/tls uses tls.AlertError for QUIC only
		return "tls_alert_received"
	}
	return ""
}

// is reports whether err has an error of type E in its chain.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
