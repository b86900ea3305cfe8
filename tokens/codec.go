package tokens

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// stored is the record on disk. It is the one place where secrets become plain strings.
type stored struct {
	Schema           int       `json:"schema"`
	Version          string    `json:"version"`
	Lineage          Lineage   `json:"lineage,omitzero"`
	Generation       uint64    `json:"generation"`
	Issuer           Issuer    `json:"issuer,omitzero"`
	AccessToken      string    `json:"access_token,omitempty"`
	RefreshToken     string    `json:"refresh_token,omitempty"`
	TokenType        string    `json:"token_type,omitempty"`
	Scope            string    `json:"scope,omitempty"`
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	ObtainedAt       time.Time `json:"obtained_at,omitzero"`
	Seeds            []string  `json:"seeds,omitempty"`
	Pending          *Pending  `json:"pending,omitempty"`
	UnconfirmedSince time.Time `json:"unconfirmed_since,omitzero"`
	Answered         bool      `json:"unconfirmed_answered,omitempty"`
	RestoredAt       time.Time `json:"restored_at,omitzero"`
	Rejected         *Rejected `json:"rejected,omitempty"`
	Hold             *Hold     `json:"hold,omitempty"`
	Forgotten        bool      `json:"forgotten,omitempty"`
	Previous         *Previous `json:"previous,omitempty"`
	ProvenAt         time.Time `json:"proven_at,omitzero"`
	Takeovers        uint64    `json:"takeovers,omitempty"`
}

var storedFields = []string{
	"schema", "version", "lineage", "generation", "issuer", "access_token", "refresh_token", "token_type", "scope",
	"expires_at", "obtained_at", "seeds", "pending", "unconfirmed_since", "unconfirmed_answered", "restored_at",
	"rejected", "hold", "forgotten", "previous", "proven_at", "takeovers",
}

// EncodeRecord returns the stored form of rec: JSON, with its secrets in clear. It is for stores only.
func EncodeRecord(rec Record) ([]byte, error) {
	known, err := json.Marshal(stored{
		Schema: Schema, Version: rec.Version, Lineage: rec.Lineage, Generation: rec.Generation, Issuer: rec.Issuer,
		AccessToken: rec.AccessToken.Reveal(), RefreshToken: rec.RefreshToken.Reveal(),
		TokenType: rec.TokenType, Scope: rec.Scope,
		ExpiresAt: rec.ExpiresAt, ObtainedAt: rec.ObtainedAt,
		Seeds: rec.Seeds, Pending: rec.Pending, UnconfirmedSince: rec.UnconfirmedSince, Answered: rec.Answered,
		RestoredAt: rec.RestoredAt, Rejected: rec.Rejected, Hold: rec.Hold, Forgotten: rec.Forgotten, Previous: rec.Previous, ProvenAt: rec.ProvenAt, Takeovers: rec.Takeovers,
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
	if extra[sealedField] != nil { // the tokens would seem to be missing
		return Record{}, ErrSealed
	}
	// encoding/json takes a known name in any case: a stray "GENERATION" kept beside ours would win the next time.
	maps.DeleteFunc(extra, func(name string, _ json.RawMessage) bool {
		return slices.ContainsFunc(storedFields, func(known string) bool { return strings.EqualFold(known, name) })
	})
	return Record{
		Version: s.Version, Lineage: s.Lineage, Generation: s.Generation, Issuer: s.Issuer,
		AccessToken: NewSecret(s.AccessToken), RefreshToken: NewSecret(s.RefreshToken),
		TokenType: s.TokenType, Scope: s.Scope,
		ExpiresAt: s.ExpiresAt, ObtainedAt: s.ObtainedAt,
		Seeds: s.Seeds, Pending: s.Pending, UnconfirmedSince: s.UnconfirmedSince, Answered: s.Answered,
		RestoredAt: s.RestoredAt, Rejected: s.Rejected, Hold: s.Hold, Forgotten: s.Forgotten, Previous: s.Previous, ProvenAt: s.ProvenAt, Takeovers: s.Takeovers,
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
