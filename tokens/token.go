package tokens

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// The two schemes of the Authorization header that PandaDoc's API knows.
const (
	Bearer = "Bearer"
	APIKey = "API-Key"
)

// Token is what a request to the API is signed in with. It is a value: copies are independent, and
// it never prints its secret.
type Token struct {
	// Account is whose token this is.
	Account string
	// Generation counts the pairs of the account. Zero for an API key, which is never renewed.
	Generation uint64
	// Scheme is Bearer or APIKey. Empty means Bearer.
	Scheme string
	// Access is the credential itself.
	Access Secret
	// ExpiresAt is the end of its life on the wall clock. Zero means unknown: only a 401 will tell.
	ExpiresAt time.Time
}

// Authorization returns the value of the Authorization header.
func (t Token) Authorization() string {
	scheme := t.Scheme
	if scheme == "" {
		scheme = Bearer
	}
	return scheme + " " + t.Access.Reveal()
}

// Same reports whether t and other carry the same credential.
func (t Token) Same(other Token) bool { return t.Access.Equal(other.Access) }

// Format serves every verb of fmt.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// String names the token without showing it.
func (t Token) String() string {
	return fmt.Sprintf("token of %q, generation %d, %s", t.Account, t.Generation, t.Access)
}

// redacted is what every attempt to print a secret shows.
const redacted = "[redacted]"

// Secret is a string that cannot be printed: fmt under every verb, JSON, YAML and slog show
// "[redacted]". Only Reveal gives the value. The zero value is the empty secret.
//
// The value hangs behind a pointer because fmt prints unexported fields of foreign structs without
// asking their methods: such a struct then shows an address, never the value. Compare with Equal;
// == compares addresses.
type Secret struct{ value *string }

// NewSecret wraps value. An empty value gives the zero Secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// Reveal returns the value itself, for the wire and for the store's own file, and for nothing else.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal compares in a time that does not depend on where the values differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Fingerprint returns a short one-way hash of kind and value, so that a value can be recognised
// again without being kept. The fingerprint of the empty secret is "".
func (s Secret) Fingerprint(kind string) string {
	if s.IsZero() {
		return ""
	}
	sum := sha256.Sum256([]byte(kind + "\x00" + s.Reveal()))
	return hex.EncodeToString(sum[:12])
}

// Format serves every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// String returns "[redacted]", or "" for the empty secret, so that logs still show whether one is set.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// MarshalText serves JSON, YAML and everything else that writes text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the value, so that configuration can be decoded into a Secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// LogValue serves log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
