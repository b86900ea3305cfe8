package proxy

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"pandadoc-auth-proxy/proxy/spool"
	"pandadoc-auth-proxy/tokens"
)

// authTransport adds the token to requests. If the API answers 401, it repeats the request once, provided that
// there is a better token and the whole body can be sent again. This is not done in ReverseProxy's Rewrite,
// because only a transport can fail and repeat, and because a client cannot remove a field that is set after
// its Connection header was processed.
type authTransport struct {
	tokens   TokenSource
	api      *url.URL
	next     http.RoundTripper
	renewals *renewals
}

var _ http.RoundTripper = (*authTransport)(nil)

// errForeignOrigin cannot happen: every target is built from the API's URL. If another part of the program has
// a bug, it prevents that a token goes to a wrong address.
var errForeignOrigin = errors.New("a request for another origin than the API's")

// RoundTrip sends req, made by ReverseProxy, for the call in its context. It does not read the body of req:
// attempts read the call's spool.
func (t *authTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if req.URL.Scheme != t.api.Scheme || req.URL.Host != t.api.Host {
		return nil, errForeignOrigin
	}
	c := callOf(req.Context())
	token, err := t.tokens.Token(req.Context(), c.Account)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	res, body, err := t.attempt(req, c, token)
	if err == nil && res.StatusCode == http.StatusUnauthorized {
		res, err = t.afterRefusal(req, c, token, body, res)
	}
	c.Upstream = time.Since(start)
	return res, err
}

// attempt sends req with token, and sends it again if the API did not process it and the whole body is kept. If the
// API accepted token, attempt tells the token source. It returns the body of the last try.
func (t *authTransport) attempt(req *http.Request, c *call, token tokens.Token) (*http.Response, *spool.Cursor, error) {
	for resent := 0; ; resent++ {
		body := c.cursor()
		res, err := t.sendOnce(req, c, token, body)
		if err == nil {
			body.HoldUnwanted(res)
			if res.StatusCode != http.StatusUnauthorized {
				t.tokens.Accepted(c.Account, token)
			}
			return res, body, nil
		}
		again := is[notProcessedError](err) && resent < maxResends
		if again {
			body.Hold()
			again = c.canRepeat() && waitToResend(req.Context(), resent)
		}
		body.Close()
		if !again {
			return nil, nil, err
		}
	}
}

// maxResends is how often a request that the API did not process is sent again.
const maxResends = 2

// resendPause is the pause before the second time: a server that was just restarted needs it.
const resendPause = 200 * time.Millisecond

// waitToResend waits before a request is sent again, for the nth time from zero. It reports false if ctx ends.
func waitToResend(ctx context.Context, n int) bool {
	if n == 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(resendPause):
		return true
	case <-ctx.Done():
		return false
	}
}

// sendOnce sends req once, with the body that cursor reads. The first time it sends req itself, because
// ReverseProxy does not use req again, so its header needs no copy. Later it sends a copy, because the
// transport may still use the first.
func (t *authTransport) sendOnce(req *http.Request, c *call, token tokens.Token, body *spool.Cursor) (*http.Response, error) {
	if c.Attempts > 0 {
		req = new(*req)
		req.Header = maps.Clone(req.Header)
	}
	req.Header["Authorization"] = []string{token.Authorization()}
	req.Body = nil
	if body != nil {
		req.Body = body // no GetBody: http.Transport must not repeat on its own
	}
	c.Attempts++
	c.Generation = token.Generation
	res, err := t.next.RoundTrip(req)
	if err == nil && c.spool != nil && !c.spool.Complete() {
		res.Body = &earlyAnswer{res.Body, c}
	}
	return res, err
}

// earlyAnswer is the body of an answer that came before the upload had ended. In net/http's HTTP/2 transport,
// Close does not return while the transport still reads the request's body, which may take as long as the
// client likes. So it is closed in another goroutine, and the call waits for that when nothing reads from the
// client any more.
type earlyAnswer struct {
	io.ReadCloser
	call *call
}

func (b *earlyAnswer) Close() error {
	b.call.closing.Go(func() { _ = b.ReadCloser.Close() })
	return nil
}

// afterRefusal decides what to do about a 401. Until then the 401 answer stays open and its attempt is paused:
// if the answer is passed through, its upload continues.
func (t *authTransport) afterRefusal(req *http.Request, c *call, refused tokens.Token, first *spool.Cursor, res *http.Response) (*http.Response, error) {
	first.Hold()
	c.RefusedGeneration = refused.Generation
	refusal := tokens.Refusal{Token: refused, Method: req.Method, Path: req.URL.EscapedPath()}
	if !c.canRepeat() {
		first.Resume()
		t.renewals.inBackground(t.tokens, c.Account, refusal)
		c.Replay, c.Reason = ReplayNone, ReasonBodyNotKept
		return res, nil
	}
	fresh, err := t.tokens.Renew(req.Context(), c.Account, refusal)
	if reason := reasonFor(err); reason != "" {
		first.Resume()
		c.Replay, c.Reason = ReplayNone, reason
		return res, nil
	}
	res.Body.Close()
	first.Close()
	c.Replay = ReplayFailed
	if err != nil {
		return nil, err
	}
	return t.repeat(req, c, fresh)
}

// repeat sends the request again. Its result is final. After another 401 it tells the token source, which then
// delays the next refresh.
func (t *authTransport) repeat(req *http.Request, c *call, fresh tokens.Token) (*http.Response, error) {
	res, _, err := t.attempt(req, c, fresh)
	if err != nil {
		return nil, err
	}
	c.Replay = ReplaySucceeded
	if res.StatusCode == http.StatusUnauthorized {
		c.Replay = ReplayRefused
		refusal := tokens.Refusal{Token: fresh, Method: req.Method, Path: req.URL.EscapedPath()}
		c.Reason = reasonFor(t.tokens.RefusedAgain(c.Account, refusal))
	}
	return res, nil
}

// canRepeat reports whether the whole body can be sent again.
func (c *call) canRepeat() bool { return c.spool == nil || c.spool.Kept() }

// cursor returns the body for an attempt, or nil if the request has none.
func (c *call) cursor() *spool.Cursor {
	if c.spool == nil {
		return nil
	}
	return c.spool.Cursor()
}

// reasonFor returns why the client gets the API's 401 although Renew was called, or "".
func reasonFor(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, tokens.ErrTokenGood):
		return ReasonTokenGood
	case errors.Is(err, tokens.ErrAPIKey):
		return ReasonAPIKey
	case errors.Is(err, tokens.ErrRefreshDidNotHelp):
		return ReasonRefreshDidNotHelp
	}
	return ""
}

// renewals are the token renewals that no request waits for.
type renewals struct {
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	mu      sync.Mutex // guards the fields below
	stopped bool
	running map[string]bool // by account
}

func newRenewals() *renewals {
	ctx, cancel := context.WithCancel(context.Background())
	return &renewals{ctx: ctx, cancel: cancel, running: make(map[string]bool)}
}

// inBackground renews a refused token although its request cannot be repeated, so that the client's own
// next try works. One renewal per account at a time is enough, because all requests share its token.
func (r *renewals) inBackground(source TokenSource, account string, refusal tokens.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || r.running[account] {
		return
	}
	r.running[account] = true
	r.wg.Go(func() {
		// Nobody waits for the token, and the token source reports its errors itself.
		_, _ = source.Renew(r.ctx, account, refusal)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.running, account)
	})
}

// stop prevents new renewals and waits for the running ones. If ctx ends first, it cancels them.
func (r *renewals) stop(ctx context.Context) error {
	defer r.cancel()
	r.mu.Lock()
	r.stopped = true
	idle := len(r.running) == 0
	r.mu.Unlock()
	if idle { // also if ctx has ended
		return nil
	}
	inTime := context.AfterFunc(ctx, r.cancel)
	r.wg.Wait()
	if !inTime() {
		return ctx.Err()
	}
	return nil
}
