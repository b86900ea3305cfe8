package tokens

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	rereadMax     = 29 * time.Second // a logout or login elsewhere is seen within this time
	rereadMin     = 20 * time.Second
	rereadWatched = 24 * time.Hour        // the time between two reads of a record whose store reports changes
	refusedMin    = 5 * time.Second       // after a refused read, in a store that reports changes
	surveyTime    = 30 * time.Second      // between two surveys of the whole store
	surveySoon    = time.Second           // the same for a store that reports changes and refuses; it doubles
	keyTime       = 5 * time.Second       // between two reads of an API key
	wakeMin       = 20 * time.Millisecond // thousands of due accounts are served in groups
	wakeMax       = time.Second
	startSoon     = 2 * time.Second // the time over which overdue refreshes are spread
	loaders       = 8               // accounts that are read at the same time after the start
	maxParked     = 1000            // accounts that are not in memory and read in one round
)

// runBackground starts the flights that are due, in one goroutine for all accounts.
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

// startDue starts the flights that are due and returns the time to the next one. It never returns more than the
// time between two re-reads, because a timer does not notice that the wall clock was set or that the machine
// slept.
func (m *Manager) startDue(now time.Time) time.Duration {
	next := rereadMin
	m.each(func(a *account) {
		if a.keyed {
			a.readKey()
			next = min(next, keyTime)
			return
		}
		work, left := a.due(now)
		if work != nil {
			a.start(work)
		} else {
			next = min(next, left)
		}
	})
	return next
}

// readKey reads an API key that was replaced.
func (a *account) readKey() {
	if a.m.config.Secrets == nil {
		return
	}
	key := a.m.config.Secrets.APIKey(a.name)
	a.mu.Lock()
	replaced := !key.IsZero() && !key.Equal(a.key)
	a.mu.Unlock()
	if replaced {
		a.change(func() { a.key, a.keyRefusals = key, 0 })
	}
}

// due returns the work that is due for the account now, or the time until the next.
func (a *account) due(now time.Time) (work func(*flight) error, left time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flight != nil || a.loadedAt.IsZero() {
		return nil, rereadMin
	}
	if !a.scheduled {
		a.scheduleLocked(now)
	}
	if a.rereadAt.IsZero() {
		return nil, rereadMin
	}
	left = a.rereadAt.Sub(now)
	if !a.refreshAt.IsZero() {
		refresh := a.refreshAt.Sub(now.Round(0))
		if refresh <= 0 {
			due := a.rec
			return func(f *flight) error { return a.refreshDue(f, due) }, 0
		}
		left = min(left, refresh)
	}
	// Re-reads that are nearly due run too, so that thousands of accounts need only a few wake-ups per second.
	if a.rereadAt.Sub(now) < wakeMax {
		return a.reread, 0
	}
	return nil, max(left, 0)
}

// refreshDue refreshes a pair that is due, unless another process was faster.
func (a *account) refreshDue(f *flight, due Record) error {
	rec, err := a.reload()
	if err != nil {
		return storeError(err)
	}
	if rec.Compare(due) != 0 {
		return nil
	}
	return a.refresh(f, rec, forExpiry)
}

// scheduleLocked sets the next times for the account.
func (a *account) scheduleLocked(now time.Time) {
	a.scheduled = true
	a.rereadAt = time.Time{}
	if !(a.expected() || a.listed || a.rec.Generation > 0) {
		return
	}
	a.rereadAt = a.loadedAt.Add(a.m.watch.reread()) // from the last reading: the schedule may be made much later
	switch {
	case a.stale:
		a.rereadAt = now
	case a.loadErr != nil && a.m.watch.connected():
		// The store reports changes, but the last read failed, as when it has just come back. It will not
		// report that it answers again.
		pause := refusedMin + rand.N(refusedMin)
		if a.rec.Generation == 0 && !a.asked { // no request waits for it, and there may be thousands
			pause = rereadMin + rand.N(rereadMax-rereadMin)
		}
		a.rereadAt = a.loadedAt.Add(pause)
	}
	a.refreshAt = a.nextRefreshLocked(now)
}

// nextRefreshLocked returns the moment of the next background refresh; zero means never. It is chosen once per
// generation, and changes only when an attempt has failed.
func (a *account) nextRefreshLocked(now time.Time) time.Time {
	works, wall := a.works(now), now.Round(0)
	start, over := a.uncertainLocked(a.rec)
	switch {
	case a.m.config.RefreshBefore == 0 || a.unsaved != nil || a.loginCause(a.rec) != "":
		return time.Time{}
	case works && a.rec.ExpiresAt.IsZero(): // only a 401 will tell
		return time.Time{}
	case works && !start.IsZero() && !over: // in doubt, wait
		return a.rec.ExpiresAt
	case a.cool.failures > 0 && works: // retried until it expires, and then tried again as for a request
		return wall.Add(max(startSoon, min(a.cool.retryAt.Sub(now), a.rec.ExpiresAt.Sub(wall))))
	case a.cool.failures > 0: // on the monotonic clock, because the wall clock may be set
		return wall.Add(max(a.cool.until.Sub(now)+wakeMin, startSoon))
	case a.refreshAt.IsZero():
		return a.drawLocked(wall)
	case !wall.Before(a.refreshAt): // the attempt was put off
		return wall.Add(startSoon)
	}
	return a.refreshAt
}

// drawLocked chooses a random moment in the first half of the window before expiry, so that replicas and
// accounts with the same expiry do not all refresh at once.
func (a *account) drawLocked(now time.Time) time.Time {
	window := min(a.m.config.RefreshBefore, a.rec.ExpiresAt.Sub(a.rec.ObtainedAt)/10)
	start := a.rec.ExpiresAt.Add(-window)
	if a.rec.ExpiresAt.IsZero() || window <= 0 {
		return now // there is no usable token
	}
	if start.Before(now) {
		start = now
		window = min(window, max(a.rec.ExpiresAt.Sub(now), startSoon))
	}
	return start.Add(rand.N(window/2 + 1))
}

// survey checks the whole store at intervals: which accounts there are, and if records can be saved. It reads the
// accounts that it finds, several at once, and closes read when all were read once. If the store reports changes,
// it is checked when its connection has changed. A store that has just come back may still refuse; then it is
// checked again soon.
func (m *Manager) survey(read chan<- struct{}) {
	soon := surveySoon
	for first := true; ; first = false {
		ctx, cancel := context.WithTimeout(m.ctx, storeTimeout)
		stored, _ := m.stored(ctx) // an error appears when accounts are read
		cancel()
		for _, name := range stored {
			m.know(name)
		}
		m.readNew()
		m.readParked()
		if first {
			close(read)
		}
		if err := m.writable(""); !errors.Is(err, context.Canceled) {
			m.checked(err)
		}
		pause := surveyTime
		switch connected := m.watch.connected(); {
		case connected && m.writeError() == nil:
			pause = rereadWatched
		case connected:
			pause, soon = soon, min(2*soon, surveyTime)
		}
		select {
		case <-m.closing:
			return
		case <-m.watch.turned:
			soon = surveySoon
		case <-time.After(pause):
		}
	}
}

// readNew reads the records of the accounts in memory that were not read yet.
func (m *Manager) readNew() {
	var unread []*account
	m.each(func(a *account) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.loadedAt.IsZero() && !a.keyed {
			unread = append(unread, a)
		}
	})
	several(m, unread, func(a *account) {
		f, _ := a.start(a.reread)
		<-f.done
	})
}

// several does work for all, some at a time, until the Manager is closed.
func several[T any](m *Manager, all []T, work func(T)) {
	busy := make(chan struct{}, loaders)
	var workers sync.WaitGroup
	defer workers.Wait()
	for _, one := range all {
		select {
		case busy <- struct{}{}:
			workers.Go(func() {
				work(one)
				<-busy
			})
		case <-m.closing:
			return
		}
	}
}

// readParked reads the records of accounts that are not in memory, so that their shown state stays correct. It
// begins with those that were not read for the longest time.
func (m *Manager) readParked() {
	m.mu.Lock()
	names := slices.Collect(maps.Keys(m.parked))
	slices.SortFunc(names, func(x, y string) int { return m.parked[x].readAt.Compare(m.parked[y].readAt) })
	m.mu.Unlock()
	if !m.watch.connected() { // otherwise there is no other round for a long time
		names = names[:min(len(names), maxParked)]
	}
	several(m, names, m.readOneParked)
}

// readOneParked reads one of them, without keeping it in memory.
func (m *Manager) readOneParked(name string) {
	m.mu.Lock()
	p, ok := m.parked[name]
	m.mu.Unlock()
	a := newAccount(m, name)
	if !ok || a.keyed { // a request was quicker, or there is nothing to read
		return
	}
	a.resume(p)
	_, _ = a.reload()
	p, ok = a.park()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch _, still := m.parked[name]; {
	case still && ok:
		m.parked[name] = p
	case still: // it has the only copy of a pair, so it stays in memory
		m.addLocked(a)
	}
}

// writable returns an error if the record of account could not be saved, as far as the store can tell.
func (m *Manager) writable(account string) error {
	if m.checker == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(m.ctx, storeTimeout)
	defer cancel()
	return m.checker.Check(ctx, account)
}

// watching is how the Manager hears of changes.
type watching struct {
	watcher Watcher       // nil if the store reports none
	settle  time.Duration // zero if the store loses no saves
	// since is from when on every change is reported. Nil means that changes may be missed now.
	since atomic.Pointer[time.Time]
	// broken is why changes may be missed now. It is nil also before the first connection.
	broken atomic.Pointer[string]
	turned chan struct{} // receives a value when the connection was made or broken; its capacity is one
}

func newWatching(s Store) *watching {
	w := &watching{turned: make(chan struct{}, 1)}
	w.watcher, _ = s.(Watcher)
	if f, ok := s.(Forgetful); ok {
		w.settle = f.Settle()
	}
	return w
}

func (w *watching) connected() bool { return w.since.Load() != nil }

// trouble reports why changes may be missed; empty if they are not.
func (w *watching) trouble() string {
	if text := w.broken.Load(); text != nil {
		return *text
	}
	return ""
}

// reread returns when a record is read again if nothing is reported before.
func (w *watching) reread() time.Duration {
	if w.connected() {
		return rereadWatched
	}
	return rereadMin + rand.N(rereadMax-rereadMin)
}

// runWatch watches the store until the Manager has ended. It continues while flights end, because they may have
// to answer an announcement.
func (m *Manager) runWatch() {
	m.watch.watcher.Watch(m.ctx, Watch{
		Connected: func() {
			now := time.Now()
			m.watch.since.Store(&now)
			m.watch.broken.Store(nil)
			m.rereadAll()
			tell(m.watch.turned)
		},
		Broken: func(err error) {
			text := err.Error()
			m.watch.since.Store(nil)
			if m.watch.broken.Swap(&text) == nil {
				m.each((*account).unwatched)
				m.wake()
				tell(m.watch.turned)
			}
		},
		Changed: m.changed,
	})
}

// rereadAll makes every record in memory be read again, a thousand per second: a store that has just come back
// must not get ten thousand reads at once.
func (m *Manager) rereadAll() {
	var spread time.Duration
	m.each(func(*account) { spread += time.Millisecond })
	m.each(func(a *account) { a.mayHaveChanged(spread) })
	m.wake()
}

// changed is called when the store holds version of the record of name. The account may be new.
func (m *Manager) changed(name, version string) {
	if a := m.loaded(name); a != nil {
		a.changed(version)
		m.wake()
		return
	}
	m.know(name)
	if a := m.loaded(name); a != nil {
		a.start(a.reread)
	} else {
		m.begin(func() { m.readOneParked(name) })
	}
}

// changed is called when the store holds version.
func (a *account) changed(version string) {
	a.mu.Lock()
	known := version != "" && version == a.rec.Version
	a.mu.Unlock()
	if !known {
		a.mayHaveChanged(0)
	}
}

// mayHaveChanged makes the record be read at a random moment within d. A running flight is told, and the record is
// read after it.
func (a *account) mayHaveChanged(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keyed || a.loadedAt.IsZero() && a.flight == nil {
		return // it needs no record, or will be read at its first use
	}
	a.stale, a.rereadAt = true, time.Now().Add(rand.N(d+1))
	tell(a.heard)
	if a.unsaved != nil {
		tell(a.unsaved.news)
	}
}

// unwatched makes the record be read at intervals, because no change is reported any more.
func (a *account) unwatched() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at := time.Now().Add(a.m.watch.reread()); a.rereadAt.After(at) {
		a.rereadAt = at
	}
}
