package model

// network lists what the server and the network do with the requests of owners, and with those of owners
// that are gone.
func network() []named {
	return []named{{"serve", serve}}
}

func orphanage() []named {
	return []named{{"serve an abandoned request", serveOrphan}, {"drop an abandoned request", dropOrphan}}
}

// serve lets the server take the request of owner i.
func serve(w world, s *state, i int) bool {
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

// serveOrphan lets the server take a request that nobody listens to.
func serveOrphan(w world, s *state, j int) bool {
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

// dropOrphan loses it on its way.
func dropOrphan(_ world, s *state, j int) bool {
	if j >= len(s.orphans) || s.orphans[j].pair.none() {
		return false
	}
	s.orphans[j] = orphan{}
	return true
}

// grant rotates, or refuses what is spent.
func (s *state) grant(w world, p pair) (pair, bool) {
	g := p.grant
	if s.server.killed[g] || p.n != s.server.live[g] {
		s.server.killed[g] = s.server.killed[g] || w.Kill
		return pair{}, false
	}
	s.server.live[g]++
	return pair{g, s.server.live[g]}, true
}
