package proxy

import (
	"io"
	"net/http"
)

// cursor is the body of one attempt: a place in the spool. A nil cursor is the body of a request that
// has none. Its fields are guarded by the spool's mutex.
type cursor struct {
	spool  *spool
	offset int64
	holds  int  // while more than zero, reads wait
	closed bool // reads fail
}

var _ io.ReadCloser = (*cursor)(nil)

// Read returns what the copy has, else what the client sends next.
func (c *cursor) Read(p []byte) (int, error) {
	s := c.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case !c.awaitTurn():
			return 0, errAttemptOver
		case len(p) == 0:
			return 0, nil
		case c.offset < s.copy.size():
			return c.readCopy(p)
		case s.ended != nil:
			return 0, s.ended
		case !s.reading:
			return s.readClient(c, p)
		}
		s.wake.Wait() // another attempt is reading the client; what it gets will be in the copy
	}
}

func (c *cursor) readCopy(p []byte) (int, error) {
	n, err := c.spool.copy.readAt(p, c.offset)
	c.offset += int64(n)
	return n, err
}

// awaitTurn waits while c is held. It says whether c may go on.
func (c *cursor) awaitTurn() bool {
	for c.holds > 0 && !c.closed {
		c.spool.wake.Wait()
	}
	return !c.closed
}

// Close ends this attempt's reading, and only this attempt's.
func (c *cursor) Close() error {
	if c == nil {
		return nil
	}
	c.spool.mu.Lock()
	defer c.spool.mu.Unlock()
	c.closed = true
	c.spool.wake.Broadcast()
	return nil
}

// hold makes the attempt stand still, and makes sure that what it is just reading will not be lost to
// the next one.
func (c *cursor) hold() {
	if c == nil {
		return
	}
	c.spool.mu.Lock()
	defer c.spool.mu.Unlock()
	c.holds++
	c.spool.copy.pin()
}

// resume lets an attempt go on that was held.
func (c *cursor) resume() {
	if c == nil {
		return
	}
	c.spool.mu.Lock()
	defer c.spool.mu.Unlock()
	c.holds--
	c.spool.copy.unpin()
	c.spool.wake.Broadcast()
}

// holdUnwanted holds the attempt for good if res refuses a body that the client has not begun to send
// (RFC 9110 section 10.1.1). http.Transport would send it all the same if the connection can be kept,
// and so have the client told to go ahead.
func (c *cursor) holdUnwanted(res *http.Response) {
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
