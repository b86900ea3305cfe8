package model

// nobody is the writer that is none of the owners.
const nobody = -1

// writing says what a write of the record is.
type writing uint8

const (
	marker   writing = iota // a claim or its renewal
	mark                    // the end of a flight without a pair
	rotation                // a new pair by refresh
	adoption                // an emergency file
	userAct                 // a login, a logout, a seed
)

// What can be found wrong with a state.
const (
	backwards uint8 = iota + 1
	replaced
	undone
	resurrected
	doubtForgotten
	rejectionForgotten
	wronglyRejected
	doubtUnknown
	usedEarly
	sentAgain
	loginDropped
	loginLost
)

func violationText(v uint8) string {
	return [...]string{
		"", "the generation went back", "a pair was replaced by another of the same generation",
		"a login, a logout or a seed was undone by a refresh", "a logout was undone",
		"unconfirmed_since was cleared without a new pair", "a rejection was cleared without a new pair",
		"a generation was marked rejected whose token is good",
		"a lost request has left no trace in the record",
		"a pair is used before a save of it was tried",
		"a refresh token was sent again without a crash or a lost answer to explain it",
		"a login that was kept in memory was dropped for a refresh",
		"a login is needed that could have been avoided",
	}[v]
}

func (s *state) violate(v uint8) {
	if s.violation == 0 {
		s.violation = v
	}
}

// write replaces the record, as tokens.Store.Save does, and holds what must be true of every write.
func (s *state) write(by int, what writing, next record) {
	old := s.store
	same := next.generation == old.generation
	switch {
	case next.generation < old.generation:
		s.violate(backwards)
	case next.epoch < old.epoch, what == rotation && next.epoch != old.epoch:
		s.violate(undone)
	case what != userAct && old.pair.none() && !next.pair.none():
		s.violate(resurrected)
	case same && next.pair != old.pair:
		s.violate(replaced)
	case same && old.unconfirmed != never && next.unconfirmed == never:
		s.violate(doubtForgotten)
	case same && old.rejected && !next.rejected:
		s.violate(rejectionForgotten)
	case next.rejected && s.good(next.pair):
		s.violate(wronglyRejected)
	}
	s.store = next
	if s.file.rec.generation <= next.generation {
		s.file = emergency{}
	}
	s.noticed(by, what, same)
}

// noticed brings what owners know of the record to what is true of it now. They learn of it at their next
// look, which every use of that knowledge begins with.
func (s *state) noticed(by int, what writing, same bool) {
	for i := range s.owners {
		o := &s.owners[i]
		o.claim.current = o.claim.current && i == by
		if what == marker || s.store.pending == 0 {
			o.watched = never
		}
		if !same {
			o.own = never
		}
	}
}

// good says whether the server still takes p.
func (s *state) good(p pair) bool { return p.n == s.server.live[p.grant] && !s.server.killed[p.grant] }

// spend counts a refresh token that is sent.
func (s *state) spend(w world, p pair) {
	credit := &s.history.credit[p.grant][p.n]
	switch {
	case *credit > 0:
		*credit--
	case !w.leaseBroken(s):
		s.violate(sentAgain)
	}
}

// leaseBroken says whether something has happened that a lease does not bear.
func (w world) leaseBroken(s *state) bool {
	return w.Lease && s.used[Pause]+s.used[Cut]+s.used[Torn] > 0
}

// allow lets p be sent once more; open says that a request with it is not accounted for.
func (s *state) allow(p pair, open bool) {
	s.history.credit[p.grant][p.n]++
	s.history.open[p.grant][p.n] = s.history.open[p.grant][p.n] || open
}

// inspect holds what must be true of every state.
func (s *state) inspect() {
	p := s.store.pair
	if !p.none() && s.history.open[p.grant][p.n] && !s.doubted() {
		s.violate(doubtUnknown)
	}
	for i := range s.owners {
		if s.owners[i].early {
			s.violate(usedEarly)
		}
	}
	if s.lost() && !s.history.excused[p.grant] {
		s.violate(loginLost)
	}
}

// doubted says whether whoever reads the record is warned, or whoever lost the answer knows.
func (s *state) doubted() bool {
	if s.store.pending != 0 || s.store.unconfirmed != never || s.store.rejected {
		return true
	}
	for i := range s.owners {
		if s.owners[i].own != never {
			return true
		}
	}
	return false
}

// lost says whether nothing but a login helps: the server has killed the grant, or its good pair is held by
// nobody.
func (s *state) lost() bool {
	p := s.store.pair
	if p.none() {
		return false
	}
	p.n = s.server.live[p.grant]
	if s.server.killed[p.grant] {
		return true
	}
	held := s.store.pair == p || (s.file.rec.pair == p && s.file.previous == s.store.pair)
	for i := range s.owners {
		held = held || (s.owners[i].hasPair() && s.owners[i].claim.pair == p)
	}
	return !held
}

// settled says whether the account is at rest, for good or for bad: the pair in the store is the good one
// and nothing is in doubt, or it is known that a login is needed.
func (s *state) settled(w world) bool {
	p := s.store.pair
	if p.none() || s.store.rejected {
		return true
	}
	return s.good(p) && (w.exhausted(p, s) || (s.store.pending == 0 && s.store.unconfirmed == never))
}
