package model

// nobody is a writer that is not an owner.
const nobody = -1

// writing is the kind of a write of the record.
type writing uint8

const (
	marker     writing = iota // a claim or its renewal
	mark                      // the end of a flight without a pair
	rotation                  // a new pair by refresh
	adoption                  // an emergency file
	correction                // a record is put back
	userAct                   // a login, a logout, a seed
)

// The invariants that a state can violate.
const (
	backwards uint8 = iota + 1
	replaced
	doubtForgotten
	rejectionForgotten
	wronglyRejected
	doubtUnknown
	usedEarly
	sentAgain
	sentElsewhere
	heldAndSent
	loginDropped
	loginLost
)

func violationText(v uint8) string {
	return [...]string{
		"", "a record was replaced by an older one", "a pair was replaced by another of the same generation",
		"unconfirmed_since was cleared without a new pair", "a rejection was cleared without a new pair",
		"a generation was marked rejected whose token is good",
		"a lost request has left no trace in the record",
		"a pair is used before a save of it was tried",
		"a refresh token was sent again without a crash or a lost answer to explain it",
		"a refresh token was sent to another issuer",
		"a second refresh because of a 401 was sent while the first one's hold lasts",
		"a login that was kept in memory was dropped",
		"a login is needed that could have been avoided",
	}[v]
}

func (s *state) violate(v uint8) {
	if s.violation == 0 {
		s.violation = v
	}
}

// write replaces the record, as tokens.Store.Save does, and checks the invariants of a write.
func (s *state) write(by int, what writing, next record) {
	old := s.store
	same := next.place == old.place
	switch {
	case old.after(next.place):
		s.violate(backwards)
	case same && next.pair != old.pair:
		s.violate(replaced)
	case same && old.unconfirmed != never && next.unconfirmed == never:
		s.violate(doubtForgotten)
	case same && old.rejected && !next.rejected:
		s.violate(rejectionForgotten)
	case what == mark && next.rejected && s.good(next.pair):
		s.violate(wronglyRejected)
	}
	s.store = next
	if by != nobody {
		s.see(by)
	}
	for i := range s.owners {
		o := &s.owners[i]
		// The owners' knowledge of the record follows the record. They would notice the change at their next read,
		// which comes before every use of that knowledge.
		o.claim.current = o.claim.current && i == by
		if what == marker || next.pending == 0 {
			o.watched = never
		}
		if !same {
			o.own = never
		}
		if !o.file.after(next.place) {
			o.file = memory{}
		}
	}
}

// good reports whether the server still accepts p.
func (s *state) good(p pair) bool { return p.n == s.server.live[p.grant] && !s.server.killed[p.grant] }

// spend counts that a refresh token is sent.
func (s *state) spend(w config, p pair) {
	credit := &s.history.credit[p.grant][p.n]
	switch {
	case *credit > 0:
		*credit--
	case !w.broken(s) && !(s.used[vanish]+s.used[restore] > 0 && s.server.killed[p.grant]): // the knowledge that a grant is dead may be lost
		s.violate(sentAgain)
	}
}

// broken reports whether something has happened that the store does not protect against. With leases: an owner is
// paused or cannot reach the store. With a directory: an older record is put there while proxies run. With both: a
// record is lost while the owner with the newest pair has ended or cannot reach the store.
func (w config) broken(s *state) bool {
	gone := s.used[crashed]+s.used[reseed]+s.used[stopped]+s.used[cutOff] > 0
	if w.lease {
		return s.used[stopped]+s.used[cutOff]+s.used[torn] > 0 || s.used[restore] > 0 && gone
	}
	return s.used[restore] > 0 || s.used[vanish] > 0 && gone
}

// allow allows p to be sent once more. open means that the result of a request with it is unknown.
func (s *state) allow(p pair, open bool) {
	s.history.credit[p.grant][p.n]++
	s.history.open[p.grant][p.n] = s.history.open[p.grant][p.n] || open
}

// inspect checks the invariants of every state.
func (s *state) inspect() {
	p := s.store.pair
	if !p.none() && s.history.open[p.grant][p.n] && !s.doubted() && s.used[vanish]+s.used[restore] == 0 {
		s.violate(doubtUnknown)
	}
	for i := range s.owners {
		if s.owners[i].early {
			s.violate(usedEarly)
		}
	}
	if s.lost() && !s.history.excused[s.newest().grant] {
		s.violate(loginLost)
	}
}

// doubted reports whether the record says that it is in doubt, or the owner that lost the answer knows it.
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

// newest returns the pair of the newest record: in the store, in a process or in an emergency file.
func (s *state) newest() pair {
	at, p := s.store.place, s.store.pair
	see := func(other place, q pair) {
		if other.after(at) {
			at, p = other, q
		}
	}
	for i := range s.owners {
		o := &s.owners[i]
		see(o.file.place, o.file.pair)
		if o.step != gone {
			see(o.seen.place, o.seen.pair)
		}
		if o.hasPair() {
			see(o.claim.next(), o.claim.pair)
		}
	}
	return p
}

// lost reports whether only a login helps: the server has ended the grant of the newest pair, or no process or
// store has the pair that the server accepts.
func (s *state) lost() bool {
	p := s.newest()
	return !p.none() && !s.good(p)
}

// settled reports whether nothing is left to do. Either the store has the pair that the server accepts, and
// nothing is in doubt; or the owners know that a login is needed.
func (s *state) settled(w config) bool {
	p := s.store.pair
	if s.store.lineage == 0 {
		for i := range s.owners {
			if o := &s.owners[i]; !o.seen.pair.none() && !o.seen.rejected || !o.file.pair.none() || o.hasPair() {
				return false
			}
		}
		return true
	}
	if p.none() || s.store.rejected {
		return true
	}
	return s.good(p) && (w.exhausted(p, s) || (s.store.pending == 0 && s.store.unconfirmed == never))
}
