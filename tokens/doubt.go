package tokens

import "time"

// doubt is what is known about token requests whose outcome is not. A refresh token that may be spent
// must not be sent again while the request that may have spent it can still be under way, nor as long
// as the old access token works: some servers answer a second use by killing the whole grant.
type doubt struct {
	// pending is the marker of another owner, since when we have seen it unchanged, on our own
	// monotonic clock.
	pending Pending
	since   time.Time
	// start is the last uncertain request of another that we know of, seen is when we came to know of it.
	start time.Time
	seen  time.Time
	// own is the start of our last uncertain request, as the record tells it (if it could be told), and
	// began the same on our own monotonic clock.
	own   time.Time
	began time.Time
	// over is the start of an uncertain request that cannot be under way any more: it was ours, and
	// it was answered.
	over time.Time
}

// watch follows the marker in the store.
func (d *doubt) watch(p *Pending) {
	switch {
	case p == nil:
		d.pending, d.since = Pending{}, time.Time{}
	case *p != d.pending:
		d.pending, d.since = *p, time.Now()
	}
}

// lapsed says whether the marker stood unchanged for a whole lease: a living owner would have renewed it.
func (d *doubt) lapsed(now time.Time) bool {
	return !d.since.IsZero() && now.Sub(d.since) >= lease
}

// quiet returns how long the request that started at start may still be under way. A start in the
// future, of a machine whose clock is ahead, counts as now.
func (d *doubt) quiet(start, now time.Time) time.Duration {
	switch {
	case start.IsZero() || start.Equal(d.over):
		return 0
	case start.Equal(d.own): // a step of the wall clock changes nothing
		return max(0, d.began.Add(quietTime).Sub(now))
	case !start.Equal(d.start):
		d.start, d.seen = start, now
	}
	return max(0, min(start.Add(quietTime).Sub(now.Round(0)), d.seen.Add(quietTime).Sub(now)))
}

// foreign says whether another owner's marker stands in rec.
func (k *keeper) foreign(rec Record) bool {
	return rec.Pending != nil && rec.Pending.Owner != k.owner
}

// uncertain returns when the last request started whose outcome rec leaves open; zero if there is none.
// mu is held.
func (k *keeper) uncertain(rec Record) time.Time {
	start := rec.UnconfirmedSince
	if k.foreign(rec) && rec.Pending.StartedAt.After(start) {
		start = rec.Pending.StartedAt
	}
	if k.doubt.own.After(start) {
		start = k.doubt.own
	}
	return start
}

// inDoubt says whether a refresh seems to have been cut off. A marker that is younger than a lease is
// just somebody at work.
func (k *keeper) inDoubt(rec Record, now time.Time) bool {
	return !rec.UnconfirmedSince.IsZero() || (k.foreign(rec) && now.Sub(rec.Pending.StartedAt) > lease)
}
