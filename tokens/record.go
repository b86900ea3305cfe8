package tokens

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Schema is the version of the stored form that this package writes.
const Schema = 1

// ErrNewerSchema is returned by DecodeRecord for a record that a newer version wrote. It must not be
// overwritten: what this version does not understand would be lost.
var ErrNewerSchema = errors.New("the record was written by a newer version of this program")

// Record is everything that is kept about one account: data, lock and crash evidence in one, so that
// one compare-and-swap moves all of it. It never prints its secrets; EncodeRecord gives the stored form.
type Record struct {
	// Version is the store's own mark of this state of the record. Empty means not stored yet.
	Version string
	// Generation counts the pairs of the account and only ever grows.
	Generation uint64

	AccessToken  Secret
	RefreshToken Secret
	TokenType    string
	Scope        string
	ExpiresAt    time.Time // zero means unknown
	ObtainedAt   time.Time

	// Seeds are the fingerprints of the seeds that were used, or were present at a login.
	Seeds []string
	// Pending is the marker of a refresh under way. Nil means that nobody refreshes.
	Pending *Pending
	// UnconfirmedSince is when the last token request started whose outcome is not known. Zero means
	// that there is none. Only a new pair, a login or a logout clears it.
	UnconfirmedSince time.Time
	// Rejected says that the token endpoint refused the refresh token of a generation. Nil means no.
	Rejected *Rejected
	// Previous describes the pair before, without its tokens. Nil if there was none.
	Previous *Previous
	// ProvenAt is when a refresh last succeeded. Zero means never.
	ProvenAt time.Time
	// Takeovers counts how often the marker of a dead or silent owner was replaced.
	Takeovers uint64

	// extra holds the fields that this version does not know, so that they survive a rewrite.
	extra map[string]json.RawMessage
	// keyID names the key that the stored tokens are encrypted under. Empty means none.
	keyID string
}

// KeyID names the key that the tokens of a loaded record are encrypted under. Empty means that they are
// stored in clear.
func (r Record) KeyID() string { return r.keyID }

// Pending marks a refresh under way.
type Pending struct {
	// Owner is the process that refreshes.
	Owner string `json:"owner"`
	// StartedAt is when its token request may first have been sent.
	StartedAt time.Time `json:"started_at"`
	// Until is the end of its lease, for people to read: nobody decides by another machine's clock.
	Until time.Time `json:"until"`
}

// Rejected records that the token endpoint refused a generation for good.
type Rejected struct {
	Generation uint64    `json:"generation"`
	At         time.Time `json:"at"`
	// Cause is CauseRevoked or CauseLostInTransit.
	Cause string `json:"cause"`
	// Code is the error code of the token endpoint.
	Code string `json:"code,omitempty"`
}

// Previous describes a former pair well enough to recognise it, and not well enough to use it.
type Previous struct {
	Generation         uint64    `json:"generation"`
	ObtainedAt         time.Time `json:"obtained_at,omitzero"`
	ExpiresAt          time.Time `json:"expires_at,omitzero"`
	AccessFingerprint  string    `json:"access_fingerprint,omitempty"`
	RefreshFingerprint string    `json:"refresh_fingerprint,omitempty"`
}

// HasTokens says whether the record holds anything to sign in with. A record without tokens that has
// been stored is a tombstone: somebody logged out.
func (r Record) HasTokens() bool { return !r.AccessToken.IsZero() || !r.RefreshToken.IsZero() }

// HasSeed says whether the seed with this fingerprint was used before.
func (r Record) HasSeed(fingerprint string) bool { return slices.Contains(r.Seeds, fingerprint) }

// IsRejected says whether the token endpoint refused the current generation.
func (r Record) IsRejected() bool {
	return r.Rejected != nil && r.Rejected.Generation == r.Generation
}

// byRefresh says whether a refresh gave the pair, and not a login or a seed.
func (r Record) byRefresh() bool { return !r.ProvenAt.IsZero() && r.ProvenAt.Equal(r.ObtainedAt) }

// Clone returns a copy that shares nothing that can be changed.
func (r Record) Clone() Record {
	r.Seeds = slices.Clone(r.Seeds)
	r.Pending = clonePointer(r.Pending)
	r.Rejected = clonePointer(r.Rejected)
	r.Previous = clonePointer(r.Previous)
	return r // extra is never written after decoding
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// Format serves every verb of fmt.
func (r Record) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// String names the record without showing its secrets.
func (r Record) String() string {
	return fmt.Sprintf("record of generation %d (version %s, expires %s)", r.Generation, r.Version, r.ExpiresAt)
}
