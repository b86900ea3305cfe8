package proxy

import (
	"os"
	"sync/atomic"
)

// copyLimits bound the copy of one body, in bytes.
type copyLimits struct {
	memory int64  // in memory
	disk   int64  // of the whole copy once a file is needed; zero means that none is used
	dir    string // of the file
}

func (l copyLimits) longest() int64 { return max(l.memory, l.disk) }

// bodyCopy keeps what came of a body so that it can be sent again: its beginning in memory, the rest in
// a temporary file that has no name. It is not safe for concurrent use; the spool's mutex guards it.
type bodyCopy struct {
	limits   copyLimits
	length   int64 // of the whole body as announced; negative means unknown
	budget   *budget
	reserved int64 // taken from the budget
	inMemory int64 // as the budget was told,
	onDisk   int64 // and so

	memory []byte
	file   *spoolFile // nil until it is needed
	tail   []byte     // what came while pinned, or late, behind memory and file

	state  copyState
	pinned bool
	most   int64  // the most bytes that were kept
	where  string // one of the Spooled constants
}

type copyState int

const (
	copying copyState = iota // everything is kept
	stopped                  // what is there stays; of what comes only the late is kept
	dropped                  // over a limit: nothing is kept
)

func newBodyCopy(limits copyLimits, length int64, b *budget) bodyCopy {
	c := bodyCopy{limits: limits, length: length, budget: b}
	if length > limits.longest() {
		c.state = dropped // it would not fit in the end: do not even begin
	}
	return c
}

// add keeps p, or gives the copy up. late says that p was read for an attempt that is over while the
// last one is under way: that one has no other way to get it.
func (c *bodyCopy) add(p []byte, late bool) {
	if len(p) == 0 || c.state == dropped {
		return
	}
	switch {
	case c.pinned && c.state == copying, late:
		// A decision to repeat is built on this copy, so it must not be dropped now. At most one read
		// was under way when it was made, so this is at most one read's worth.
		c.tail = append(c.tail, p...)
	case c.state == stopped:
		return
	case !c.reserve(int64(len(p))) || !c.store(p):
		c.drop()
		return
	}
	c.most = max(c.most, c.size())
	c.tell()
}

// tell lets the budget know where how much is kept, for those who watch.
func (c *bodyCopy) tell() {
	inMemory, onDisk := int64(len(c.memory)+len(c.tail)), c.file.size()
	c.budget.inMemory.Add(inMemory - c.inMemory)
	c.budget.onDisk.Add(onDisk - c.onDisk)
	c.inMemory, c.onDisk = inMemory, onDisk
}

// reserve takes n more bytes from the budget, or at first as much as the whole body is going to need:
// it is better to refuse some bodies at once than to lose all of them half way.
func (c *bodyCopy) reserve(n int64) bool {
	need := max(c.size()+n, c.length)
	if need > c.limits.longest() {
		return false
	}
	if need > c.reserved && !c.budget.take(need-c.reserved) {
		return false
	}
	c.reserved = max(c.reserved, need)
	return true
}

// store keeps p in memory as far as it fits there, and on disk.
func (c *bodyCopy) store(p []byte) bool {
	room := c.limits.memory - int64(len(c.memory))
	if c.file != nil {
		room = 0
	}
	inMemory := min(room, int64(len(p)))
	if inMemory > 0 {
		c.growMemory(int(inMemory))
		c.memory = append(c.memory, p[:inMemory]...)
		c.where = SpooledInMemory
	}
	if p = p[inMemory:]; len(p) == 0 {
		return true
	}
	if err := c.storeOnDisk(p); err != nil {
		c.budget.warn(err)
		return false
	}
	return true
}

// growMemory makes room for n more bytes, and for no more than the body or the limit can need.
func (c *bodyCopy) growMemory(n int) {
	need := len(c.memory) + n
	if need <= cap(c.memory) {
		return
	}
	size := min(max(2*cap(c.memory), need), int(c.limits.memory))
	if c.length >= 0 {
		size = int(min(c.length, c.limits.memory))
	}
	grown := make([]byte, len(c.memory), max(size, need))
	copy(grown, c.memory)
	c.memory = grown
}

func (c *bodyCopy) storeOnDisk(p []byte) error {
	if c.file == nil {
		file, err := newSpoolFile(c.limits.dir)
		if err != nil {
			return err
		}
		c.file, c.where = file, SpooledOnDisk
	}
	return c.file.append(p)
}

// size is how many bytes can be read.
func (c *bodyCopy) size() int64 {
	return int64(len(c.memory)) + c.file.size() + int64(len(c.tail))
}

// whole says whether the copy has everything that came.
func (c *bodyCopy) whole() bool { return c.state == copying }

// readAt reads from offset on, which lies before size, from one of the places.
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

// pin makes sure that a whole copy stays whole, until unpin.
func (c *bodyCopy) pin() { c.pinned = c.state == copying }

// unpin ends a pin without a second attempt, so that the copy is of no use any more.
func (c *bodyCopy) unpin() {
	c.pinned = false
	c.drop()
}

// stop ends the copying because the last attempt has begun. It reads the client itself when it has
// read all of the copy and nobody else is reading.
func (c *bodyCopy) stop() {
	if c.state == copying {
		c.state = stopped
	}
}

func (c *bodyCopy) drop() {
	c.free()
	c.state = dropped
}

// free gives everything back.
func (c *bodyCopy) free() {
	c.budget.give(c.reserved)
	c.reserved = 0
	c.memory, c.tail = nil, nil
	c.file.close()
	c.file = nil
	c.tell()
}

// spoolFile is a temporary file without a name, so that nothing can be left behind and nobody else can
// open it. A nil spoolFile is empty.
type spoolFile struct {
	file    *os.File
	written int64
	name    string // empty once the name is gone; systems that cannot unlink open files remove it at the end
}

func newSpoolFile(dir string) (*spoolFile, error) {
	file, err := os.CreateTemp(dir, Name+"-body-*")
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

// budget bounds the copies of all bodies in a process.
type budget struct {
	left     atomic.Int64
	inMemory atomic.Int64 // what is kept now
	onDisk   atomic.Int64
	report   func(error)
	warned   atomic.Bool
}

func newBudget(total int64, report func(error)) *budget {
	b := &budget{report: report}
	b.left.Store(total)
	return b
}

// take takes n bytes if so many are left.
func (b *budget) take(n int64) bool {
	if b.left.Add(-n) < 0 {
		b.left.Add(n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.left.Add(n) }

// warn reports once that copies cannot be kept on disk: every further request would say the same.
func (b *budget) warn(err error) {
	if b.warned.CompareAndSwap(false, true) {
		b.report(err)
	}
}

// ReplayBytes returns how many bytes of request bodies are kept now so that they can be sent again.
func (p *Proxy) ReplayBytes() (inMemory, onDisk int64) {
	return p.budget.inMemory.Load(), p.budget.onDisk.Load()
}
