package sandbox

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// maxPairs limits the pairs that are kept, including invalid ones.
const maxPairs = 10_000

// pair is an access token and its refresh token. A refresh makes a new pair and invalidates the old one.
type pair struct {
	generation int // counts the pairs of the emulator, from 1
	grant      int // the generation of the first pair of this login
	access     string
	refresh    string
	scope      string
	issued     time.Time
	expires    time.Time // of the access token
	revoked    bool      // the access token is invalid before it expires
	spent      bool      // the refresh token was used or revoked
}

// grants has the tokens and codes that were issued. Invalid tokens are kept as long as there is room, so that the
// history can name their generation.
type grants struct {
	random *random
	ttl    time.Duration
	codes  *oneTime[string] // authorization codes, each with its scope

	mu        sync.Mutex // guards the fields below
	pairs     []*pair    // oldest first
	byAccess  map[string]*pair
	byRefresh map[string]*pair
	count     int
}

// newGrants returns grants with a first one, as if somebody had consented.
func newGrants(random *random, ttl time.Duration) *grants {
	g := &grants{
		random: random, ttl: ttl, codes: &oneTime[string]{random: random},
		byAccess: map[string]*pair{}, byRefresh: map[string]*pair{},
	}
	g.consented(defaultScope, time.Now())
	return g
}

// issueLocked makes a pair, of a new grant if grant is 0.
func (g *grants) issueLocked(grant int, scope string, now time.Time) *pair {
	g.count++
	p := &pair{
		generation: g.count, grant: cmp.Or(grant, g.count), access: g.random.Hex(40), refresh: g.random.Hex(40),
		scope: scope, issued: now, expires: now.Add(g.ttl).Round(0),
	}
	g.pairs = append(g.pairs, p)
	g.byAccess[p.access], g.byRefresh[p.refresh] = p, p
	if len(g.pairs) > maxPairs {
		oldest := g.pairs[0]
		g.pairs = slices.Delete(g.pairs, 0, 1)
		delete(g.byAccess, oldest.access)
		if g.byRefresh[oldest.refresh] == oldest { // otherwise a newer pair has it too, see rotate
			delete(g.byRefresh, oldest.refresh)
		}
	}
	return p
}

// consented makes a pair of a new grant, as if somebody had consented and the code had been exchanged.
func (g *grants) consented(scope string, now time.Time) pair {
	g.mu.Lock()
	defer g.mu.Unlock()
	return *g.issueLocked(0, scope, now)
}

// rotate does a refresh: it issues a new pair and invalidates both old tokens, or changes nothing. With FaultKeepOld
// the old pair stays valid, as with a server that allows a grace period. With FaultNoRefreshToken the new pair has the
// same refresh token, as with a server that does not rotate. before is the old pair as it was, zero if the refresh token
// was never issued. ok is false if it was never issued, or was used before.
func (g *grants) rotate(refresh string, fault *Fault, now time.Time) (before, issued pair, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old, found := g.byRefresh[refresh]
	if !found {
		return pair{}, pair{}, false
	}
	before = *old
	if old.spent {
		return before, pair{}, false
	}
	if !fault.is(FaultKeepOld) {
		old.spent, old.revoked = true, true
	}
	p := g.issueLocked(old.grant, old.scope, now)
	if fault.is(FaultNoRefreshToken) {
		delete(g.byRefresh, p.refresh)
		p.refresh = refresh
		g.byRefresh[refresh] = p
	}
	return before, *p, true
}

// find returns the pair of an access token, and reports whether the token is valid now. The pair of a token that was
// never issued is zero.
func (g *grants) find(access string, now time.Time) (p pair, good bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, known := g.byAccess[access]
	if !known {
		return pair{}, false
	}
	return *found, !found.revoked && now.Before(found.expires)
}

// revokeAccess revokes an access token. Its refresh token stays valid.
func (g *grants) revokeAccess(access string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p, ok := g.byAccess[access]; ok {
		p.revoked = true
	}
}

// expire makes every access token expire.
func (g *grants) expire(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.pairs {
		if now.Before(p.expires) {
			p.expires = now
		}
	}
}

// revoke revokes every token and code.
func (g *grants) revoke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.pairs {
		p.revoked, p.spent = true, true
	}
	g.codes.clear()
}

// firstGrant is the grant that the emulator starts with.
const firstGrant = 1

// firstRefreshToken returns the current refresh token of the first grant, or "" if that was revoked.
func (g *grants) firstRefreshToken() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range slices.Backward(g.pairs) {
		if p.grant == firstGrant && !p.spent {
			return p.refresh
		}
	}
	return ""
}

// fingerprint identifies a token without showing it.
func fingerprint(value string) string {
	if value == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:6])
}

const (
	oneTimeLife = 10 * time.Minute
	maxOneTime  = 1000
)

// oneTime has values that wait for a request with their key. A key is random, and valid once, for oneTimeLife.
type oneTime[T any] struct {
	random *random

	mu      sync.Mutex // guards waiting
	waiting map[string]expiring[T]
}

type expiring[T any] struct {
	value   T
	expires time.Time
}

func (o *oneTime[T]) put(value T, now time.Time) (key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting == nil {
		o.waiting = map[string]expiring[T]{}
	}
	for k, old := range o.waiting {
		if !now.Before(old.expires) || len(o.waiting) >= maxOneTime {
			delete(o.waiting, k)
		}
	}
	key = o.random.Hex(40)
	o.waiting[key] = expiring[T]{value, now.Add(oneTimeLife)}
	return key
}

// take returns the value of a key. ok is false for a key that is unknown, used or expired.
func (o *oneTime[T]) take(key string, now time.Time) (value T, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := o.waiting[key]
	delete(o.waiting, key)
	return found.value, now.Before(found.expires)
}

func (o *oneTime[T]) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.waiting)
}
