package model

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// The bounds of the searches that run by default are those that take seconds. For a larger one:
//
//	go test ./internal/e2e/chaos/model -run Search -v -timeout 2h -model.faults 4
var (
	owners = flag.Int("model.owners", 3, "owners in the searches, at most 3")
	faults = flag.Int("model.faults", 0, "faults in all; 0 means 3 with a lock and 2 with leases")
)

const lostLogin = "a login is needed that could have been avoided"

// What no rule of the protocol saves, as the least sets of faults that cost an avoidable login at a server
// that kills a grant for the second use of a refresh token. Whoever changes the protocol sees here
// what that costs or gains. Crashes and lost answers alone are not in the list: the pair that they lose
// nobody could have kept.
var (
	// The quiet time counts from the marker, and the owner stood still between its last look at the marker
	// and the request.
	costsWithLock = []string{"crash + pause", "pause + store cut off + lost answer"}
	// An owner that cannot renew its lease looks like a dead one.
	costsWithLease = []string{"pause", "store cut off"}
)

func TestSearch(t *testing.T) {
	for _, row := range []struct {
		name   string
		bounds Bounds
		costs  []string
	}{
		{"lock, server that kills the grant, first pair by login", Bounds{Kill: true}, costsWithLock},
		{"lock, server that kills the grant, first pair by seed", Bounds{Kill: true, Seeded: true}, costsWithLock},
		{"lock, server that forgets a spent token", Bounds{}, nil},
		{"lease, server that kills the grant", Bounds{Lease: true, Kill: true}, costsWithLease},
		{"lease, server that forgets a spent token", Bounds{Lease: true, Seeded: true}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := row.bounds
			b.Owners, b.Faults, b.Limits, b.Rotations = *owners, bound(b.Lease), EachOnce(), 2
			r := run(t, b)
			var costs []string
			for _, p := range r.Broken {
				if p.What != lostLogin {
					t.Error(p)
				}
				costs = append(costs, p.Cause)
			}
			slices.Sort(costs)
			want := slices.DeleteFunc(slices.Clone(row.costs), func(c string) bool { return strings.Count(c, "+") >= b.Faults })
			if !slices.Equal(costs, want) {
				t.Errorf("what costs a login: got %q, want %q", costs, want)
				for _, p := range r.Broken {
					t.Log(p)
				}
			}
			if r.Stuck != nil {
				t.Error(r.Stuck)
			}
		})
	}
}

func bound(lease bool) int {
	switch {
	case *faults > 0:
		return *faults
	case lease:
		return 2 - lessFaults
	}
	return 3 - lessFaults
}

// run searches and prints what there was to see.
func run(t *testing.T, b Bounds) Report {
	t.Helper()
	began := time.Now()
	r := Search(b)
	t.Logf("%d states, %d steps between them, at most %d from the start (%d owners, %d faults), in %.1f s",
		r.States, r.Steps, r.Deepest, b.Owners, b.Faults, time.Since(began).Seconds())
	return r
}

// A search that takes no notice of some moves would find nothing wrong with them.
func TestEveryMoveIsTaken(t *testing.T) {
	taken := map[string]int{}
	for _, lease := range []bool{false, true} {
		b := Bounds{Owners: 2, Lease: lease, Kill: true, Faults: 2, Limits: EachOnce(), Rotations: 2}
		for name, n := range Search(b).Taken {
			taken[name] += n
		}
	}
	for _, g := range (Bounds{Owners: 2}).moves() {
		for _, m := range g.moves {
			if taken[m.name] == 0 {
				t.Errorf("no owner ever took the move %q", m.name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(taken)) {
		t.Logf("%9d  %s", taken[name], name)
	}
}

// Each planted error breaks an invariant, and the search shows how.
func TestPlantedErrorIsFound(t *testing.T) {
	for _, row := range []struct {
		flaw  Flaw
		lease bool
		what  string
		cause string
	}{
		{Takeover, false, "a refresh token was sent again without a crash or a lost answer to explain it", "no fault"},
		{Takeover, true, "a refresh token was sent again without a crash or a lost answer to explain it", "no fault"},
		{SilentTakeover, false, "a lost request has left no trace in the record", "crash + refused connection"},
		{BlindSave, false, "a login, a logout or a seed was undone by a refresh", "login"},
		{NoQuiet, false, lostLogin, "crash"},
		{EarlyUse, false, "a pair is used before a save of it was tried", "no fault"},
		{OldName, false, lostLogin, "crash"},
		{BrittleLease, true, "a refresh token was sent again without a crash or a lost answer to explain it", "new seed"},
		{BrittleLease, true, lostLogin, "torn save"},
		{ForgetfulRelease, true, "unconfirmed_since was cleared without a new pair", "pause + lost answer"},
		{ForgetfulRelease, true, "a rejection was cleared without a new pair", "crash + pause"},
		{MeekLogin, false, "a login that was kept in memory was dropped for a refresh", "store cut off + login"},
	} {
		t.Run(fmt.Sprintf("%s, %s", row.flaw, storeName(row.lease)), func(t *testing.T) {
			r := run(t, Bounds{Owners: 2, Lease: row.lease, Kill: true, Faults: 2, Limits: EachOnce(), Rotations: 2, Flaw: row.flaw})
			at := slices.IndexFunc(r.Broken, func(p Path) bool { return p.What == row.what && p.Cause == row.cause })
			if at >= 0 {
				t.Log(r.Broken[at])
				return
			}
			t.Errorf("not found: %s, after %s", row.what, row.cause)
			for _, p := range r.Broken {
				t.Log(p)
			}
		})
	}
}

func storeName(lease bool) string {
	if lease {
		return "lease"
	}
	return "lock"
}
