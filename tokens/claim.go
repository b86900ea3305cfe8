package tokens

import (
	"context"
	"errors"
	"time"
)

// claim is the right to send the refresh token of one generation: our marker stands in the store, and
// if the store has a refresh lock, we hold it.
type claim struct {
	k      *keeper
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
func (k *keeper) claim(rec Record, unlock func()) (*claim, error) {
	c := &claim{k: k, from: rec.Generation, unlock: unlock, fresh: time.Now()}
	next := rec.Clone()
	takeover := k.foreign(rec)
	if takeover {
		next.Takeovers++
	}
	// In the same swap: whoever reads the record from now on knows that the token may be spent.
	k.mu.Lock()
	next.UnconfirmedSince = k.uncertain(rec)
	k.mu.Unlock()
	next.Pending = k.marker(wallClock(), wallClock())
	c.doubtful = !next.UnconfirmedSince.IsZero()
	saved, err := k.m.save(k.account, next)
	if err != nil {
		return nil, err
	}
	c.rec = saved
	k.change(func() { k.take(saved) })
	if takeover {
		k.tell(Event{Kind: EventTakeover, Generation: rec.Generation, Detail: "of the refresh that " + rec.Pending.Owner + " began at " + rec.Pending.StartedAt.Format(time.RFC3339)})
	}
	return c, nil
}

func (k *keeper) marker(started, now time.Time) *Pending {
	return &Pending{Owner: k.owner, StartedAt: started, Until: now.Add(lease)}
}

// renew writes the marker anew, with what is known by now. A conflict does not mean that the marker is gone:
// somebody may have noted a seed, or our own last write may have reported an error after it was done. Once
// it is gone it stays lost. started is when our request began, or will at the earliest.
func (c *claim) renew(started time.Time) error {
	for !c.lost {
		began := time.Now()
		next := c.rec.Clone()
		next.Pending = c.k.marker(started, wallClock())
		saved, err := c.k.m.save(c.k.account, next)
		if err == nil {
			c.rec, c.fresh = saved, began
			c.k.change(func() { c.k.take(saved) })
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		found, err := c.k.m.load(c.k.account)
		switch {
		case err != nil && !errors.Is(err, ErrNotFound):
			return err
		case found.Generation != c.from || found.Pending == nil || found.Pending.Owner != c.k.owner:
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
		if err == nil || !again || !c.k.sleep(c.k.m.ctx.Done(), pause) {
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
	ctx, cancel := context.WithCancel(c.k.m.ctx)
	defer cancel()
	type answer struct {
		pair Pair
		err  error
	}
	answered := make(chan answer, 1)
	began, started := time.Now(), wallClock()
	token := c.rec.RefreshToken
	c.k.m.work.Go(func() {
		pair, err := c.k.m.caller.refresh(ctx, token)
		answered <- answer{pair, err}
	})
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ticks := 0; ; ticks++ {
		select {
		case a := <-answered:
			c.note(began, started, a.err)
			return a.pair, a.err
		case <-tick.C:
		}
		if ticks == patience {
			cancel() // closes the connection; the goroutine then answers at once
		}
		c.keepAlive()
	}
}

// keepAlive renews the lease when a third of it has passed. A failure is no reason to stop listening.
func (c *claim) keepAlive() {
	_, locker := c.k.m.config.Store.(Locker)
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
	c.k.change(func() {
		if c.k.rec.Generation != c.from {
			return // a login came in between; its pair is beyond doubt
		}
		c.k.doubt.own, c.k.doubt.began = started, began
		if failed { // it was answered, so it is over; but what the server did before it failed is not known
			c.k.doubt.over = started
		}
	})
}
