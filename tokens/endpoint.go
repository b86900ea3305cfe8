package tokens

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

// callError is a token call that ended without a complete answer.
type callError struct {
	// sent says whether the request may have reached the server. If so, nobody knows whether the
	// server has committed a new pair.
	sent bool
	err  error
}

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// caller calls one token endpoint.
type caller struct {
	endpoint  Endpoint
	transport http.RoundTripper
}

// newCaller makes every call use a connection of its own: an idle connection that the server has
// just closed would make an unsent request look like a lost answer, and closing the connection
// is the only way to end a request for sure.
func newCaller(e Endpoint) *caller {
	base := e.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	t, ok := base.(*http.Transport)
	if !ok {
		return &caller{e, base}
	}
	t = t.Clone()
	t.DisableKeepAlives = true
	t.DisableCompression = true
	t.ResponseHeaderTimeout = 0 // a late answer is a good answer; the manager decides how long to listen
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	return &caller{e, t}
}

func (c *caller) refresh(ctx context.Context, refreshToken Secret) (Pair, error) {
	// No scope: it is optional here, and PandaDoc's "read+write" means two things in a form
	// depending on how the plus is written.
	return c.call(ctx, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {refreshToken.Reveal()},
	})
}

func (c *caller) exchange(ctx context.Context, code, redirectURL string) (Pair, error) {
	return c.call(ctx, url.Values{
		"grant_type":   {"authorization_code"},
		"code":         {code},
		"redirect_uri": {redirectURL},
	})
}

// call sends one token request and reads its answer. The error is an *EndpointError for a complete
// answer that is no pair, else a *callError.
func (c *caller) call(ctx context.Context, form url.Values) (Pair, error) {
	form.Set("client_id", c.endpoint.ClientID)
	form.Set("client_secret", c.endpoint.ClientSecret.Reveal())
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return Pair{}, &callError{err: errors.New("the token URL is not valid")}
	}
	req.GetBody = nil // with it, the transport may send the request a second time
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "pandadoc-auth-proxy")
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return Pair{}, &callError{sent: c.maybeSent(&sent), err: fmt.Errorf("call the token endpoint: %w", withoutURL(err))}
	}
	defer resp.Body.Close()
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	p, err := readAnswer(resp, body, readErr)
	var refusal *EndpointError
	if errors.As(err, &refusal) && repeats(string(body), form) { // the body, because texts are cut
		refusal.Description = redacted
		if repeats(refusal.Code, form) {
			refusal.Code = redacted
		}
	}
	return p, err
}

// repeats says whether text of an answer holds a secret of the request: what a server says of an error is
// shown to people, and some servers say "no such token: ...".
func repeats(text string, form url.Values) bool {
	for _, name := range []string{"client_secret", "refresh_token", "code"} {
		value := form.Get(name)
		if value != "" && (strings.Contains(text, value) || strings.Contains(text, url.QueryEscape(value))) {
			return true
		}
	}
	return false
}

// maybeSent trusts the trace of net/http's own transport only: another may not call it.
func (c *caller) maybeSent(sent *atomic.Bool) bool {
	_, traced := c.transport.(*http.Transport)
	return sent.Load() || !traced
}

func readAnswer(resp *http.Response, body []byte, readErr error) (Pair, error) {
	if resp.StatusCode/100 == 2 {
		p, err := readPair(body)
		if err != nil {
			return Pair{}, &callError{sent: true, err: err}
		}
		return p, nil
	}
	if readErr != nil {
		return Pair{}, &callError{sent: true, err: fmt.Errorf("read the answer of the token endpoint (status %d): %w", resp.StatusCode, withoutURL(readErr))}
	}
	e := readError(resp.StatusCode, body)
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	return Pair{}, e
}

// retryAfter reads both forms of RFC 9110 section 10.2.3. What makes no sense is zero.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// withoutURL unwraps url.Error, whose text repeats the URL with all that may stand in it.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

const (
	maxAnswer    = 1 << 20                    // bytes read of an answer, and of what it unpacks to
	maxLifetime  = 100 * 365 * 24 * time.Hour // longer ones are cut to this: a time.Time stays printable
	maxErrorText = 200                        // bytes kept of error and error_description
)

// Pair is what the token endpoint gives.
type Pair struct {
	AccessToken Secret
	// RefreshToken is empty if the answer had none: the old one stays valid (RFC 6749 section 6).
	RefreshToken Secret
	TokenType    string
	Scope        string
	// ExpiresIn is the life of the access token. Zero means unknown.
	ExpiresIn time.Duration
}

var errNoToken = errors.New("the answer of the token endpoint holds no usable access token")

// readPair takes a pair out of a 2xx answer, whatever its Content-Type, and even if it is damaged
// behind the tokens: the server has committed the rotation, and the old pair is dead. That is why
// this is not golang.org/x/oauth2, which drops the pair when, say, expires_in is 31535999.0.
func readPair(body []byte) (Pair, error) {
	fields := readFields(body)
	p := Pair{
		AccessToken:  NewSecret(text(fields["access_token"])),
		RefreshToken: NewSecret(text(fields["refresh_token"])),
		TokenType:    text(fields["token_type"]),
		Scope:        text(fields["scope"]),
		ExpiresIn:    lifetime(fields["expires_in"]),
	}
	switch {
	case p.AccessToken.IsZero():
		return Pair{}, errNoToken
	case !isHeaderSafe(p.AccessToken.Reveal()):
		return Pair{}, fmt.Errorf("%w: it has characters that no header may carry", errNoToken)
	case p.TokenType != "" && !strings.EqualFold(p.TokenType, Bearer):
		// RFC 6749 section 7.1: a token of an unknown type must not be used.
		return Pair{}, fmt.Errorf("%w: its type is not Bearer", errNoToken)
	}
	return p, nil
}

// readFields reads the members of the JSON object in body one by one, so that damage behind a member
// does not cost the ones before it. It never fails: what cannot be read is not there.
func readFields(body []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(unpack(body), []byte("\xef\xbb\xbf"))))
	d.UseNumber()
	fields := map[string]any{}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fields
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			break
		}
		var value any
		if err := d.Decode(&value); err != nil {
			break
		}
		if s, ok := name.(string); ok {
			fields[s] = value
		}
	}
	return fields
}

// unpack undoes gzip, which some servers send unasked. Of a body cut short it returns what there is.
func unpack(body []byte) []byte {
	if !bytes.HasPrefix(body, []byte("\x1f\x8b")) {
		return body
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	plain, _ := io.ReadAll(io.LimitReader(z, maxAnswer))
	return plain
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// lifetime reads expires_in as integer, float or string. What makes no sense is unknown (zero).
func lifetime(v any) time.Duration {
	var s string
	switch v := v.(type) {
	case json.Number:
		s = v.String()
	case string:
		s = strings.TrimSpace(v)
	}
	seconds, err := strconv.ParseFloat(s, 64)
	if (err != nil && !errors.Is(err, strconv.ErrRange)) || math.IsNaN(seconds) || seconds <= 0 {
		return 0
	}
	if seconds >= maxLifetime.Seconds() {
		return maxLifetime
	}
	return time.Duration(seconds * float64(time.Second))
}

// isHeaderSafe says whether s may stand in an Authorization header: visible ASCII (RFC 6750 section 2.1
// allows less; a server that uses more of it must still be served).
func isHeaderSafe(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// readError takes the error code out of an answer that is no pair (RFC 6749 section 5.2). HTML, an
// empty body and the rest give an error without a code.
func readError(status int, body []byte) *EndpointError {
	fields := readFields(body)
	return &EndpointError{
		Status:      status,
		Code:        errorText(text(fields["error"])),
		Description: errorText(text(fields["error_description"])),
	}
}

// errorText makes a foreign text safe to show: one line, bounded, printable.
func errorText(s string) string {
	if len(s) > maxErrorText {
		s = s[:maxErrorText]
	}
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}
