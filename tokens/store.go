package tokens

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Store keeps one record per account, with compare-and-swap. Load and Save are all that the life
// cycle needs; a store may be shared by any number of processes, and by goroutines.
type Store interface {
	// Load returns the record of account, with the Version that a later Save is compared with. ErrNotFound means
	// that there is none. Every other error means that this is not known.
	Load(ctx context.Context, account string) (Record, error)
	// Save replaces the record that has rec.Version by rec, durably, and returns it with its new
	// Version. An empty rec.Version means that there must be no record yet. ErrConflict means that
	// the store holds another version (or one where none was expected) and was left as it is. After any
	// other error it is not known whether the record was written. Save keeps no reference to rec.
	Save(ctx context.Context, account string, rec Record) (Record, error)
}

// Locker is a Store that can tell whether the owner of a refresh is still alive. In any other store, an owner shows
// that it is alive by renewing the lease of its marker.
type Locker interface {
	// TryLock takes the refresh lock of account without waiting; ok is false while another holds it,
	// in this process or in another, and unlock is nil then. The lock is freed by unlock (which is safe to call
	// twice) or by the death of the process.
	TryLock(ctx context.Context, account string) (unlock func(), ok bool, err error)
}

// Lister is a Store that can name its accounts, in no special order. All names are valid.
type Lister interface {
	Accounts(ctx context.Context) ([]string, error)
}

// Checker is a Store that can check if records can be saved, without saving one.
type Checker interface {
	// Check returns why the record of account could not be saved. Empty means the record of any account.
	Check(ctx context.Context, account string) error
}

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
	// that it is not known. The name is valid.
	Changed func(account, version string)
}

// Forgetful is a Watcher whose engine can lose saves that it acknowledged, as a failover of Redis can. A
// process that wins a marker there waits before it sends the refresh token: the marker is an
// announcement, and a process with a newer pair answers by putting that back.
type Forgetful interface {
	// Settle returns how long the others need to hear of a save and to answer.
	Settle() time.Duration
}

// Memory is a Store that keeps records in memory, for tests, sandboxes, and accounts whose seeds are given at each
// start. The records end with the process. Use NewMemory: the zero value cannot be used.
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

// Unproven saves records in a store on another machine, and remembers the saves whose outcome is not known, because a
// connection broke or a caller gave up. A repeated save may find that the first one was done: that is no conflict. The
// zero value remembers none; Save may be called concurrently.
type Unproven struct {
	mu    sync.Mutex // guards saves
	saves map[string]unprovenSaves
}

// unprovenSaves are the versions that saves over one version of a record may have written.
type unprovenSaves struct {
	base     string
	versions []string
}

// maxUnproven limits the versions that are remembered for one account. After more of them, the older ones are
// forgotten, and to find one of those is a conflict again.
const maxUnproven = 16

// Swap replaces the record that has one of the versions in replaces by data, which has version. lost means that at least
// one try got no answer, so that data may have been written, or may still be.
type Swap func(version string, data []byte, replaces []string) (lost bool, err error)

// Save is Store.Save by means of swap.
func (u *Unproven) Save(ctx context.Context, c *Codec, account string, rec Record, swap Swap) (Record, error) {
	if err := errors.Join(CheckAccount(account), ctx.Err()); err != nil {
		return Record{}, err
	}
	data, written, err := c.EncodeNew(account, rec)
	if err != nil {
		return Record{}, err
	}
	replaces := []string{rec.Version}
	u.mu.Lock()
	if s := u.saves[account]; s.base == rec.Version {
		replaces = append(replaces, s.versions...)
	}
	u.mu.Unlock()
	lost, err := swap(written.Version, data, replaces)
	u.note(account, rec.Version, written.Version, lost, err)
	if err != nil {
		return Record{}, err
	}
	return written, nil
}

// note notes how a save of version over base has ended.
func (u *Unproven) note(account, base, version string, lost bool, err error) {
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
