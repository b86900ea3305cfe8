package tokens

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
)

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
