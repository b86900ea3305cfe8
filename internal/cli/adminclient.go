package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
)

const (
	askTimeout   = 5 * time.Second // to find out whether a proxy runs
	maxAdminBody = 1 << 20
)

// errNoProxy means that nothing listens at the admin address.
var errNoProxy = errors.New("no proxy is running there")

// adminClient speaks to an admin handler: that of a running proxy over a connection, or one of this
// process without any.
type adminClient struct {
	transport http.RoundTripper
	base      string // origin that the handler is asked at
	where     string // the accounts are, for people
	close     func() error
}

// dialAdmin returns a client of the proxy whose admin listener is at a. It returns errNoProxy if nothing
// listens there, and another error if something else does.
func dialAdmin(ctx context.Context, a *listen.Address) (*adminClient, error) {
	if a == nil {
		return nil, errNoProxy
	}
	t := &http.Transport{DialContext: a.Dial, DisableCompression: true}
	c := &adminClient{transport: t, base: a.Origin(), where: "proxy on " + a.String()}
	c.close = func() error {
		t.CloseIdleConnections()
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var alive admin.Liveness
	_, err := c.do(ctx, http.MethodGet, "/livez", nil, &alive)
	switch {
	case errors.Is(err, listen.ErrRefused), errors.Is(err, os.ErrNotExist):
		c.close()
		return nil, errNoProxy
	case err != nil || alive.Program != programName:
		c.close()
		return nil, problem.WithHint(fmt.Errorf("what listens on %s is not %s", a, programName), "give the proxy's admin address with --admin-listen, or none")
	}
	return c, nil
}

// localAdmin returns a client of a handler in this process.
func localAdmin(h http.Handler, end func() error) *adminClient {
	return &adminClient{transport: handlerTransport{h}, base: "http://localhost", where: "no proxy is running", close: end}
}

// handlerTransport answers requests by a handler, without a connection.
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

// problemError is what the admin handler says when something did not work.
type problemError struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
}

// Error makes of the sentence that pages show what stands behind "error:".
func (e *problemError) Error() string {
	text := strings.TrimSuffix(e.Detail, ".")
	if text == "" {
		return fmt.Sprintf("the proxy answered %d", e.Status)
	}
	if first, _, _ := strings.Cut(text[1:], " "); first != strings.ToLower(first) {
		return text // PandaDoc and other names keep their capitals
	}
	return strings.ToLower(text[:1]) + text[1:]
}

// do sends a request and reads the JSON of its answer into out. Any answer with a problem is a
// *problemError, together with the status.
func (c *adminClient) do(ctx context.Context, method, path string, in, out any) (status int, err error) {
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
		return 0, fmt.Errorf("ask the %s: %w", c.where, err)
	}
	defer answer.Body.Close()
	return answer.StatusCode, readAnswer(answer, out)
}

func readAnswer(answer *http.Response, out any) error {
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAdminBody))
	if err != nil {
		return fmt.Errorf("read the answer of the proxy: %w", err)
	}
	if answer.Header.Get("Content-Type") == "application/problem+json" {
		p := &problemError{}
		if err := json.Unmarshal(data, p); err != nil {
			return fmt.Errorf("the proxy answered %d, and not in a form that is understood", answer.StatusCode)
		}
		return p
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("the proxy answered %d, and not in a form that is understood", answer.StatusCode)
	}
	return nil
}
