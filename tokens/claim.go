package tokens

import (
	"context"
	"errors"
	"time"
)

// claim is the right to send the refresh token of one generation: our marker stands in the store, and
// if the store has a refresh lock, we hold it.
type claim struct {
	a      *account
	rec    Record // as it stands in the store, with our marker
	from   uint64 // the generation that is being replaced
	unlock func()
	// fresh is when the marker was last written, taken before the write: from here our lease runs.
	fresh time.Time
	// lost says that another owner or another pair has replaced our marker.
	lost bool
	// doubtful says that an earlier request with this refresh token was never accounted for.
	doubtful bool
}

// claim writes our marker over rec. ErrConflict means that the record has changed meanwhile.
// The marker is what makes a refresh safe: no marker, no refresh.
func (a *account) claim(rec Record, unlock func()) (*claim, error) {
	c := &claim{a: a, from: rec.Generation, unlock: unlock, fresh: time.Now()}
	next := rec.Clone()
	takeover := a.foreign(rec)
	if takeover {
		next.Takeovers++
	}
	// In the same swap: whoever reads the record from now on knows that the token may be spent.
	a.mu.Lock()
	next.UnconfirmedSince = a.uncertain(rec)
	a.mu.Unlock()
	next.Pending = a.marker(wallClock(), wallClock())
	c.doubtful = !next.UnconfirmedSince.IsZero()
	saved, err := a.m.save(a.name, next)
	if err != nil {
		return nil, err
	}
	c.rec = saved
	a.change(func() { a.take(saved) })
	if takeover {
		a.tell(Event{Kind: EventTakeover, Generation: rec.Generation, Detail: "of the refresh that " + rec.Pending.Owner + " began at " + rec.Pending.StartedAt.Format(time.RFC3339)})
	}
	return c, nil
}

func (a *account) marker(started, now time.Time) *Pending {
	return &Pending{Owner: a.owner, StartedAt: started, Until: now.Add(lease)}
}

// renew writes the marker anew, with what is known by now. A conflict does not mean that the marker is gone:
// somebody may have noted a seed, or our own last write may have reported an error after it was done. Once
// it is gone it stays lost. started is when our request began, or will at the earliest.
func (c *claim) renew(started time.Time) error {
	for !c.lost {
		began := time.Now()
		next := c.rec.Clone()
		next.Pending = c.a.marker(started, wallClock())
		saved, err := c.a.m.save(c.a.name, next)
		if err == nil {
			c.rec, c.fresh = saved, began
			c.a.change(func() { c.a.take(saved) })
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		found, err := c.a.m.load(c.a.name)
		switch {
		case err != nil && !errors.Is(err, ErrNotFound):
			return err
		case found.Generation != c.from || found.Pending == nil || found.Pending.Owner != c.a.owner:
			c.lost = true
		default:
			c.rec = c.learnt(found)
		}
	}
	return ErrConflict
}

// learnt returns found with what this flight knows besides.
func (c *claim) learnt(found Record) Record {
	next := found.Clone()
	if c.rec.UnconfirmedSince.After(next.UnconfirmedSince) {
		next.UnconfirmedSince = c.rec.UnconfirmedSince
	}
	return next
}

// isFresh says whether the marker still tells the truth: that our request starts just now. If we were
// stopped since it was written, the lease may have run out, and whoever finds the marker after our
// death would count the quiet time from too early a start.
func (c *claim) isFresh() bool { return !c.lost && time.Since(c.fresh) < time.Second }

// run makes the token call and ends the flight with a save, whatever comes.
func (c *claim) run() error {
	handedOver := false
	defer func() {
		if !handedOver {
			c.unlock()
		}
	}()
	start := time.Now()
	pair, err := c.call()
	if err != nil {
		return c.fail(err, time.Since(start))
	}
	saveErr := c.succeed(pair, time.Since(start))
	handedOver = saveErr != nil // the saver keeps the lock
	return nil
}

// call sends the refresh token until there is an answer to build on. Only what never reached the server,
// and a complete 5xx or 429, is tried again.
func (c *claim) call() (Pair, error) {
	pauses := []time.Duration{500 * time.Millisecond, 2 * time.Second}
	for {
		if !c.isFresh() {
			if err := c.renew(wallClock()); err != nil {
				return Pair{}, &callError{err: err}
			}
		}
		pair, err := c.listen()
		pause, again := retryPause(err, pauses)
		if err == nil || !again || !c.a.sleep(c.a.m.ctx.Done(), pause) {
			return pair, err
		}
		pauses = pauses[1:]
		if renewErr := c.renew(wallClock()); renewErr != nil {
			return Pair{}, err
		}
	}
}

// retryPause says whether a failed call is tried again in this flight, and after which pause.
func retryPause(err error, pauses []time.Duration) (time.Duration, bool) {
	if err == nil || len(pauses) == 0 {
		return 0, false
	}
	var answer *EndpointError
	var broken *callError
	switch {
	case errors.As(err, &broken):
		return pauses[0], !broken.sent
	case !errors.As(err, &answer):
		return 0, false
	case answer.Status == 429:
		return answer.RetryAfter, answer.RetryAfter > 0 && answer.RetryAfter <= 5*time.Second
	}
	return pauses[0], answer.Status >= 500
}

// listen sends one token request and listens for its answer, for two minutes of our own running
// time: after the machine slept, an answer that waits in the socket must still be read. It renews
// the lease meanwhile. What becomes of the request is noted in the record that c will save.
func (c *claim) listen() (Pair, error) {
	ctx, cancel := context.WithCancel(c.a.m.ctx)
	defer cancel()
	type answer struct {
		pair Pair
		err  error
	}
	answered := make(chan answer, 1)
	began, started := time.Now(), wallClock()
	token := c.rec.RefreshToken
	c.a.m.work.Go(func() {
		pair, err := c.a.m.caller.refresh(ctx, token)
		answered <- answer{pair, err}
	})
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ticks := 0; ; {
		select {
		case reply := <-answered:
			c.note(began, started, reply.err)
			return reply.pair, reply.err
		case <-c.a.heard:
			c.answer()
			continue
		case <-tick.C:
			ticks++
		}
		if ticks == patience {
			cancel() // closes the connection; the goroutine then answers at once
		}
		c.keepAlive()
	}
}

// keepAlive renews the lease when a third of it has passed. A failure is no reason to stop listening.
func (c *claim) keepAlive() {
	_, locker := c.a.m.config.Store.(Locker)
	if !locker && !c.lost && time.Since(c.fresh) >= lease/3 {
		_ = c.renew(c.rec.Pending.StartedAt)
	}
}

// note remembers that the request which began then, or started by the wall clock, may have spent the
// refresh token.
func (c *claim) note(began, started time.Time, err error) {
	var answer *EndpointError
	var broken *callError
	failed := errors.As(err, &answer) && answer.Status >= 500
	if !failed && !(errors.As(err, &broken) && broken.sent) {
		return
	}
	c.rec.UnconfirmedSince = started
	c.a.change(func() {
		if c.a.rec.Generation != c.from {
			return // a login came in between; its pair is beyond doubt
		}
		c.a.doubt.own, c.a.doubt.began = started, began
		if failed { // it was answered, so it is over; but what the server did before it failed is not known
			c.a.doubt.over = started
		}
	})
}

// succeed saves the new pair before it is used. If the save fails the pair is used all the same, and a
// saver goes on trying: the old pair is dead, so this one is all there is. The error is that of the save.
func (c *claim) succeed(p Pair, took time.Duration) error {
	now := wallClock()
	if p.RefreshToken.IsZero() {
		p.RefreshToken = c.rec.RefreshToken
	}
	if p.TokenType == "" {
		p.TokenType = c.rec.TokenType
	}
	if p.Scope == "" {
		p.Scope = c.rec.Scope
	}
	next := succeed(c.rec, p, now)
	next.ProvenAt = now
	saved, err := c.a.store(next, c.from, false)
	c.a.change(func() {
		if err != nil {
			c.a.unsaved = &unsaved{rec: next, from: c.from, unlock: c.unlock, err: err}
			saved = next
		}
		c.a.adopt(saved)
	})
	c.a.tell(Event{Kind: EventRefreshed, Generation: saved.Generation, Duration: took})
	if err != nil {
		c.a.tell(Event{Kind: EventUnsaved, Generation: saved.Generation, Err: err, Detail: "the new pair is in memory only: " + err.Error()})
		c.a.m.work.Go(c.a.keepSaving)
	}
	return err
}

// store writes next, which replaces generation from. A late save never does harm: if the store still
// holds from, next is the newest truth, whoever's marker stands there; if the store has moved on,
// that is adopted and next is dropped. It returns what the store holds then. A late login gives way to
// what other people did, not to a refresh of the pair that it replaces.
func (a *account) store(next Record, from uint64, login bool) (Record, error) {
	for {
		saved, err := a.m.save(a.name, next)
		if !errors.Is(err, ErrConflict) {
			return saved, err
		}
		found, err := a.m.load(a.name)
		switch {
		case errors.Is(err, ErrNotFound):
			found = Record{}
		case err != nil:
			return Record{}, err
		case found.Generation > from && !(login && found.byRefresh()):
			return found, nil
		}
		next = rebase(next, found)
		next.Generation = max(next.Generation, found.Generation+1)
	}
}

// rebase lets next replace found: the store's own fields and the seeds are kept.
func rebase(next, found Record) Record {
	next.Version, next.extra = found.Version, found.extra
	for _, s := range found.Seeds {
		if !next.HasSeed(s) {
			next.Seeds = append(next.Seeds[:len(next.Seeds):len(next.Seeds)], s)
		}
	}
	next.Takeovers = max(next.Takeovers, found.Takeovers)
	return next
}

// adopt makes rec the current record even if an unsaved pair is at hand. mu is held.
func (a *account) adopt(rec Record) {
	if rec.Generation != a.rec.Generation {
		a.rec = Record{}
	}
	a.take(rec)
}

// fail ends a flight that brought no pair: it says in the record what is known, frees the marker, and
// returns what callers are told.
func (c *claim) fail(err error, took time.Duration) error {
	sentinel, atLeast := ErrRefreshUnavailable, time.Duration(0)
	var answer *EndpointError
	if errors.As(err, &answer) {
		switch {
		case answer.Code == "invalid_grant" && answer.Status < 500:
			return c.refused(answer, took)
		case clientRefused(answer):
			sentinel = ErrClientRefused
		}
		atLeast = answer.RetryAfter
	}
	if found, ok := c.release(nil); ok && found.Generation > c.from {
		return nil // somebody else's pair is there
	}
	c.a.tell(Event{Kind: EventFailed, Generation: c.from, Duration: took, Err: err, Detail: err.Error()})
	return c.a.failed(sentinel, err, min(atLeast, time.Hour))
}

// clientRefused says whether the answer is about our client credentials (RFC 6749 section 5.2). PandaDoc
// answers 400 with the code; a bare 401 means the same.
func clientRefused(e *EndpointError) bool {
	return e.Code == "invalid_client" || e.Code == "unauthorized_client" || (e.Status == 401 && e.Code == "")
}

// refused marks the generation rejected. If an earlier request with the same token is not accounted for,
// its owner may be about to save the pair that it got: the store is watched for one more lease first.
func (c *claim) refused(answer *EndpointError, took time.Duration) error {
	cause := CauseRevoked
	if c.doubtful || !c.rec.UnconfirmedSince.IsZero() {
		cause = CauseLostInTransit
		if c.watchStore() {
			return nil
		}
	}
	found, ok := c.release(&Rejected{Generation: c.from, At: wallClock(), Cause: cause, Code: answer.Code})
	if ok && found.Generation > c.from {
		return nil
	}
	c.a.tell(Event{Kind: EventFailed, Generation: c.from, Duration: took, Err: answer, Detail: answer.Error()})
	if !ok { // the store did not take the mark; without it we would ask again for every request
		return c.a.failed(ErrLoginRequired, errors.New(cause), 0)
	}
	return c.a.loginRequired(cause)
}

// watchStore looks at the store for a lease and says whether another pair has come.
func (c *claim) watchStore() bool {
	for end := time.Now().Add(lease); time.Now().Before(end); {
		if !c.a.sleep(c.a.m.ctx.Done(), pollMax) {
			return false
		}
		if rec, err := c.a.look(); err == nil && rec.Generation != c.from {
			return true
		}
		c.keepAlive()
	}
	return false
}

// release takes our marker away and leaves in the record what this flight has learnt. It returns what
// the store holds then; ok is false if the store did not answer. A record that another owner has
// marked, or that has another pair, is left alone: that owner has set unconfirmed_since itself.
func (c *claim) release(rejected *Rejected) (Record, bool) {
	next := c.rec.Clone()
	next.Pending = nil
	if rejected != nil {
		next.Rejected = rejected
	}
	for {
		saved, err := c.a.m.save(c.a.name, next)
		if err == nil {
			c.a.change(func() { c.a.take(saved) })
			return saved, true
		}
		if !errors.Is(err, ErrConflict) {
			return Record{}, false
		}
		found, err := c.a.m.load(c.a.name)
		if err != nil {
			return Record{}, false
		}
		if found.Generation != c.from || c.a.foreign(found) {
			c.a.change(func() { c.a.take(found) })
			return found, true
		}
		// Another owner may have come and gone since: what it left in the record stays.
		next = c.learnt(found)
		next.Pending = nil
		if rejected != nil {
			next.Rejected = rejected
		}
	}
}
