package spool

import (
	"io"
	"net/http"
)

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
			return c.readCopyLocked(p)
		case s.ended != nil:
			return 0, s.ended
		case !s.reading:
			return s.readClientLocked(c, p)
		}
		s.wake.Wait() // another attempt is reading the client; what it gets will be in the copy
	}
}

func (c *Cursor) readCopyLocked(p []byte) (int, error) {
	n, err := c.spool.copy.readAt(p, c.offset)
	c.offset += int64(n)
	return n, err
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
	c.spool.copy.pin()
}

// Resume lets a held attempt continue.
func (c *Cursor) Resume() {
	if c == nil {
		return
	}
	c.spool.mu.Lock()
	defer c.spool.mu.Unlock()
	c.holds--
	c.spool.copy.unpin()
	c.spool.wake.Broadcast()
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
