// Package client lets the command line talk to an admin handler. If a proxy is running, the client connects to its
// handler. Otherwise the command has a handler in its own process.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
)

const (
	AskTimeout   = 5 * time.Second // to find out if a proxy runs
	maxAdminBody = 64 << 20        // the status of a hundred thousand accounts
)

// ErrNoProxy means that nothing listens at the admin address.
var ErrNoProxy = errors.New("found no running proxy")

// otherAddress is the hint if the admin address is not that of a proxy.
const otherAddress = "give the proxy's admin address with --admin-listen; if it has none, or if no proxy is running, add --admin-listen none"

// Client talks to an admin handler, over a connection to a running proxy or directly in this process.
type Client struct {
	transport http.RoundTripper
	base      string // origin of the handler's URLs
	Where     string // the accounts are, for messages
	end       func() error
}

// connect returns a client of the proxy behind a Unix socket, or ErrNoProxy if nothing answers there.
func connect(ctx context.Context, socket, where string) (*Client, error) {
	c, err := Dial(ctx, &listen.Address{Path: socket})
	if err == nil {
		c.Where = where
	}
	return c, err
}

// Dial returns a client of the proxy whose admin listener is at a. It returns ErrNoProxy if nothing listens
// there, and another error if something else does, or if a cannot be reached. On a TCP address, any user may have
// a program that answers instead of the proxy. Use Find to send secrets.
func Dial(ctx context.Context, a *listen.Address) (*Client, error) {
	if a == nil {
		return nil, ErrNoProxy
	}
	t := &http.Transport{DialContext: a.Dial, DisableCompression: true}
	c := &Client{transport: t, base: a.Origin(), Where: "proxy on " + a.String()}
	c.end = func() error {
		t.CloseIdleConnections()
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	var alive admin.Liveness
	_, err := c.Do(ctx, http.MethodGet, "/livez", nil, &alive)
	if err == nil && alive.Program == problem.Program {
		return c, nil
	}
	c.Close()
	switch {
	case errors.Is(err, listen.ErrRefused), errors.Is(err, os.ErrNotExist):
		return nil, ErrNoProxy
	case errors.Is(err, context.Canceled):
		return nil, err
	case errors.Is(err, context.DeadlineExceeded):
		return nil, problem.WithHint(fmt.Errorf("%s does not answer", a), "if the proxy listens there, restart it; otherwise "+otherAddress)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return nil, problem.WithHint(fmt.Errorf("cannot connect to %s: %w", a, listen.WithoutAddress(err)), otherAddress)
	}
	return nil, problem.WithHint(fmt.Errorf("the program that listens on %s is not %s", a, problem.Program), otherAddress)
}

// Local returns a client of a handler in this process.
func Local(h http.Handler, end func() error) *Client {
	return &Client{transport: handlerTransport{h}, base: "http://localhost", Where: "no proxy is running", end: end}
}

// Close waits for the running work of the accounts, if they are in this process.
func (c *Client) Close() error { return c.end() }

// handlerTransport sends requests to a handler, without a connection.
type handlerTransport struct{ http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	t.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }

// ProblemError is an error answer of the admin handler.
type ProblemError struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
}

// Error turns the sentence for pages into the text after "error:".
func (e *ProblemError) Error() string {
	return cmp.Or(problem.Clause(e.Detail), fmt.Sprintf("the proxy answered %d", e.Status))
}

// Do sends a request and reads the JSON of its answer into out. An answer with a problem is returned as a
// *ProblemError, together with the status.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) (status int, err error) {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return 0, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, &body)
	if err != nil {
		return 0, err
	}
	r.Header.Set(admin.RequestHeader, "1")
	answer, err := c.transport.RoundTrip(r)
	if err != nil {
		return 0, fmt.Errorf("ask the %s: %w", c.Where, err)
	}
	defer answer.Body.Close()
	return answer.StatusCode, readAnswer(answer, out)
}

func readAnswer(answer *http.Response, out any) error {
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAdminBody))
	if err != nil {
		return fmt.Errorf("read the answer of the proxy: %w", err)
	}
	var p *ProblemError
	if answer.Header.Get("Content-Type") == "application/problem+json" {
		p = &ProblemError{}
		out = p
	}
	switch err := json.Unmarshal(data, out); {
	case err != nil:
		return fmt.Errorf("the proxy answered %d in an unknown form", answer.StatusCode)
	case p != nil:
		return p
	}
	return nil
}
