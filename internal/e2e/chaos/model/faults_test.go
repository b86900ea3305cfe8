package model

// kind is a kind of fault, or of what people do.
type kind uint8

const (
	Crash  kind = iota // kill -9 of one owner
	Pause              // one owner stands still while time goes by
	Cut                // one owner does not reach the store
	Torn               // a save that wrote reports an error
	Lose               // the connection breaks after the request was sent
	Unsent             // the connection is refused
	Login
	Logout
	Reseed // a restart with a seed that is new
	kinds
)

func (k kind) String() string {
	return [...]string{"crash", "pause", "store cut off", "torn save", "lost answer", "refused connection", "login", "logout", "new seed"}[k]
}

// does returns f as a fault: it is possible as often as the bounds allow.
func does(k kind, f move) move {
	return func(w world, s *state, i int) bool {
		if s.used[k] >= w.Limits[k] || s.faults() >= w.Faults || !f(w, s, i) {
			return false
		}
		s.used[k]++
		return true
	}
}

// faultsOf lists what can befall one owner.
func faultsOf() []named {
	return []named{
		{"crash", does(Crash, crash)}, {"pause", does(Pause, pause)}, {"cut", does(Cut, cut)},
		{"torn claim", does(Torn, tornClaim)}, {"torn renewal", does(Torn, tornRenewal)}, {"torn save", does(Torn, tornSave)},
		{"lose", does(Lose, lose)}, {"unsent", does(Unsent, unsent)},
		{"login while cut", does(Login, loginWhileCut)}, {"reseed", does(Reseed, reseed)},
	}
}

// mends lists what ends a fault. It is always possible and counts for nothing.
func mends() []named {
	return []named{
		{"restart", func(_ world, s *state, i int) bool {
			if s.owners[i].step != gone {
				return false
			}
			s.owners[i] = owner{step: idle, seed: s.owners[i].seed}
			return true
		}},
		{"resume", func(_ world, s *state, i int) bool {
			was := s.owners[i].paused
			s.owners[i].paused = false
			return was
		}},
		{"heal", func(_ world, s *state, i int) bool {
			was := s.owners[i].cut
			s.owners[i].cut = false
			return was
		}},
		{"terminate", terminate},
	}
}

func crash(w world, s *state, i int) bool {
	o := &s.owners[i]
	if o.step == gone {
		return false
	}
	switch o.step {
	case awaiting:
		s.allow(o.claim.token, true)
		s.abandon(i)
	case got, watching, rejecting, unsaved:
		if !o.claim.login {
			s.allow(o.claim.token, true)
		}
	}
	if o.hasPair() {
		s.history.excused[o.claim.pair.grant] = true
	}
	if s.store.pending == uint8(i+1) && w.Flaw != OldName {
		s.store.pending = ghost
	}
	*o = owner{seed: o.seed}
	return true
}

// abandon leaves the request of owner i on its way, with nobody to listen.
func (s *state) abandon(i int) {
	c := s.owners[i].claim
	if c.answer != underWay || c.sent == full {
		return
	}
	for j := range s.orphans {
		if s.orphans[j].pair.none() {
			s.orphans[j] = orphan{c.token, c.sent}
			return
		}
	}
}

func pause(_ world, s *state, i int) bool {
	o := &s.owners[i]
	if o.step <= idle || o.paused { // whoever has written nothing is paused by not moving
		return false
	}
	o.paused = true
	return true
}

func cut(_ world, s *state, i int) bool {
	o := &s.owners[i]
	if o.step == gone || o.cut {
		return false
	}
	o.cut = true
	return true
}

// tornClaim writes the marker, and the flight ends because the store said no.
func tornClaim(w world, s *state, i int) bool {
	if !attempt(w, s, i, true) {
		return false
	}
	s.end(i)
	return true
}

func tornRenewal(w world, s *state, i int) bool {
	if !s.mustRenew(w, i) || !s.owners[i].claim.current {
		return false
	}
	lease := s.owners[i].claim.lease
	s.rewrite(w, i, s.store.started)
	s.owners[i].claim.current, s.owners[i].claim.lease = false, lease
	return true
}

// tornSave writes the pair, and the owner goes on trying.
func tornSave(w world, s *state, i int) bool {
	if !s.acts(i, got, true) || s.store.generation > s.owners[i].claim.from {
		return false
	}
	c := s.owners[i].claim
	s.storePair(w, i)
	s.owners[i].claim, s.owners[i].step = c, unsaved
	return true
}

// lose ends listening: the connection broke, or nothing was heard for two minutes.
func lose(_ world, s *state, i int) bool {
	if !s.acts(i, awaiting, false) {
		return false
	}
	o := &s.owners[i]
	if o.hasPair() {
		s.history.excused[o.claim.pair.grant] = true
	}
	s.abandon(i)
	s.allow(o.claim.token, true)
	o.claim.unconfirmed, o.step = o.claim.sent, releasing
	if s.store.generation == o.claim.from {
		o.own = o.claim.sent
	}
	return true
}

func unsent(_ world, s *state, i int) bool {
	if !s.acts(i, checked, false) {
		return false
	}
	s.owners[i].step = releasing
	return true
}

// terminate is a graceful end while the pair cannot be saved.
func terminate(w world, s *state, i int) bool {
	o := &s.owners[i]
	if w.Lease || !s.acts(i, unsaved, false) || !o.cut || o.claim.login {
		return false
	}
	c := o.claim
	s.file = emergency{
		rec:      record{generation: c.from + 1, pair: c.pair, epoch: c.epoch, refreshed: true},
		previous: c.token,
	}
	if s.store.pending == uint8(i+1) {
		s.store.pending = ghost
	}
	*o = owner{seed: o.seed}
	return true
}

// loginWhileCut is Manager.Login where the store does not answer: the pair is kept in memory.
func loginWhileCut(_ world, s *state, i int) bool {
	if !s.acts(i, idle, false) || !s.owners[i].cut {
		return false
	}
	s.owners[i].step = unsaved
	s.owners[i].claim = claim{from: s.store.generation, epoch: s.store.epoch + 1, pair: pair{grant: loginGrant}, login: true}
	return true
}

// reseed restarts an owner with a seed in its configuration that the record has not seen.
func reseed(_ world, s *state, i int) bool {
	if s.owners[i].step != idle || s.owners[i].seed != 0 {
		return false
	}
	if s.store.pending == uint8(i+1) {
		s.store.pending = ghost
	}
	s.owners[i] = owner{step: idle, seed: 2}
	return true
}

// people lists what happens to the record from outside.
func people() []named {
	return []named{
		{"login", does(Login, func(_ world, s *state, _ int) bool {
			s.write(nobody, userAct, succeed(s.store, pair{grant: loginGrant}, s.store.epoch+1))
			return true
		})},
		{"logout", does(Logout, func(_ world, s *state, _ int) bool {
			s.write(nobody, userAct, succeed(s.store, pair{}, s.store.epoch+1))
			return true
		})},
	}
}

func clock() []named { return []named{{"half a lease goes by", tick}} }

// tick lets half a lease go by, unless somebody has something to do first.
func tick(w world, s *state, _ int) bool {
	for i := range s.owners {
		if s.urgent(w, i) {
			return false
		}
	}
	before := *s
	s.store.started, s.store.unconfirmed = s.store.started.older(), s.store.unconfirmed.older()
	for i := range s.owners {
		o := &s.owners[i]
		o.watched, o.own = o.watched.older(), o.own.older()
		c := &o.claim
		c.unconfirmed, c.sent, c.watch = c.unconfirmed.older(), c.sent.older(), c.watch.older()
		c.lease = c.lease.older()
	}
	for j := range s.orphans {
		if s.orphans[j].sent = s.orphans[j].sent.older(); s.orphans[j].sent == full {
			s.orphans[j] = orphan{} // it was lost
		}
	}
	return *s != before
}

// urgent says whether owner i does something within half a lease.
func (s *state) urgent(w world, i int) bool {
	o := &s.owners[i]
	if o.paused {
		return false
	}
	switch o.step {
	case claimed, checked, got, rejecting, releasing:
		return true
	case awaiting:
		return o.claim.answer != underWay || s.mustRenew(w, i)
	case watching:
		return o.claim.watch == full || s.mustRenew(w, i)
	case unsaved:
		return !o.cut
	}
	return false
}
