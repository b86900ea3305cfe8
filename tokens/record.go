package tokens

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Schema is the version of the stored form that this package writes. Records of schema 1 knew neither lineage
// nor issuer; they are read, and upgraded by the next write.
const Schema = 2

// ErrNewerSchema is returned by DecodeRecord for a record that a newer version wrote. It must not be
// overwritten: what this version does not understand would be lost.
var ErrNewerSchema = errors.New("the record was written by a newer version of this program")

// Record is everything that is kept about one account: data, lock and crash evidence in one, so that
// one compare-and-swap moves all of it. It never prints its secrets; EncodeRecord gives the stored form.
type Record struct {
	// Version is the store's own mark of this state of the record. Empty means not stored yet.
	Version string
	// Lineage says which login, logout, seed or import the pair descends from. Zero is the oldest: a build
	// without lineages wrote the record.
	Lineage Lineage
	// Generation counts the pairs of the account. It only grows within a lineage.
	Generation uint64
	// Issuer is whom the pair was obtained from, and whom its tokens may be sent to. Zero means not known.
	Issuer Issuer

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
	// Answered means that the request of UnconfirmedSince was answered by a server error: it is over, and
	// only what the server did before it failed is not known.
	Answered bool
	// RestoredAt is when a process last put this record back after it had vanished from the store. Other
	// processes may hold a newer one, and need time to put that back. Zero means never.
	RestoredAt time.Time
	// Rejected says that the token endpoint refused the refresh token of a generation. Nil means no.
	Rejected *Rejected
	// Hold keeps all processes from refreshing because of a 401. Nil means that none stands.
	Hold *Hold
	// Forgotten means that the account is no longer listed. Only a record without tokens has it.
	Forgotten bool
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

// Lineage is the identity of a login, a logout, a seed or an import, and orders them.
type Lineage struct {
	// BornAt is when it began, or just after the lineage that it replaced if a clock was wrong.
	BornAt time.Time `json:"born_at"`
	// Random tells two lineages apart that began at the same time.
	Random string `json:"random"`
}

// successor returns a new lineage that is younger than l, whatever the clock says.
func (l Lineage) successor(now time.Time) Lineage {
	if after := l.BornAt.Add(time.Millisecond); now.Before(after) {
		now = after
	}
	return Lineage{BornAt: now, Random: rand.Text()}
}

// Equal reports whether both are the same lineage.
func (l Lineage) Equal(o Lineage) bool { return l.compare(o) == 0 }

func (l Lineage) compare(o Lineage) int {
	return cmp.Or(l.BornAt.Compare(o.BornAt), cmp.Compare(l.Random, o.Random))
}

// Issuer is what a pair is bound to. The access token goes to the API only, the refresh token to the token
// endpoint only, and on behalf of the client only. The fields are normalised; see NewIssuer.
type Issuer struct {
	API      string `json:"api,omitempty"`       // origin, such as https://api.pandadoc.com
	TokenURL string `json:"token_url,omitempty"` // token endpoint
	ClientID string `json:"client_id,omitempty"` // empty matches every client
}

// Hold is why a 401 of the API is passed through although it could be the token's fault: a refresh
// because of a 401 was tried just now.
type Hold struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Failures counts the holds before this one that no accepted request ended. Each doubles the next.
	Failures int `json:"failures,omitempty"`
	// Refused means that the repeated request was seen to be refused as well.
	Refused bool `json:"refused,omitempty"`
}

// Compare orders records of one account: it is negative if r is older than o, and zero if both hold the
// same pair. The younger lineage is newer, and within one lineage the higher generation. A missing
// record is the zero Record, and older than every other.
func (r Record) Compare(o Record) int {
	return cmp.Or(r.Lineage.compare(o.Lineage), cmp.Compare(r.Generation, o.Generation))
}

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

// HasTokens reports whether the record holds anything to sign in with. A record without tokens that has
// been stored is a tombstone: somebody logged out.
func (r Record) HasTokens() bool { return !r.AccessToken.IsZero() || !r.RefreshToken.IsZero() }

// HasSeed reports whether the seed with this fingerprint was used before.
func (r Record) HasSeed(fingerprint string) bool { return slices.Contains(r.Seeds, fingerprint) }

// IsRejected reports whether the token endpoint refused the current generation.
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
	r.Hold = clonePointer(r.Hold)
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
