// Package storetest is the suite that every tokens.Store has to pass. The test of a store declares the abilities of
// the store, and provides an empty place for its records:
//
//	func TestStore(t *testing.T) {
//		storetest.Suite{Lists: true, Locks: true, Checks: true, New: func(t *testing.T) storetest.Place {
//			dir := t.TempDir()
//			return storetest.Place{Open: func(t *testing.T, _ string, keys *tokens.Codec) tokens.Store {
//				return open(t, dir, keys)
//			}}
//		}}.Run(t)
//	}
//
// Many tests open their place twice, as two processes would. If the place is a server, the suite runs a relay
// between the server and the store, and cuts connections at every point of a save. If the place can show the stored
// data, or is a server, the suite runs a second time with encryption, without the tests that need the relay.
//
// The records of the suite contain only invented secrets.
package storetest

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// Suite describes the store under test, and how to open it.
type Suite struct {
	// Lists, Locks, Checks, Watches and Forgets mean that the store is a tokens.Lister, Locker, Checker, Watcher and
	// Forgetful. The suite fails if the store has more or fewer of these abilities.
	Lists, Locks, Checks, Watches, Forgets bool
	// New returns an empty place that no other test uses. It closes and removes everything in t.Cleanup.
	New func(t *testing.T) Place
}

// Place is where a store keeps its records.
type Place struct {
	// Open opens the place, like one more process. It connects to the server at via. keys encrypt the tokens, or are
	// nil.
	Open func(t *testing.T, via string, keys *tokens.Codec) tokens.Store
	// Server is the address of the server that keeps the records, HOST:PORT. Empty if there is none, or if the store
	// would not connect to the address that Open gets.
	Server string
	// Break makes a place without a server unusable, and returns a function that repairs it. Nil if that cannot happen.
	Break func(t *testing.T) (mend func())
	// Read returns the stored data of account, and Write replaces it, both without the store. They are nil for a store
	// that keeps records in memory only.
	Read  func(t *testing.T, account string) []byte
	Write func(t *testing.T, account string, data []byte)
}

// Run runs every test of the suite as a subtest of t.
func (s Suite) Run(t *testing.T) {
	t.Helper()
	t.Run("in clear", func(t *testing.T) { s.run(t, nil) })
	if s.New(t).Read != nil || s.New(t).Server != "" {
		t.Run("encrypted", func(t *testing.T) { s.run(t, keys(t, "a")) })
	}
}

func (s Suite) run(t *testing.T, keys *tokens.Codec) {
	sample := s.New(t)
	stored, breaks := sample.Read != nil, sample.Server != "" || sample.Break != nil
	remote := sample.Server != "" && keys == nil // keys make no difference to connections
	for _, c := range []struct {
		name    string
		applies bool
		test    func(*testing.T, *place)
	}{
		{"an absent record is ErrNotFound", true, testAbsent},
		{"a new record can be loaded", true, testCreate},
		{"a second creation is a conflict", true, testCreateConflict},
		{"a record can be swapped", true, testSwap},
		{"a stale version is a conflict and changes nothing", true, testStale},
		{"a version of an absent record is a conflict", true, testVersionOfAbsent},
		{"every field comes back", true, testFields},
		{"every field can be emptied again", true, testEmptied},
		{"fields of other versions survive", true, testUnknownFields},
		{"no version comes twice", true, testVersions},
		{"accounts are independent", true, testAccounts},
		{"records are not shared with the caller", true, testAliasing},
		{"two handles see each other", true, testHandles},
		{"what Load would refuse is not saved", stored, testUnreadable},
		{"dates are kept and decide nothing", true, testClocks},
		{"concurrent swaps lose nothing", true, testConcurrentSwaps},
		{"concurrent creations have one winner", true, testConcurrentCreations},
		{"a renewal and a takeover have one winner", true, testTakeovers},
		{"a cancelled context does no harm", true, testCancelled},
		{"abilities", true, s.testAbilities},
		{"lists", s.Lists, testLists},
		{"locks", s.Locks, testLocks},
		{"a check changes nothing", s.Checks, testCheck},
		{"a watch reports the saves of others", s.Watches, testWatch},
		{"a watch ends with its context", s.Watches, testWatchEnds},
		{"a watch connects again", s.Watches && remote, testWatchBreaks},
		{"a watch begins before its server", s.Watches && remote, testWatchBegins},
		{"an engine that is away and comes back", breaks, testAway},
		{"a save whose connection breaks at any point", remote, testBrokenSaves},
		{"a save that the caller gave up", remote, testGivenUp},
		{"answers that come late", remote, testLateAnswers},
		{"two versions of the program side by side", stored, testSchemas},
		{"a damaged or foreign value is left alone", stored, testDamaged},
		{"tokens are not in clear", stored && keys != nil, testSealed},
		{"keys are replaced", stored && keys != nil, testKeys},
	} {
		if c.applies {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.test(t, &place{Place: s.New(t), keys: keys})
			})
		}
	}
}

// place is the Place of one test, and the keys of that test.
type place struct {
	Place
	keys *tokens.Codec
}

func (p *place) open(t *testing.T) tokens.Store {
	t.Helper()
	return p.Open(t, p.Server, p.keys)
}

// handles returns two handles to one empty place.
func (p *place) handles(t *testing.T) (a, b tokens.Store) {
	t.Helper()
	return p.open(t), p.open(t)
}

// keys returns encryption keys, one for each letter. The first one encrypts.
func keys(t *testing.T, letters ...string) *tokens.Codec {
	t.Helper()
	var lines strings.Builder
	for _, letter := range letters {
		lines.WriteString(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32))) + "\n")
	}
	c, err := tokens.ParseKeys([]byte(lines.String()))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const accessToken = "access-token-of-the-suite"

// Sample returns a valid record in which every field is set to a different value. Its Version is empty: it has not been
// stored yet.
func Sample() tokens.Record {
	at := time.Date(2031, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	return tokens.Record{
		Lineage:          tokens.Lineage{BornAt: at.Add(-time.Hour), Random: "LINEAGE-OF-THE-SUITE"},
		Generation:       7,
		Issuer:           tokens.Issuer{API: "https://api.example", TokenURL: "https://api.example/oauth2/access_token", ClientID: "client"},
		AccessToken:      tokens.NewSecret(accessToken),
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
		Rejected:         &tokens.Rejected{Generation: 6, At: at.Add(4 * time.Minute), Cause: problem.RevokedOrSpent, Code: "invalid_grant"},
		Previous: &tokens.Previous{
			Generation: 6, ObtainedAt: at.AddDate(-1, 0, 0), ExpiresAt: at.Add(5 * time.Minute),
			AccessFingerprint: "0123456789abcdef01234567", RefreshFingerprint: "89abcdef0123456789abcdef",
		},
		ProvenAt: at.Add(6 * time.Minute),
	}
}

const account = "acme"

func load(t *testing.T, s tokens.Store, account string) tokens.Record {
	t.Helper()
	rec, err := s.Load(t.Context(), account)
	if err != nil {
		t.Fatalf("Load(%q): %v", account, err)
	}
	if rec.Version == "" {
		t.Fatalf("Load(%q) gives a record without a version", account)
	}
	return rec
}

func save(t *testing.T, s tokens.Store, account string, rec tokens.Record) tokens.Record {
	t.Helper()
	saved, err := s.Save(t.Context(), account, rec)
	if err != nil {
		t.Fatalf("Save(%q): %v", account, err)
	}
	if saved.Version == "" {
		t.Fatalf("Save(%q) gives a record without a version", account)
	}
	return saved
}

func wantConflict(t *testing.T, s tokens.Store, rec tokens.Record) {
	t.Helper()
	if _, err := s.Save(t.Context(), account, rec); !errors.Is(err, tokens.ErrConflict) {
		t.Fatalf("Save of version %q: got %v, want ErrConflict", rec.Version, err)
	}
}

func wantAbsent(t *testing.T, s tokens.Store, account string) {
	t.Helper()
	if _, err := s.Load(t.Context(), account); !errors.Is(err, tokens.ErrNotFound) {
		t.Fatalf("Load(%q): got %v, want ErrNotFound", account, err)
	}
}

// wantRecord compares every field, including the version: secrets by value, times as points in time.
func wantRecord(t *testing.T, got, want tokens.Record) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(tokens.Record{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the record differs (-want +got):\n%s", d)
	}
}

// based returns rec as the successor of the stored record with this version.
func based(rec tokens.Record, version string) tokens.Record {
	rec = rec.Clone()
	rec.Version = version
	return rec
}
