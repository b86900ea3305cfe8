package spool

import "sync/atomic"

// Where the copy of a body was kept.
const (
	InMemory = "memory"
	OnDisk   = "disk"
)

// Budget bounds the copies of all bodies in a process.
type Budget struct {
	left     atomic.Int64
	memory   atomic.Int64 // that copies may still take; the others are kept on disk
	inMemory atomic.Int64 // what is kept now
	onDisk   atomic.Int64
	report   func(error)
	warned   atomic.Bool
}

// NewBudget returns a Budget of total bytes, of which up to memory bytes are kept in memory. report is told once why
// copies cannot be kept on disk.
func NewBudget(total, memory int64, report func(error)) *Budget {
	b := &Budget{report: report}
	b.left.Store(total)
	b.memory.Store(memory)
	return b
}

// take reserves n bytes if so many are left.
func take(left *atomic.Int64, n int64) bool {
	if left.Add(-n) < 0 {
		left.Add(n)
		return false
	}
	return true
}

// warn reports once that copies cannot be kept on disk: every further request would say the same.
func (b *Budget) warn(err error) {
	if b.warned.CompareAndSwap(false, true) {
		b.report(err)
	}
}

// Held returns how many bytes are kept now.
func (b *Budget) Held() (inMemory, onDisk int64) { return b.inMemory.Load(), b.onDisk.Load() }

// Left returns how many bytes can still be taken.
func (b *Budget) Left() int64 { return b.left.Load() }
