package model

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// bounds are the limits of a search.
type bounds struct {
	owners  int          // processes, at most three
	lease   bool         // the store has leases; otherwise it has a lock that ends with its owner
	kill    bool         // the server ends the grant at the second use of a refresh token
	seeded  bool         // the first record has used a seed; otherwise a login has made it
	useless bool         // the API refuses every token, so that no refresh helps
	faults  int          // of all kinds together
	limits  [kinds]uint8 // of each kind
	// rotations is how often the server may rotate a grant, at most four.
	rotations uint8
	flaw      flaw
}

// flaw is an error that can be planted, to prove that the search finds it.
type flaw uint8

const (
	sound            flaw = iota
	takeover              // a marker is replaced although its owner lives
	silentTakeover        // a takeover does not set unconfirmed_since in its own swap
	blindSave             // a late pair is saved over any record
	noQuiet               // the token is sent again while an earlier request may be running
	earlyUse              // a pair is used before its save is tried
	brittleLease          // any conflict ends a lease, also one with a harmless write
	forgetfulRelease      // the end of a flight overwrites what another owner left with an older copy
	oldName               // a restarted process treats the marker of the dead one as its own
	unordered             // generations are compared across lineages
	rashPutBack           // a record that is put back is not in doubt
	rashReplace           // the same, but only if it replaces an older record
	shortPutBack          // a record that is put back is in doubt for a lease only
	otherIssuer           // a token is sent to another issuer than its own
	localHold             // the hold after a refresh that did not help is kept in memory
	lateFile              // no emergency file is written when a save fails
	noAnnouncement        // a token from a store that can lose a write is sent without asking the others
	deafOwner             // an owner in the middle of an exchange does not answer an announcement
	silentDoubt           // an owner that lost an answer does not answer an announcement
	idleRelease           // the end of a flight does not put back a record that was lost in the meantime
	holdForgotten         // an emergency file does not contain the hold
)

func (f flaw) String() string {
	return [...]string{
		"none", "takeover from a living owner", "takeover without unconfirmed_since", "late save over a newer record",
		"no quiet time", "use before save", "lease lost to a harmless write", "release over what another left",
		"a name that outlives its process", "generations compared across lineages", "put back without doubt",
		"replaced by memory without doubt", "put back with too short a doubt",
		"a token for another issuer", "hold in one process only", "no emergency file", "no announcement",
		"an announcement not answered", "a lost answer kept to oneself", "a lost record left lost", "a hold that no emergency file keeps",
	}[f]
}

// path is the shortest sequence of steps to a state.
type path struct {
	what  string // the problem of the state
	cause string // the faults on the way
	steps []string
}

func (p path) String() string {
	return fmt.Sprintf("%s, after %s:\n\t%s", p.what, p.cause, strings.Join(p.steps, "\n\t"))
}

// report is the result of a search.
type report struct {
	states, steps int
	// deepest is the greatest number of steps from the start to any state.
	deepest int
	// taken counts how often each move was possible.
	taken map[string]int
	// broken are the shortest paths to broken invariants, one for each invariant and least set of faults.
	broken []path
	// stuck is a path to a state from which no settled state can be reached, if there is one.
	stuck *path
}

// key is the hash of a state. With 128 bits, the chance that two of a billion states share one is below 1e-20.
type key [2]uint64

type search struct {
	config
	groups   []group
	next     state // here and not on the stack, where it would be allocated each time, because moves are called through a table
	seeds    [2]maphash.Seed
	index    map[key]uint32
	keys     []key
	parents  []uint32
	depths   []uint16
	queue    []state
	calm     [][]uint32 // the states that each state leads to without a fault
	settled  []bool
	report   report
	broken   []state
	brokenAt []uint32
}

// explore visits every state within b, nearest first.
func explore(b bounds) report {
	s := &search{config: config{b}, groups: b.moves(), index: map[key]uint32{}, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	s.report.taken = map[string]int{}
	s.visit(start(b), 0)
	for at := uint32(0); len(s.queue) > 0; at++ {
		from := s.queue[0]
		s.queue = s.queue[1:]
		s.leave(from, at)
	}
	s.report.states = len(s.keys)
	s.explain()
	s.findStuck()
	return s.report
}

// leave visits all states that are one step after from.
func (s *search) leave(from state, at uint32) {
	var calm []uint32
	if from.violation == 0 {
		s.each(from, func(l label, next state, fault bool) {
			s.report.steps++
			s.report.taken[l.name]++
			to := s.visit(next, at)
			if !fault {
				calm = append(calm, to)
			}
		})
	}
	s.calm = append(s.calm, calm)
}

// visit adds a state, if it is new, and returns its index.
func (s *search) visit(next state, from uint32) uint32 {
	next = next.canonical(s.bounds)
	k := s.key(next)
	if at, known := s.index[k]; known {
		return at
	}
	at := uint32(len(s.keys))
	s.index[k] = at
	s.keys, s.parents = append(s.keys, k), append(s.parents, from)
	depth := uint16(0)
	if at > 0 {
		depth = s.depths[from] + 1
	}
	s.depths = append(s.depths, depth)
	s.report.deepest = max(s.report.deepest, int(depth))
	s.settled = append(s.settled, next.violation != 0 || next.settled(s.config))
	s.queue = append(s.queue, next)
	if next.violation != 0 {
		s.broken, s.brokenAt = append(s.broken, next), append(s.brokenAt, at)
	}
	return at
}

func (s *search) key(st state) key {
	return key{maphash.Comparable(s.seeds[0], st), maphash.Comparable(s.seeds[1], st)}
}

// label is the name of a step, and its owner.
type label struct {
	name  string
	owner int
}

func (l label) String() string { return fmt.Sprintf("%s %d", l.name, l.owner+1) }

// group is a list of moves that are tried for each of a number of owners.
type group struct {
	moves []named
	n     int
	fault bool
}

func (b bounds) moves() []group {
	return []group{
		{works(), b.owners, false}, {repairs(), b.owners, false}, {network(), b.owners, false},
		{orphanage(), maxOrphans, false}, {clock(), 1, false}, {faultsOf(), b.owners, true}, {people(), 1, true},
	}
}

// each calls f with every state that one step leads to.
func (s *search) each(from state, f func(l label, next state, fault bool)) {
	for _, g := range s.groups {
		for _, m := range g.moves {
			for i := range g.n {
				s.next = from
				if m.move(s.config, &s.next, i) {
					s.next.inspect()
					f(label{m.name, i}, s.next, g.fault)
				}
			}
		}
	}
}

// explain returns the shortest path for each violated invariant and each smallest set of faults.
func (s *search) explain() {
	for i, st := range s.broken {
		p := path{what: violationText(st.violation), cause: st.cause()}
		if slices.ContainsFunc(s.broken[:i], func(b state) bool { return b.violation == st.violation && within(b.used, st.used) }) {
			continue
		}
		p.steps = s.trace(s.brokenAt[i])
		s.report.broken = append(s.report.broken, p)
	}
}

func within(less, more [kinds]uint8) bool {
	for k := range less {
		if less[k] > more[k] {
			return false
		}
	}
	return true
}

// cause names the faults up to now.
func (s *state) cause() string {
	var names []string
	for k, n := range s.used {
		if n > 0 {
			names = append(names, strings.TrimSuffix(fmt.Sprintf("%s ×%d", kind(k), n), " ×1"))
		}
	}
	if len(names) == 0 {
		return "no fault"
	}
	return strings.Join(names, " + ")
}

// trace walks from the start to the state at index to, with owners that keep their numbers.
func (s *search) trace(to uint32) []string {
	var way []uint32
	for at := to; at != 0; at = s.parents[at] {
		way = append(way, at)
	}
	slices.Reverse(way)
	now := start(s.bounds)
	var steps []string
	for _, at := range way {
		found := false
		s.each(now, func(l label, next state, _ bool) {
			if !found && s.key(next.canonical(s.bounds)) == s.keys[at] {
				found = true
				steps = append(steps, l.String())
				defer func() { now = next }()
			}
		})
	}
	return steps
}

// findStuck looks for a state from which no settled state can be reached, even without more faults.
func (s *search) findStuck() {
	for changed := true; changed; {
		changed = false
		for at := len(s.calm) - 1; at >= 0; at-- {
			if !s.settled[at] && slices.ContainsFunc(s.calm[at], func(to uint32) bool { return s.settled[to] }) {
				s.settled[at], changed = true, true
			}
		}
	}
	if at := slices.Index(s.settled, false); at >= 0 {
		s.report.stuck = &path{what: "no way leads to rest", steps: s.trace(uint32(at))}
	}
}
