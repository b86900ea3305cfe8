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
	m.keepers.Range(func(_, v any) bool {
		k := v.(*keeper)
		n, left := k.due(now)
		// Re-reads that are nearly due come along, so that thousands of accounts cost a few wake-ups a second.
		if left <= 0 || (n.look && left < wakeMax) {
			k.join(n)
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
func (k *keeper) due(now time.Time) (need, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight != nil || k.rereadAt.IsZero() {
		return need{}, rereadMin
	}
	reread := k.rereadAt.Sub(now)
	if k.refreshAt.IsZero() {
		return need{look: true}, reread
	}
	if refresh := k.refreshAt.Sub(now.Round(0)); refresh <= max(0, reread) {
		return need{due: k.rec.Generation}, refresh
	}
	return need{look: true}, reread
}

// schedule sets when the account is looked at next. mu is held.
func (k *keeper) schedule(now time.Time) {
	k.publish() // works looks at what is published
	k.rereadAt = time.Time{}
	if !k.config.APIKey.IsZero() || !(k.expected() || k.rec.Generation > 0) {
		return
	}
	k.rereadAt = now.Add(rereadMin + rand.N(rereadMax-rereadMin))
	k.refreshAt = k.nextRefresh(now)
}

// nextRefresh returns the moment of the next background refresh; zero means never. It is drawn once a
// generation, and moves only when an attempt has failed.
func (k *keeper) nextRefresh(now time.Time) time.Time {
	works, wall := k.works(now), now.Round(0)
	switch {
	case k.m.config.RefreshBefore == 0 || k.unsaved != nil || loginCause(k.rec) != "":
		return time.Time{}
	case works && k.rec.ExpiresAt.IsZero(): // only a 401 will tell
		return time.Time{}
	case works && !k.uncertain(k.rec).IsZero(): // in doubt, wait
		return k.rec.ExpiresAt
	case k.cool.failures > 0: // as long as it lasts on our own clock, whatever the wall clock does
		return wall.Add(max(k.cool.until.Sub(now)+wakeMin, startSoon))
	case k.refreshAt.IsZero():
		return k.draw(wall)
	case !wall.Before(k.refreshAt): // the attempt was put off
		return wall.Add(startSoon)
	}
	return k.refreshAt
}

// draw picks a moment in the first half of the window before expiry, so that replicas and accounts
// with the same expiry do not all come at once.
func (k *keeper) draw(now time.Time) time.Time {
	window := min(k.m.config.RefreshBefore, k.rec.ExpiresAt.Sub(k.rec.ObtainedAt)/10)
	start := k.rec.ExpiresAt.Add(-window)
	if k.rec.ExpiresAt.IsZero() || window <= 0 {
		return now // nothing usable is there at all
	}
	if start.Before(now) {
		start = now
		window = min(window, max(k.rec.ExpiresAt.Sub(now), startSoon))
	}
	return start.Add(rand.N(window/2 + 1))
}
