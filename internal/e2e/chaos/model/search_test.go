package model

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// Bounds is what is searched.
type Bounds struct {
	Owners int          // processes, at most three
	Lease  bool         // the store has leases; otherwise it has a lock that dies with its holder
	Kill   bool         // the server answers the second use of a refresh token by killing the grant
	Seeded bool         // the first record has used a seed; otherwise a login has made it
	Faults int          // in all
	Limits [kinds]uint8 // of each kind
	// Rotations is how often the server may rotate a grant, at most three.
	Rotations uint8
	Flaw      Flaw
}

// EachOnce allows one fault of each kind.
func EachOnce() (limits [kinds]uint8) {
	for k := range limits {
		limits[k] = 1
	}
	return limits
}

// Path is how the world came to a state.
type Path struct {
	What  string // that is wrong with it
	Cause string // the faults on the way, sorted
	Steps []string
}

func (p Path) String() string {
	return fmt.Sprintf("%s, after %s:\n\t%s", p.What, p.Cause, strings.Join(p.Steps, "\n\t"))
}

// Report is what a search has found.
type Report struct {
	States, Steps int
	// Deepest is the greatest number of steps from the start to any state.
	Deepest int
	// Taken counts how often each move was possible.
	Taken map[string]int
	// Broken are the shortest paths to broken invariants, one for each invariant and least set of faults.
	Broken []Path
	// Stuck is a path to a state from which no way leads to rest, if there is one.
	Stuck *Path
}

// key is the hash of a state. With 128 bits, two of a billion states share one with a chance below 1e-20.
type key [2]uint64

type search struct {
	world
	groups   []group
	next     state // here and not on the stack: moves are called through a table, and it would be allocated each time
	seeds    [2]maphash.Seed
	index    map[key]uint32
	keys     []key
	parents  []uint32
	depths   []uint16
	queue    []state
	calm     [][]uint32 // the states that each state leads to without a fault
	settled  []bool
	report   Report
	broken   []state
	brokenAt []uint32
}

// Search visits every state within b, nearest first.
func Search(b Bounds) Report {
	s := &search{world: world{b}, groups: b.moves(), index: map[key]uint32{}, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	s.report.Taken = map[string]int{}
	s.visit(start(b), 0)
	for at := uint32(0); len(s.queue) > 0; at++ {
		from := s.queue[0]
		s.queue = s.queue[1:]
		s.leave(from, at)
	}
	s.report.States = len(s.keys)
	s.explain()
	s.findStuck()
	return s.report
}

// leave visits all states that from leads to.
func (s *search) leave(from state, at uint32) {
	var calm []uint32
	if from.violation == 0 {
		s.each(from, func(l label, next state, fault bool) {
			s.report.Steps++
			s.report.Taken[l.name]++
			to := s.visit(next, at)
			if !fault {
				calm = append(calm, to)
			}
		})
	}
	s.calm = append(s.calm, calm)
}

// visit notes a state, if it is new, and returns its index.
func (s *search) visit(next state, from uint32) uint32 {
	next = next.canonical(s.Owners)
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
	s.report.Deepest = max(s.report.Deepest, int(depth))
	s.settled = append(s.settled, next.violation != 0 || next.settled(s.world))
	s.queue = append(s.queue, next)
	if next.violation != 0 {
		s.broken, s.brokenAt = append(s.broken, next), append(s.brokenAt, at)
	}
	return at
}

func (s *search) key(st state) key {
	return key{maphash.Comparable(s.seeds[0], st), maphash.Comparable(s.seeds[1], st)}
}

// label names a step: what, and by which owner.
type label struct {
	name  string
	owner int
}

func (l label) String() string { return fmt.Sprintf("%s %d", l.name, l.owner+1) }

// group is moves that are tried for each of a number of owners.
type group struct {
	moves []named
	n     int
	fault bool
}

func (b Bounds) moves() []group {
	return []group{
		{works(), b.Owners, false}, {mends(), b.Owners, false}, {network(), b.Owners, false},
		{orphanage(), maxOrphans, false}, {clock(), 1, false}, {faultsOf(), b.Owners, true}, {people(), 1, true},
	}
}

// each calls f with every state that one step leads to.
func (s *search) each(from state, f func(l label, next state, fault bool)) {
	for _, g := range s.groups {
		for _, m := range g.moves {
			for i := range g.n {
				s.next = from
				if m.move(s.world, &s.next, i) {
					s.next.inspect()
					f(label{m.name, i}, s.next, g.fault)
				}
			}
		}
	}
}

// explain gives the shortest path for each broken invariant and each least set of faults.
func (s *search) explain() {
	for i, st := range s.broken {
		p := Path{What: violationText(st.violation), Cause: st.cause()}
		if slices.ContainsFunc(s.broken[:i], func(b state) bool { return b.violation == st.violation && within(b.used, st.used) }) {
			continue
		}
		p.Steps = s.trace(s.brokenAt[i])
		s.report.Broken = append(s.report.Broken, p)
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

// cause names the faults so far.
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
	now := start(s.Bounds)
	var steps []string
	for _, at := range way {
		found := false
		s.each(now, func(l label, next state, _ bool) {
			if !found && s.key(next.canonical(s.Owners)) == s.keys[at] {
				found = true
				steps = append(steps, l.String())
				defer func() { now = next }()
			}
		})
	}
	return steps
}

// findStuck looks for a state from which no way leads to rest, although nothing fails any more.
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
		s.report.Stuck = &Path{What: "no way leads to rest", Steps: s.trace(uint32(at))}
	}
}
