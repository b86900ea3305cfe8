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
	// sent means that the request may have reached the server. If so, nobody knows whether the
	// server has committed a new pair.
	sent bool
	err  error
}

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// caller calls one token endpoint. It is the tokenEndpoint of a Manager.
type caller struct {
	endpoint Endpoint
	secret   func() Secret // returns the current client secret
}

// transport returns a transport for one call, with a new connection. With an idle connection that the server has just
// closed, an unsent request would look like a lost answer. And only closing the connection ends a request reliably.
func (c *caller) transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if c.endpoint.Transport != nil {
		t = c.endpoint.Transport()
	}
	t.DisableKeepAlives = true
	t.DisableCompression = true
	t.ResponseHeaderTimeout = 0 // a late answer is a good answer; the manager decides how long to listen
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	return t
}

func (c *caller) refresh(ctx context.Context, refreshToken Secret) (Pair, error) {
	// No scope: it is optional here, and the plus in PandaDoc's "read+write" is ambiguous in a form.
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

// call makes one token call. If the endpoint refuses the client and the client secret has changed since, call
// makes the call again, because the refusal was not about the token.
func (c *caller) call(ctx context.Context, form url.Values) (Pair, error) {
	secret := c.secret()
	p, err := c.send(ctx, form, secret)
	if answer, ok := errors.AsType[*EndpointError](err); ok && refusesClient(answer) {
		if now := c.secret(); !now.Equal(secret) {
			return c.send(ctx, form, now)
		}
	}
	return p, err
}

// send sends one token request and reads its answer.
func (c *caller) send(ctx context.Context, form url.Values, secret Secret) (Pair, error) {
	form.Set("client_id", c.endpoint.ClientID)
	form.Set("client_secret", secret.Reveal())
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
	resp, err := c.transport().RoundTrip(req)
	if err != nil {
		return Pair{}, &callError{sent: sent.Load(), err: fmt.Errorf("call the token endpoint: %w", withoutURL(err))}
	}
	defer resp.Body.Close()
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	p, err := readAnswer(resp, body, readErr)
	refusal, refused := errors.AsType[*EndpointError](err)
	if refused && repeats(string(body), form) { // check the whole body, because texts are cut
		refusal.Description = redacted
		if repeats(refusal.Code, form) {
			refusal.Code = redacted
		}
	}
	return p, err
}

// repeats reports whether the text of an answer contains a secret of the request. A server's error text is
// shown to users, and some servers answer "no such token: ...".
func repeats(text string, form url.Values) bool {
	for _, name := range []string{"client_secret", "refresh_token", "code"} {
		value := form.Get(name)
		if value != "" && (strings.Contains(text, value) || strings.Contains(text, url.QueryEscape(value))) {
			return true
		}
	}
	return false
}

func readAnswer(resp *http.Response, body []byte, readErr error) (Pair, error) {
	if resp.StatusCode/100 == 2 {
		return readPair(resp.StatusCode, body, readErr)
	}
	if readErr != nil {
		return Pair{}, &callError{sent: true, err: fmt.Errorf("read the answer of the token endpoint (status %d): %w", resp.StatusCode, withoutURL(readErr))}
	}
	fields, _ := readFields(body)
	e := readError(resp.StatusCode, fields)
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	return Pair{}, e
}

// retryAfter reads both forms of RFC 9110 section 10.2.3. An invalid value is zero.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// withoutURL unwraps a url.Error, whose text contains the whole URL.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

const (
	maxAnswer    = 1 << 20                    // bytes read of an answer, and of what it unpacks to
	maxLifetime  = 100 * 365 * 24 * time.Hour // longer ones are cut to this: a time.Time stays printable
	maxErrorText = 200                        // bytes kept of error and error_description
)

// Pair is the pair of tokens in an answer of the token endpoint.
type Pair struct {
	AccessToken Secret
	// RefreshToken is empty if the answer had none: the old one stays valid (RFC 6749 section 6).
	RefreshToken Secret
	TokenType    string
	Scope        string
	// ExpiresIn is the lifetime of the access token. Zero means unknown.
	ExpiresIn time.Duration
}

var (
	errNoToken    = errors.New("the answer of the token endpoint contains no usable access token")
	errIncomplete = errors.New("the answer of the token endpoint is cut off")
)

// readPair takes a pair out of a 2xx answer, whatever its Content-Type, and even if it is damaged behind the
// tokens: the server has committed the rotation, and the old pair is dead. That is why this is not
// golang.org/x/oauth2, which drops the pair when, say, expires_in is 31535999.0. An answer counts as one
// without a refresh token only if it is complete. If only the access token is missing, the pair has no access
// token: the refresh token can be used for another try.
func readPair(status int, body []byte, readErr error) (Pair, error) {
	fields, complete := readFields(body)
	complete = complete && readErr == nil
	p := Pair{
		AccessToken:  NewSecret(text(fields["access_token"])),
		RefreshToken: NewSecret(text(fields["refresh_token"])),
		TokenType:    text(fields["token_type"]),
		Scope:        text(fields["scope"]),
		ExpiresIn:    lifetime(fields["expires_in"]),
	}
	if !isHeaderSafe(p.AccessToken.Reveal()) {
		p.AccessToken = Secret{}
	}
	e := readError(status, fields)
	switch {
	case strings.EqualFold(p.TokenType, "mac"):
		// RFC 6749 section 7.1: such a token needs a signature. Every other type is used as Bearer, because
		// servers write it in many ways.
		return Pair{}, &callError{sent: true, err: fmt.Errorf("%w: its type is mac", errNoToken)}
	case p.AccessToken.IsZero() && complete && (refusesToken(e) || refusesClient(e)):
		return Pair{}, e
	case p.RefreshToken.IsZero() && !complete:
		return Pair{}, &callError{sent: true, err: errIncomplete}
	case p.AccessToken.IsZero() && p.RefreshToken.IsZero():
		return Pair{}, &callError{sent: true, err: errNoToken}
	}
	return p, nil
}

// readFields reads the members of the JSON object in body one by one, so that the members before a damaged part
// are not lost. It never fails: it leaves out what cannot be read. complete means that it read the object to its end.
func readFields(body []byte) (fields map[string]any, complete bool) {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(unpack(body), []byte("\xef\xbb\xbf"))))
	d.UseNumber()
	fields = map[string]any{}
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fields, false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fields, false
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return fields, false
		}
		if s, ok := name.(string); ok {
			fields[s] = value
		}
	}
	end, err := d.Token()
	return fields, err == nil && end == json.Delim('}')
}

// unpack decompresses gzip, which some servers send without being asked. If the body is cut short, it returns
// the part that is there.
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

// lifetime reads expires_in as integer, float or string. An invalid value means unknown (zero).
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

// isHeaderSafe reports whether s may be used in an Authorization header: visible ASCII only. (RFC 6750 section
// 2.1 allows less, but tokens of servers that use more must work too.)
func isHeaderSafe(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// readError reads the error code from an answer without a pair (RFC 6749 section 5.2). HTML, an empty body and
// so on give an error without a code.
func readError(status int, fields map[string]any) *EndpointError {
	return &EndpointError{
		Status:      status,
		Code:        errorText(text(fields["error"])),
		Description: errorText(text(fields["error_description"])),
	}
}

// errorText makes a foreign text safe to show: one line, limited in length, printable.
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
