package tokens

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
)

var (
	// ErrSealed is returned by Codec.Decode for a record whose tokens are encrypted, if the codec has no keys.
	ErrSealed = problem.Mistake("the tokens of the record are encrypted, and no key is configured",
		"name the file with the key: --store-key-file FILE")
	// ErrNoKey is returned by Codec.Decode for a record whose tokens are encrypted under none of the keys.
	ErrNoKey = problem.Mistake("the tokens of the record are encrypted under a key that is not configured",
		"add the key as another line to the file of --store-key-file; the first line stays the key that writes")
	// ErrSealBroken is returned by Codec.Decode for encrypted tokens that were damaged or changed, or that
	// belong to another account.
	ErrSealBroken = problem.Mistake("the encrypted tokens of the record are damaged, or belong to another account",
		"restore the record from a backup, or remove it and sign in again; it is left as it is")
)

// minKey is how many bytes a key has at least. What people can remember is too short to be one.
const minKey = 32

// Codec turns records into what stores and emergency files keep, and back. Only the tokens are
// encrypted: versions, generations and dates stay readable, for people and for the order of records.
//
// The encryption is AES-256-GCM with a random nonce. The account and the schema are associated data, so
// that nobody can move the tokens of one account to another by writing to the store.
//
// A nil Codec keeps tokens in clear, and refuses records that are encrypted. One with keys also reads
// records in clear, so that encryption can be turned on; they are encrypted when they are next written.
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

// ParseKeys returns the codec for the keys in text, one a line: at least 32 bytes each, in base64. The
// first key encrypts and all of them decrypt. Empty lines and lines that begin with # are skipped.
// Errors name the line and never show what stands in it.
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
			return nil, fmt.Errorf("line %d holds a key that is listed before", n)
		}
		c.keys = append(c.keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("not a list of keys: %w", err)
	}
	if len(c.keys) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return c, nil
}

func newStoreKey(secret []byte) (storeKey, error) {
	// Both come from the secret by different labels, so that the id reveals nothing of the key.
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

// KeyID names the key that encrypts, for people. Empty if nothing is encrypted.
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

// Decode reads the stored form of the record of account. Besides the errors of DecodeRecord it returns
// ErrSealed, ErrNoKey or ErrSealBroken.
func (c *Codec) Decode(account string, data []byte) (Record, error) {
	fields := map[string]json.RawMessage{}
	// What is no JSON object, or of a newer schema, is for DecodeRecord to explain.
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
	name := seal.Key[:min(len(seal.Key), 16)] // whatever stands there
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

// associated is what the encrypted tokens are bound to.
func associated(account string, fields map[string]json.RawMessage) []byte {
	return fmt.Appendf(nil, "pandadoc-auth-proxy record\x00%s\x00%d", account, schemaOf(fields))
}

func schemaOf(fields map[string]json.RawMessage) (schema int) {
	if json.Unmarshal(fields["schema"], &schema) != nil {
		return 0 // no record has this schema
	}
	return schema
}
