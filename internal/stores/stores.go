// Package stores opens the store that --store names. Each kind of store is one line of the table in
// table.go, so that adding one means one package below tokens and one line here:
//
//	{Scheme: "redis", Forms: []string{"redis://HOST:PORT"}, Open: openRedis},
//
// What the rest of the program needs to know of a store are values of Store. Nothing is concluded from the
// scheme or from an empty text elsewhere.
//
// # Secrets
//
// The URL of a store may hold a password. Spec prints without it, and so must the Name that a kind gives
// its store.
package stores

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// Fix is the hint for an error of a store that has none of its own.
const Fix = "make the store usable, or choose another with --store"

// Store is an open store and what the rest of the program needs to know of it.
type Store struct {
	// Records keeps the tokens. It may have the optional abilities of package tokens.
	Records tokens.Store
	// Name is the store for people, such as "file:/var/lib/proxy". It never holds a password.
	Name string
	Abilities
	// Limited is why the store cannot be used in full, although it could be opened: a token in it that is
	// still good is worth serving. Nil if nothing is known to be wrong.
	Limited error
	// Keys encrypt what the store keeps, and the emergency files beside it. Nil keeps tokens in clear.
	Keys *tokens.Codec
}

// Abilities are what one store can do and another cannot.
type Abilities struct {
	// Persistent means that the records outlive the process.
	Persistent bool
	// Shared means that processes on several machines may use the records at once.
	Shared bool
	// Listable means that the store can name its accounts, Lockable that it sees at once when the owner of a
	// refresh has died. Open sets both.
	Listable, Lockable bool
	// ScratchDir is a directory for temporary files beside the records. Empty if the store has none.
	ScratchDir string
}

// Options are what a store may need besides its URL.
type Options struct {
	// StateDir returns the user's directory for what must outlive a program, with the program's name in it.
	StateDir func() (string, error)
	// Getenv looks a variable up, as os.Getenv does: a store in a cluster is found by it.
	Getenv func(name string) string
	// Keys encrypt tokens at rest. Nil keeps them in clear.
	Keys *tokens.Codec
	// Password returns the password of the store's user, as it is now. Nil if none is configured.
	Password func() (tokens.Secret, error)
	// KubernetesURL is the API server of a store in Kubernetes. Nil means that of the cluster.
	KubernetesURL *url.URL
	// Roots are trusted where the store speaks TLS. Nil means those of the system.
	Roots *x509.CertPool
	// Warn is told what a person should know and what does not stop the store.
	Warn func(text string)
}

// Kind is one line of the table.
type Kind struct {
	// Scheme stands before the colon.
	Scheme string
	// Forms are the ways to write a store of this kind, for hints and help.
	Forms []string
	// About says in a few words what such a store is, for help and docs.
	About string
	// TakesPassword means that a store of this kind can ask for a user's password, or for a token.
	TakesPassword bool
	// InKubernetes means that --kubernetes-url says where a store of this kind is.
	InKubernetes bool
	// Check returns what is wrong with the text after the scheme's colon, with a hint. Nothing is opened.
	Check func(rest string) error
	// Open opens the store. It leaves Listable and Lockable alone. A store that can be read but not written is opened all the same, with Limited set.
	Open func(ctx context.Context, rest string, o Options) (Store, error)
}

// Table holds every kind of store that a program knows.
type Table []Kind

// Spec is a store that was named and not opened yet. The zero Spec names none.
type Spec struct {
	kind Kind
	rest string
}

// Parse reads what --store gives. An error never repeats the text, which may hold a password.
func (t Table) Parse(text string) (Spec, error) {
	scheme, rest, found := strings.Cut(text, ":")
	if !found {
		return Spec{}, problem.Mistake("it names no kind of store", t.Hint())
	}
	for _, k := range t {
		if k.Scheme == scheme {
			return Spec{k, rest}, k.Check(rest)
		}
	}
	return Spec{}, problem.Mistake(scheme+": is not a store that this version supports", t.Hint())
}

// Hint tells how each kind is written.
func (t Table) Hint() string {
	var forms []string
	for _, k := range t {
		forms = append(forms, k.Forms...)
	}
	last := len(forms) - 1
	return "write " + strings.Join(forms[:last], ", ") + " or " + forms[last]
}

// Help tells what each kind is, in one sentence for the help of --store.
func (t Table) Help() string {
	var kinds []string
	for _, k := range t {
		kinds = append(kinds, fmt.Sprintf("%s (%s)", strings.Join(k.Forms, " or "), k.About))
	}
	return strings.Join(kinds, ", ")
}

// IsZero reports whether s names no store.
func (s Spec) IsZero() bool { return s.kind.Open == nil }

// String returns the store as it was named, without a password.
func (s Spec) String() string {
	text := s.kind.Scheme + ":" + s.rest
	if u, err := url.Parse(text); err == nil && u.User != nil {
		return u.Redacted()
	}
	return text
}

// TakesPassword reports whether a store of this kind can ask for a user's password.
func (s Spec) TakesPassword() bool { return s.kind.TakesPassword }

// InKubernetes reports whether --kubernetes-url says where a store of this kind is.
func (s Spec) InKubernetes() bool { return s.kind.InKubernetes }

// Password returns the password in the text that named the store, so that no log shows it.
func (s Spec) Password() tokens.Secret {
	u, err := url.Parse(s.kind.Scheme + ":" + s.rest)
	if err != nil {
		return tokens.Secret{}
	}
	password, _ := u.User.Password()
	return tokens.NewSecret(password)
}

// HasPassword reports whether the text that named the store holds a password.
func (s Spec) HasPassword() bool {
	u, err := url.Parse(s.kind.Scheme + ":" + s.rest)
	if err != nil {
		return strings.Contains(s.rest, "@") // it is refused later; until then it may be one
	}
	_, has := u.User.Password()
	return has
}

// Open opens the store, and finds out once what its records can do.
func (s Spec) Open(ctx context.Context, o Options) (Store, error) {
	open, err := s.kind.Open(ctx, s.rest, o)
	if err != nil {
		return Store{}, err
	}
	open.Keys = o.Keys
	_, open.Listable = open.Records.(tokens.Lister)
	_, open.Lockable = open.Records.(tokens.Locker)
	return open, nil
}
