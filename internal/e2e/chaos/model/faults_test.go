package model

// kind is a kind of fault, or of what people do.
type kind uint8

const (
	crashed  kind = iota // kill -9 of one owner
	stopped              // one owner makes no step while time passes
	cutOff               // one owner cannot reach the store
	torn                 // a save that wrote the record reports an error
	lostCall             // the connection breaks after the request was sent
	unsent               // the connection is refused
	login
	logout
	reseed  // a restart with a seed that is new
	vanish  // the record is deleted
	restore // an older record replaces it: a backup, or a failover that loses the newest writes
	abroad  // a restart with another issuer in the configuration
	kinds
)

func (k kind) String() string {
	return [...]string{
		"crash", "pause", "store cut off", "torn save", "lost answer", "refused connection", "login", "logout", "new seed",
		"record deleted", "older record", "other issuer",
	}[k]
}

// does returns f as a fault, which can happen as often as the bounds allow.
func does(k kind, f move) move {
	return func(w config, s *state, i int) bool {
		if s.used[k] >= w.limits[k] || s.faults() >= w.faults || !f(w, s, i) {
			return false
		}
		s.used[k]++
		return true
	}
}

// faultsOf lists the faults of one owner.
func faultsOf() []named {
	return []named{
		{"crash", does(crashed, crash)}, {"pause", does(stopped, pause)}, {"cut", does(cutOff, cut)},
		{"torn claim", does(torn, tornClaim)}, {"torn renewal", does(torn, tornRenewal)}, {"torn save", does(torn, tornSave)},
		{"lose", does(lostCall, lose)}, {"unsent", does(unsent, refuse)},
		{"login while cut", does(login, loginWhileCut)}, {"reseed", does(reseed, restartWithSeed)},
		{"restart elsewhere", does(abroad, restartElsewhere)},
	}
}

// repairs lists the steps that end a fault. They are always possible and are not counted.
func repairs() []named {
	return []named{
		{"restart", func(_ config, s *state, i int) bool {
			o := &s.owners[i]
			if o.step != gone && !(o.step == idle && o.elsewhere) {
				return false
			}
			*o = owner{step: idle, seed: o.seed, file: o.file}
			return true
		}},
		{"resume", func(_ config, s *state, i int) bool {
			was := s.owners[i].paused
			s.owners[i].paused = false
			return was
		}},
		{"heal", func(_ config, s *state, i int) bool {
			was := s.owners[i].cut
			s.owners[i].cut = false
			return was
		}},
		{"back up", func(w config, s *state, i int) bool {
			was := s.behind
			s.behind = s.store
			return i == 0 && w.mayLose(s) && w.limits[restore] > 0 && s.behind != was
		}},
	}
}

func crash(w config, s *state, i int) bool {
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
	if o.hasPair() && (o.step != unsaved || o.claim.login) { // an emergency file has an unsaved pair
		s.history.excused[o.claim.pair.grant] = true
	}
	s.leave(w, i)
	*o = owner{seed: o.seed, file: o.file}
	return true
}

// leave makes the marker of an owner that ends a marker of nobody.
func (s *state) leave(w config, i int) {
	if w.flaw == oldName {
		return
	}
	for _, r := range []*record{&s.store, &s.behind} {
		if r.pending == uint8(i+1) {
			r.pending = ghost
		}
	}
}

// abandon leaves the request of owner i in progress, without a process that waits for the answer.
func (s *state) abandon(i int) {
	c := s.owners[i].claim
	if c.answer != underWay || c.sent >= full {
		return
	}
	for j := range s.orphans {
		if s.orphans[j].pair.none() {
			s.orphans[j] = orphan{c.token, c.sent}
			return
		}
	}
}

func pause(_ config, s *state, i int) bool {
	o := &s.owners[i]
	if o.step <= idle || o.paused { // an owner that has written nothing can simply make no step
		return false
	}
	o.paused = true
	return true
}

func cut(_ config, s *state, i int) bool {
	o := &s.owners[i]
	if o.step == gone || o.cut {
		return false
	}
	o.cut = true
	return true
}

// tornClaim writes the marker, but the flight ends because the store returned an error.
func tornClaim(w config, s *state, i int) bool {
	if !attempt(w, s, i, true, false) {
		return false
	}
	s.end(i)
	return true
}

func tornRenewal(w config, s *state, i int) bool {
	if !s.mustRenew(w, i) || !s.owners[i].claim.current {
		return false
	}
	lease := s.owners[i].claim.lease
	s.rewrite(w, i, s.store.started)
	s.owners[i].claim.current, s.owners[i].claim.lease = false, lease
	return true
}

// tornSave writes the pair, but the store reports an error, and the owner continues to try.
func tornSave(w config, s *state, i int) bool {
	if !s.acts(i, got, true) || s.store.after(s.owners[i].claim.from) {
		return false
	}
	c := s.owners[i].claim
	s.storePair(w, i)
	s.owners[i].claim, s.owners[i].step = c, unsaved
	s.keepFile(w, i)
	return true
}

// lose ends the wait for an answer: the connection broke, or no answer came for two minutes.
func lose(_ config, s *state, i int) bool {
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
	if s.store.place == o.claim.from {
		o.own = o.claim.sent
	}
	return true
}

func refuse(_ config, s *state, i int) bool {
	if !s.acts(i, checked, false) {
		return false
	}
	s.owners[i].step = releasing
	return true
}

// loginWhileCut is Manager.Login if the store cannot be reached: the pair is kept in memory.
func loginWhileCut(_ config, s *state, i int) bool {
	if !s.acts(i, idle, false) || !s.owners[i].cut {
		return false
	}
	s.born++
	s.owners[i].step = unsaved
	s.owners[i].claim = claim{from: place{s.born, 1}, pair: pair{grant: loginGrant}, login: true}
	return true
}

// restartWithSeed restarts an owner with a seed in its configuration that the record has not seen.
func restartWithSeed(w config, s *state, i int) bool {
	if s.owners[i].step != idle || s.owners[i].seed != 0 {
		return false
	}
	s.leave(w, i)
	s.owners[i] = owner{step: idle, seed: 2, file: s.owners[i].file}
	return true
}

// restartElsewhere restarts an owner with another region, token endpoint or client id.
func restartElsewhere(w config, s *state, i int) bool {
	if s.owners[i].step != idle {
		return false
	}
	s.leave(w, i)
	s.owners[i] = owner{step: idle, seed: s.owners[i].seed, elsewhere: true, file: s.owners[i].file}
	return true
}

// people lists what people do to the record.
func people() []named {
	return []named{
		{"login", does(login, func(_ config, s *state, _ int) bool {
			s.write(nobody, userAct, s.begin(s.store, pair{grant: loginGrant}))
			return true
		})},
		{"logout", does(logout, func(_ config, s *state, _ int) bool {
			s.write(nobody, userAct, s.begin(s.store, pair{}))
			return true
		})},
		{"delete the record", does(vanish, func(_ config, s *state, _ int) bool {
			if s.store.rejected {
				s.allow(s.store.pair, false) // with the record, the refusal is forgotten
			}
			return s.lower(record{})
		})},
		{"restore the backup", does(restore, func(_ config, s *state, _ int) bool {
			return s.behind.lineage > 0 && s.store.after(s.behind.place) && s.lower(s.behind)
		})},
		{"restore the marks", does(restore, func(_ config, s *state, _ int) bool {
			return s.behind.place == s.store.place && s.lower(s.behind)
		})},
	}
}

// lower replaces the stored record by an older one.
func (s *state) lower(rec record) bool {
	if s.store == rec || s.store.lineage == 0 {
		return false
	}
	for i := range s.owners {
		o := &s.owners[i]
		o.claim.current, o.watched = false, never
		if s.store.place != rec.place {
			o.own = never // an owner that puts its record back puts it back in doubt
		}
	}
	s.store = rec
	return true
}

func clock() []named { return []named{{"half a lease goes by", tick}} }

// tick lets half a lease pass, unless an owner must do something first.
func tick(w config, s *state, _ int) bool {
	for i := range s.owners {
		if s.urgent(w, i) {
			return false
		}
	}
	before := *s
	for _, r := range []*record{&s.store, &s.behind} {
		r.started, r.unconfirmed, r.hold = r.started.older(), r.unconfirmed.older(), r.hold.older()
	}
	if s.history.useless = s.history.useless.older(); s.history.useless >= full {
		s.history.held, s.history.useless = place{}, never
	}
	for i := range s.owners {
		o := &s.owners[i]
		o.watched, o.own, o.hold = o.watched.older(), o.own.older(), o.hold.older()
		o.seen.hold, o.file.hold = o.seen.hold.older(), o.file.hold.older()
		c := &o.claim
		c.unconfirmed, c.sent, c.watch = c.unconfirmed.older(), c.sent.older(), c.watch.older()
		c.lease = c.lease.older()
		if o.step == idle && s.behindOf(w, i) {
			o.late = max(o.late.older(), fresh+1)
		}
	}
	for j := range s.orphans {
		if s.orphans[j].sent = s.orphans[j].sent.older(); s.orphans[j].sent >= full {
			s.orphans[j] = orphan{} // the record was lost
		}
	}
	return *s != before
}

// behindOf reports whether the store has an older record than owner i, so that the owner would put its own back.
func (s *state) behindOf(w config, i int) bool {
	o := &s.owners[i]
	probe := *s
	return !o.paused && !o.cut && w.newer(o.seen, s.store.place) && probe.putBack(w, i)
}

// urgent reports whether owner i must do something within half a lease.
func (s *state) urgent(w config, i int) bool {
	o := &s.owners[i]
	if o.paused {
		return false
	}
	if s.mustRespond(w, i) {
		return true
	}
	switch o.step {
	case idle: // a directory is read every 30 s; another store reports changes
		return s.behindOf(w, i) && (w.lease || o.late >= full)
	case claimed, checked, announced, got, rejecting, releasing:
		return true
	case awaiting:
		return o.claim.answer != underWay || s.mustRenew(w, i)
	case watching:
		return o.claim.watch >= full || s.mustRenew(w, i)
	case unsaved:
		return !o.cut
	}
	return false
}

// network lists what the server and the network do with requests, including those of owners that have ended.
func network() []named { return []named{{"serve", serve}} }

func orphanage() []named {
	return []named{{"serve an abandoned request", serveOrphan}, {"drop an abandoned request", dropOrphan}}
}

// serve makes the server handle the request of owner i.
func serve(w config, s *state, i int) bool {
	o := &s.owners[i]
	if o.step != awaiting || o.claim.answer != underWay {
		return false
	}
	o.claim.answer = refused
	if p, ok := s.grant(w, o.claim.token); ok {
		o.claim.answer, o.claim.pair = granted, p
	}
	return true
}

// serveOrphan makes the server handle a request when nobody waits for the answer.
func serveOrphan(w config, s *state, j int) bool {
	if j >= len(s.orphans) || s.orphans[j].pair.none() {
		return false
	}
	p := s.orphans[j].pair
	s.orphans[j] = orphan{}
	if _, ok := s.grant(w, p); ok {
		s.history.excused[p.grant] = true
	}
	return true
}

// dropOrphan loses such a request in the network.
func dropOrphan(_ config, s *state, j int) bool {
	if j >= len(s.orphans) || s.orphans[j].pair.none() {
		return false
	}
	s.orphans[j] = orphan{}
	return true
}

// grant rotates, or refuses a used token.
func (s *state) grant(w config, p pair) (pair, bool) {
	g := p.grant
	if s.server.killed[g] || p.n != s.server.live[g] {
		s.server.killed[g] = s.server.killed[g] || w.kill
		return pair{}, false
	}
	s.server.live[g]++
	return pair{g, s.server.live[g]}, true
}
