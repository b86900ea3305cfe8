package tokens

import (
	"cmp"
	"context"
	"errors"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

// claim is the right to send the refresh token of one pair: our marker is in the store, and if the store has a
// refresh lock, we hold it.
type claim struct {
	a    *account
	rec  Record // as it is in the store, with our marker
	from Record // the pair that is being replaced
	why  reason
	lock *refreshLock // of the caller of run; an unsaved pair takes it over
	// fresh is the time just before the marker was last written: the start of our lease.
	fresh time.Time
	// lost means that another owner or another pair has replaced our marker.
	lost bool
	// doubtful means that the result of an earlier request with this refresh token is unknown.
	doubtful bool
}

// claim writes our marker into rec. ErrConflict means that the record has changed in the meantime. The marker
// makes a refresh safe: without the marker there is no refresh.
func (a *account) claim(rec Record, why reason) (*claim, error) {
	c := &claim{a: a, from: rec, why: why, fresh: time.Now()}
	next := rec.Clone()
	// Do this in the same swap: every process that reads the record from now on knows that the token may be
	// spent.
	a.mu.Lock()
	next.UnconfirmedSince, next.Answered = a.uncertainLocked(rec)
	a.mu.Unlock()
	c.doubtful = !next.UnconfirmedSince.IsZero()
	next.Pending = a.marker(wallClock())
	saved, err := a.m.save(a.name, next)
	if err != nil {
		return nil, err
	}
	c.rec = saved
	a.change(func() { a.takeLocked(saved) })
	if a.foreign(rec) {
		a.m.report(a, Event{Kind: EventTakeover, Generation: rec.Generation, Detail: "of the refresh that " + rec.Pending.Owner + " began at " + rec.Pending.StartedAt.Format(time.RFC3339)})
	}
	return c, nil
}

func (a *account) marker(started time.Time) *Pending {
	return &Pending{Owner: a.owner, StartedAt: started, Until: wallClock().Add(lease)}
}

// renew writes the marker again, with what is known now. A conflict does not mean that the marker is gone:
// another process may have added a seed, or our own last write may have reported an error although it was done.
// If the marker is gone, the claim is lost for good. started is when our request began, or the earliest time
// when it will begin.
func (c *claim) renew(started time.Time) error {
	if c.lost {
		return ErrConflict
	}
	var began time.Time
	marked := func() Record {
		began = time.Now()
		next := c.rec.Clone()
		next.Pending = c.a.marker(started)
		return next
	}
	saved, err := c.a.m.update(c.a.name, marked(), func(found Record) (Record, bool) {
		if c.lost = found.Compare(c.from) != 0 || !c.a.owns(found); c.lost {
			return found, false
		}
		c.rec = c.learnt(found)
		return marked(), true
	})
	switch {
	case err != nil:
		return err
	case c.lost:
		return ErrConflict
	}
	c.rec, c.fresh = saved, began
	c.a.change(func() { c.a.takeLocked(saved) })
	return nil
}

// learnt returns found with our marker and with what this flight has learnt.
func (c *claim) learnt(found Record) Record {
	next := found.Clone()
	next.Pending = c.rec.Pending
	if c.rec.UnconfirmedSince.After(next.UnconfirmedSince) {
		next.UnconfirmedSince, next.Answered = c.rec.UnconfirmedSince, c.rec.Answered
	}
	return next
}

// run makes the token call, and always ends the flight with a save.
func (c *claim) run() error {
	start := time.Now()
	pair, err := c.call()
	if err != nil {
		return c.fail(err, time.Since(start))
	}
	return c.succeed(pair, time.Since(start))
}

// call sends the refresh token until there is a final answer. It tries again only if the request never reached
// the server, or after a complete 5xx or 429.
func (c *claim) call() (Pair, error) {
	pauses := []time.Duration{500 * time.Millisecond, 2 * time.Second}
	for {
		// The time in the marker must be the start of our request. If this process was suspended since the marker was
		// written, the lease may have ended; and if this process then dies, another process would count the quiet time
		// from a start that is too early.
		if c.lost || time.Since(c.fresh) >= time.Second {
			if err := c.renew(wallClock()); err != nil {
				return Pair{}, &callError{err: err}
			}
		}
		pair, err := c.listen()
		pause, again := retryPause(err, pauses)
		if err == nil || !again || !Sleep(c.a.m.ctx.Done(), pause) {
			return pair, err
		}
		pauses = pauses[1:]
		if renewErr := c.renew(wallClock()); renewErr != nil {
			return Pair{}, err
		}
	}
}

// listen sends one token request and waits for its answer, for two minutes of running time, without the time
// that the machine sleeps: an answer that waits in the socket must still be read. It renews the lease in the
// meantime. The result of the request goes into the record that c will save.
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
		pair, err := c.a.m.endpoint.refresh(ctx, token)
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
		if ticks == listenSeconds {
			cancel() // closes the connection; the goroutine then returns at once
		}
		c.keepAlive()
	}
}

// keepAlive renews the lease when a third of it has passed. If that fails, listen still waits for the answer.
func (c *claim) keepAlive() {
	if c.a.m.locker == nil && !c.lost && time.Since(c.fresh) >= lease/3 {
		_ = c.renew(c.rec.Pending.StartedAt)
	}
}

// note records that a request may have spent the refresh token. began and started are its start, on the
// monotonic clock and on the wall clock.
func (c *claim) note(began, started time.Time, err error) {
	answer, answered := errors.AsType[*EndpointError](err)
	answered = answered && answer.unclear()
	if broken, ok := errors.AsType[*callError](err); !answered && !(ok && broken.sent) {
		return
	}
	c.rec.UnconfirmedSince, c.rec.Answered = started, answered
	c.a.change(func() {
		if c.a.rec.Compare(c.from) != 0 {
			return // there was a login in between; its pair is not in doubt
		}
		c.a.doubt.own, c.a.doubt.over = started, answered
		c.a.doubt.sent = countdown{start: started, known: began, ours: true}
	})
}

// fail ends a flight without a new pair: it saves what is known in the record, removes the marker, and returns
// the error for callers. If the token endpoint refused the refresh token, it marks the generation as rejected.
func (c *claim) fail(err error, took time.Duration) error {
	answer, _ := errors.AsType[*EndpointError](err)
	var rejected *Rejected
	if answer != nil && refusesToken(answer) {
		rejected = &Rejected{Generation: c.from.Generation, Cause: problem.RevokedOrSpent, Code: answer.Code}
		if c.doubtful || !c.rec.UnconfirmedSince.IsZero() {
			// The owner of the earlier request with the same token may be about to save its new pair.
			rejected.Cause = problem.LostInTransit
			if c.watchStore() {
				return nil
			}
		}
		rejected.At = wallClock()
	}
	found, ok := c.release(rejected)
	if ok && found.Compare(c.from) > 0 {
		return nil // there is a pair of another process
	}
	c.a.m.report(c.a, Event{Kind: EventFailed, Generation: c.from.Generation, Duration: took, Err: err, Detail: err.Error()})
	switch {
	case rejected != nil && ok:
		return c.a.loginRequired(found, rejected.Cause)
	case rejected != nil: // the store could not save the mark; without it we would ask again for every request
		return c.a.failed(ErrLoginRequired, &CauseError{Code: rejected.Cause}, 0)
	case answer == nil:
		return c.a.failed(ErrRefreshUnavailable, err, 0)
	case refusesClient(answer):
		return c.a.failed(ErrClientRefused, err, min(answer.RetryAfter, time.Hour))
	}
	return c.a.failed(ErrRefreshUnavailable, err, min(answer.RetryAfter, time.Hour))
}

// watchStore watches the store for a lease and reports whether another pair has appeared.
func (c *claim) watchStore() bool {
	for end := time.Now().Add(lease); time.Now().Before(end); {
		if !Sleep(c.a.m.ctx.Done(), pollMax) {
			return false
		}
		if rec, err := c.a.reload(); err == nil && rec.Compare(c.from) != 0 {
			return true
		}
		c.keepAlive()
	}
	return false
}

// release removes our marker and saves what this flight has learnt in the record. It returns the stored record;
// ok is false if the store did not answer. It does not change a record with another owner's marker or with
// another pair: that owner has set unconfirmed_since itself.
func (c *claim) release(rejected *Rejected) (Record, bool) {
	released := func(next Record) Record {
		next.Pending, next.Rejected = nil, cmp.Or(rejected, next.Rejected)
		return next
	}
	stored, err := c.a.m.update(c.a.name, released(c.rec), func(found Record) (Record, bool) {
		// Another owner may have used the record since: keep what it left there.
		return released(c.learnt(found)), found.Compare(c.from) == 0 && !c.a.foreign(found)
	})
	switch {
	case err != nil:
		return Record{}, false
	case stored.Compare(c.from) < 0: // the store has lost the pair: put ours back now, because the others wait only for a limited time
		rec, err := c.a.reload()
		return rec, err == nil && rejected == nil
	}
	c.a.change(func() { c.a.takeLocked(stored) })
	return stored, true
}

// succeed saves the new pair before it is used. If the save fails, the pair is used all the same, and a
// goroutine retries the save: the old pair no longer works, so this is the only one.
func (c *claim) succeed(p Pair, took time.Duration) error {
	p.RefreshToken = cmp.Or(p.RefreshToken, c.rec.RefreshToken)
	p.TokenType, p.Scope = cmp.Or(p.TokenType, c.rec.TokenType), cmp.Or(p.Scope, c.rec.Scope)
	now := wallClock()
	next := c.rec.rotated(p, now)
	next.ProvenAt, next.Issuer = now, c.rec.Issuer.completed(c.a.m.issuer)
	switch c.why {
	case forRefusal:
		next.Hold = c.rec.holdAfter(now)
	case forPerson:
		next.Hold = c.rec.Hold
	}
	release := c.a.m.emergency.guard(c.a.name, next)
	saved, err := c.a.store(next)
	release()
	if err == nil {
		c.a.change(func() { c.a.takeLocked(saved) })
		c.a.m.emergency.discard(c.a.name, saved)
	} else {
		c.a.keepUnsaved(&unsaved{rec: next, lock: c.lock.move(), err: err})
	}
	c.a.m.report(c.a, Event{Kind: EventRefreshed, Generation: next.Generation, Duration: took})
	if p.AccessToken.IsZero() { // the answer was cut after the refresh token, which is valid for another try
		return c.a.failed(ErrRefreshUnavailable, errNoToken, 0)
	}
	return nil
}

// unclear reports whether the answer leaves it open what the server has done, as a server error or a
// redirection does. A 2xx that is an EndpointError is a clear refusal.
func (e *EndpointError) unclear() bool { return e.Status/100 != 2 && e.Status/100 != 4 }

// refusesToken reports whether the answer means that the refresh token is spent, revoked or not the client's.
// Some servers use codes of their own for that, and some send them with status 200.
func refusesToken(e *EndpointError) bool {
	switch e.Code {
	case "invalid_grant", "bad_refresh_token", "invalid_refresh_token", "token_revoked":
		return e.Status < 500
	}
	return false
}

// refusesClient reports whether the answer is about our client credentials (RFC 6749 section 5.2). PandaDoc
// answers 400 with the code; a bare 401 means the same.
func refusesClient(e *EndpointError) bool {
	return e.Code == "invalid_client" || e.Code == "unauthorized_client" || (e.Status == 401 && e.Code == "")
}

const (
	saveAgainMin = 250 * time.Millisecond
	saveAgainMax = 10 * time.Second
)

// unsaved is a pair from the server that the store has not saved.
type unsaved struct {
	rec  Record
	lock refreshLock   // kept until the pair is saved
	err  error         // of the last save
	news chan struct{} // receives a value when the store has changed or is back; its capacity is one
	path string        // of the emergency file; empty if there is none
}

// store writes next, independent of the version in the store. A late save never does harm: if the store has no
// record, or an older one, it is replaced by next, even if there is a marker. Otherwise the stored record is
// adopted and next is dropped. store returns the stored record.
func (a *account) store(next Record) (Record, error) {
	return a.m.update(a.name, next, func(found Record) (Record, bool) { return next.rebased(found), found.Compare(next) < 0 })
}

// keepUnsaved makes u.rec the current pair although the store has not saved it. The pair goes to the emergency
// file first, because a process can be killed at any time.
func (a *account) keepUnsaved(u *unsaved) {
	u.news = make(chan struct{}, 1)
	var fileErr error
	u.path, fileErr = a.m.emergency.write(a.name, u.rec)
	a.change(func() {
		a.unsaved = u
		a.setLocked(u.rec)
	})
	e := Event{Kind: EventUnsaved, Generation: u.rec.Generation, Err: u.err, Detail: "the newest tokens are in memory and in " + u.path}
	if fileErr != nil {
		e.Detail = "the newest tokens are in memory only: " + fileErr.Error()
	}
	a.m.report(a, e)
	a.m.work.Go(func() { a.keepSaving(u) })
}

// keepSaving tries to save the unsaved pair until that succeeds or the Manager must end. Then its emergency
// file keeps it for the next start.
func (a *account) keepSaving(u *unsaved) {
	defer u.lock.Unlock() // after the save, or when the process ends
	enough := a.m.enough
	if u.path == "" { // it is in memory only
		enough = nil
	}
	for pause, goOn := saveAgainMin, true; goOn; pause = min(2*pause, saveAgainMax) {
		select {
		case <-a.m.ctx.Done():
			goOn = false
		case <-enough:
			goOn = false
		case <-u.news: // perhaps an announcement, whose sender waits for an answer
		case <-time.After(pause):
		}
		a.mu.Lock()
		next := u.rec.Clone()
		a.mu.Unlock()
		saved, err := a.store(next)
		if err == nil {
			a.change(func() {
				if a.unsaved == u { // and there was no login since
					a.unsaved, a.loadErr = nil, nil
				}
				a.takeLocked(saved)
			})
			u.lock.Unlock()
			a.m.emergency.discard(a.name, saved)
			a.m.wake()
			a.m.report(a, Event{Kind: EventSaved, Generation: saved.Generation})
			return
		}
		a.change(func() { u.err = err })
	}
}
