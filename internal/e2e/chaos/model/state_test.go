package model

import "bytes"

const (
	maxOwners  = 3
	maxOrphans = 2
	maxPairs   = 5 // of one grant, including the first
	grants     = 4 // one more than there are, so that zero means none
)

// The grants: one for each login, and for each seed that comes from a login elsewhere.
const (
	firstGrant = 1
	loginGrant = 2
	seedGrant  = 3
)

// ghost is the owner of a marker whose process is gone.
const ghost = maxOwners + 1

// age counts half leases since something happened. Zero means that it did not happen.
type age uint8

const (
	never age = iota
	fresh     // less than half a lease ago
	half
	full // a lease ago or longer
	over // a lease and a half ago or longer: every process has looked at the store since
)

func (a age) older() age {
	if a == never || a == over {
		return a
	}
	return a + 1
}

// youngest returns the age of the latest of several moments.
func youngest(ages ...age) age {
	y := never
	for _, a := range ages {
		if y == never || (a != never && a < y) {
			y = a
		}
	}
	return y
}

// pair is a pair of tokens: the nth of a grant. The zero pair is none.
type pair struct{ grant, n uint8 }

func (p pair) none() bool { return p.grant == 0 }

// place is the position of a record in the order of all records: the younger lineage first, and within a lineage
// the higher generation. The zero place is that of no record.
type place struct {
	lineage    uint8 // logins, logouts and seeds up to now; a later one has the higher number
	generation uint8
}

// record is tokens.Record.
type record struct {
	place
	pair        pair  // none for a tombstone
	pending     uint8 // Pending.Owner: 0 for none, owner i is i+1
	started     age   // Pending.StartedAt
	unconfirmed age   // UnconfirmedSince
	putBack     bool  // unconfirmed is set because a process put the record back
	rejected    bool  // Rejected, of this generation
	hold        age   // age of the refresh because of a 401 that gave this pair
	seeds       uint8 // fingerprints, one bit each
}

// memory is what a process or an emergency file knows of a record.
type memory struct {
	place
	pair     pair
	rejected bool
	hold     age
	seeds    uint8
}

func (r record) memory() memory { return memory{r.place, r.pair, r.rejected, r.hold, r.seeds} }

// step is the position of an owner in its flight.
type step uint8

const (
	gone      step = iota // no process
	idle                  // no flight, or one that waits and has written nothing
	claimed               // the marker is written
	checked               // the marker is recent enough: the request may be sent
	announced             // the other processes were told
	awaiting              // the request is sent
	got                   // the answer is a pair
	unsaved               // the save of the pair failed; the flight is over
	watching              // the answer is invalid_grant, and the result of an earlier request is unknown
	rejecting             // the generation is to be marked rejected
	releasing             // the marker is to be removed
)

// answer is the state of a request.
type answer uint8

const (
	underWay answer = iota
	granted         // claim.pair is the answer
	refused         // invalid_grant
)

// claim is tokens.claim with its request. For an unsaved pair, it is what is kept of these.
type claim struct {
	from        place
	token       pair // the one that is sent
	lease       age  // since claim.fresh
	current     bool // the record in the store is still that of our last save
	lost        bool
	doubtful    bool
	useless     bool // the refresh is because of a 401 that no refresh helps against
	unconfirmed age  // claim.rec.UnconfirmedSince
	sent        age  // since the request was sent
	answer      answer
	pair        pair // the new pair
	watch       age  // since watchStore began
	login       bool // a login, and not a refresh, that the store could not save; it has no lock
}

// owner is one process with one account.
type owner struct {
	step      step
	paused    bool
	cut       bool
	early     bool   // it uses a pair before a save was tried
	elsewhere bool   // its configuration names another issuer
	seed      uint8  // in its configuration
	seen      memory // the record that it last saw
	late      age    // since the store has an older record than seen
	watched   age    // since the marker in the store is unchanged
	own       age    // since its own last request with an unknown result
	hold      age    // with LocalHold: since its last refresh because of a 401
	claim     claim
	file      memory // its emergency file, which remains after its end
}

// holds reports whether the owner holds the refresh lock of a store that has one.
func (o *owner) holds() bool { return o.step > idle && !o.claim.login }

// hasPair reports whether the owner holds a pair that is not in the store yet.
func (o *owner) hasPair() bool {
	return o.step == got || o.step == unsaved || (o.step == awaiting && o.claim.answer == granted)
}

// next is the place of the record that the owner's pair will get.
func (c *claim) next() place {
	if c.login {
		return c.from
	}
	return place{c.from.lineage, c.from.generation + 1}
}

// server is the authorization server.
type server struct {
	live   [grants]uint8 // the valid pair of each grant
	killed [grants]bool
}

// orphan is a request whose answer nobody waits for.
type orphan struct {
	pair pair
	sent age
}

// history is what no process knows, and what the invariants are about.
type history struct {
	// credit is how often each refresh token may still be sent: once, and once more for each request whose result
	// nobody could know.
	credit [grants][maxPairs]uint8
	// open means that a request with this token was lost, and that no answer to another request has shown its
	// result.
	open [grants][maxPairs]bool
	// excused means that a pair of this grant was issued and reached nobody, or was lost with its owner.
	excused [grants]bool
	// held is the record of the last refresh because of a 401, and useless is the time since then.
	held    place
	useless age
}

// state is the whole system at one moment.
type state struct {
	store     record
	behind    record // a backup, or the data of a replica: what a restore or a failover brings back
	owners    [maxOwners]owner
	orphans   [maxOrphans]orphan
	server    server
	history   history
	born      uint8        // lineages so far
	used      [kinds]uint8 // faults so far
	violation uint8        // index into violations; the search does not continue from a state with one
}

func start(b bounds) state {
	s := state{store: record{place: place{1, 1}, pair: pair{grant: firstGrant}}, born: 1}
	if b.seeded {
		s.store.seeds = 1
	}
	for i := range b.owners {
		s.owners[i].step, s.owners[i].seen = idle, s.store.memory()
	}
	for g := range s.history.credit {
		for n := range s.history.credit[g] {
			s.history.credit[g][n] = 1
		}
	}
	return s
}

// faults returns how many faults have happened. Logins, logouts and seeds count too, because they are as rare.
func (s *state) faults() (sum int) {
	for _, n := range s.used {
		sum += int(n)
	}
	return sum
}

// canonical returns the state with its owners in a fixed order, because it makes no difference which of them is
// the first. It also clears fields that no longer matter.
func (s state) canonical(b bounds) state {
	if !b.mayLose(&s) {
		s.behind = record{}
		for i := range s.owners {
			if o := &s.owners[i]; !o.seen.after(s.store.place) {
				o.seen, o.late = memory{}, never
			}
		}
	}
	for i := 1; i < b.owners; i++ {
		for j := i; j > 0 && bytes.Compare(s.rank(j), s.rank(j-1)) < 0; j-- {
			s.swap(j, j-1)
		}
	}
	if o := s.orphans; o[1].pair.grant > 0 && (o[0].pair.grant == 0 || o[1].sent < o[0].sent) {
		s.orphans[0], s.orphans[1] = o[1], o[0]
	}
	return s
}

// mayLose reports whether the store can still lose its record.
func (b bounds) mayLose(s *state) bool {
	return s.faults() < b.faults && (s.used[vanish] < b.limits[vanish] || s.used[restore] < b.limits[restore])
}

func (s *state) rank(i int) []byte {
	o, c := &s.owners[i], &s.owners[i].claim
	flags := bit(s.store.pending == uint8(i+1)) | bit(s.behind.pending == uint8(i+1))<<1 | bit(o.paused)<<2 | bit(o.cut)<<3 |
		bit(o.early)<<4 | bit(o.elsewhere)<<5 | bit(o.seen.rejected)<<6 | bit(c.useless)<<7
	return []byte{
		byte(o.step), flags, o.seed, o.seen.lineage, o.seen.generation, o.seen.pair.n, o.seen.seeds, byte(o.seen.hold), byte(o.late), byte(o.watched), byte(o.own), byte(o.hold),
		c.from.lineage, c.from.generation, c.token.grant, c.token.n, byte(c.lease), bit(c.current)<<2 | bit(c.lost)<<1 | bit(c.doubtful),
		byte(c.unconfirmed), byte(c.sent), byte(c.answer), c.pair.grant, c.pair.n, byte(c.watch), bit(c.login),
		o.file.lineage, o.file.generation,
	}
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (s *state) swap(i, j int) {
	s.owners[i], s.owners[j] = s.owners[j], s.owners[i]
	for _, r := range []*record{&s.store, &s.behind} {
		switch r.pending {
		case uint8(i + 1):
			r.pending = uint8(j + 1)
		case uint8(j + 1):
			r.pending = uint8(i + 1)
		}
	}
}
