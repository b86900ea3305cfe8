package kubestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// statusError is an answer of the API server that is not a success.
type statusError struct {
	code    int
	kind    string // of the object: "secrets" or "namespaces"
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
		Details struct {
			Kind string `json:"kind"`
		} `json:"details"`
	}
	e := &statusError{code: code}
	if json.Unmarshal(text, &status) != nil || status.Kind != "Status" {
		return e
	}
	e.kind = status.Details.Kind
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
	var e *statusError
	if errors.As(err, &e) {
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
	var broken *callError
	return errors.As(err, &broken) && !errors.Is(err, context.Canceled)
}

// callError is the error of a request that got no complete answer.
type callError struct{ err error }

func (e *callError) Error() string { return e.err.Error() }
func (e *callError) Unwrap() error { return e.err }

// fail adds to err the operation that failed, and a hint.
func (s *Store) fail(op, what string, err error) error {
	hint := problem.HintOf(err)
	if hint == "" {
		hint = s.hint(op, what, err)
	}
	return problem.WithHint(fmt.Errorf("token store: %s %s in namespace %s: %w", op, what, s.api.namespace, err), hint)
}

func (s *Store) hint(op, what string, err error) string {
	var e *statusError
	switch {
	case problem.TLSHint(err) != "":
		return problem.TLSHint(err)
	case !errors.As(err, &e):
		return "check that the API server can be reached: " + s.api.base.Host
	case e.code == http.StatusUnauthorized:
		return "the API server does not know this service account: check serviceAccountName, and whether its token has expired"
	case e.code == http.StatusForbidden && op == "create":
		return "run: kubectl -n " + s.api.namespace + " create secret generic " + what + "; or allow create on secrets"
	case e.code == http.StatusForbidden:
		return "allow get, update and watch on the Secret " + what + " to the service account (Role and RoleBinding in docs/stores.md), and check the namespace"
	case e.code == http.StatusNotFound:
		return "check the namespace: --store kubernetes:NAMESPACE/PREFIX"
	case e.code == http.StatusTooManyRequests, e.code >= 500:
		return "wait: the proxy tries again by itself; if it goes on, check the API server"
	}
	return "check --kubernetes-url, and the policies of the cluster for Secrets"
}

func (s *Store) foreign(account, reason string) error {
	return problem.WithHint(
		fmt.Errorf("token store: use Secret %s in namespace %s: %s", s.secretName(account), s.api.namespace, reason),
		"choose another prefix: --store kubernetes:"+s.api.namespace+"/PREFIX; the Secret is left as it is")
}

func (s *Store) damaged(account string, err error) error {
	hint := problem.HintOf(err)
	switch {
	case errors.Is(err, tokens.ErrNewerSchema):
		hint = "update this program, or give it a prefix of its own: --store kubernetes:" + s.api.namespace + "/PREFIX; the Secret is left as it is"
	case hint == "":
		hint = fmt.Sprintf("restore the Secret from a backup, or remove its key %q and sign in again; it is left as it is", dataKey)
	}
	return problem.WithHint(fmt.Errorf("token store: read Secret %s in namespace %s: %w", s.secretName(account), s.api.namespace, err), hint)
}
