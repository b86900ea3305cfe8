package model

// A move is one step of an owner that may be taken now. It changes s and returns false, with s to be
// thrown away, if it is not possible.
type move func(w world, s *state, i int) bool

// world is what does not change: the bounds.
type world struct{ Bounds }

// works lists what a process does by itself when it neither rests nor fails.
func works() []named {
	return []named{
		{"look", look}, {"attempt", attemptWorking}, {"attempt, access token dead", attemptDead},
		{"check", check}, {"send", send}, {"read", read}, {"renew", renew},
		{"save", save}, {"resave", resave}, {"watch", watch}, {"release", release},
	}
}

type named struct {
	name string
	move move
}

// acts says whether owner i can do anything at all, and reaches the store where that is asked for.
func (s *state) acts(i int, at step, needsStore bool) bool {
	o := &s.owners[i]
	return o.step == at && !o.paused && !(needsStore && o.cut)
}

// foreign says whether another owner's marker stands: keeper.foreign.
func (s *state) foreign(i int) bool { return s.store.pending != 0 && s.store.pending != uint8(i+1) }

// lockFree says whether nobody else holds the refresh lock: Locker.TryLock.
func (s *state) lockFree(i int) bool {
	for j := range s.owners {
		if j != i && s.owners[j].holds() && !s.owners[j].claim.login {
			return false
		}
	}
	return true
}

// look reads the record, off the request path or in a flight: the emergency file and seeds act on it, and
// the age of another's marker begins to count.
func look(w world, s *state, i int) bool {
	if !s.acts(i, idle, true) {
		return false
	}
	if s.settle(i) {
		return true
	}
	if o := &s.owners[i]; !w.Lease || !s.foreign(i) || o.watched != never {
		return false
	}
	s.owners[i].watched = fresh
	return true
}

// settle is keeper.settle: it writes what the record should be, if it is not.
func (s *state) settle(i int) bool {
	if f := s.file; f.rec.generation > s.store.generation && f.previous == s.store.pair {
		next := f.rec
		next.seeds = s.store.seeds
		s.write(i, adoption, next)
		s.file = emergency{}
		return true
	}
	next, changed := sow(s.store, s.owners[i].seed)
	if changed {
		s.write(i, userAct, next)
	}
	return changed
}

// sow is tokens.sow.
func sow(rec record, seed uint8) (record, bool) {
	if seed == 0 || rec.seeds&seed != 0 {
		return rec, false
	}
	noted := rec
	noted.seeds |= seed
	if !rec.pair.none() && rec.seeds == 0 {
		return noted, true
	}
	return succeed(noted, pair{grant: seedGrant}, rec.epoch+1), true
}

// succeed is tokens.succeed.
func succeed(rec record, p pair, epoch uint8) record {
	return record{generation: rec.generation + 1, pair: p, epoch: epoch, seeds: rec.seeds}
}

func attemptWorking(w world, s *state, i int) bool { return attempt(w, s, i, false) }

// attemptDead is the attempt of an owner that knows the access token to be refused or expired.
func attemptDead(w world, s *state, i int) bool {
	return s.uncertain(i) != never && attempt(w, s, i, true) // without doubt it makes no difference
}

// uncertain is keeper.uncertain: the age of the last request whose outcome the record leaves open.
func (s *state) uncertain(i int) age {
	start := youngest(s.store.unconfirmed, s.owners[i].own)
	if s.foreign(i) {
		start = youngest(start, s.store.started)
	}
	return start
}

// attempt is keeper.attempt up to the marker in the store.
func attempt(w world, s *state, i int, dead bool) bool {
	if !s.acts(i, idle, true) || !s.mayStart(w, i, dead) {
		return false
	}
	takeover, doubt := s.foreign(i), s.uncertain(i)
	next := s.store
	next.pending, next.started = uint8(i+1), fresh
	if next.unconfirmed = doubt; w.Flaw == SilentTakeover && takeover {
		next.unconfirmed = s.store.unconfirmed
	}
	s.write(i, marker, next)
	o := &s.owners[i]
	o.step = claimed
	o.claim = claim{
		from: next.generation, token: next.pair, epoch: next.epoch, lease: fresh, current: true,
		doubtful: next.unconfirmed != never, unconfirmed: next.unconfirmed,
	}
	return true
}

// mayStart is keeper.hopeless and keeper.mayStart. Seeds and emergency files come first: look has them.
func (s *state) mayStart(w world, i int, dead bool) bool {
	if probe := *s; s.store.pair.none() || s.store.rejected || w.exhausted(s.store.pair, s) || probe.settle(i) {
		return false
	}
	atWork := !w.Lease && !s.lockFree(i)
	if w.Lease {
		atWork = s.foreign(i) && s.owners[i].watched != full
	}
	if w.Flaw == Takeover {
		atWork = false
	}
	start := s.uncertain(i)
	switch {
	case atWork:
		return false
	case start == never:
		return true
	case w.Flaw == NoQuiet:
		return dead
	}
	return dead && start == full
}

// exhausted says whether the bound on rotations keeps a good token from being sent.
func (w world) exhausted(p pair, s *state) bool {
	return p.n == s.server.live[p.grant] && !s.server.killed[p.grant] && p.n == w.Rotations
}

// check is what claim.call does before it sends: claim.isFresh, and a renewal if the marker does not tell any
// more when the request begins.
func check(w world, s *state, i int) bool {
	if !s.acts(i, claimed, false) {
		return false
	}
	c := &s.owners[i].claim
	switch {
	case c.lease == fresh && !c.lost:
		s.owners[i].step = checked
	case s.owners[i].cut, !s.rewrite(w, i, fresh):
		s.owners[i].step = releasing // without having sent anything
	default:
		s.owners[i].step = checked
	}
	return true
}

// rewrite is claim.renew: a swap on the record of the last save, and on a conflict on the record that is
// found, if it still has our marker.
func (s *state) rewrite(w world, i int, started age) bool {
	c := &s.owners[i].claim
	ours := s.store.generation == c.from && s.store.pending == uint8(i+1)
	if c.lost || (!c.current && (!ours || w.Flaw == BrittleLease)) {
		c.lost = true
		return false
	}
	next := s.store
	next.started = started
	next.unconfirmed = youngest(next.unconfirmed, c.unconfirmed) // claim.learnt
	c.unconfirmed = next.unconfirmed
	s.write(i, marker, next)
	c.current, c.lease = true, fresh
	return true
}

// send lets the request leave. From here on it can reach the server.
func send(w world, s *state, i int) bool {
	if !s.acts(i, checked, false) {
		return false
	}
	o := &s.owners[i]
	o.step, o.claim.sent, o.claim.answer = awaiting, fresh, underWay
	if !w.Lease {
		o.claim.lease = never // the lock holds as long as its owner lives
	}
	s.spend(w, o.claim.token)
	return true
}

// read takes the answer.
func read(w world, s *state, i int) bool {
	if !s.acts(i, awaiting, false) || s.owners[i].claim.answer == underWay {
		return false
	}
	o := &s.owners[i]
	switch {
	case o.claim.answer == granted:
		o.step, o.early = got, w.Flaw == EarlyUse
	case o.claim.doubtful || o.claim.unconfirmed != never:
		o.step, o.claim.watch = watching, fresh
	default:
		o.step = rejecting
	}
	return true
}

// renew is claim.keepAlive.
func renew(w world, s *state, i int) bool {
	if !s.mustRenew(w, i) {
		return false
	}
	s.rewrite(w, i, s.store.started) // a conflict makes it lost, and that is remembered
	return true
}

// mustRenew says whether a third of the lease has passed and a renewal is to be tried.
func (s *state) mustRenew(w world, i int) bool {
	o := &s.owners[i]
	listens := s.acts(i, awaiting, true) || s.acts(i, watching, true)
	return w.Lease && listens && !o.claim.lost && o.claim.lease >= half
}

// save is claim.succeed. Where the store is not reached, the pair is unsaved: rule 10.
func save(w world, s *state, i int) bool {
	if !s.acts(i, got, false) {
		return false
	}
	s.owners[i].early = false
	if s.owners[i].cut {
		s.owners[i].step = unsaved
		return true
	}
	s.storePair(w, i)
	return true
}

// resave is what the saver does, or a look with a pair in hand that is newer than the store's.
func resave(w world, s *state, i int) bool {
	if !s.acts(i, unsaved, true) {
		return false
	}
	s.storePair(w, i)
	return true
}

// storePair is keeper.store: rule 4. The claim ends with it.
func (s *state) storePair(w world, i int) {
	c := s.owners[i].claim
	moved := s.store.generation > c.from
	if c.login && s.store.refreshed && w.Flaw != MeekLogin {
		moved = false // a login gives way to what people did, not to a refresh
	}
	switch {
	case moved && w.Flaw != BlindSave:
		if c.login && s.store.epoch < c.epoch {
			s.violate(loginDropped)
		}
	case c.login:
		s.write(i, userAct, succeed(s.store, c.pair, max(c.epoch, s.store.epoch)))
	default:
		next := succeed(s.store, c.pair, c.epoch)
		next.refreshed = true
		s.write(i, rotation, next)
	}
	s.end(i)
}

// end lets go of claim and lock.
func (s *state) end(i int) {
	s.owners[i].step, s.owners[i].claim, s.owners[i].early = idle, claim{}, false
}

// watch is claim.watchStore: a look that finds another pair, or the end of the time.
func watch(_ world, s *state, i int) bool {
	switch {
	case s.acts(i, watching, true) && s.store.generation != s.owners[i].claim.from:
		s.end(i)
	case s.acts(i, watching, false) && s.owners[i].claim.watch == full:
		s.owners[i].step = rejecting
	default:
		return false
	}
	return true
}

// release is claim.release: the flight brought no pair, and ends with a save all the same.
func release(w world, s *state, i int) bool {
	refusal := s.acts(i, rejecting, false)
	if !refusal && !s.acts(i, releasing, false) {
		return false
	}
	o := &s.owners[i]
	if o.cut {
		s.keepMark(i, refusal)
		return true
	}
	if o.claim.current || (s.store.generation == o.claim.from && !s.foreign(i)) {
		next := s.store
		next.pending, next.started = 0, never
		next.unconfirmed = youngest(next.unconfirmed, o.claim.unconfirmed) // claim.learnt
		next.rejected = next.rejected || refusal
		if w.Flaw == ForgetfulRelease {
			next.unconfirmed, next.rejected = o.claim.unconfirmed, refusal
		}
		s.write(i, mark, next)
	}
	s.end(i)
	return true
}

// keepMark ends a flight whose last save failed: our own marker stays.
func (s *state) keepMark(i int, refusal bool) {
	if refusal { // nobody else can know of it
		s.allow(s.owners[i].claim.token, false)
	}
	s.end(i)
}
