package spool

import (
	"os"
	"sync"
	"sync/atomic"
)

// bodyCopy keeps what was read of a body, so that it can be sent again: its beginning in memory, the rest in a
// temporary file that has no name. It is not safe for concurrent use; the spool's mutex guards it.
type bodyCopy struct {
	options  Options
	length   int64 // of the whole body as announced; negative means unknown
	reserved int64 // bytes taken from the budget
	inMemory int64 // bytes last reported to the budget
	onDisk   int64 // the same

	memory []byte
	file   *spoolFile // nil until it is needed
	tail   []byte     // what was read while pinned, or by addLate; it comes after memory and file

	dropped bool   // a limit was exceeded, and nothing is kept; otherwise everything is
	pinned  bool   // what is kept must not be dropped, see add
	peak    int64  // the most bytes that were kept
	where   string // InMemory, OnDisk or empty
}

func newBodyCopy(o Options, length int64) bodyCopy {
	c := bodyCopy{options: o, length: length}
	c.dropped = length > c.longest() // the whole body would not fit, so do not begin
	return c
}

// longest is the longest body that can be kept.
func (c *bodyCopy) longest() int64 { return max(c.options.Memory, c.options.Disk) }

// addLate keeps p, which was read by an attempt that has ended, while a newer attempt is running. The newer one
// cannot get it in another way.
func (c *bodyCopy) addLate(p []byte) {
	if len(p) == 0 || c.dropped {
		return
	}
	c.tail = append(c.tail, p...)
	c.grown()
}

// add keeps p, which was read by the newest attempt. If there is no room, it drops the copy.
func (c *bodyCopy) add(p []byte) {
	switch {
	case len(p) == 0 || c.dropped:
	case c.pinned:
		// The request may be repeated because this copy exists, so it must not be dropped now. At most one read
		// was running when the copy was pinned, so the tail has at most one read.
		c.addLate(p)
	case c.reserve(int64(len(p))) && c.storeTail() && c.store(p):
		c.grown()
	default:
		c.drop()
	}
}

func (c *bodyCopy) grown() {
	c.peak = max(c.peak, c.size())
	c.reportUsage()
}

// storeTail moves the tail to memory and disk, so that more can follow it.
func (c *bodyCopy) storeTail() bool {
	tail := c.tail
	c.tail = nil
	return c.store(tail)
}

// reportUsage reports to the budget how much is kept in memory and on disk, for the metrics.
func (c *bodyCopy) reportUsage() {
	inMemory, onDisk := int64(len(c.memory)+len(c.tail)), c.file.size()
	c.options.Budget.inMemory.Add(inMemory - c.inMemory)
	c.options.Budget.onDisk.Add(onDisk - c.onDisk)
	c.inMemory, c.onDisk = inMemory, onDisk
}

// reserve takes n more bytes from the budget; the first time, it takes the length of the whole body. It is better
// to refuse some bodies at once than to lose all of them half way.
func (c *bodyCopy) reserve(n int64) bool {
	need := max(c.size()+n, c.length)
	if need > c.longest() {
		return false
	}
	if need > c.reserved && !take(&c.options.Budget.left, need-c.reserved) {
		return false
	}
	c.reserved = max(c.reserved, need)
	return true
}

// store keeps p in memory if it fits there, and the rest on disk.
func (c *bodyCopy) store(p []byte) bool {
	room := c.options.Memory - int64(len(c.memory))
	if c.file != nil {
		room = 0
	}
	inMemory := min(room, int64(len(p)))
	if inMemory > 0 && c.growMemory(int(inMemory)) {
		c.memory = append(c.memory, p[:inMemory]...)
		c.where = InMemory
		p = p[inMemory:]
	}
	switch {
	case len(p) == 0:
		return true
	case c.options.Disk == 0:
		return false
	}
	if err := c.storeOnDisk(p); err != nil {
		b := c.options.Budget
		b.warnOnce.Do(func() { b.warn(err) }) // every further request would say the same
		return false
	}
	return true
}

// growMemory makes room for n more bytes, but not for more than the body or the limit needs. It reports false if
// the copies of all bodies leave no memory for it.
func (c *bodyCopy) growMemory(n int) bool {
	need := len(c.memory) + n
	if need <= cap(c.memory) {
		return true
	}
	size := min(max(2*cap(c.memory), need), int(c.options.Memory))
	if c.length >= 0 {
		size = int(min(c.length, c.options.Memory))
	}
	size = max(size, need)
	if !take(&c.options.Budget.memory, int64(size-cap(c.memory))) {
		return false
	}
	grown := make([]byte, len(c.memory), size)
	copy(grown, c.memory)
	c.memory = grown
	return true
}

func (c *bodyCopy) storeOnDisk(p []byte) error {
	if c.file == nil {
		file, err := newSpoolFile(c.options.Dir)
		if err != nil {
			return err
		}
		c.file, c.where = file, OnDisk
	}
	return c.file.append(p)
}

// size is how many bytes can be read.
func (c *bodyCopy) size() int64 {
	return int64(len(c.memory)) + c.file.size() + int64(len(c.tail))
}

// readAt reads from offset, which must be less than size. It reads from one place only, and may return less than p
// can take.
func (c *bodyCopy) readAt(p []byte, offset int64) (int, error) {
	if offset < int64(len(c.memory)) {
		return copy(p, c.memory[offset:]), nil
	}
	offset -= int64(len(c.memory))
	if offset < c.file.size() {
		return c.file.readAt(p, offset)
	}
	return copy(p, c.tail[offset-c.file.size():]), nil
}

func (c *bodyCopy) drop() {
	c.free()
	c.dropped = true
}

// free releases memory, file and budget.
func (c *bodyCopy) free() {
	c.options.Budget.left.Add(c.reserved)
	c.options.Budget.memory.Add(int64(cap(c.memory)))
	c.reserved = 0
	c.memory, c.tail = nil, nil
	c.file.close()
	c.file = nil
	c.reportUsage()
}

// spoolFile is a temporary file without a name, so that nothing can be left behind and nobody else can
// open it. A nil spoolFile is empty.
type spoolFile struct {
	file    *os.File
	written int64
	name    string // empty once the name is gone; systems that cannot unlink open files remove it at the end
}

func newSpoolFile(dir string) (*spoolFile, error) {
	file, err := os.CreateTemp(dir, "pandadoc-auth-proxy-body-*")
	if err != nil {
		return nil, err
	}
	f := &spoolFile{file: file}
	if os.Remove(file.Name()) != nil {
		f.name = file.Name()
	}
	return f, nil
}

func (f *spoolFile) append(p []byte) error {
	n, err := f.file.WriteAt(p, f.written)
	f.written += int64(n)
	return err
}

func (f *spoolFile) readAt(p []byte, offset int64) (int, error) {
	p = p[:min(int64(len(p)), f.written-offset)]
	return f.file.ReadAt(p, offset)
}

func (f *spoolFile) size() int64 {
	if f == nil {
		return 0
	}
	return f.written
}

func (f *spoolFile) close() {
	if f == nil {
		return
	}
	_ = f.file.Close()
	if f.name != "" {
		_ = os.Remove(f.name)
	}
}

// Where the copy of a body was kept.
const (
	InMemory = "memory"
	OnDisk   = "disk"
)

// Budget bounds the copies of all bodies in a process.
type Budget struct {
	left     atomic.Int64 // bytes that copies may still take
	memory   atomic.Int64 // bytes of them in memory; other copies are kept on disk
	inMemory atomic.Int64 // what is kept now
	onDisk   atomic.Int64
	warn     func(error)
	warnOnce sync.Once
}

// NewBudget returns a Budget of total bytes, of which up to memory bytes are kept in memory. warn is called once with
// the reason why copies cannot be kept on disk.
func NewBudget(total, memory int64, warn func(error)) *Budget {
	b := &Budget{warn: warn}
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

// Held returns how many bytes are kept now.
func (b *Budget) Held() (inMemory, onDisk int64) { return b.inMemory.Load(), b.onDisk.Load() }

// Left returns how many bytes can still be taken.
func (b *Budget) Left() int64 { return b.left.Load() }
