// Package spool keeps the body of one client's request while it streams to the API, so that it can be sent
// again.
//
//	s := spool.New(r.Body, r.ContentLength, conn, options)
//	first := s.Cursor()  // the body of the first attempt
//	…                    // refused: check that the body can be repeated
//	if s.Kept() {
//		second := s.Cursor()
//	}
//
// # One spool, a cursor for each attempt
//
// A cursor that is at the end of the copy and needs more data reads from the client. Nothing is read in
// advance, so that "Expect: 100-continue" works end to end. http.Transport may continue to read an attempt's
// body after RoundTrip has returned, and even while the next attempt is running. So all data from the client
// goes into the spool first, and closing a cursor ends that attempt but never the client's body.
//
// # Limits
//
// The beginning of a body is kept in memory, the rest in a temporary file without a name, up to a limit for
// one body and a Budget for all of them. Over a limit, the copy is freed and the body streams on without one.
package spool

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// minProgress is what a body must bring within Options.Timeout to count as making progress, unless it
	// ends. A byte now and then would otherwise hold a connection for ever.
	minProgress = 1 << 10
	// The rest of a body whose answer is already out is read and thrown away within these bounds.
	discardTotal = 5 * time.Second
	discardIdle  = time.Second
	discardBytes = 64 << 20
	// discardBuffer is small, because any client can have a body thrown away, without a key.
	discardBuffer = 4 << 10
	// The rest of a body that is probably here already is waited for within these bounds.
	settleTime  = 20 * time.Millisecond
	settleBytes = 64 << 10
)

var (
	// errAttemptOver is the error of a read for an attempt that has ended. http.Transport may continue to read.
	errAttemptOver = errors.New("this attempt to send the request is over")
	// ErrStalled is how the client's body ends when it makes no progress for Options.Timeout.
	ErrStalled = errors.New("the request's body made no progress")
)

// Options are what a Spool may use.
type Options struct {
	// Memory is how much of the body is kept in memory, in bytes. Zero keeps it all on disk.
	Memory int64
	// Disk is the longest body that is kept with the help of a file, in bytes. Zero means that no file is used.
	Disk int64
	// Dir takes the file. Empty means the system's directory for temporary files.
	Dir string
	// Timeout is how long the client may make no progress. It must be more than zero.
	Timeout time.Duration
	// Budget bounds all copies together. Required.
	Budget *Budget
}

// Deadliner is what http.ResponseController gives of the client's connection.
type Deadliner interface {
	SetReadDeadline(time.Time) error
}

// Spool is the body of one client's request, and the copy of it that further attempts need. Its methods
// and those of its cursors may be called concurrently.
type Spool struct {
	client  io.Reader
	conn    Deadliner
	length  int64 // as announced; negative means unknown
	timeout time.Duration

	mu   sync.Mutex // guards the fields below and those of the cursors
	wake sync.Cond  // on every change

	copy    bodyCopy
	size    int64     // bytes that came from the client
	ended   error     // nil while more may come; io.EOF at the end of a whole body
	reading bool      // a goroutine is reading from the client, without mu
	over    bool      // the exchange is: only discard reads from now on
	cursors []*Cursor // one per attempt; the last one is the newest

	// How long the client was waited for since it last made progress, and how many bytes came since then.
	waited time.Duration
	fresh  int
}

// New returns a Spool over client, whose length is as announced; negative means unknown.
func New(client io.Reader, length int64, conn Deadliner, o Options) *Spool {
	s := &Spool{client: client, conn: conn, length: length, timeout: o.Timeout, copy: newBodyCopy(o, length)}
	s.wake.L = &s.mu
	return s
}

// Cursor returns the body for a new attempt, from its first byte on. For every attempt but the first one,
// Kept must have reported true while the one before was held.
func (s *Spool) Cursor() *Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Cursor{spool: s, closed: s.over}
	s.cursors = append(s.cursors, c)
	s.copy.pinned = false
	return c
}

// Kept reports whether all that came from the client can be read again.
func (s *Spool) Kept() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.copy.dropped
}

// Complete reports whether the client's body has been read to its end.
func (s *Spool) Complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.completeLocked()
}

func (s *Spool) completeLocked() bool {
	return s.ended == io.EOF || s.length >= 0 && s.size == s.length
}

// readClientLocked reads the client for cursor c. It unlocks mu while it reads.
func (s *Spool) readClientLocked(c *Cursor, p []byte) (int, error) {
	start := time.Now()
	s.setDeadlineLocked(start.Add(s.timeout - s.waited))
	n, err := s.readLocked(p)
	s.ended = err
	if c == s.cursors[len(s.cursors)-1] {
		s.copy.add(p[:n])
	} else {
		s.copy.addLate(p[:n])
	}
	s.countWaitLocked(n, time.Since(start))
	if !c.awaitTurnLocked() {
		return 0, errAttemptOver
	}
	c.offset += int64(n)
	return n, s.ended
}

// readLocked reads from the client. It unlocks mu while it reads.
func (s *Spool) readLocked(p []byte) (int, error) {
	s.reading = true
	s.mu.Unlock()
	n, err := s.client.Read(p)
	s.mu.Lock()
	s.reading = false
	s.size += int64(n)
	s.wake.Broadcast()
	return n, err
}

// countWaitLocked adds up how long the client took for n bytes. Only waiting counts: an API that reads slowly
// is not the client's fault.
func (s *Spool) countWaitLocked(n int, waited time.Duration) {
	s.waited += waited
	if errors.Is(s.ended, os.ErrDeadlineExceeded) && s.waited >= s.timeout {
		s.ended = ErrStalled
	}
	if s.fresh += n; s.fresh >= minProgress {
		s.waited, s.fresh = 0, 0
	}
}

// setDeadlineLocked sets the deadline of a read for an attempt. At the end of the body, net/http removes the
// deadline itself and begins to detect whether the client disconnects.
func (s *Spool) setDeadlineLocked(t time.Time) {
	if !s.over {
		_ = s.conn.SetReadDeadline(t) // a connection without deadlines has no time-out either
	}
}

// stopLocked ends all attempts. What is being read for one of them still arrives.
func (s *Spool) stopLocked() {
	s.over = true
	for _, c := range s.cursors {
		c.closed = true
	}
	s.wake.Broadcast()
}

// Begun reports whether the client was asked for its body.
func (s *Spool) Begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size > 0 || s.reading
}

// Settle reports whether the client's body is complete, and waits a moment for it if little is missing: an answer
// that came quicker than the last of a short body must not cost the connection.
func (s *Spool) Settle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.completeLocked() || s.length < 0 || s.length-s.size > settleBytes {
		return s.completeLocked()
	}
	end := time.Now().Add(settleTime)
	wake := time.AfterFunc(settleTime, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.wake.Broadcast()
	})
	defer wake.Stop()
	for !s.completeLocked() && s.ended == nil && time.Now().Before(end) {
		if s.reading || len(s.cursors) > 0 && !s.cursors[len(s.cursors)-1].closed {
			s.wake.Wait()
			continue
		}
		s.readRestLocked(end)
	}
	return s.completeLocked()
}

// readRestLocked reads once from the client and drops the data, after every attempt has ended. It unlocks mu while it
// reads.
func (s *Spool) readRestLocked(end time.Time) {
	buf := make([]byte, min(32<<10, s.length-s.size))
	s.setDeadlineLocked(end)
	if _, err := s.readLocked(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		s.ended = err
	}
}

// Discard ends all attempts and reads the rest of the body, within bounds, so that a client which
// sends everything before it reads gets to the answer.
func (s *Spool) Discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopLocked()
	buf := make([]byte, discardBuffer)
	end := time.Now().Add(discardTotal)
	for limit := s.size + discardBytes; s.ended == nil && s.size < limit; {
		s.conn.SetReadDeadline(time.Now().Add(min(discardIdle, time.Until(end))))
		if s.reading {
			s.wake.Wait()
			continue
		}
		_, s.ended = s.readLocked(buf)
	}
	s.endReadingLocked()
}

// Abort ends all attempts, and a read from the client that is in progress.
func (s *Spool) Abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopLocked()
	s.endReadingLocked()
}

// endReadingLocked waits until no goroutine reads from the client: a handler must not return before. If the body has
// not ended, neither this wait nor the server's own clean-up may take long.
func (s *Spool) endReadingLocked() {
	if !s.completeLocked() || s.ended != nil && s.ended != io.EOF {
		_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	}
	for s.reading {
		s.wake.Wait()
	}
}

// ClientError returns how the client broke its body, or nil. If ctx has ended, which is the context of the request, the
// connection is broken: then it waits for the reader that must have noticed.
func (s *Spool) ClientError(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil && s.reading {
		s.setDeadlineLocked(time.Now().Add(discardIdle))
		for s.reading {
			s.wake.Wait()
		}
	}
	if s.ended == io.EOF {
		return nil
	}
	return s.ended
}

// Usage returns how much came from the client, how much of it was kept at most, and where: InMemory, OnDisk or
// empty.
func (s *Spool) Usage() (size, kept int64, where string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.copy.peak, s.copy.where
}

// Release frees the copy. No cursor can read any more.
func (s *Spool) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopLocked()
	s.copy.free()
}

// Cursor is the body of one attempt: a place in the spool. A nil cursor is the body of a request that
// has none. Its fields are guarded by the spool's mutex.
type Cursor struct {
	spool  *Spool
	offset int64
	holds  int  // while more than zero, reads wait
	closed bool // reads fail
}

var _ io.ReadCloser = (*Cursor)(nil)

// Read returns what the copy has, else what the client sends next.
func (c *Cursor) Read(p []byte) (int, error) {
	s := c.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case !c.awaitTurnLocked():
			return 0, errAttemptOver
		case len(p) == 0:
			return 0, nil
		case c.offset < s.copy.size():
			n, err := s.copy.readAt(p, c.offset)
			c.offset += int64(n)
			return n, err
		case s.ended != nil:
			return 0, s.ended
		case !s.reading:
			return s.readClientLocked(c, p)
		}
		s.wake.Wait() // another attempt is reading the client; what it gets will be in the copy
	}
}

// awaitTurnLocked waits while c is held. It reports whether c may go on.
func (c *Cursor) awaitTurnLocked() bool {
	for c.holds > 0 && !c.closed {
		c.spool.wake.Wait()
	}
	return !c.closed
}

// Close ends this attempt's reading, and only this attempt's.
func (c *Cursor) Close() error {
	if c == nil {
		return nil
	}
	c.spool.mu.Lock()
	defer c.spool.mu.Unlock()
	c.closed = true
	c.spool.wake.Broadcast()
	return nil
}

// Hold makes the attempt stand still, and makes sure that what it is just reading will not be lost to
// the next one.
func (c *Cursor) Hold() {
	if c == nil {
		return
	}
	c.spool.mu.Lock()
	defer c.spool.mu.Unlock()
	c.holds++
	c.spool.copy.pinned = true
}

// Resume lets a held attempt continue, without another attempt after it.
func (c *Cursor) Resume() {
	if c == nil {
		return
	}
	s := c.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	c.holds--
	s.copy.pinned = false
	if len(s.cursors) == 1 { // a later attempt may still read the copy
		s.copy.drop()
	}
	s.wake.Broadcast()
}

// HoldUnwanted holds the attempt for good if res refuses a body that the client has not begun to send
// (RFC 9110 section 10.1.1). http.Transport would send it all the same if the connection can be kept,
// and so have the client told to go ahead.
func (c *Cursor) HoldUnwanted(res *http.Response) {
	if c == nil || res.StatusCode < 300 || res.Request.Header.Get("Expect") == "" {
		return
	}
	s := c.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size == 0 && !s.reading && s.ended == nil {
		c.holds++
	}
}
