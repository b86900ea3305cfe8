package tokens

import (
	"bytes"
	"cmp"
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

	"pandadoc-auth-proxy/internal/problem"
)

// stored is the stored form of a record.
type stored struct {
	Schema int `json:"schema"`
	Record
	plainTokens
	// Sealed is a sealed, which takes the place of the tokens in an encrypted record.
	Sealed json.RawMessage `json:"sealed,omitempty"`
}

// plainTokens is the only place where tokens become plain strings. It is also what is encrypted.
type plainTokens struct {
	AccessToken  string `json:"access_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
}

var storedFields = []string{
	"schema", "version", "lineage", "generation", "issuer", "access_token", "refresh_token", "token_type", "scope",
	"expires_at", "obtained_at", "seeds", "pending", "unconfirmed_since", "unconfirmed_answered", "restored_at",
	"rejected", "hold", "forgotten", "previous", "proven_at", "sealed",
}

func placeOf(err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf(" (JSON breaks at byte %d)", syntax.Offset)
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		// encoding/json also names the embedded structs of stored.
		field := strings.NewReplacer("Record.", "", "plainTokens.", "").Replace(kind.Field)
		return fmt.Sprintf(" (field %q has the wrong type)", field)
	}
	return ""
}

var (
	// ErrSealed is returned by Codec.Decode for a record whose tokens are encrypted, if the codec has no keys.
	ErrSealed = problem.Mistake("the tokens of the record are encrypted, and no key is configured",
		"name the file with the key: --store-key-file FILE")
	// ErrNoKey is returned by Codec.Decode for a record whose tokens are encrypted with none of the keys.
	ErrNoKey = problem.Mistake("the tokens of the record are encrypted with a key that is not configured",
		"add the key to the file of --store-key-file, below the first line: the key in the first line encrypts")
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

// sealed has the encrypted tokens.
type sealed struct {
	Key  string `json:"key"` // which key; it reveals nothing of it
	Data []byte `json:"data"`
}

// ParseKeys returns the codec for the keys in text, one per line: at least 32 bytes each, in base64. The first
// key encrypts and all keys decrypt. Empty lines and lines that begin with # are skipped. Errors name the line,
// but never show its content.
func ParseKeys(text []byte) (*Codec, error) {
	c, n := &Codec{}, 0
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))) {
		n++
		line := strings.TrimSpace(string(line))
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
	if len(c.keys) == 0 {
		return nil, errors.New("it contains no key")
	}
	return c, nil
}

func newStoreKey(secret []byte) (storeKey, error) {
	// Both are derived from the secret with different labels, so that the id reveals nothing about the key.
	encrypt, err := hkdf.Key(sha256.New, secret, nil, "pandadoc-auth-proxy store key", 32)
	id, idErr := hkdf.Key(sha256.New, secret, nil, "pandadoc-auth-proxy store key id", 6)
	if err := errors.Join(err, idErr); err != nil {
		return storeKey{}, fmt.Errorf("derive the store key: %w", err)
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

// Encode returns the stored form of rec, the record of account: JSON.
func (c *Codec) Encode(account string, rec Record) ([]byte, error) {
	s := stored{Schema: Schema, Record: rec, plainTokens: plainTokens{rec.AccessToken.Reveal(), rec.RefreshToken.Reveal()}}
	err := c.seal(account, &s)
	known, knownErr := json.Marshal(s)
	unknown, unknownErr := json.Marshal(rec.extra)
	if err := errors.Join(err, knownErr, unknownErr); err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	if len(rec.extra) == 0 {
		return known, nil
	}
	// Two JSON objects become one: {…known…,…unknown…}.
	return slices.Concat(known[:len(known)-1], []byte(","), unknown[1:]), nil
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

// Decode reads the stored form of the record of account. It returns ErrNewerSchema for a record of a newer version,
// and ErrSealed, ErrNoKey or ErrSealBroken if the tokens cannot be decrypted. For a damaged record, the error shows
// nothing of the data.
func (c *Codec) Decode(account string, data []byte) (Record, error) {
	var s stored
	extra := map[string]json.RawMessage{}
	// The decoder's own errors can quote the data, so use only their position.
	if err := cmp.Or(json.Unmarshal(data, &s), json.Unmarshal(data, &extra)); err != nil {
		return Record{}, fmt.Errorf("not a valid record%s", placeOf(err))
	}
	switch {
	case s.Schema > Schema:
		return Record{}, fmt.Errorf("%w: schema %d, this version knows %d", ErrNewerSchema, s.Schema, Schema)
	case s.Schema < 1 || s.Generation == 0:
		return Record{}, errors.New("not a valid record: schema or generation is missing")
	case s.Lineage.BornAt.Year() >= lastYear:
		return Record{}, errors.New("not a valid record: the date of its lineage is too late")
	}
	if err := c.open(account, &s); err != nil {
		return Record{}, err
	}
	// encoding/json accepts a known name in any case: if a stray "GENERATION" were kept, it would override ours
	// the next time.
	maps.DeleteFunc(extra, func(name string, _ json.RawMessage) bool {
		return slices.ContainsFunc(storedFields, func(known string) bool { return strings.EqualFold(known, name) })
	})
	rec := s.Record
	rec.AccessToken, rec.RefreshToken = NewSecret(s.plainTokens.AccessToken), NewSecret(s.plainTokens.RefreshToken)
	rec.extra = extra
	return rec, nil
}

// DecodeStored is Decode for a store, whose records have a version. Its errors have a hint: newer if a newer version of
// the program wrote the record, a hint about keys if its tokens cannot be decrypted, else damaged.
func (c *Codec) DecodeStored(account string, data []byte, newer, damaged string) (Record, error) {
	rec, err := c.Decode(account, data)
	switch {
	case err == nil && rec.Version == "":
		err = problem.Mistake("not a valid record: version is missing", damaged)
	case errors.Is(err, ErrNewerSchema):
		err = problem.WithHint(err, newer)
	case err != nil && problem.HintOf(err) == "":
		err = problem.WithHint(err, damaged)
	}
	return rec, err
}

// seal encrypts the tokens of s, the record of account.
func (c *Codec) seal(account string, s *stored) error {
	if c == nil {
		return nil
	}
	plain, err := json.Marshal(s.plainTokens)
	if err != nil {
		return err
	}
	key := c.keys[0]
	s.plainTokens = plainTokens{}
	s.Sealed, err = json.Marshal(sealed{key.id, key.aead.Seal(nil, nil, plain, associated(account, s.Schema))})
	return err
}

// open decrypts the tokens of s, the record of account, if they are encrypted.
func (c *Codec) open(account string, s *stored) error {
	if s.Sealed == nil {
		return nil
	}
	var seal sealed
	if json.Unmarshal(s.Sealed, &seal) != nil {
		return ErrSealBroken
	}
	name := seal.Key[:min(len(seal.Key), 16)] // it may contain anything
	if c == nil {
		return fmt.Errorf("%w (key %q)", ErrSealed, name)
	}
	at := slices.IndexFunc(c.keys, func(k storeKey) bool { return k.id == seal.Key })
	if at < 0 {
		return fmt.Errorf("%w (key %q)", ErrNoKey, name)
	}
	plain, err := c.keys[at].aead.Open(nil, nil, seal.Data, associated(account, s.Schema))
	s.plainTokens, s.keyID = plainTokens{}, seal.Key
	if err != nil || json.Unmarshal(plain, &s.plainTokens) != nil {
		return ErrSealBroken
	}
	return nil
}

// associated returns the associated data of the encrypted tokens.
func associated(account string, schema int) []byte {
	return fmt.Appendf(nil, "pandadoc-auth-proxy record\x00%s\x00%d", account, schema)
}
