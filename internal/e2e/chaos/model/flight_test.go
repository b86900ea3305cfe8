package model

// announce tells the other processes that a refresh token is about to be sent. Only stores that can lose an
// acknowledged write need it.
func announce(w config, s *state, i int) bool {
	if !w.announces() || !s.acts(i, checked, true) {
		return false
	}
	s.owners[i].step = announced
	return true
}

func (w config) announces() bool { return w.lease && w.limits[restore] > 0 && w.flaw != noAnnouncement }

// respond is the answer of a process to an announcement. It puts back its record if that is newer than the stored
// one, with its marker if it is in the middle of an exchange. If its own request with that token is still running,
// it writes its marker again. If such a request has ended without an answer, it marks the token as in doubt.
func respond(w config, s *state, i int) bool {
	if !s.mustRespond(w, i) {
		return false
	}
	o := &s.owners[i]
	switch {
	case o.step == got || o.step == unsaved:
		s.storePair(w, i)
	case o.seen.after(s.store.place):
		return s.putBack(w, i)
	case o.step > announced:
		s.mark(i, o.claim.sent)
	default:
		next := s.store
		next.pending, next.started, next.unconfirmed = 0, never, o.own
		s.write(i, correction, next)
	}
	return true
}

// mustRespond reports whether owner j must answer the current announcement.
func (s *state) mustRespond(w config, j int) bool {
	o := &s.owners[j]
	if o.step == gone || o.paused || o.cut || !w.announces() {
		return false
	}
	open := false
	for i := range s.owners {
		open = open || (i != j && s.owners[i].step == announced && s.store.pending == uint8(i+1) && s.store.place == s.owners[i].claim.from)
	}
	switch {
	case !open:
		return false
	case o.step == got, o.step == unsaved:
		return o.claim.next().after(s.store.place)
	case o.step > announced && w.flaw == deafOwner:
		return false
	case o.step > announced && o.claim.from == s.store.place:
		return s.store.pending != uint8(j+1)
	}
	if o.own != never && o.own < full && s.store.unconfirmed == never {
		return w.flaw != silentDoubt
	}
	return o.seen.after(s.store.place) && !o.seen.rejected
}

// send sends the request. After that, the request can reach the server.
func send(w config, s *state, i int) bool {
	o := &s.owners[i]
	switch {
	case w.announces() && s.acts(i, announced, false):
		for j := range s.owners {
			if j != i && s.mustRespond(w, j) {
				return false // owner j answers within the 2 s for which we wait
			}
		}
		if o.cut || s.store.place != o.claim.from || s.store.pending != uint8(i+1) {
			o.step = releasing // our marker was replaced
			return true
		}
	case w.announces() || !s.acts(i, checked, false):
		return false
	}
	if o.elsewhere {
		s.violate(sentElsewhere) // all grants belong to the first issuer
	}
	if o.claim.useless && o.claim.from == s.history.held && s.history.useless < full {
		s.violate(heldAndSent)
	}
	o.step, o.claim.sent, o.claim.answer = awaiting, fresh, underWay
	if !w.lease {
		o.claim.lease = never // the lock ends with its owner
	}
	s.spend(w, o.claim.token)
	return true
}

// read reads the answer.
func read(w config, s *state, i int) bool {
	if !s.acts(i, awaiting, false) || s.owners[i].claim.answer == underWay {
		return false
	}
	o := &s.owners[i]
	switch {
	case o.claim.answer == granted:
		o.step, o.early = got, w.flaw == earlyUse
	case o.claim.doubtful || o.claim.unconfirmed != never:
		o.step, o.claim.watch = watching, fresh
	default:
		o.step = rejecting
	}
	return true
}

// renew renews the lease.
func renew(w config, s *state, i int) bool {
	if !s.mustRenew(w, i) {
		return false
	}
	s.rewrite(w, i, s.store.started) // after a conflict the claim is lost, and the owner knows that
	return true
}

// mustRenew reports whether a third of the lease has passed, so that the lease must be renewed.
func (s *state) mustRenew(w config, i int) bool {
	o := &s.owners[i]
	listens := s.acts(i, awaiting, true) || s.acts(i, watching, true)
	return w.lease && listens && !o.claim.lost && o.claim.lease >= half
}

// save is the first save of a new pair. If the store cannot be reached, the pair stays unsaved, and goes to the
// emergency file at once: rule 10.
func save(w config, s *state, i int) bool {
	if !s.acts(i, got, false) {
		return false
	}
	o := &s.owners[i]
	o.early = false
	if o.cut {
		o.step = unsaved
		if w.flaw != lateFile {
			s.keepFile(w, i)
		}
		return true
	}
	s.storePair(w, i)
	return true
}

func (s *state) keepFile(w config, i int) {
	o := &s.owners[i]
	o.file = memory{place: o.claim.next(), pair: o.claim.pair, seeds: o.seen.seeds}
	if o.claim.useless && w.flaw != holdForgotten {
		o.file.hold = fresh
	}
	if o.claim.useless {
		s.history.held, s.history.useless = o.file.place, fresh
	}
}

// resave is a later try.
func resave(w config, s *state, i int) bool {
	if !s.acts(i, unsaved, true) {
		return false
	}
	s.storePair(w, i)
	return true
}

// storePair is rule 4: a late save never does harm. It ends the claim.
func (s *state) storePair(w config, i int) {
	o := &s.owners[i]
	c := o.claim
	next := record{place: c.next(), pair: c.pair, seeds: o.seen.seeds | s.store.seeds}
	if c.useless && w.flaw != localHold {
		next.hold = fresh
	}
	switch {
	case !w.newer(next.memory(), s.store.place) && w.flaw != blindSave:
		if c.login && next.after(s.store.place) {
			s.violate(loginDropped)
		}
		s.see(i)
	case c.login:
		s.write(i, userAct, next)
	default:
		s.write(i, rotation, next)
		if c.useless {
			s.history.held, s.history.useless, o.hold = next.place, fresh, fresh
		}
	}
	o.file = memory{}
	s.end(i)
}

// end releases claim and lock.
func (s *state) end(i int) {
	s.owners[i].step, s.owners[i].claim, s.owners[i].early = idle, claim{}, false
}

// watch waits, after a refusal in doubt, for another pair in the store.
func watch(_ config, s *state, i int) bool {
	switch o := &s.owners[i]; {
	case s.acts(i, watching, true) && s.store.after(o.claim.from):
		s.see(i)
		s.end(i)
	case s.acts(i, watching, false) && o.claim.watch >= full:
		o.step = rejecting
	default:
		return false
	}
	return true
}

// release ends a flight that got no pair. It saves the record too.
func release(w config, s *state, i int) bool {
	refusal := s.acts(i, rejecting, false)
	if !refusal && !s.acts(i, releasing, false) {
		return false
	}
	o := &s.owners[i]
	stands := s.store.place == o.claim.from
	if refusal && o.seen.place == o.claim.from {
		o.seen.rejected = true // the owner remembers it, even if the save fails
	}
	switch {
	case o.cut:
		if refusal { // no other process can know it
			s.allow(o.claim.token, false)
		}
	case o.claim.current, stands && !s.foreign(i):
		next := s.store
		next.pending, next.started = 0, never
		next.unconfirmed = youngest(next.unconfirmed, o.claim.unconfirmed)
		next.rejected = next.rejected || refusal
		if w.flaw == forgetfulRelease {
			next.unconfirmed, next.rejected = o.claim.unconfirmed, refusal
		}
		s.write(i, mark, next)
	case s.behindOf(w, i) && w.flaw != idleRelease: // the record was lost in the meantime: the owner puts back what it knows now, and not at its next read
		s.putBack(w, i)
	case refusal && !stands:
		s.allow(o.claim.token, false) // the record that this is about is gone
	}
	s.end(i)
	return true
}
