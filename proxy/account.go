package proxy

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// accountClaim is the account that one part of a request names.
type accountClaim struct {
	account string // empty if this part names none
	by      string // which part, for messages
}

// chooseAccount returns the account that c is for, the default account if nothing names one, and what is left of path
// without a prefix that names an account. A request with different claims is refused: a client must never act as
// another account than it believes. No header that a client can choose freely is a claim.
func chooseAccount(c *call, path string) (account, rest string, refused *problem.Problem) {
	byPath, rest := cutAccount(path)
	var chosen accountClaim
	for _, claim := range [...]accountClaim{
		{c.keyAccount, "the client key"},
		{c.conn.account, "the listener"},
		{hostAccount(c.req.Host), "the host name"},
		{byPath, "the path"},
	} {
		switch {
		case claim.account == "":
		case chosen.account == "":
			chosen = claim
		case claim.account != chosen.account:
			return "", path, new(problem.OfCase(problem.BadRequest, problem.CaseAccounts, "one", claim.by, "other", chosen.by))
		}
	}
	account = cmp.Or(chosen.account, tokens.DefaultAccount)
	if !tokens.ValidAccount(account) {
		return "", path, new(problem.OfCase(problem.UnknownAccount, problem.CaseName, "account", boundedText(account, maxShown)))
	}
	return account, rest, nil
}

type listenerKey struct{}

// WithAccount returns a context for the connections of a listener that is for one account only. Use it in
// http.Server.BaseContext.
func WithAccount(ctx context.Context, account string) context.Context {
	return context.WithValue(ctx, listenerKey{}, account)
}

// cutAccount splits "/@acme/v1" into "acme" and "/v1".
func cutAccount(path string) (account, rest string) {
	account, named := strings.CutPrefix(path, "/@")
	if !named {
		return "", path
	}
	if end := strings.IndexByte(account, '/'); end >= 0 {
		account, rest = account[:end], account[end:]
	}
	// An empty name must differ from no name, so that "/@/x" is refused and not served as the default account. A copy does
	// not keep the request line in memory.
	return cmp.Or(strings.Clone(account), "@"), rest
}

// hostAccount returns "acme" for "acme.localhost:8080", and "" for hosts that name no account.
func hostAccount(host string) string {
	name, ok := cutHost(host)
	label, below := strings.CutSuffix(name, ".localhost")
	if !ok || !below {
		return ""
	}
	return strings.Clone(label) // without the memory of the header
}

// KeyHeader is the header field for a client key. It is not Authorization, because PandaDoc's client libraries
// set that field themselves.
const KeyHeader = "X-Proxy-Key"

// ClientKey allows the clients that send it, in X-Proxy-Key. Programs that cannot send this header send the key
// in Authorization, as a Bearer or API-Key credential or as the password of Basic.
type ClientKey struct {
	// Name identifies the key in logs. Required.
	Name string
	// Key must be too long to be guessed. Required.
	Key tokens.Secret
	// Current returns the current key, if the key can change while the program runs. Nil means that Key never
	// changes.
	Current func() tokens.Secret
	// Account is the only account that the key is for. If it is empty, each request chooses its account.
	Account string
}

func (k ClientKey) current() tokens.Secret {
	if k.Current == nil {
		return k.Key
	}
	return k.Current()
}

// RequiredHeader is a header field that every request must have. If an application is tricked into fetching a
// URL of an attacker's choice (server-side request forgery), it does not send this field.
type RequiredHeader struct {
	Name  string // empty: nothing is required
	Value tokens.Secret
}

// clientRules say which clients may send requests. The guard has the rules about where requests come from.
type clientRules struct {
	keys     []ClientKey
	required RequiredHeader
}

func newClientRules(keys []ClientKey, required RequiredHeader) (clientRules, error) {
	err := errors.Join(CheckClientKeys(keys), required.Check())
	required.Name = http.CanonicalHeaderKey(required.Name)
	return clientRules{keys, required}, err
}

// CheckClientKeys returns the mistakes in a set of keys.
func CheckClientKeys(keys []ClientKey) error {
	var errs []error
	for i, k := range keys {
		switch {
		case k.Name == "":
			errs = append(errs, errors.New("a client key has no name"))
		case k.Key.IsZero():
			errs = append(errs, fmt.Errorf("client key %q is empty", k.Name))
		case k.Account != "" && !tokens.ValidAccount(k.Account):
			errs = append(errs, fmt.Errorf("client key %q: %q is not a valid account name", k.Name, k.Account))
		}
		for _, other := range keys[:i] {
			if other.Key.Equal(k.Key) {
				errs = append(errs, fmt.Errorf("client keys %q and %q are the same", other.Name, k.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// Check refuses names that have a meaning in HTTP: to require them would break clients, or a request could have
// them by accident.
func (h RequiredHeader) Check() error {
	switch {
	case h.Name == "" && h.Value.IsZero():
		return nil
	case h.Name == "" || strings.ContainsFunc(h.Name, func(r rune) bool { return !isHeaderRune(r) }):
		return fmt.Errorf("required header: %q is not a valid name of a header field", h.Name)
	case h.Value.IsZero():
		return fmt.Errorf("required header %s: no value", h.Name)
	}
	switch http.CanonicalHeaderKey(h.Name) {
	case "Host", "Connection", "Content-Length", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Keep-Alive", "Expect", "Proxy-Connection":
		return fmt.Errorf("required header %s: it belongs to HTTP itself", h.Name)
	}
	return nil
}

func isHeaderRune(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '-' || r == '_'
}

// check returns why c is refused, or nil. It stores the name and the account of the client key in c.
func (r clientRules) check(c *call) *problem.Problem {
	if name := r.required.Name; name != "" {
		if got := c.req.Header[name]; len(got) != 1 || !r.required.Value.Equal(tokens.NewSecret(got[0])) {
			return new(problem.Of(problem.HeaderRequired, "header", name))
		}
	}
	if len(r.keys) == 0 {
		return nil
	}
	presented, found := presentedKey(c.req.Header), -1
	for i, k := range r.keys { // all of them, so that timing reveals nothing
		if k.current().Equal(presented) {
			found = i
		}
	}
	if found < 0 {
		c.Header()["Www-Authenticate"] = []string{`Bearer realm="` + problem.Program + `"`, `Basic realm="` + problem.Program + `", charset="UTF-8"`}
		return new(problem.Of(problem.ClientKeyRequired))
	}
	c.Client, c.keyAccount = r.keys[found].Name, r.keys[found].Account
	return nil
}

// presentedKey returns the key that came with a request, or the zero Secret. If there is an X-Proxy-Key,
// Authorization belongs to the client library and is not looked at.
func presentedKey(h http.Header) tokens.Secret {
	if values, ok := h[KeyHeader]; ok {
		if len(values) != 1 {
			return tokens.Secret{}
		}
		return tokens.NewSecret(values[0])
	}
	values := h["Authorization"]
	if len(values) != 1 {
		return tokens.Secret{}
	}
	scheme, credential, _ := strings.Cut(values[0], " ")
	credential = strings.TrimSpace(credential)
	switch strings.ToLower(scheme) {
	case "bearer", "api-key":
		return tokens.NewSecret(credential)
	case "basic":
		pair, _ := base64.StdEncoding.DecodeString(credential)
		_, password, _ := strings.Cut(string(pair), ":")
		return tokens.NewSecret(password)
	}
	return tokens.Secret{}
}

// Inside returns p for requests from the program itself, which need neither a client key nor the required
// header. A listener that leads to it must have a guard of its own.
func (p *Proxy) Inside() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), connKey{}, &connection{inside: true})))
	})
}
