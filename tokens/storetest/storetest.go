// Package storetest is the suite that every tokens.Store has to pass. A store's own test runs it:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) tokens.Store { return open(t, t.TempDir()) })
//	}
//
// A store that outlives its process uses Suite instead and adds Reopen, so that the suite can look
// at one place through two handles, as two processes would. What a store can do beyond Load and Save
// (tokens.Locker, tokens.Lister) is tested where it has it.
//
// The suite needs no clock and no network. Its records hold made-up secrets only.
package storetest

import (
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// Suite says how to come by the store under test.
type Suite struct {
	// Open returns an empty store, which no other test sees. What has to be closed or removed is
	// left to t.Cleanup.
	Open func(t *testing.T) tokens.Store
	// Reopen returns another handle to the place that s keeps its records in. Nil means that there
	// is none, as with a store in memory: the tests about two handles then use one twice.
	Reopen func(t *testing.T, s tokens.Store) tokens.Store
}

// Run runs the suite over a store that has one handle.
func Run(t *testing.T, open func(t *testing.T) tokens.Store) {
	t.Helper()
	Suite{Open: open}.Run(t)
}

// Run runs every test of the suite as a subtest of t.
func (s Suite) Run(t *testing.T) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Suite)
	}{
		{"an absent record is ErrNotFound", testAbsent},
		{"a new record can be loaded", testCreate},
		{"a second creation is a conflict", testCreateConflict},
		{"a record can be swapped", testSwap},
		{"a stale version is a conflict and changes nothing", testStale},
		{"a version of an absent record is a conflict", testVersionOfAbsent},
		{"every field comes back", testFields},
		{"every field can be emptied again", testEmptied},
		{"fields of other versions survive", testUnknownFields},
		{"no version comes twice", testVersions},
		{"accounts are independent", testAccounts},
		{"records are not shared with the caller", testAliasing},
		{"two handles see each other", testHandles},
		{"concurrent swaps lose nothing", testConcurrentSwaps},
		{"concurrent creations have one winner", testConcurrentCreations},
		{"a cancelled context does no harm", testCancelled},
		{"lister", testLister},
		{"locker", testLocker},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, s) })
	}
}

// handles returns two handles to one empty place; they are the same where the store has only one.
func (s Suite) handles(t *testing.T) (a, b tokens.Store) {
	t.Helper()
	a = s.Open(t)
	if s.Reopen == nil {
		return a, a
	}
	return a, s.Reopen(t, a)
}

// Sample returns a record with every field set to a value of its own, as a store may meet it. Its
// Version is empty: it has not been stored yet.
func Sample() tokens.Record {
	at := time.Date(2031, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	return tokens.Record{
		Lineage:          tokens.Lineage{BornAt: at.Add(-time.Hour), Random: "LINEAGE-OF-THE-SUITE"},
		Generation:       7,
		Issuer:           tokens.Issuer{API: "https://api.example", TokenURL: "https://api.example/oauth2/access_token", ClientID: "client"},
		AccessToken:      tokens.NewSecret("access-token-of-the-suite"),
		RefreshToken:     tokens.NewSecret(`refresh "token" <of> the suite & é` + "\u2028"),
		TokenType:        "Bearer",
		Scope:            "read+write",
		ExpiresAt:        at.AddDate(1, 0, 0),
		ObtainedAt:       at,
		Seeds:            []string{"00112233445566778899aabb", "ccddeeff0011223344556677"},
		Pending:          &tokens.Pending{Owner: "host/1/abc", StartedAt: at.Add(time.Minute), Until: at.Add(2 * time.Minute)},
		UnconfirmedSince: at.Add(3 * time.Minute),
		Answered:         true,
		RestoredAt:       at.Add(7 * time.Minute),
		Hold:             &tokens.Hold{Since: at, Until: at.Add(8 * time.Minute), Failures: 2, Refused: true},
		Forgotten:        true,
		Rejected:         &tokens.Rejected{Generation: 6, At: at.Add(4 * time.Minute), Cause: tokens.CauseRevokedOrSpent, Code: "invalid_grant"},
		Previous: &tokens.Previous{
			Generation: 6, ObtainedAt: at.AddDate(-1, 0, 0), ExpiresAt: at.Add(5 * time.Minute),
			AccessFingerprint: "0123456789abcdef01234567", RefreshFingerprint: "89abcdef0123456789abcdef",
		},
		ProvenAt:  at.Add(6 * time.Minute),
		Takeovers: 3,
	}
}
