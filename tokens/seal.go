package tokens

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

// stored is the stored form of a record. It is the only place where secrets become plain strings.
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

// EncodeRecord returns the stored form of rec: JSON, with unencrypted secrets. It is for stores only.
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

// DecodeRecord reads the stored form. It returns ErrNewerSchema for a record of a newer version. For a damaged
// record, the error shows nothing of the data.
func DecodeRecord(data []byte) (Record, error) {
	var s stored
	// The decoder's own errors can quote the data, so use only their position.
	if err := json.Unmarshal(data, &s); err != nil {
		return Record{}, fmt.Errorf("not a valid record%s", placeOf(err))
	}
	switch {
	case s.Schema > Schema:
		return Record{}, fmt.Errorf("%w: schema %d, this version knows %d", ErrNewerSchema, s.Schema, Schema)
	case s.Schema < 1 || s.Generation == 0:
		return Record{}, errors.New("not a valid record: schema or generation is missing")
	case s.Lineage.BornAt.Year() >= lastYear:
		return Record{}, errors.New("not a valid record: its lineage begins in a year that has no successor")
	}
	extra := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &extra); err != nil {
		return Record{}, fmt.Errorf("not a valid record%s", placeOf(err))
	}
	if extra[sealedField] != nil { // without this check the tokens would seem to be missing
		return Record{}, ErrSealed
	}
	// encoding/json accepts a known name in any case: if a stray "GENERATION" were kept, it would override ours
	// the next time.
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

var (
	// ErrSealed is returned by Codec.Decode for a record whose tokens are encrypted, if the codec has no keys.
	ErrSealed = problem.Mistake("the tokens of the record are encrypted, and no key is configured",
		"name the file with the key: --store-key-file FILE")
	// ErrNoKey is returned by Codec.Decode for a record whose tokens are encrypted with none of the keys.
	ErrNoKey = problem.Mistake("the tokens of the record are encrypted with a key that is not configured",
		"add the key as another line to the file of --store-key-file; the first line stays the key that writes")
	// ErrSealBroken is returned by Codec.Decode for encrypted tokens that were damaged or changed, or that
	// belong to another account.
	ErrSealBroken = problem.Mistake("the encrypted tokens of the record are damaged, or belong to another account",
		"restore the record from a backup, or remove it and sign in again; it is left as it is")
)

// lastYear is the last one that JSON can write. After a lineage of that year there could be no later one.
const lastYear = 9999

// minKey is the minimum length of a key in bytes. A text that people can remember is too short.
const minKey = 32

// Codec converts records to the form in stores and emergency files, and back. Only the tokens are encrypted.
// Versions, generations and dates stay readable, for people and for the order of records.
//
// The encryption is AES-256-GCM with a random nonce. The account and the schema are associated data, so that
// somebody who can write to the store cannot move tokens from one account to another.
//
// A nil Codec does not encrypt, and refuses encrypted records. A Codec with keys also reads unencrypted
// records, so that encryption can be turned on; they are encrypted when they are next written.
type Codec struct {
	keys []storeKey // the first one writes
}

type storeKey struct {
	id   string
	aead cipher.AEAD
}

// sealed takes the place of the tokens in an encrypted record.
type sealed struct {
	Key  string `json:"key"` // which key; it reveals nothing of it
	Data []byte `json:"data"`
}

// sealedTokens is what is encrypted.
type sealedTokens struct {
	AccessToken  string `json:"access_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
}

const sealedField = "sealed"

// ParseKeys returns the codec for the keys in text, one per line: at least 32 bytes each, in base64. The first
// key encrypts and all keys decrypt. Empty lines and lines that begin with # are skipped. Errors name the line,
// but never show its content.
func ParseKeys(text []byte) (*Codec, error) {
	c := &Codec{}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		secret, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(secret) < minKey {
			return nil, fmt.Errorf("line %d is not a key: %d random bytes in base64 are needed", n, minKey)
		}
		key, err := newStoreKey(secret)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(c.keys, func(k storeKey) bool { return k.id == key.id }) {
			return nil, fmt.Errorf("line %d has the same key as an earlier line", n)
		}
		c.keys = append(c.keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("not a list of keys: %w", err)
	}
	if len(c.keys) == 0 {
		return nil, errors.New("it contains no key")
	}
	return c, nil
}

func newStoreKey(secret []byte) (storeKey, error) {
	// Both are derived from the secret with different labels, so that the id reveals nothing about the key.
	encrypt, err := hkdf.Key(sha256.New, secret, nil, "pandadoc-auth-proxy store key", 32)
	if err != nil {
		return storeKey{}, fmt.Errorf("derive the store key: %w", err)
	}
	id, err := hkdf.Key(sha256.New, secret, nil, "pandadoc-auth-proxy store key id", 6)
	if err != nil {
		return storeKey{}, fmt.Errorf("derive the id of the store key: %w", err)
	}
	block, err := aes.NewCipher(encrypt)
	if err != nil {
		return storeKey{}, fmt.Errorf("make the store cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return storeKey{}, fmt.Errorf("make the store cipher: %w", err)
	}
	return storeKey{hex.EncodeToString(id), aead}, nil
}

// KeyID returns the id of the key that encrypts. Empty if nothing is encrypted.
func (c *Codec) KeyID() string {
	if c == nil {
		return ""
	}
	return c.keys[0].id
}

// Encode returns the stored form of rec, the record of account.
func (c *Codec) Encode(account string, rec Record) ([]byte, error) {
	data, err := EncodeRecord(rec)
	if err != nil || c == nil {
		return data, err
	}
	plain, err := json.Marshal(sealedTokens{rec.AccessToken.Reveal(), rec.RefreshToken.Reveal()})
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	delete(fields, "access_token")
	delete(fields, "refresh_token")
	key := c.keys[0]
	seal := sealed{key.id, key.aead.Seal(nil, nil, plain, associated(account, fields))}
	if fields[sealedField], err = json.Marshal(seal); err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return json.Marshal(fields)
}

// EncodeNew is Encode for a store that is about to save rec: it gives the record a new random version, and also
// returns the record in the form that Load will return. If Load would refuse it, that is an error, because it
// must not replace a good record. The version is random and not a counter, because a counter could repeat after
// a restored backup or a failover that loses a save.
func (c *Codec) EncodeNew(account string, rec Record) (data []byte, written Record, err error) {
	rec.Version = rand.Text()
	if data, err = c.Encode(account, rec); err != nil {
		return nil, Record{}, fmt.Errorf("token store: %w", err)
	}
	if written, err = c.Decode(account, data); err != nil {
		return nil, Record{}, fmt.Errorf("token store: the record could not be read back: %w", err)
	}
	return data, written, nil
}

// Decode reads the stored form of the record of account. Besides the errors of DecodeRecord it returns
// ErrSealed, ErrNoKey or ErrSealBroken.
func (c *Codec) Decode(account string, data []byte) (Record, error) {
	fields := map[string]json.RawMessage{}
	// DecodeRecord returns the error for data that is no JSON object or has a newer schema.
	newer := json.Unmarshal(data, &fields) == nil && schemaOf(fields) > Schema
	if newer || fields[sealedField] == nil {
		return DecodeRecord(data)
	}
	var seal sealed
	if err := json.Unmarshal(fields[sealedField], &seal); err != nil {
		return Record{}, ErrSealBroken
	}
	found, err := c.open(account, seal, fields)
	if err != nil {
		return Record{}, err
	}
	delete(fields, sealedField)
	if data, err = json.Marshal(fields); err != nil {
		return Record{}, ErrSealBroken
	}
	rec, err := DecodeRecord(data)
	if err != nil {
		return Record{}, err
	}
	rec.AccessToken, rec.RefreshToken = NewSecret(found.AccessToken), NewSecret(found.RefreshToken)
	rec.keyID = seal.Key
	return rec, nil
}

func (c *Codec) open(account string, seal sealed, fields map[string]json.RawMessage) (found sealedTokens, err error) {
	name := seal.Key[:min(len(seal.Key), 16)] // it may contain anything
	if c == nil {
		return found, fmt.Errorf("%w (key %q)", ErrSealed, name)
	}
	at := slices.IndexFunc(c.keys, func(k storeKey) bool { return k.id == seal.Key })
	if at < 0 {
		return found, fmt.Errorf("%w (key %q)", ErrNoKey, name)
	}
	plain, err := c.keys[at].aead.Open(nil, nil, seal.Data, associated(account, fields))
	if err != nil || json.Unmarshal(plain, &found) != nil {
		return found, ErrSealBroken
	}
	return found, nil
}

// associated returns the associated data of the encrypted tokens.
func associated(account string, fields map[string]json.RawMessage) []byte {
	return fmt.Appendf(nil, "pandadoc-auth-proxy record\x00%s\x00%d", account, schemaOf(fields))
}

func schemaOf(fields map[string]json.RawMessage) (schema int) {
	if json.Unmarshal(fields["schema"], &schema) != nil {
		return 0 // no record has this schema
	}
	return schema
}
