package tokens

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
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

// stored is the record on disk. It is the one place where secrets become plain strings.
type stored struct {
	Schema           int       `json:"schema"`
	Version          string    `json:"version"`
	Generation       uint64    `json:"generation"`
	AccessToken      string    `json:"access_token,omitempty"`
	RefreshToken     string    `json:"refresh_token,omitempty"`
	TokenType        string    `json:"token_type,omitempty"`
	Scope            string    `json:"scope,omitempty"`
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	ObtainedAt       time.Time `json:"obtained_at,omitzero"`
	Seeds            []string  `json:"seeds,omitempty"`
	Pending          *Pending  `json:"pending,omitempty"`
	UnconfirmedSince time.Time `json:"unconfirmed_since,omitzero"`
	Rejected         *Rejected `json:"rejected,omitempty"`
	Previous         *Previous `json:"previous,omitempty"`
	ProvenAt         time.Time `json:"proven_at,omitzero"`
	Takeovers        uint64    `json:"takeovers,omitempty"`
}

var storedFields = []string{
	"schema", "version", "generation", "access_token", "refresh_token", "token_type", "scope", "expires_at",
	"obtained_at", "seeds", "pending", "unconfirmed_since", "rejected", "previous", "proven_at", "takeovers",
}

// EncodeRecord returns the stored form of rec: JSON, with its secrets in clear. It is for stores only.
func EncodeRecord(rec Record) ([]byte, error) {
	known, err := json.Marshal(stored{
		Schema: Schema, Version: rec.Version, Generation: rec.Generation,
		AccessToken: rec.AccessToken.Reveal(), RefreshToken: rec.RefreshToken.Reveal(),
		TokenType: rec.TokenType, Scope: rec.Scope,
		ExpiresAt: rec.ExpiresAt, ObtainedAt: rec.ObtainedAt,
		Seeds: rec.Seeds, Pending: rec.Pending, UnconfirmedSince: rec.UnconfirmedSince,
		Rejected: rec.Rejected, Previous: rec.Previous, ProvenAt: rec.ProvenAt, Takeovers: rec.Takeovers,
	})
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	if len(rec.extra) == 0 {
		return known, nil
	}
	unknown, err := json.Marshal(rec.extra)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	// Two JSON objects become one: {…known…,…unknown…}.
	return slices.Concat(known[:len(known)-1], []byte(","), unknown[1:]), nil
}

// DecodeRecord reads the stored form. It returns ErrNewerSchema for a record of a newer version, and
// an error that shows nothing of the data for one that is damaged.
func DecodeRecord(data []byte) (Record, error) {
	var s stored
	// The decoder's own errors can quote the data; only their place is told.
	if err := json.Unmarshal(data, &s); err != nil {
		return Record{}, fmt.Errorf("not a valid record%s", placeOf(err))
	}
	switch {
	case s.Schema > Schema:
		return Record{}, fmt.Errorf("%w: schema %d, this version knows %d", ErrNewerSchema, s.Schema, Schema)
	case s.Schema < 1 || s.Generation == 0:
		return Record{}, errors.New("not a valid record: schema or generation is missing")
	}
	extra := map[string]json.RawMessage{}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&extra); err != nil {
		return Record{}, fmt.Errorf("not a valid record%s", placeOf(err))
	}
	// encoding/json takes a known name in any case: a stray "GENERATION" kept beside ours would win the next time.
	maps.DeleteFunc(extra, func(name string, _ json.RawMessage) bool {
		return slices.ContainsFunc(storedFields, func(known string) bool { return strings.EqualFold(known, name) })
	})
	return Record{
		Version: s.Version, Generation: s.Generation,
		AccessToken: NewSecret(s.AccessToken), RefreshToken: NewSecret(s.RefreshToken),
		TokenType: s.TokenType, Scope: s.Scope,
		ExpiresAt: s.ExpiresAt, ObtainedAt: s.ObtainedAt,
		Seeds: s.Seeds, Pending: s.Pending, UnconfirmedSince: s.UnconfirmedSince,
		Rejected: s.Rejected, Previous: s.Previous, ProvenAt: s.ProvenAt, Takeovers: s.Takeovers,
		extra: extra,
	}, nil
}

func placeOf(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf(" (JSON breaks at byte %d)", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf(" (field %q has the wrong type)", kind.Field)
	}
	return ""
}
