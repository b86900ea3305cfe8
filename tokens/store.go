package tokens

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Store keeps one record per account, with compare-and-swap. Load and Save are all that the life
// cycle needs; a store may be shared by any number of processes, and by goroutines.
type Store interface {
	// Load returns the record of account, with the Version that a later Save is compared with.
	// ErrNotFound means that there is none; every other error means that the store cannot tell.
	Load(ctx context.Context, account string) (Record, error)
	// Save replaces the record that has rec.Version by rec, durably, and returns it with its new
	// Version. An empty rec.Version means that there must be no record yet. ErrConflict means that
	// the store holds another version (or one where none was expected) and was left as it is. After any
	// other error it is not known whether the record was written. Save keeps no reference to rec.
	Save(ctx context.Context, account string, rec Record) (Record, error)
}

// Locker is a Store that can tell whether the owner of a refresh is still alive. Of a store
// that is none, an owner proves its life by renewing the marker's lease.
type Locker interface {
	// TryLock takes the refresh lock of account without waiting; ok is false while another holds it,
	// in this process or in another. The lock is freed by unlock (which is safe to call twice) or by
	// the death of the process.
	TryLock(ctx context.Context, account string) (unlock func(), ok bool, err error)
}

// Lister is a Store that can name its accounts, in no special order.
type Lister interface {
	Accounts(ctx context.Context) ([]string, error)
}

// Memory is a Store without a file behind it, for tests, sandboxes and accounts whose seeds come back
// at each start. What it holds ends with the process. The zero value is not ready: use NewMemory.
type Memory struct {
	mu      sync.Mutex // guards the fields below
	records map[string]Record
	writes  uint64
}

var (
	_ Store  = (*Memory)(nil)
	_ Lister = (*Memory)(nil)
)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{records: map[string]Record{}} }

// Load implements Store.
func (s *Memory) Load(_ context.Context, account string) (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec, ok := s.records[account]
	if !ok {
		return Record{}, ErrNotFound
	}
	return rec.Clone(), nil
}

// Save implements Store.
func (s *Memory) Save(_ context.Context, account string, rec Record) (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records[account].Version != rec.Version {
		return Record{}, ErrConflict
	}
	s.writes++
	rec = rec.Clone()
	rec.Version = strconv.FormatUint(s.writes, 10)
	s.records[account] = rec
	return rec.Clone(), nil
}

// Accounts implements Lister.
func (s *Memory) Accounts(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.records)), nil
}

// Unproven remembers the saves of a store on another machine whose outcome is not known, because a connection broke
// or a caller gave up. Whoever tries such a save again may find it done: that is no conflict. The zero value
// remembers none; its methods may be called concurrently.
type Unproven struct {
	mu    sync.Mutex // guards saves
	saves map[string]unprovenSaves
}

// unprovenSaves are the versions that saves over one version of a record may have written.
type unprovenSaves struct {
	base     string
	versions []string
}

// maxUnproven bounds the tries that are remembered of one account. Of more than that, at most the oldest was done.
const maxUnproven = 16

// Over returns the versions that earlier saves over base may have given to the record of account.
func (u *Unproven) Over(account, base string) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s := u.saves[account]; s.base == base {
		return slices.Clone(s.versions)
	}
	return nil
}

// Note notes how a save of version over base has ended. lost means that at least one try got no answer, so that the
// version may have been written, or may still be.
func (u *Unproven) Note(account, base, version string, lost bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch s := u.saves[account]; {
	case err == nil, errors.Is(err, ErrConflict) && !lost:
		delete(u.saves, account)
	case lost:
		if s.base != base || len(s.versions) == maxUnproven {
			s = unprovenSaves{base: base}
		}
		s.versions = append(s.versions, version)
		if u.saves == nil {
			u.saves = map[string]unprovenSaves{}
		}
		u.saves[account] = s
	}
}

// rereadWatched is how often a record is read although its store reports changes: hardly ever.
const rereadWatched = 24 * time.Hour

// Watcher is a Store that reports changes, so that it need not be polled.
type Watcher interface {
	// Watch reports to w until ctx ends, and connects again by itself whenever that is needed.
	Watch(ctx context.Context, w Watch)
}

// Watch is what a Watcher reports to. The functions are called by one goroutine, one at a time, and must
// not block.
type Watch struct {
	// Connected means that from now on every change is reported. Changes before may have been missed.
	Connected func()
	// Broken means that from now on changes may be missed, because of err.
	Broken func(err error)
	// Changed means that the record of account may have changed, and has version now. An empty version means
	// that it is not known.
	Changed func(account, version string)
}

// Forgetful is a Watcher whose engine can lose saves that it acknowledged, as a failover of Redis can. A
// process that wins a marker there waits before it sends the refresh token: the marker is an
// announcement, and a process with a newer pair answers by putting that back.
type Forgetful interface {
	// Settle returns how long the others need to hear of a save and to answer.
	Settle() time.Duration
}

// watching is how the Manager hears of changes.
type watching struct {
	watcher Watcher       // nil if the store reports none
	settle  time.Duration // zero if the store loses no saves
	// connected means that every change is reported now, since is when that began.
	connected atomic.Bool
	since     atomic.Pointer[time.Time]
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

func (w *watching) turn() { tell(w.turned) }

// trouble reports why changes may be missed; empty if they are not.
func (w *watching) trouble() string {
	if text := w.broken.Load(); text != nil {
		return *text
	}
	return ""
}

// reread returns when a record is read again if nothing is reported before.
func (w *watching) reread() time.Duration {
	if w.connected.Load() {
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
			m.watch.connected.Store(true)
			m.watch.broken.Store(nil)
			m.rereadAll()
			m.watch.turn()
		},
		Broken: func(err error) {
			text := err.Error()
			m.watch.connected.Store(false)
			if m.watch.broken.Swap(&text) == nil {
				m.each((*account).unwatched)
				m.watch.turn()
			}
		},
		Changed: m.changed,
	})
}

// rereadAll has every record in memory read: a thousand a second, because a store that has just come back must
// not be asked for ten thousand at once.
func (m *Manager) rereadAll() {
	var spread time.Duration
	m.each(func(*account) { spread += time.Millisecond })
	m.each(func(a *account) { a.mayHaveChanged(spread) })
}

// changed is told that the store holds version of the record of name now. It may be an account that is new.
func (m *Manager) changed(name, version string) {
	if v, ok := m.accounts.Load(name); ok {
		v.(*account).changed(version)
		m.wake()
		return
	}
	if !ValidAccount(name) {
		return
	}
	m.know(name)
	if v, ok := m.accounts.Load(name); ok {
		a := v.(*account)
		a.start(a.reread)
	} else {
		m.begin(func() { m.readOneParked(name) })
	}
}

// each runs f for every account in memory, and wakes the background goroutine.
func (m *Manager) each(f func(*account)) {
	m.accounts.Range(func(_, v any) bool {
		f(v.(*account))
		return true
	})
	m.wake()
}

// changed is told that the store holds version now.
func (a *account) changed(version string) {
	a.mu.Lock()
	known := version != "" && version == a.rec.Version
	a.mu.Unlock()
	if !known {
		a.mayHaveChanged(0)
	}
}

// mayHaveChanged has the record read at a moment within d. If a flight is under way, it is told, and the record
// is read after it.
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

func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// unwatched has the record read from time to time, because no change is reported any more.
func (a *account) unwatched() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at := time.Now().Add(a.m.watch.reread()); a.rereadAt.After(at) {
		a.rereadAt = at
	}
}
