// Package logqueue makes sure that logging never blocks the program: lines go into a queue of limited size, and
// one goroutine writes them in batches.
//
//	q := logqueue.New(os.Stderr)
//	defer q.Close(time.Second)
//	logger.SetOutput(q)
//
// A write never waits and never fails. If nobody reads the output, or if it is closed, lines are dropped and
// counted. When lines can be written again, OnLoss gets the number of dropped lines.
package logqueue

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// limit is how many bytes wait at most, besides the batch that is being written.
	limit = 1 << 20
	// pause is the longest that a line waits for others to be written with it. A line after a silence is
	// written at once.
	pause = 100 * time.Millisecond
)

// Queue is an io.Writer, safe for concurrent use, that expects whole lines.
type Queue struct {
	to      io.Writer
	wake    chan struct{}      // holds a token while lines wait
	flushes chan chan struct{} // of Flush; each is closed when everything before it is written
	closing chan struct{}      // closed by Close
	once    sync.Once          // closes closing
	ended   chan struct{}      // closed when the goroutine has ended
	dropped atomic.Uint64
	cut     bool // the output ends within a line; only the goroutine uses it

	mu      sync.Mutex // guards the fields below
	pending []byte
	lost    uint64 // lines dropped since OnLoss was told
	onLoss  func(lines uint64)
	closed  bool // nothing is written any more
}

var _ io.Writer = (*Queue)(nil)

// New returns a queue in front of w. Close ends its goroutine.
func New(w io.Writer) *Queue {
	q := &Queue{to: w, wake: make(chan struct{}, 1), flushes: make(chan chan struct{}), closing: make(chan struct{}), ended: make(chan struct{})}
	go q.run()
	return q
}

// OnLoss sets what is called when lines flow again after some were dropped, with their number. It may
// write to the queue. Nil, the default, means that it is not called.
func (q *Queue) OnLoss(f func(lines uint64)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.onLoss = f
}

// Dropped returns how many lines were not written, ever.
func (q *Queue) Dropped() uint64 { return q.dropped.Load() }

// Write queues p, or drops it if the queue is full or closed. It always succeeds.
func (q *Queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	if q.closed || len(q.pending)+len(p) > limit {
		q.lost++
		q.mu.Unlock()
		q.dropped.Add(1)
		return len(p), nil
	}
	q.pending = append(q.pending, p...)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return len(p), nil
}

// Close writes out what waits, for at most that long. What is written later is dropped. It may be called
// more than once. If the other end blocks, the goroutine stays behind until the process ends.
func (q *Queue) Close(wait time.Duration) {
	q.once.Do(func() { close(q.closing) })
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-q.ended:
	case <-timer.C:
	}
}

// Flush writes out what waits, for at most that long. It is for lines that must come before something that is
// written elsewhere.
func (q *Queue) Flush(wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	done := make(chan struct{})
	select {
	case q.flushes <- done:
	case <-q.ended:
		return
	case <-timer.C:
		return
	}
	select {
	case <-done:
	case <-timer.C:
	}
}

func (q *Queue) run() {
	defer close(q.ended)
	var batch []byte
	for {
		var done chan struct{} // of a Flush; nil if there is none
		select {
		case done = <-q.flushes:
		case <-q.wake:
			batch = q.flush(batch)
			done = q.collect()
		case <-q.closing:
			batch = q.flush(batch)
			q.mu.Lock()
			q.closed = true
			q.mu.Unlock()
			q.flush(batch) // what OnLoss has written
			return
		}
		if done != nil {
			batch = q.flush(batch)
			close(done)
		}
	}
}

// collect waits while lines are collected, unless a flush is requested.
func (q *Queue) collect() (done chan struct{}) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case done = <-q.flushes:
	case <-q.closing:
	}
	return done
}

// flush writes what waits, and returns the memory of it for the next batch.
func (q *Queue) flush(spare []byte) []byte {
	q.mu.Lock()
	batch := q.pending
	q.pending = spare[:0]
	q.mu.Unlock()
	if len(batch) == 0 {
		return batch
	}
	if n, err := q.write(batch); err != nil {
		// The error cannot be reported anywhere. The next batch is tried anyway.
		lines := uint64(bytes.Count(batch[n:], []byte{'\n'})) // the line that is cut is lost
		q.dropped.Add(lines)
		q.mu.Lock()
		q.lost += lines
		q.mu.Unlock()
		return batch
	}
	q.reportLoss()
	return batch
}

// write writes batch to the output. A line that was cut before, for example by a full disk, is ended first, so that
// only that line is damaged.
func (q *Queue) write(batch []byte) (n int, err error) {
	if q.cut {
		if _, err := q.to.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		q.cut = false
	}
	n, err = q.to.Write(batch)
	q.cut = n > 0 && batch[n-1] != '\n'
	return n, err
}

// reportLoss tells OnLoss how many lines were lost, as soon as there is room for a line about that.
func (q *Queue) reportLoss() {
	q.mu.Lock()
	lost, tell := q.lost, q.onLoss
	if lost == 0 || tell == nil || len(q.pending) > limit/2 {
		q.mu.Unlock()
		return
	}
	q.lost = 0
	q.mu.Unlock()
	tell(lost)
}
