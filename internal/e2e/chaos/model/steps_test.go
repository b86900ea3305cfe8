package model

// A move is one step that an owner may take now. It changes s. If the step is not possible, it returns false, and
// s must not be used any more.
type move func(w config, s *state, i int) bool

// config is the part that does not change: the bounds.
type config struct{ bounds }

type named struct {
	name string
	move move
}

// works lists what a process does by itself without faults.
func works() []named {
	return []named{
		{"reload", reload}, {"attempt", attemptWorking}, {"attempt, access token dead", attemptDead},
		{"attempt, API refuses everything", attemptUseless}, {"check", check}, {"announce", announce},
		{"answer an announcement", respond}, {"send", send}, {"read", read}, {"renew", renew},
		{"save", save}, {"resave", resave}, {"watch", watch}, {"release", release},
	}
}

// acts reports whether owner i can make a step at all, and can reach the store if the step needs it.
func (s *state) acts(i int, at step, needsStore bool) bool {
	o := &s.owners[i]
	return o.step == at && !o.paused && !(needsStore && o.cut)
}

// foreign reports whether the store has another owner's marker.
func (s *state) foreign(i int) bool { return s.store.pending != 0 && s.store.pending != uint8(i+1) }

// lockFree reports whether nobody else holds the refresh lock: Locker.TryLock.
func (s *state) lockFree(i int) bool {
	for j := range s.owners {
		if j != i && s.owners[j].holds() {
			return false
		}
	}
	return true
}

// see stores what an owner knows of the record that it has read or written.
func (s *state) see(i int) { s.owners[i].seen, s.owners[i].late = s.store.memory(), never }

// reload reads the record, off the request path or in a flight. The process puts back its record if that is newer;
// it uses emergency files and seeds; and from now on it counts the age of another owner's marker.
func reload(w config, s *state, i int) bool {
	if !s.acts(i, idle, true) {
		return false
	}
	if s.settle(w, i) {
		return true
	}
	o := &s.owners[i]
	news := s.store.lineage > 0 && o.seen != s.store.memory() && w.mayLose(s)
	if s.store.lineage > 0 { // an owner does not forget because the store has nothing
		s.see(i)
	}
	if !w.lease || !s.foreign(i) || o.watched != never {
		return news
	}
	o.watched = fresh
	return true
}

// settle corrects the stored record if necessary.
func (s *state) settle(w config, i int) bool {
	o := &s.owners[i]
	if w.newer(o.seen, s.store.place) && s.putBack(w, i) {
		return true
	}
	for j := range s.owners {
		f := s.owners[j].file
		if (w.lease && j != i) || f.pair.none() || !w.newer(f, s.store.place) {
			continue // with leases, the other processes are on other machines
		}
		next := record{place: f.place, pair: f.pair, hold: f.hold, seeds: f.seeds | s.store.seeds}
		if s.store.lineage == 0 {
			next.unconfirmed, next.putBack = fresh, true
		}
		s.write(i, adoption, next)
		return true
	}
	next, changed := s.applySeed(s.store, o.seed)
	if changed {
		s.write(i, userAct, next)
	}
	return changed
}

// newer is the order of all records.
func (w config) newer(m memory, than place) bool {
	if w.flaw == unordered && m.lineage > 0 && than.lineage > 0 {
		return m.generation > than.generation
	}
	return m.after(than)
}

func (p place) after(q place) bool {
	if p.lineage != q.lineage {
		return p.lineage > q.lineage
	}
	return p.generation > q.generation
}

// putBack writes the record that owner i saw last. It is in doubt, because another process may have seen a newer
// one, and must have time to put that back before anybody sends this refresh token.
func (s *state) putBack(w config, i int) bool {
	m, lost := s.owners[i].seen, s.store.lineage == 0
	if m.lineage == 0 || m.rejected || (m.pair.none() && lost) {
		return false
	}
	next := record{
		place: m.place, pair: m.pair, seeds: m.seeds | s.store.seeds, hold: m.hold, rejected: m.rejected,
		unconfirmed: fresh, putBack: true,
	}
	if m.pair.none() || w.flaw == rashPutBack || (w.flaw == rashReplace && !lost) {
		next.unconfirmed, next.putBack = never, false
	}
	if o := &s.owners[i]; o.step > announced && o.step != unsaved { // its own request with that token is still running
		next.pending, next.started, o.claim.lost = uint8(i+1), youngest(o.claim.sent, fresh), false
	}
	s.write(i, correction, next)
	return true
}

// applySeed applies a seed of the configuration to a record.
func (s *state) applySeed(rec record, seed uint8) (record, bool) {
	if seed == 0 || rec.seeds&seed != 0 {
		return rec, false
	}
	noted := rec
	noted.seeds |= seed
	if !rec.pair.none() && rec.seeds == 0 {
		return noted, true
	}
	return s.begin(noted, pair{grant: seedGrant}), true
}

// begin returns the first record of a new lineage.
func (s *state) begin(old record, p pair) record {
	s.born = max(s.born, old.lineage) + 1
	return record{place: place{s.born, 1}, pair: p, seeds: old.seeds}
}

func attemptWorking(w config, s *state, i int) bool { return attempt(w, s, i, false, false) }

// attemptDead is the attempt of an owner that knows that the access token was refused or has expired.
func attemptDead(w config, s *state, i int) bool {
	return s.uncertain(i) != never && attempt(w, s, i, true, false) // if nothing is in doubt, it makes no difference
}

// attemptUseless is a refresh because the API answers 401 to everything.
func attemptUseless(w config, s *state, i int) bool {
	held := s.store.hold
	if w.flaw == localHold {
		held = s.owners[i].hold
	}
	return w.useless && (held == never || held >= full) && attempt(w, s, i, true, true)
}

// uncertain is the age of the last request whose result the record does not show.
func (s *state) uncertain(i int) age {
	start := youngest(s.store.unconfirmed, s.owners[i].own)
	if s.foreign(i) {
		start = youngest(start, s.store.started)
	}
	return start
}

// attempt is an attempt up to the marker in the store.
func attempt(w config, s *state, i int, dead, useless bool) bool {
	if !s.acts(i, idle, true) || !s.mayStart(w, i, dead) {
		return false
	}
	takeover, doubt := s.foreign(i), s.uncertain(i)
	next := s.store
	next.pending, next.started = uint8(i+1), fresh
	if next.unconfirmed = doubt; w.flaw == silentTakeover && takeover {
		next.unconfirmed = s.store.unconfirmed
	}
	s.write(i, marker, next)
	o := &s.owners[i]
	o.step = claimed
	o.claim = claim{
		from: next.place, token: next.pair, lease: fresh, current: true, useless: useless,
		doubtful: next.unconfirmed != never, unconfirmed: next.unconfirmed,
	}
	return true
}

// mayStart returns false if an attempt would be useless, or if an earlier one is still running. If a reload would
// write something, that comes first.
func (s *state) mayStart(w config, i int, dead bool) bool {
	probe := *s
	switch {
	case s.store.pair.none(), s.store.rejected, w.exhausted(s.store.pair, s), probe.settle(w, i):
		return false
	case s.owners[i].elsewhere && w.flaw != otherIssuer:
		return false
	}
	atWork := !w.lease && !s.lockFree(i)
	if w.lease {
		atWork = s.foreign(i) && s.owners[i].watched < full
	}
	if w.flaw == takeover {
		atWork = false
	}
	quiet := full
	if s.store.putBack && w.flaw != shortPutBack {
		quiet = over
	}
	start := s.uncertain(i)
	switch {
	case atWork:
		return false
	case start == never:
		return true
	case w.flaw == noQuiet:
		return dead
	}
	return dead && start >= quiet
}

// exhausted reports whether a valid token cannot be sent because of the limit on rotations.
func (w config) exhausted(p pair, s *state) bool {
	return p.n == s.server.live[p.grant] && !s.server.killed[p.grant] && p.n == w.rotations
}

// check comes before the request: it renews the marker if its time is no longer that of the request.
func check(w config, s *state, i int) bool {
	if !s.acts(i, claimed, false) {
		return false
	}
	c := &s.owners[i].claim
	switch {
	case c.lease == fresh && !c.lost:
		s.owners[i].step = checked
	case s.owners[i].cut, !s.rewrite(w, i, fresh):
		s.owners[i].step = releasing // before anything was sent
	default:
		s.owners[i].step = checked
	}
	return true
}

// rewrite writes the marker again, based on the record of the last save. After a conflict it is based on the
// record that is found, if that still has our marker.
func (s *state) rewrite(w config, i int, started age) bool {
	c := &s.owners[i].claim
	ours := s.store.place == c.from && s.store.pending == uint8(i+1)
	if c.lost || (!c.current && (!ours || w.flaw == brittleLease)) {
		c.lost = true
		return false
	}
	s.mark(i, started)
	return true
}

// mark writes our marker in the place of any other.
func (s *state) mark(i int, started age) {
	c := &s.owners[i].claim
	next := s.store
	next.pending, next.started = uint8(i+1), started
	next.unconfirmed = youngest(next.unconfirmed, c.unconfirmed)
	c.unconfirmed = next.unconfirmed
	s.write(i, marker, next)
	c.current, c.lost, c.lease = true, false, fresh
}
