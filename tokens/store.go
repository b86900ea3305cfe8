package tokens

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
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
