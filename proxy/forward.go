package proxy

import (
	"errors"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// flushDelay is how long a part of an answer may wait for the next one, so that a short answer leaves
// in one write. ReverseProxy flushes event streams and answers of unknown length at once.
const flushDelay = 10 * time.Millisecond

func (p *Proxy) newForwarder() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      &authTransport{tokens: p.cfg.Tokens, api: p.cfg.API, next: p.transport, renewals: &p.renewals},
		ModifyResponse: modifyResponse,
		ErrorHandler:   answerError,
		FlushInterval:  flushDelay,
		BufferPool:     newBufferPool(),
		// What ReverseProxy would say is in the access log already; what is left is detail.
		ErrorLog: log.New(NewLogWriter(p.log, logrus.DebugLevel), "", 0),
	}
}

// basePath returns what stands before every path at the API: empty, or "/base".
func basePath(api *url.URL) string {
	base := strings.Trim(api.EscapedPath(), "/")
	if base == "" {
		return ""
	}
	return "/" + base
}

// setTarget builds the URL at the API. Go's url.URL re-encodes some paths that are legal on the wire;
// Opaque carries those as they came. It cannot carry a path that begins with "//", which would turn
// into another authority.
func (c *call) setTarget(api *url.URL, base string) *Problem {
	raw := base + c.path
	if raw == "" {
		raw = "/"
	}
	path, err := url.PathUnescape(raw)
	if err != nil {
		return badRequest.problem("The path is not validly encoded.", "")
	}
	c.target = &url.URL{
		Scheme: api.Scheme, Host: api.Host, Path: path, RawPath: raw,
		RawQuery: c.req.URL.RawQuery, ForceQuery: c.req.URL.ForceQuery,
	}
	if c.target.EscapedPath() == raw {
		return nil
	}
	if strings.HasPrefix(raw, "//") {
		return badRequest.problem("The path begins with // and holds characters that must be encoded.",
			"percent-encode the path, or begin it with a single slash")
	}
	c.target.Opaque = raw
	return nil
}

// rewrite makes of the client's request the one for the API, except for its token and its body: these
// are the transport's (transport.go), which can fail and repeat.
func rewrite(r *httputil.ProxyRequest) {
	c := callOf(r.In.Context())
	r.Out.URL = c.target
	r.Out.Host = "" // the target's
	r.Out.Trailer = nil
	cleanRequestHeader(r.Out.Header)
	delete(r.Out.Header, c.proxy.callers.required.Name) // it was for us
	if c.proxy.policy.narrows() {
		dropOverrides(r.Out.Header)
	}
}

// modifyResponse turns the API's answer into ours. An error makes ReverseProxy drop the answer.
func modifyResponse(res *http.Response) error {
	if res.StatusCode < 200 { // 101 was not asked for; below 100 is no status, and net/http would panic
		return errUpstreamStatus
	}
	c := callOf(res.Request.Context())
	cleanResponseHeader(res.Header)
	if len(res.Trailer) > 0 && c.req.ProtoAtLeast(1, 1) {
		res.Header.Del("Content-Length") // HTTP/2 allows it beside trailers; HTTP/1.1 needs chunks for them
	}
	if location := res.Header.Get("Location"); location != "" {
		res.Header.Set("Location", c.ownLocation(location))
	}
	if c.Reason != "" && res.StatusCode == http.StatusUnauthorized {
		res.Header.Add("Proxy-Status", Name+`; details="not-retried: `+c.Reason+`"`)
	}
	c.RequestID = boundedText(res.Header.Get("X-Request-Id"), maxRequestID)
	return nil
}

// errUpstreamStatus is returned for an answer whose status is not one of a final answer.
var errUpstreamStatus = errors.New("the API's answer has no usable status")

// answerError is ReverseProxy's way to report that there is no answer of the API.
func answerError(w http.ResponseWriter, r *http.Request, err error) {
	c := callOf(r.Context())
	if problem := c.bodyProblem(); problem != nil {
		c.refuse(problem)
		return
	}
	if c.req.Context().Err() != nil {
		// Nobody is there to read an answer, and returning would make net/http send an empty 200.
		panic(http.ErrAbortHandler)
	}
	c.refuse(c.problemOf(err))
}

// ownLocation returns location as the client must see it: where it leads to the API, it has to lead
// there through us.
func (c *call) ownLocation(location string) string {
	rest := location
	switch u, err := url.Parse(location); {
	case err != nil:
		return location
	case u.Host != "":
		if u.Scheme == "" { // "//host/path"
			u.Scheme = c.target.Scheme
		}
		if u.User != nil || !sameOrigin(u, c.target) {
			return location
		}
		rest = afterAuthority(location)
	case u.Scheme != "" || !strings.HasPrefix(location, "/"):
		return location // "x/y" is resolved against our own address already
	}
	base := c.proxy.base
	rest, below := strings.CutPrefix(rest, base)
	if !below || base != "" && rest != "" && rest[0] != '/' && rest[0] != '?' && rest[0] != '#' {
		return location // on the API's origin, but not below its base path: out of our reach
	}
	if c.req.Host == "" { // HTTP/1.0
		return c.prefix + rest
	}
	return scheme(c.req) + "://" + c.req.Host + c.prefix + rest
}

// afterAuthority returns what follows the authority in an absolute or network-path reference.
func afterAuthority(ref string) string {
	_, ref, _ = strings.Cut(ref, "//")
	if i := strings.IndexAny(ref, "/?#"); i >= 0 {
		return ref[i:]
	}
	return ""
}

// bufferPool lends the buffers in which answers are copied.
type bufferPool struct{ pool sync.Pool }

var _ httputil.BufferPool = (*bufferPool)(nil)

func newBufferPool() *bufferPool {
	return &bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}
}

func (b *bufferPool) Get() []byte { return b.pool.Get().(*[32 << 10]byte)[:] }

func (b *bufferPool) Put(buf []byte) { b.pool.Put((*[32 << 10]byte)(buf)) }
