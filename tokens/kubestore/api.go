package kubestore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

const (
	usualDir    = "/var/run/secrets/kubernetes.io/serviceaccount"
	callTimeout = 5 * time.Second
	maxAnswer   = 4 << 20 // a Secret has at most 1 MiB; a page of a list has metadata only
)

// api is a client of an API server for the Secrets of one namespace.
type api struct {
	base      *url.URL
	namespace string
	token     func() (tokens.Secret, error) // nil means no token
	caFile    string                        // empty outside of a pod
	roots     *x509.CertPool
	proxy     func(*http.Request) (*url.URL, error)

	mu        sync.Mutex // guards the fields below
	transport *http.Transport
	ca        []byte // the roots that transport trusts
}

func newAPI(o Options) (*api, error) {
	dir := cmp.Or(o.AccountDir, usualDir)
	a := &api{base: o.URL, namespace: o.Namespace, token: o.Token, roots: o.RootCAs, proxy: http.ProxyFromEnvironment}
	if a.base == nil {
		if err := a.inCluster(o.Getenv, dir); err != nil {
			return nil, err
		}
	}
	if a.namespace == "" {
		name, err := os.ReadFile(filepath.Join(dir, "namespace"))
		if err != nil {
			return nil, problem.Mistake("outside a cluster, the store needs a namespace", "write --store kubernetes:NAMESPACE/PREFIX")
		}
		a.namespace = strings.TrimSpace(string(name))
	}
	return a, nil
}

// inCluster finds the API server in the same way as every pod.
func (a *api) inCluster(getenv func(string) string, dir string) error {
	host, port := "", ""
	if getenv != nil {
		host, port = getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
	}
	if host == "" {
		return problem.Mistake("this is not a pod in a cluster: KUBERNETES_SERVICE_HOST is not set",
			"run: kubectl proxy, and add --kubernetes-url http://127.0.0.1:8001")
	}
	a.base = &url.URL{Scheme: "https", Host: net.JoinHostPort(host, cmp.Or(port, "443"))}
	a.proxy = nil // inside the cluster, no forward proxy is used
	a.caFile = filepath.Join(dir, "ca.crt")
	if a.token == nil {
		a.token = func() (tokens.Secret, error) {
			text, err := os.ReadFile(filepath.Join(dir, "token"))
			if errors.Is(err, fs.ErrNotExist) {
				return tokens.Secret{}, problem.Mistake("the pod has no service account", "set automountServiceAccountToken: true in the pod, and give it a serviceAccountName")
			}
			return tokens.NewSecret(strings.TrimSpace(string(text))), err
		}
	}
	return nil
}

// client returns the HTTP client for the API server. It makes a new one when the cluster's root certificate has
// changed.
func (a *api) client() (*http.Client, error) {
	var ca []byte
	if a.caFile != "" {
		var err error
		if ca, err = os.ReadFile(a.caFile); err != nil {
			return nil, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.transport == nil || !bytes.Equal(ca, a.ca) {
		roots := a.roots
		if a.caFile != "" {
			roots = x509.NewCertPool()
			if !roots.AppendCertsFromPEM(ca) {
				return nil, fmt.Errorf("%s contains no certificate", a.caFile)
			}
		}
		if a.transport != nil {
			a.transport.CloseIdleConnections()
		}
		a.ca = ca
		a.transport = &http.Transport{
			Proxy: a.proxy, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: true, TLSHandshakeTimeout: callTimeout, MaxConnsPerHost: 64, IdleConnTimeout: time.Minute,
			// A watch can be silent for a long time. Pings find a broken connection.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		}
	}
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: a.transport, CheckRedirect: refuse}, nil
}

// call makes one request for a Secret, or for all of them if name is empty, and decodes the answer into into.
func (a *api) call(ctx context.Context, method, name string, query url.Values, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := a.send(ctx, method, name, query, body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return &callError{fmt.Errorf("the answer was cut: %w", err)}
	case len(text) > maxAnswer:
		return errors.New("the answer is too large")
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errors.New("the answer is not from a Kubernetes API") // the JSON error would quote the Secret
	}
	return nil
}

// send returns the answer to a request, or a *statusError if it is not a success.
func (a *api) send(ctx context.Context, method, name string, query url.Values, body []byte) (*http.Response, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	u := a.base.JoinPath("api", "v1", "namespaces", a.namespace, "secrets", name)
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", problem.Program)
	request.Header.Set("Accept", "application/json")
	if name == "" && method == http.MethodGet { // lists and watches need no tokens
		kind := "PartialObjectMetadataList"
		if query.Get("watch") != "" {
			kind = "PartialObjectMetadata"
		}
		request.Header.Set("Accept", "application/json;as="+kind+";g=meta.k8s.io;v=v1")
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if a.token != nil {
		token, err := a.token()
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, &callError{errors.Unwrap(err)} // without the URL: callers name the operation
	}
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return answer, nil
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10)) // the status is known; the text only adds an explanation
	return nil, newStatusError(answer.StatusCode, text)
}

// Parse reads the text after "kubernetes:", which is [NAMESPACE/]PREFIX. Both may be empty.
func Parse(text string) (namespace, prefix string, err error) {
	namespace, prefix, found := strings.Cut(text, "/")
	if !found {
		namespace, prefix = "", text
	}
	for _, part := range []string{namespace, prefix} {
		// Namespaces and accounts have the same rule for names, that of DNS labels.
		if part != "" && !tokens.ValidAccount(part) {
			return "", "", problem.Mistake("the store's namespace or prefix is not a valid Kubernetes name",
				"write kubernetes:NAMESPACE/PREFIX with a-z, 0-9 and - in both")
		}
	}
	if found && namespace == "" {
		return "", "", problem.Mistake("the namespace of the store is empty", "write kubernetes:PREFIX for the namespace of the pod")
	}
	return namespace, prefix, nil
}

// statusError is an answer of the API server that is not a success.
type statusError struct {
	code    int
	message string // shortened, without control characters
}

func (e *statusError) Error() string {
	if e.message == "" {
		return fmt.Sprintf("the API server answered %d", e.code)
	}
	return fmt.Sprintf("the API server answered %d: %s", e.code, e.message)
}

// newStatusError reads a Status object. Its message names the user, the verb and the resource, and never the content of
// a Secret.
func newStatusError(code int, text []byte) *statusError {
	var status struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
	}
	e := &statusError{code: code}
	if json.Unmarshal(text, &status) != nil || status.Kind != "Status" {
		return e
	}
	e.message = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, status.Message)
	if len(e.message) > 400 {
		e.message = strings.ToValidUTF8(e.message[:400], "") + "…"
	}
	return e
}

// status returns the status of an answer that is not a success, or 0 if there was no answer.
func status(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.code
	}
	return 0
}

// answered reports whether err is a complete answer, which means that nothing was done.
func answered(err error) bool {
	code := status(err)
	return code != 0 && code < 500 && code != http.StatusRequestTimeout
}

// passing reports whether err may disappear soon.
func passing(err error) bool {
	if code := status(err); code != 0 {
		return code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout
	}
	_, broken := errors.AsType[*callError](err)
	return broken && !errors.Is(err, context.Canceled)
}

// callError is the error of a request that got no complete answer.
type callError struct{ err error }

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// fail adds to err the operation that failed, and a hint.
func (s *Store) fail(op, what string, err error) error {
	hint := cmp.Or(problem.HintOf(err), s.hint(op, what, err))
	return problem.WithHint(fmt.Errorf("token store: %s %s in namespace %s: %w", op, what, s.api.namespace, err), hint)
}

func (s *Store) hint(op, what string, err error) string {
	switch code := status(err); {
	case problem.TLSHint(err) != "":
		return problem.TLSHint(err)
	case code == 0:
		return "check that the API server can be reached: " + s.api.base.Host
	case code == http.StatusUnauthorized:
		return "the API server does not know this service account: check serviceAccountName, and whether its token has expired"
	case code == http.StatusForbidden && op == "create":
		return "run: kubectl -n " + s.api.namespace + " create secret generic " + what + "; or allow create on secrets"
	case code == http.StatusForbidden:
		return "allow get, update and watch on the Secret " + what + " to the service account (Role and RoleBinding in docs/stores.md), and check the namespace"
	case code == http.StatusNotFound:
		return "check the namespace: --store kubernetes:NAMESPACE/PREFIX"
	case code == http.StatusTooManyRequests, code >= 500:
		return "wait: the proxy tries again by itself; if this continues, check the API server"
	}
	return "check --kubernetes-url, and the policies of the cluster for Secrets"
}
