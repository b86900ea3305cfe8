package tokens

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

// Schema is the version of the stored form that this package writes. Records of schema 1 have neither lineage
// nor issuer; they can be read, and the next write upgrades them.
const Schema = 2

// ErrNewerSchema is returned by Codec.Decode for a record that a newer version wrote. It must not be
// overwritten, because the parts that this version does not understand would be lost.
var ErrNewerSchema = errors.New("the record was written by a newer version of this program")

// Record is everything that is kept about one account: data, lock and crash evidence together, so that one
// compare-and-swap changes all of it. It never prints its secrets. Its JSON is the stored form without the schema and
// the tokens, which Codec adds.
type Record struct {
	// Version is the store's identifier of this state of the record. Empty means not stored yet.
	Version string `json:"version"`
	// Lineage is the login, logout, seed or import that the pair comes from. Zero is the oldest: a build
	// without lineages wrote the record.
	Lineage Lineage `json:"lineage,omitzero"`
	// Generation counts the pairs of the account. It only grows within a lineage.
	Generation uint64 `json:"generation"`
	// Issuer is where the pair was obtained from, and where its tokens may be sent to. Zero means unknown.
	Issuer Issuer `json:"issuer,omitzero"`

	AccessToken  Secret    `json:"-"`
	RefreshToken Secret    `json:"-"`
	TokenType    string    `json:"token_type,omitempty"`
	Scope        string    `json:"scope,omitempty"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"` // zero means unknown
	ObtainedAt   time.Time `json:"obtained_at,omitzero"`

	// Seeds are the fingerprints of the seeds that were used, or were present at a login.
	Seeds []string `json:"seeds,omitempty"`
	// Pending is the marker of a running refresh. Nil means that there is none.
	Pending *Pending `json:"pending,omitempty"`
	// UnconfirmedSince is when the last token request with an unknown result started. Zero means
	// that there is none. Only a new pair, a login or a logout clears it.
	UnconfirmedSince time.Time `json:"unconfirmed_since,omitzero"`
	// Answered means that the request of UnconfirmedSince got a server error: it is over, but it is unknown
	// what the server did before it failed.
	Answered bool `json:"unconfirmed_answered,omitempty"`
	// RestoredAt is when a process last put this record back after the store had lost it. Other processes may
	// have a newer one, and need time to put that back. Zero means never.
	RestoredAt time.Time `json:"restored_at,omitzero"`
	// Rejected means that the token endpoint refused the refresh token of a generation. Nil means no.
	Rejected *Rejected `json:"rejected,omitempty"`
	// Hold prevents all processes from refreshing because of a 401. Nil means that there is none.
	Hold *Hold `json:"hold,omitempty"`
	// Forgotten means that the account is no longer listed. Only a record without tokens has it.
	Forgotten bool `json:"forgotten,omitempty"`
	// Previous describes the pair before, without its tokens. Nil if there was none.
	Previous *Previous `json:"previous,omitempty"`
	// ProvenAt is when a refresh last succeeded. Zero means never.
	ProvenAt time.Time `json:"proven_at,omitzero"`

	// extra holds the fields that this version does not know, so that they survive a rewrite.
	extra map[string]json.RawMessage
	// keyID is the id of the key that the stored tokens are encrypted with. Empty means none.
	keyID string
}

// KeyID is the id of the key that the tokens of a loaded record are encrypted with. Empty means that they are
// not encrypted.
func (r Record) KeyID() string { return r.keyID }

// Lineage identifies a login, a logout, a seed or an import, and defines their order.
type Lineage struct {
	// BornAt is when it began. It is always later than the BornAt of the lineage that it replaced, even if a
	// clock was wrong.
	BornAt time.Time `json:"born_at"`
	// Random distinguishes two lineages that began at the same time.
	Random string `json:"random"`
}

// successor returns a new lineage that is younger than l, even if the clock is wrong.
func (l Lineage) successor(now time.Time) Lineage {
	if after := l.BornAt.Add(time.Millisecond); now.Before(after) {
		now = after
	}
	return Lineage{BornAt: now, Random: rand.Text()}
}

func (l Lineage) compare(o Lineage) int {
	return cmp.Or(l.BornAt.Compare(o.BornAt), cmp.Compare(l.Random, o.Random))
}

// Issuer is what a pair belongs to. The access token is sent only to the API. The refresh token is sent only to
// the token endpoint, and only with the client id. The fields are normalised; see NewIssuer.
type Issuer struct {
	API      string `json:"api,omitempty"`       // origin, such as https://api.pandadoc.com
	TokenURL string `json:"token_url,omitempty"` // token endpoint
	ClientID string `json:"client_id,omitempty"` // empty matches every client
}

// NewIssuer returns the issuer for the URLs of the API and of the token endpoint. Both are normalised:
// lower-case host, no default port, no trailing slash. Only the origin of the API is used.
func NewIssuer(apiURL, tokenURL, clientID string) Issuer {
	api, _ := normalURL(apiURL)
	endpoint, path := normalURL(tokenURL)
	return Issuer{API: api, TokenURL: endpoint + path, ClientID: clientID}
}

// normalURL returns the origin and the path of a URL in the form that issuers are compared in.
func normalURL(text string) (origin, path string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text, ""
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if port := map[string]string{"http": ":80", "https": ":443"}[scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return scheme + "://" + host, strings.TrimRight(u.EscapedPath(), "/")
}

// MatchesAPI reports whether a token of i may be sent to the API of o. An unknown value matches.
func (i Issuer) MatchesAPI(o Issuer) bool { return i.API == "" || o.API == "" || i.API == o.API }

// Matches reports whether also a refresh token of i may be sent to the token endpoint of o, by the client of o.
func (i Issuer) Matches(o Issuer) bool {
	return i.MatchesAPI(o) && (i.TokenURL == "" || o.TokenURL == "" || i.TokenURL == o.TokenURL) &&
		(i.ClientID == "" || o.ClientID == "" || i.ClientID == o.ClientID)
}

// completed returns i with its unknown fields taken from o.
func (i Issuer) completed(o Issuer) Issuer {
	return Issuer{API: cmp.Or(i.API, o.API), TokenURL: cmp.Or(i.TokenURL, o.TokenURL), ClientID: cmp.Or(i.ClientID, o.ClientID)}
}

// String returns the issuer in a form that can be part of a sentence.
func (i Issuer) String() string {
	var more []string
	if endpoint, _ := normalURL(i.TokenURL); i.TokenURL != "" && endpoint != i.API {
		more = append(more, "token endpoint "+i.TokenURL)
	}
	if i.ClientID != "" {
		more = append(more, "client id "+i.ClientID)
	}
	if len(more) == 0 {
		return i.API
	}
	return i.API + " (" + strings.Join(more, ", ") + ")"
}

// Hold is a period after a refresh because of a 401. During it, another 401 is passed through without a
// refresh.
type Hold struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Failures counts the holds before this one that no accepted request ended. Each doubles the length of the
	// next.
	Failures int `json:"failures"`
	// Refused means that the repeated request was refused too.
	Refused bool `json:"refused,omitempty"`
}

// Compare orders records of one account: it is negative if r is older than o, and zero if both have the same
// pair. The younger lineage is newer, and within one lineage the higher generation. A missing record is the
// zero Record, and older than every other.
func (r Record) Compare(o Record) int {
	return cmp.Or(r.Lineage.compare(o.Lineage), cmp.Compare(r.Generation, o.Generation))
}

// Pending marks a running refresh.
type Pending struct {
	// Owner is the process that refreshes.
	Owner string `json:"owner"`
	// StartedAt is when its token request may first have been sent.
	StartedAt time.Time `json:"started_at"`
	// Until is the end of its lease, for people to read. No process uses it, because the clocks of machines
	// differ.
	Until time.Time `json:"until"`
}

// Rejected records that the token endpoint refused a generation permanently.
type Rejected struct {
	Generation uint64    `json:"generation"`
	At         time.Time `json:"at"`
	// Cause is problem.RevokedOrSpent or problem.LostInTransit.
	Cause problem.Code `json:"cause"`
	// Code is the error code of the token endpoint.
	Code string `json:"code,omitempty"`
}

// Previous describes the pair before, so that it can be recognised but not used.
type Previous struct {
	Generation         uint64    `json:"generation"`
	ObtainedAt         time.Time `json:"obtained_at,omitzero"`
	ExpiresAt          time.Time `json:"expires_at,omitzero"`
	AccessFingerprint  string    `json:"access_fingerprint,omitempty"`
	RefreshFingerprint string    `json:"refresh_fingerprint,omitempty"`
}

// HasTokens reports whether the record has an access token or a refresh token. A record without tokens that has
// been stored is a tombstone: somebody logged out.
func (r Record) HasTokens() bool { return !r.AccessToken.IsZero() || !r.RefreshToken.IsZero() }

// IsRejected reports whether the token endpoint refused the current generation.
func (r Record) IsRejected() bool {
	return r.Rejected != nil && r.Rejected.Generation == r.Generation
}

// hasSpent reports whether the refresh token of o was used up to get r, as far as r shows: it was imported or
// configured before, it is of an older generation, or of the pair before r's.
func (r Record) hasSpent(o Record, i Issuer) bool {
	s := seed{seedRefresh, o.RefreshToken}
	switch {
	case o.RefreshToken.IsZero():
		return false
	case o.Lineage != (Lineage{}) && o.Lineage.compare(r.Lineage) == 0:
		return o.Generation < r.Generation
	}
	return r.knows(s, i) || r.knows(s, r.Issuer) ||
		r.Previous != nil && r.Previous.RefreshFingerprint == o.RefreshToken.Fingerprint(seedRefresh)
}

// Clone returns a copy that shares no mutable data.
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
	return new(*p)
}

// Format implements fmt.Formatter for every verb.
func (r Record) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }

// String describes the record without its secrets.
func (r Record) String() string {
	return fmt.Sprintf("record of generation %d (version %s, expires %s)", r.Generation, r.Version, r.ExpiresAt)
}

// rotated returns the next record after a refresh gave the new pair p.
func (r Record) rotated(p Pair, now time.Time) Record {
	next := r.Clone()
	if r.HasTokens() {
		next.Previous = &Previous{
			Generation: r.Generation, ObtainedAt: r.ObtainedAt, ExpiresAt: r.ExpiresAt,
			AccessFingerprint:  r.AccessToken.Fingerprint(seedAccess),
			RefreshFingerprint: r.RefreshToken.Fingerprint(seedRefresh),
		}
	}
	next.Generation++
	next.AccessToken, next.RefreshToken = p.AccessToken, p.RefreshToken
	next.TokenType, next.Scope = p.TokenType, p.Scope
	next.ObtainedAt, next.ExpiresAt = now, time.Time{}
	if p.ExpiresIn > 0 {
		next.ExpiresAt = now.Add(p.ExpiresIn)
	}
	next.Pending, next.Rejected, next.Hold = nil, nil, nil
	next.UnconfirmedSince, next.Answered, next.RestoredAt = time.Time{}, false, time.Time{}
	return next
}

// replaced returns the next record after a login, a seed or (with an empty p) a logout. It begins a lineage, so
// that no record of r's lineage can undo it.
func (r Record) replaced(p Pair, i Issuer, now time.Time) Record {
	next := r.rotated(p, now)
	next.Lineage, next.Issuer, next.Forgotten = r.Lineage.successor(now), i, false
	return next
}

// rebased returns r in a form that can replace found: the store's own fields come from found, and the used
// seeds of both are kept.
func (r Record) rebased(found Record) Record {
	r.Version, r.extra = found.Version, found.extra
	r.Seeds = slices.Clone(r.Seeds)
	for _, s := range found.Seeds {
		if !slices.Contains(r.Seeds, s) {
			r.Seeds = append(r.Seeds, s)
		}
	}
	return r
}

// restored returns r in the form in which it is put back into a store that has lost it. Another process may
// have a newer pair.
func (r Record) restored(now time.Time) Record {
	r = r.Clone()
	r.Version, r.Pending = "", nil
	r.UnconfirmedSince, r.Answered, r.RestoredAt = now, false, now
	return r
}

// busyTime is how long after its start a refresh may still be under way.
const busyTime = listenSeconds*time.Second + lease

// isBusy reports whether a refresh of r may be under way, by clocks that may differ.
func (r Record) isBusy(now time.Time) bool {
	return r.Pending != nil && now.Sub(r.Pending.StartedAt).Abs() < busyTime
}

// keepingRefreshToken returns r, which has replaced old, with the refresh token of old if r has none, and with what
// is known about that.
func (r Record) keepingRefreshToken(old Record) Record {
	if !r.RefreshToken.IsZero() || !old.HasTokens() || old.IsRejected() || !old.Issuer.Matches(r.Issuer) {
		return r
	}
	r.RefreshToken = old.RefreshToken
	r.UnconfirmedSince, r.Answered, r.RestoredAt = old.UnconfirmedSince, old.Answered, old.RestoredAt
	return r.doubting(old.Pending)
}

// doubting returns r in doubt because of a marker that its owner will not remove.
func (r Record) doubting(p *Pending) Record {
	if p != nil && p.StartedAt.After(r.UnconfirmedSince) {
		r.UnconfirmedSince, r.Answered = p.StartedAt, false
	}
	return r
}

const (
	holdMin = 30 * time.Second
	holdMax = 10 * time.Minute
)

// holdAfter returns the hold for a pair that was obtained because of a 401. If the last hold was not ended by
// an accepted request, the next one is twice as long, unless holdMax has passed since.
func (r Record) holdAfter(now time.Time) *Hold {
	h := &Hold{Since: now}
	if r.Hold != nil && now.Before(r.Hold.Until.Add(holdMax)) {
		h.Failures = r.Hold.Failures + 1
	}
	h.Until = now.Add(min(holdMin<<min(max(h.Failures, 0), 8), holdMax)) // another program may have written it
	return h
}

// holds reports whether a hold is active. If it would last longer than the maximum, a clock was wrong, and it
// does not count.
func (r Record) holds(now time.Time) bool {
	return r.Hold != nil && now.Before(r.Hold.Until) && r.Hold.Until.Sub(now) <= holdMax
}

// seed is a token in the configuration. It is used at most once: after its first use the record has a newer
// pair, but after a restart the configuration still has the used one.
type seed struct {
	kind  string
	value Secret
}

const (
	seedRefresh = "refresh_token"
	seedAccess  = "access_token"
)

// fingerprints returns the fingerprints under which a record may have stored the seed for issuer i. The issuer
// is part of the fingerprint, so that a first start with the wrong region does not use the seed up. Builds
// before 0.1.0 used only the token.
func (s seed) fingerprints(i Issuer) (now, old string) {
	return s.value.Fingerprint(s.kind + "\x00" + i.API + "\x00" + i.TokenURL + "\x00" + i.ClientID), s.value.Fingerprint(s.kind)
}

// knows reports whether s was used before with issuer i, or was present at a login.
func (r Record) knows(s seed, i Issuer) bool {
	now, old := s.fingerprints(i)
	return slices.Contains(r.Seeds, now) || slices.Contains(r.Seeds, old)
}

// Fresh returns the seeds of c that rec has not seen under issuer i, and that would begin a new lineage. Seeds
// that were used with the record's own issuer belong to that issuer: a start with another region must not send
// them to the other.
func (c AccountConfig) Fresh(rec Record, i Issuer) AccountConfig {
	if rec.HasTokens() && len(rec.Seeds) == 0 && rec.Issuer.Matches(i) {
		return AccountConfig{} // the record comes from a login, which is newer
	}
	untried := rec.HasTokens() && rec.RefreshToken.Equal(c.RefreshToken) && (rec.IsRejected() || rec.AccessToken.IsZero())
	fresh := func(kind string, value Secret) Secret {
		s := seed{kind, value}
		if rec.knows(s, i) || rec.knows(s, rec.Issuer) && (rec.Issuer.Matches(i) || !untried) {
			return Secret{}
		}
		return value
	}
	return AccountConfig{RefreshToken: fresh(seedRefresh, c.RefreshToken), AccessToken: fresh(seedAccess, c.AccessToken)}
}

// noting returns r with the fingerprints of all seeds of c.
func (r Record) noting(c AccountConfig, i Issuer) Record {
	r = r.Clone()
	for _, s := range []seed{{seedRefresh, c.RefreshToken}, {seedAccess, c.AccessToken}} {
		if print, _ := s.fingerprints(i); print != "" && !r.knows(s, i) {
			r.Seeds = append(r.Seeds, print)
		}
	}
	return r
}

// seeded returns r with the changes by the seeds of c, and reports whether there are any.
func (r Record) seeded(c AccountConfig, i Issuer, now time.Time) (Record, bool) {
	fresh := c.Fresh(r, i)
	if fresh != (AccountConfig{}) {
		if fresh.RefreshToken.IsZero() && r.isBusy(now) {
			return r, false // the refresh token that is to stay is being replaced
		}
		pair := Pair{AccessToken: fresh.AccessToken, RefreshToken: fresh.RefreshToken}
		return r.noting(c, i).replaced(pair, i, now).keepingRefreshToken(r), true
	}
	if r.Generation == 0 || r.HasTokens() && !r.Issuer.Matches(i) {
		return r, false // nothing to add, or the record stays as it is
	}
	noted := r.noting(c, i)
	return noted, len(noted.Seeds) > len(r.Seeds)
}
