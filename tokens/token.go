package tokens

import (
	"fmt"
	"io"
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

	// renewed marks a token that Renew obtained from the token endpoint because the API had refused
	// the one before. If this one is refused as well, the refusal was not about its age, and another
	// refresh would not help.
	renewed bool
}

// Authorization returns the value of the Authorization header.
func (t Token) Authorization() string {
	scheme := t.Scheme
	if scheme == "" {
		scheme = Bearer
	}
	return scheme + " " + t.Access.Reveal()
}

// Same says whether t and other carry the same credential.
func (t Token) Same(other Token) bool { return t.Access.Equal(other.Access) }

// Format serves every verb of fmt.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// String names the token without showing it.
func (t Token) String() string {
	return fmt.Sprintf("token of %q, generation %d, %s", t.Account, t.Generation, t.Access)
}
