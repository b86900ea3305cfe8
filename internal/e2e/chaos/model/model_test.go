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

// The bounds of the searches that run by default are those that take seconds. The full sizes:
//
//	go test ./internal/e2e/chaos/model -run Search -v -timeout 2h -model.full
var fullSize = flag.Bool("model.full", false, "search with three owners and more faults")

const lostLogin = "a login is needed that could have been avoided"

// common are the ordinary faults and actions, each of them once.
func common(more ...kind) (limits [kinds]uint8) {
	for _, k := range append(more, crashed, stopped, cutOff, torn, lostCall, unsent, login, logout, reseed) {
		limits[k] = 1
	}
	return limits
}

// only allows the given faults, each as often as it is listed.
func only(allowed ...kind) (limits [kinds]uint8) {
	for _, k := range allowed {
		limits[k]++
	}
	return limits
}

// TestSearch visits every state, and lists the losses that no rule of the protocol prevents: the smallest sets of
// faults that cost an avoidable login. If you change the protocol, this list shows what is lost or gained. Crashes
// and lost answers alone are not in the list, because no protocol could have kept the pair that they lose.
func TestSearch(t *testing.T) {
	for _, row := range []struct {
		name   string
		bounds bounds
		full   int // faults of the full size, which has three owners
		costs  []string
	}{
		{
			"lock, server that kills the grant, first pair by login",
			bounds{owners: 3, faults: 3, kill: true, limits: common(), rotations: 2}, 4,
			// The quiet time counts from the marker, and the owner made no step between its last read of the
			// marker and the request.
			[]string{"crash + pause", "pause + store cut off + lost answer"},
		},
		{
			"lock, server that kills the grant, first pair by seed",
			bounds{owners: 2, faults: 3, kill: true, seeded: true, limits: common(), rotations: 2}, 3,
			[]string{"crash + pause", "pause + store cut off + lost answer"},
		},
		{
			"lock, server that forgets a spent token",
			bounds{owners: 2, faults: 3, limits: common(), rotations: 2}, 3, nil,
		},
		{
			"lease, server that kills the grant",
			bounds{owners: 2, faults: 2, lease: true, kill: true, limits: common(), rotations: 2}, 3,
			[]string{"pause", "store cut off"}, // an owner that cannot renew its lease looks dead
		},
		{
			"lease, server that forgets a spent token",
			bounds{owners: 2, faults: 2, lease: true, seeded: true, limits: common(), rotations: 2}, 2, nil,
		},
		{
			"lock, the record is deleted at any moment",
			bounds{owners: 3, faults: 1, kill: true, limits: common(vanish), rotations: 3}, 2,
			[]string{"crash + pause", "crash + record deleted", "new seed + record deleted", "store cut off + record deleted"},
		},
		{
			"lock, the record is deleted twice, beside other faults",
			bounds{owners: 2, faults: 2, kill: true, limits: only(vanish, vanish, crashed, cutOff, login, logout), rotations: 3}, 3,
			[]string{"crash + record deleted", "store cut off + record deleted"}, // the process with the newest pair cannot say so
		},
		{
			"lock, the record is deleted while an answer is lost",
			bounds{owners: 2, faults: 3, kill: true, limits: only(vanish, vanish, lostCall, lostCall, unsent), rotations: 3}, 4, nil,
		},
		{
			"lock, an older record takes its place at any moment",
			bounds{owners: 2, faults: 1, kill: true, limits: only(restore), rotations: 3}, 1,
			// A process that has not seen the newest pair treats the older one as the newest: stop the proxies before
			// you restore a backup.
			[]string{"older record"},
		},
		{
			"lease, a failover loses the newest writes at any moment",
			bounds{owners: 3, faults: 1, lease: true, kill: true, limits: only(restore), rotations: 3}, 1, nil,
		},
		{
			"lease, a failover beside other faults",
			bounds{owners: 2, faults: 2, lease: true, kill: true, limits: only(restore, crashed, lostCall, unsent, login, logout, reseed), rotations: 3}, 2,
			[]string{"crash + older record", "new seed + older record"}, // the process with the newest pair has ended
		},
		{
			"lock, a process has another issuer",
			bounds{owners: 2, faults: 3, kill: true, limits: only(abroad, abroad, crashed, cutOff, lostCall, login), rotations: 2}, 4, nil,
		},
		{
			"lock, the API refuses everything",
			bounds{owners: 2, faults: 2, kill: true, useless: true, limits: only(crashed, cutOff, login, lostCall), rotations: 4}, 2, nil,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := row.bounds
			if *fullSize {
				b.owners, b.faults = 3, max(b.faults, row.full)
			}
			r := run(t, b)
			var costs []string
			for _, p := range r.broken {
				if p.what != lostLogin {
					t.Error(p)
				}
				costs = append(costs, p.cause)
			}
			slices.Sort(costs)
			// Only the full size finds the losses that take more faults.
			want := slices.DeleteFunc(slices.Clone(row.costs), func(c string) bool { return strings.Count(c, "+") >= b.faults })
			if !slices.Equal(costs, want) {
				t.Errorf("what costs a login: got %q, want %q", costs, want)
				for _, p := range r.broken {
					t.Log(p)
				}
			}
			if r.stuck != nil {
				t.Error(r.stuck)
			}
		})
	}
}

// run searches and prints a summary.
func run(t *testing.T, b bounds) report {
	t.Helper()
	began := time.Now()
	r := explore(b)
	t.Logf("%d states, %d steps between them, at most %d from the start (%d owners, %d faults), in %.1f s",
		r.states, r.steps, r.deepest, b.owners, b.faults, time.Since(began).Seconds())
	return r
}

// If a search never took a step, it could not find errors in that step.
func TestEveryStepHappensInTheSearch(t *testing.T) {
	all := common(vanish, restore, abroad)
	taken := map[string]int{}
	for _, b := range []bounds{
		{owners: 2, kill: true, faults: 2, limits: common(vanish, abroad), rotations: 2},
		{owners: 2, faults: 1, useless: true, limits: only(crashed), rotations: 2},
		{owners: 2, faults: 1, limits: only(restore), lease: true, rotations: 3},
		{owners: 2, faults: 2, limits: only(torn, restore, stopped), lease: true, rotations: 2},
	} {
		for name, n := range explore(b).taken {
			taken[name] += n
		}
	}
	for _, g := range (bounds{owners: 2, limits: all}).moves() {
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

// Each planted error violates an invariant, and the search shows the steps to it.
func TestPlantedErrorIsFound(t *testing.T) {
	const (
		lock  = false
		lease = true
		twice = "a refresh token was sent again without a crash or a lost answer to explain it"
	)
	every := common()
	for _, row := range []struct {
		flaw   flaw
		lease  bool
		limits [kinds]uint8
		what   string
		cause  string
	}{
		{takeover, lock, every, twice, "no fault"},
		{takeover, lease, every, twice, "no fault"},
		{silentTakeover, lock, every, "a lost request has left no trace in the record", "crash + refused connection"},
		{blindSave, lock, every, "a record was replaced by an older one", "login"},
		{noQuiet, lock, every, lostLogin, "crash"},
		{earlyUse, lock, every, "a pair is used before a save of it was tried", "no fault"},
		{oldName, lock, every, lostLogin, "crash"},
		{brittleLease, lease, every, twice, "new seed"},
		{brittleLease, lease, every, lostLogin, "torn save"},
		{forgetfulRelease, lease, every, "unconfirmed_since was cleared without a new pair", "pause + lost answer"},
		{forgetfulRelease, lease, every, "a rejection was cleared without a new pair", "crash + pause"},
		{unordered, lock, every, "a login that was kept in memory was dropped", "store cut off + login"},
		{rashPutBack, lock, only(vanish), twice, "record deleted"},
		{rashReplace, lock, only(vanish), twice, "record deleted"},
		{shortPutBack, lock, only(vanish), twice, "record deleted"},
		{otherIssuer, lock, only(abroad), "a refresh token was sent to another issuer", "other issuer"},
		{localHold, lock, only(crashed), "a second refresh because of a 401 was sent while the first one's hold lasts", "no fault"},
		{lateFile, lock, only(cutOff, crashed), lostLogin, "crash + store cut off"},
		{noAnnouncement, lease, only(restore), twice, "older record"},
		{deafOwner, lease, only(restore), twice, "older record"},
		{silentDoubt, lease, only(restore, lostCall), lostLogin, "lost answer + older record"},
		{idleRelease, lock, only(vanish, lostCall), twice, "lost answer + record deleted"},
		{holdForgotten, lock, only(cutOff), "a second refresh because of a 401 was sent while the first one's hold lasts", "store cut off"},
	} {
		t.Run(fmt.Sprintf("%s, %s", row.flaw, storeName(row.lease)), func(t *testing.T) {
			t.Parallel()
			b := bounds{
				owners: 2, lease: row.lease, kill: true, limits: row.limits, rotations: 2, flaw: row.flaw,
				useless: row.flaw == localHold || row.flaw == holdForgotten,
			}
			if row.cause != "no fault" {
				b.faults = 1 + strings.Count(row.cause, "+")
			}
			if row.flaw == rashReplace {
				b.owners, b.rotations = 3, 3
			}
			r := run(t, b)
			at := slices.IndexFunc(r.broken, func(p path) bool { return p.what == row.what && p.cause == row.cause })
			if at >= 0 {
				t.Log(r.broken[at])
				return
			}
			t.Errorf("not found: %s, after %s", row.what, row.cause)
			for _, p := range r.broken {
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
