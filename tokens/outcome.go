package tokens

import (
	"errors"
	"time"
)

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
	saved, err := c.k.store(next, c.from, false)
	c.k.change(func() {
		if err != nil {
			c.k.unsaved = &unsaved{rec: next, from: c.from, unlock: c.unlock, err: err}
			saved = next
		}
		c.k.adopt(saved)
	})
	c.k.tell(Event{Kind: EventRefreshed, Generation: saved.Generation, Duration: took})
	if err != nil {
		c.k.tell(Event{Kind: EventUnsaved, Generation: saved.Generation, Err: err, Detail: "the new pair is in memory only: " + err.Error()})
		c.k.m.work.Go(c.k.keepSaving)
	}
	return err
}

// store writes next, which replaces generation from. A late save never does harm: if the store still
// holds from, next is the newest truth, whoever's marker stands there; if the store has moved on,
// that is adopted and next is dropped. It returns what the store holds then. A late login gives way to
// what other people did, not to a refresh of the pair that it replaces.
func (k *keeper) store(next Record, from uint64, login bool) (Record, error) {
	for {
		saved, err := k.m.save(k.account, next)
		if !errors.Is(err, ErrConflict) {
			return saved, err
		}
		found, err := k.m.load(k.account)
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
func (k *keeper) adopt(rec Record) {
	if rec.Generation != k.rec.Generation {
		k.rec = Record{}
	}
	k.take(rec)
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
	c.k.tell(Event{Kind: EventFailed, Generation: c.from, Duration: took, Err: err, Detail: err.Error()})
	return c.k.failed(sentinel, err, min(atLeast, time.Hour))
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
	c.k.tell(Event{Kind: EventFailed, Generation: c.from, Duration: took, Err: answer, Detail: answer.Error()})
	if !ok { // the store did not take the mark; without it we would ask again for every request
		return c.k.failed(ErrLoginRequired, errors.New(cause), 0)
	}
	return c.k.loginRequired(cause)
}

// watchStore looks at the store for a lease and says whether another pair has come.
func (c *claim) watchStore() bool {
	for end := time.Now().Add(lease); time.Now().Before(end); {
		if !c.k.sleep(c.k.m.ctx.Done(), pollMax) {
			return false
		}
		if rec, err := c.k.look(); err == nil && rec.Generation != c.from {
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
		saved, err := c.k.m.save(c.k.account, next)
		if err == nil {
			c.k.change(func() { c.k.take(saved) })
			return saved, true
		}
		if !errors.Is(err, ErrConflict) {
			return Record{}, false
		}
		found, err := c.k.m.load(c.k.account)
		if err != nil {
			return Record{}, false
		}
		if found.Generation != c.from || c.k.foreign(found) {
			c.k.change(func() { c.k.take(found) })
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
