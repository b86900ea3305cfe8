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

// authTransport signs requests in and repeats one that the API answers with 401, once, if there is a
// better token and the whole body can be sent again. It does so here and not in ReverseProxy's
// Rewrite, because a transport can fail and can repeat, and because nothing that a client says in
// Connection can take away what is set after it.
type authTransport struct {
	tokens   TokenSource
	api      *url.URL
	next     http.RoundTripper
	renewals *renewals
}

var _ http.RoundTripper = (*authTransport)(nil)

// errForeignOrigin cannot happen: every target is built from the API's URL. It stands between a
// mistake elsewhere and a token at the wrong address.
var errForeignOrigin = errors.New("a request for another origin than the API's")

// RoundTrip sends req, which is ReverseProxy's, for the call that travels in its context. Its body is
// not read: attempts read the call's spool.
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
	res, err := t.send(req, c, token)
	c.Upstream = time.Since(start)
	return res, err
}

func (t *authTransport) send(req *http.Request, c *call, token tokens.Token) (*http.Response, error) {
	res, first, err := t.attempt(req, c, token)
	if err != nil {
		return nil, err
	}
	first.HoldUnwanted(res)
	if res.StatusCode != http.StatusUnauthorized {
		t.tokens.Accepted(req.Context(), c.Account, token)
		return res, nil
	}
	return t.afterRefusal(req, c, token, first, res)
}

// attempt sends req, signed in with token, and sends it again if the API did not process it and all of its body
// is kept. It returns the body of the last sending.
func (t *authTransport) attempt(req *http.Request, c *call, token tokens.Token) (*http.Response, *spool.Cursor, error) {
	for resent := 0; ; resent++ {
		body := c.cursor()
		res, err := t.sendOnce(req, c, token, body)
		if err == nil {
			return res, body, nil
		}
		var unprocessed notProcessedError
		again := errors.As(err, &unprocessed) && resent < maxResends
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

// maxResends is how often a request is sent again that the API did not process.
const maxResends = 2

// resendPause is the time before the second of them: a server that has just been restarted needs some.
const resendPause = 200 * time.Millisecond

// waitToResend waits before a request is sent again, for the nth time from zero. It reports false if ctx ends.
func waitToResend(ctx context.Context, n int) bool {
	if n == 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(resendPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// sendOnce sends req once, with the body that cursor reads. The first time that is req itself, which ReverseProxy has
// made for this and does not look at again; its header needs no further copy. Later it is a copy, because the
// transport may still be busy with the first.
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

// earlyAnswer is the body of an answer that came before the upload had ended. net/http's HTTP/2
// transport does not return from closing it while it still reads the request's body, which may take as
// long as the client likes. So it is closed beside the request, and the call waits for that when nobody
// reads the client any more.
type earlyAnswer struct {
	io.ReadCloser
	call *call
}

func (b *earlyAnswer) Close() error {
	b.call.closing.Go(func() { _ = b.ReadCloser.Close() })
	return nil
}

// afterRefusal decides what a 401 means. The refused answer stays open until then, and the attempt
// that got it stands still: if it is passed through, its upload goes on.
func (t *authTransport) afterRefusal(req *http.Request, c *call, refused tokens.Token, first *spool.Cursor, res *http.Response) (*http.Response, error) {
	first.Hold()
	c.RefusedGeneration = refused.Generation
	refusal := tokens.Refusal{Token: refused, Method: req.Method, Path: req.URL.EscapedPath()}
	if !c.canRepeat() {
		first.Resume()
		t.renewals.inBackground(t.tokens, c.Account, refusal)
		return c.passThrough(res, ReasonBodyNotKept), nil
	}
	fresh, err := t.tokens.Renew(req.Context(), c.Account, refusal)
	if reason := reasonFor(err); reason != "" {
		first.Resume()
		return c.passThrough(res, reason), nil
	}
	res.Body.Close()
	first.Close()
	c.Replay = ReplayFailed
	if err != nil {
		return nil, err
	}
	return t.repeat(req, c, fresh)
}

// repeat sends the request again. Whatever comes of it is final; after another 401 the token source is
// told, so that it can hold back from refreshing once more for nothing.
func (t *authTransport) repeat(req *http.Request, c *call, fresh tokens.Token) (*http.Response, error) {
	res, second, err := t.attempt(req, c, fresh)
	if err != nil {
		return nil, err
	}
	second.HoldUnwanted(res)
	c.Replay = ReplaySucceeded
	if res.StatusCode != http.StatusUnauthorized {
		t.tokens.Accepted(req.Context(), c.Account, fresh)
		return res, nil
	}
	c.Replay = ReplayRefused
	refusal := tokens.Refusal{Token: fresh, Method: req.Method, Path: req.URL.EscapedPath()}
	c.Reason = reasonFor(t.tokens.RefusedAgain(req.Context(), c.Account, refusal))
	return res, nil
}

// passThrough lets the API's 401 stand for reason.
func (c *call) passThrough(res *http.Response, reason string) *http.Response {
	c.Replay, c.Reason = ReplayNone, reason
	return res
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

// reasonFor returns why the API's 401 stands although Renew was asked, or "".
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

// renewals are the token renewals that no request waits for. The zero value must be started.
type renewals struct {
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	mu      sync.Mutex // guards the fields below
	stopped bool
	running map[string]bool // by account
}

func (r *renewals) start() {
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.running = make(map[string]bool)
}

// inBackground renews a refused token although its request cannot be repeated, so that the client's own
// next try works. One renewal for an account at a time is enough: its token is for all.
func (r *renewals) inBackground(source TokenSource, account string, refusal tokens.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || r.running[account] {
		return
	}
	r.running[account] = true
	r.wg.Go(func() {
		defer r.finished(account)
		// Nobody waits for the token, and the token source tells its own story of errors.
		_, _ = source.Renew(r.ctx, account, refusal)
	})
}

func (r *renewals) finished(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, account)
}

// stop lets nothing new begin and waits for what runs; when ctx ends first, it cancels that.
func (r *renewals) stop(ctx context.Context) error {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	defer r.cancel()
	done := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		r.cancel()
		<-done
		return ctx.Err()
	}
}
