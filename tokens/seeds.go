package tokens

import "time"

// seed is a token that configuration gives. It is used at most once ever: after its first use
// the record holds a newer pair, and after a restart the configuration still shows the spent one.
type seed struct {
	kind  string
	value Secret
}

func (s seed) fingerprint() string { return s.value.Fingerprint(s.kind) }

const (
	seedRefresh = "refresh_token"
	seedAccess  = "access_token"
)

func (a Account) seeds() []seed {
	var seeds []seed
	for _, s := range []seed{{seedRefresh, a.RefreshToken}, {seedAccess, a.AccessToken}} {
		if !s.value.IsZero() {
			seeds = append(seeds, s)
		}
	}
	return seeds
}

// noteSeeds returns rec with the fingerprints of all seeds of a.
func noteSeeds(rec Record, a Account) Record {
	rec = rec.Clone()
	for _, s := range a.seeds() {
		if !rec.HasSeed(s.fingerprint()) {
			rec.Seeds = append(rec.Seeds, s.fingerprint())
		}
	}
	return rec
}

// sow returns rec as the seeds of a change it, and whether they do. A record that a login made, and
// that knows no seeds yet, only notes them: the login is the newer truth. Otherwise a seed that was
// never seen is the operator's newest word and starts a generation.
func sow(rec Record, a Account, now time.Time) (Record, bool) {
	fresh := map[string]Secret{}
	for _, s := range a.seeds() {
		if !rec.HasSeed(s.fingerprint()) {
			fresh[s.kind] = s.value
		}
	}
	if len(fresh) == 0 {
		return rec, false
	}
	noted := noteSeeds(rec, a)
	if rec.HasTokens() && len(rec.Seeds) == 0 {
		return noted, true
	}
	pair := Pair{AccessToken: fresh[seedAccess], RefreshToken: fresh[seedRefresh]}
	if pair.RefreshToken.IsZero() {
		pair.RefreshToken = rec.RefreshToken
	}
	return succeed(noted, pair, now), true
}

// succeed returns the record that follows rec when a new pair has come, by refresh, login or seed.
func succeed(rec Record, p Pair, now time.Time) Record {
	next := rec.Clone()
	if rec.HasTokens() {
		next.Previous = &Previous{
			Generation: rec.Generation, ObtainedAt: rec.ObtainedAt, ExpiresAt: rec.ExpiresAt,
			AccessFingerprint:  rec.AccessToken.Fingerprint(seedAccess),
			RefreshFingerprint: rec.RefreshToken.Fingerprint(seedRefresh),
		}
	}
	next.Generation++
	next.AccessToken, next.RefreshToken = p.AccessToken, p.RefreshToken
	next.TokenType, next.Scope = p.TokenType, p.Scope
	next.ObtainedAt, next.ExpiresAt = now, time.Time{}
	if p.ExpiresIn > 0 {
		next.ExpiresAt = now.Add(p.ExpiresIn)
	}
	next.Pending, next.Rejected = nil, nil
	next.UnconfirmedSince = time.Time{}
	return next
}
