package tokens

import (
	"math/rand/v2"
	"time"
)

const (
	rereadMax = 29 * time.Second // a logout or login elsewhere is seen within this time
	rereadMin = 20 * time.Second
	wakeMin   = 20 * time.Millisecond // thousands of due accounts are served in groups
	wakeMax   = time.Second
	startSoon = 2 * time.Second // over which refreshes are spread that are overdue
)

// runBackground starts what is due: one goroutine over all accounts, not one each.
func (m *Manager) runBackground() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-m.closing:
			return
		case <-m.poke:
		case <-timer.C:
		}
		timer.Reset(max(wakeMin, m.startDue(time.Now())))
	}
}

// startDue starts the flights that are due and returns the time to the next one. It never waits longer
// than a re-read takes to come up: a timer does not see the wall clock step or the machine sleep.
func (m *Manager) startDue(now time.Time) time.Duration {
	next := rereadMin
	m.accounts.Range(func(_, v any) bool {
		a := v.(*account)
		n, left := a.due(now)
		// Re-reads that are nearly due come along, so that thousands of accounts cost a few wake-ups a second.
		if left <= 0 || (n.look && left < wakeMax) {
			a.join(n)
		} else {
			next = min(next, left)
		}
		return true
	})
	return next
}

// wake lets the background goroutine look at the schedules anew.
func (m *Manager) wake() {
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

// due returns what the account needs next, and in how long.
func (a *account) due(now time.Time) (need, time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flight != nil || a.rereadAt.IsZero() {
		return need{}, rereadMin
	}
	reread := a.rereadAt.Sub(now)
	if a.refreshAt.IsZero() {
		return need{look: true}, reread
	}
	if refresh := a.refreshAt.Sub(now.Round(0)); refresh <= max(0, reread) {
		return need{due: a.rec.Generation}, refresh
	}
	return need{look: true}, reread
}

// schedule sets when the account is looked at next. mu is held.
func (a *account) schedule(now time.Time) {
	a.publish() // works looks at what is published
	a.rereadAt = time.Time{}
	if !a.config.APIKey.IsZero() || !(a.expected() || a.rec.Generation > 0) {
		return
	}
	a.rereadAt = now.Add(a.m.watch.reread())
	if a.stale {
		a.rereadAt = now
	}
	a.refreshAt = a.nextRefresh(now)
}

// nextRefresh returns the moment of the next background refresh; zero means never. It is drawn once a
// generation, and moves only when an attempt has failed.
func (a *account) nextRefresh(now time.Time) time.Time {
	works, wall := a.works(now), now.Round(0)
	switch {
	case a.m.config.RefreshBefore == 0 || a.unsaved != nil || loginCause(a.rec) != "":
		return time.Time{}
	case works && a.rec.ExpiresAt.IsZero(): // only a 401 will tell
		return time.Time{}
	case works && !a.uncertain(a.rec).IsZero(): // in doubt, wait
		return a.rec.ExpiresAt
	case a.cool.failures > 0: // as long as it lasts on our own clock, whatever the wall clock does
		return wall.Add(max(a.cool.until.Sub(now)+wakeMin, startSoon))
	case a.refreshAt.IsZero():
		return a.draw(wall)
	case !wall.Before(a.refreshAt): // the attempt was put off
		return wall.Add(startSoon)
	}
	return a.refreshAt
}

// draw picks a moment in the first half of the window before expiry, so that replicas and accounts
// with the same expiry do not all come at once.
func (a *account) draw(now time.Time) time.Time {
	window := min(a.m.config.RefreshBefore, a.rec.ExpiresAt.Sub(a.rec.ObtainedAt)/10)
	start := a.rec.ExpiresAt.Add(-window)
	if a.rec.ExpiresAt.IsZero() || window <= 0 {
		return now // nothing usable is there at all
	}
	if start.Before(now) {
		start = now
		window = min(window, max(a.rec.ExpiresAt.Sub(now), startSoon))
	}
	return start.Add(rand.N(window/2 + 1))
}
