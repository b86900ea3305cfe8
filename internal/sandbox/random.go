package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"sync"
)

// idLetters are the letters of PandaDoc's object ids.
const idLetters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// random is a repeatable source for one purpose, safe for concurrent use. It is not secure: its credentials
// protect only invented documents.
type random struct {
	mu  sync.Mutex // guards rng
	rng *rand.Rand
}

// newRandom derives an independent stream for purpose, so that the number of requests of one kind does not change
// what another kind gets.
func newRandom(seed uint64, purpose string) *random {
	key := sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, seed), purpose...))
	return &random{rng: rand.New(rand.NewChaCha8(key))}
}

// Hex returns n hexadecimal digits.
func (r *random) Hex(n int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	raw := make([]byte, (n+1)/2)
	for i := range raw {
		raw[i] = byte(r.rng.Uint32())
	}
	return hex.EncodeToString(raw)[:n]
}

// ID returns an object id like PandaDoc's: 22 letters and digits.
func (r *random) ID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := make([]byte, 22)
	for i := range id {
		id[i] = idLetters[r.rng.IntN(len(idLetters))]
	}
	return string(id)
}

// chance returns true in the given fraction of calls.
func (r *random) chance(share float64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rng.Float64() < share
}

// between returns a number in [low, high].
func (r *random) between(low, high int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return low + r.rng.IntN(high-low+1)
}
