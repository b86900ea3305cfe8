// Package stores opens the store that --store names. Each kind of store is one line of the table in
// table.go. To add a kind, write a package for it below tokens. Then add to table.go a function that opens
// such a store, and a line like this:
//
//	{Scheme: "vault", Forms: []string{"vault:NAME"}, About: "in a vault", Check: vaultstore.Check, Open: openVault},
//
// The fields of Store tell the rest of the program what a store can do. The only other code that looks at the scheme
// of a store is config.StoreLocation: for the scheme "file", it needs the absolute path of the directory.
//
// # Secrets
//
// The URL of a store may contain a password. A Spec is printed without the password, and the Name of a store
// must not contain it.
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

// Store is an open store, with what the rest of the program needs to know about it.
type Store struct {
	// Records keeps the tokens. It may have the optional abilities of package tokens.
	Records tokens.Store
	// Name describes the store to users, such as "file:/var/lib/proxy". It never contains a password.
	Name string
	Abilities
	// Limited is the reason why an open store does not work fully. It is open all the same, because a valid
	// token in it can be used. Nil if no problem is known.
	Limited error
	// Keys encrypt the records in the store, and the emergency files. Nil means that tokens are not encrypted.
	Keys *tokens.Codec
}

// Abilities are what only some stores can do.
type Abilities struct {
	// Persistent means that the records outlive the process.
	Persistent bool
	// Listable means that the store can list its accounts, Lockable that it detects at once when the owner of a
	// refresh has died. Open sets both.
	Listable, Lockable bool
	// ScratchDir is a directory for temporary files beside the records. Empty if the store has none.
	ScratchDir string
}

// SettingError is an error of Open that only other settings, or another place to run in, can change.
type SettingError struct{ Err error }

func (e SettingError) Error() string { return e.Err.Error() }
func (e SettingError) Unwrap() error { return e.Err }

// Options are what a store may need besides its URL.
type Options struct {
	// StateDir returns the user's state directory for this program, for files that are kept when the program
	// ends.
	StateDir func() (string, error)
	// Getenv returns the value of a variable, as os.Getenv does. A store in a cluster needs it to find the
	// cluster.
	Getenv func(name string) string
	// Keys encrypt tokens at rest. Nil means that they are not encrypted.
	Keys *tokens.Codec
	// Password returns the current password of the store's user. Nil if none is configured.
	Password func() (tokens.Secret, error)
	// KubernetesURL is the API server of a store in Kubernetes. Nil means the API server of this cluster.
	KubernetesURL *url.URL
	// Roots are the trusted root certificates for stores that use TLS. Nil means those of the system.
	Roots *x509.CertPool
	// Warn is called with problems that a person should know about but that do not stop the store. If there is a
	// fix, it comes after "; ".
	Warn func(text string)
}

// Kind is one line of the table.
type Kind struct {
	// Scheme is the text before the colon.
	Scheme string
	// Forms are the ways to write a store of this kind, for hints and help.
	Forms []string
	// About describes such a store in a few words, for help and docs.
	About string
	// TakesPassword means that a store of this kind can require a password or a token.
	TakesPassword bool
	// InKubernetes means that --kubernetes-url applies to a store of this kind.
	InKubernetes bool
	// Check returns an error with a hint if the text after the colon is wrong. It opens nothing.
	Check func(rest string) error
	// Open opens the store. It does not set Listable and Lockable. If the store can be read but not written, it
	// is opened all the same, with Limited set.
	Open func(ctx context.Context, rest string, o Options) (Store, error)
}

// Table has every kind of store that a program knows.
type Table []Kind

// Spec describes a store that is not open yet. The zero Spec means no store.
type Spec struct {
	kind Kind
	rest string   // the text after the colon
	url  *url.URL // nil if the whole text is not a URL
}

// Parse reads the value of --store. An error never repeats the text, which may contain a password.
func (t Table) Parse(text string) (Spec, error) {
	if strings.TrimSpace(text) != text || strings.Trim(text, "\"'`") != text {
		return Spec{}, problem.Mistake("there is white space, a line break or a quotation mark around it", "write it without them")
	}
	scheme, rest, found := strings.Cut(text, ":")
	if !found {
		return Spec{}, problem.Mistake("it does not name a kind of store", t.Hint())
	}
	for _, k := range t {
		if k.Scheme == scheme {
			u, _ := url.Parse(text) // Check returns the error, if such a store is a URL
			return Spec{k, rest, u}, k.Check(rest)
		}
	}
	return Spec{}, problem.Mistake(scheme+": is not a store that this version supports", t.Hint())
}

// Hint returns a hint with the forms of all kinds.
func (t Table) Hint() string {
	var forms []string
	for _, k := range t {
		forms = append(forms, k.Forms...)
	}
	last := len(forms) - 1
	return "write " + strings.Join(forms[:last], ", ") + " or " + forms[last]
}

// Help describes all kinds in one sentence, for the help of --store.
func (t Table) Help() string {
	var kinds []string
	for _, k := range t {
		kinds = append(kinds, fmt.Sprintf("%s (%s)", strings.Join(k.Forms, " or "), k.About))
	}
	return strings.Join(kinds, ", ")
}

// IsZero reports whether s means no store.
func (s Spec) IsZero() bool { return s.kind.Open == nil }

// String returns the store as the user wrote it, without a password.
func (s Spec) String() string {
	if s.user() != nil {
		return s.url.Redacted()
	}
	return s.kind.Scheme + ":" + s.rest
}

// TakesPassword reports whether a store of this kind can require a password.
func (s Spec) TakesPassword() bool { return s.kind.TakesPassword }

// InKubernetes reports whether --kubernetes-url applies to a store of this kind.
func (s Spec) InKubernetes() bool { return s.kind.InKubernetes }

// Password returns the password in the value of --store, so that the log can hide it.
func (s Spec) Password() tokens.Secret {
	password, _ := s.user().Password()
	return tokens.NewSecret(password)
}

// HasPassword reports whether the value of --store contains a password.
func (s Spec) HasPassword() bool {
	if s.url == nil {
		return strings.Contains(s.rest, "@") // it is refused later; until then it may be one
	}
	_, has := s.user().Password()
	return has
}

// LacksPassword reports whether the URL names a user without a password.
func (s Spec) LacksPassword() bool {
	return s.kind.TakesPassword && s.user().Username() != "" && !s.HasPassword()
}

// user returns the user in the URL, or nil, which has neither name nor password.
func (s Spec) user() *url.Userinfo {
	if s.url == nil {
		return nil
	}
	return s.url.User
}

// Open opens the store, and determines once what its records can do.
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
