package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// minProgress is what a body must bring within BodyTimeout to count as making progress, unless it
	// ends. A byte now and then would otherwise hold a connection for ever.
	minProgress = 1 << 10
	// The rest of a body whose answer is already out is read and thrown away within these bounds.
	discardTotal = 5 * time.Second
	discardIdle  = time.Second
	discardBytes = 64 << 20
)

var (
	// errAttemptOver is what http.Transport sees when it goes on reading for an attempt that has ended.
	errAttemptOver = errors.New("this attempt to send the request is over")
	// errBodyStalled is how the client's body ends when it makes no progress for BodyTimeout.
	errBodyStalled = errors.New("the request's body made no progress")
)

// spool is the body of one client's request, and the copy of it that a second attempt needs. Each
// attempt reads it by a cursor of its own. Whichever cursor is at the end of the copy and wants more
// reads the client; nothing reads ahead, so that "Expect: 100-continue" works from end to end.
//
// http.Transport may go on reading an attempt's body after RoundTrip has returned, and even while the
// next attempt is under way. So what is read from the client goes into the spool first, whoever
// asked for it, and closing a cursor ends that attempt and never the client's body.
type spool struct {
	client  io.Reader
	conn    readDeadliner
	length  int64 // as announced; negative means unknown
	timeout time.Duration

	mu   sync.Mutex // guards the fields below and those of the cursors
	wake sync.Cond  // on every change

	copy    bodyCopy
	size    int64     // bytes that came from the client
	ended   error     // nil while more may come; io.EOF at the end of a whole body
	reading bool      // somebody is reading the client, without mu
	over    bool      // the exchange is: only discard reads from now on
	cursors [2]cursor // one per attempt
	begun   int       // attempts

	// How long the client was waited for since it last made progress, and what came since then.
	waited time.Duration
	fresh  int
}

// readDeadliner is what http.ResponseController gives of the client's connection.
type readDeadliner interface {
	SetReadDeadline(time.Time) error
}

func (p *Proxy) newSpool(r *http.Request, conn readDeadliner) *spool {
	s := &spool{
		client: r.Body, conn: conn, length: r.ContentLength, timeout: p.cfg.BodyTimeout,
		copy: newBodyCopy(copyLimits{
			memory: p.cfg.ReplayMemory, disk: p.cfg.ReplayDisk, dir: p.cfg.TempDir,
		}, r.ContentLength, p.budget),
	}
	s.wake.L = &s.mu
	return s
}

// cursor returns the body for a new attempt, from its first byte on. The second one is the last, and
// the copy must be kept then.
func (s *spool) cursor() *cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.cursors[s.begun]
	c.spool, c.closed = s, s.over
	if s.begun++; s.begun == len(s.cursors) {
		s.copy.stop()
	}
	return c
}

// kept says whether all that came from the client can be read again.
func (s *spool) kept() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copy.whole()
}

// complete says whether the client's body has been read to its end.
func (s *spool) complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.completeLocked()
}

func (s *spool) completeLocked() bool {
	return s.ended == io.EOF || s.length >= 0 && s.size == s.length
}

// readClient reads the client for cursor c. It is called with mu held and returns with it held.
func (s *spool) readClient(c *cursor, p []byte) (int, error) {
	start := time.Now()
	s.reading = true
	s.setDeadline(start.Add(s.timeout - s.waited))
	s.mu.Unlock()
	n, err := s.client.Read(p)
	s.mu.Lock()
	s.reading = false
	s.took(p[:n], err, c != &s.cursors[s.begun-1])
	s.countWait(n, time.Since(start))
	s.wake.Broadcast()
	if !c.awaitTurn() {
		return 0, errAttemptOver
	}
	c.offset += int64(n)
	return n, s.ended
}

// took notes what came from the client. late is as in bodyCopy.add.
func (s *spool) took(p []byte, err error, late bool) {
	s.size += int64(len(p))
	s.copy.add(p, late)
	s.ended = err
}

// countWait notes that n bytes took the client so long. Only waiting counts: an API that reads slowly
// is not the client's fault.
func (s *spool) countWait(n int, waited time.Duration) {
	s.waited += waited
	if errors.Is(s.ended, os.ErrDeadlineExceeded) && s.waited >= s.timeout {
		s.ended = errBodyStalled
	}
	if s.fresh += n; s.fresh >= minProgress {
		s.waited, s.fresh = 0, 0
	}
}

// setDeadline is for whoever reads the client on behalf of an attempt. At the end of the body net/http
// lifts the deadline itself, when it begins to watch for the client's departure.
func (s *spool) setDeadline(t time.Time) {
	if !s.over {
		_ = s.conn.SetReadDeadline(t) // a connection without deadlines has no time-out either
	}
}

// stop ends all attempts. What is being read for one of them still arrives.
func (s *spool) stop() {
	s.over = true
	for i := range s.cursors {
		s.cursors[i].closed = true
	}
	s.wake.Broadcast()
}

// discard ends all attempts and reads the rest of the body, within bounds, so that a client which
// sends everything before it reads gets to the answer.
func (s *spool) discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	buf := make([]byte, 32<<10)
	end := time.Now().Add(discardTotal)
	for limit := s.size + discardBytes; s.ended == nil && s.size < limit; {
		s.conn.SetReadDeadline(earlier(time.Now().Add(discardIdle), end))
		if s.reading {
			s.wake.Wait()
			continue
		}
		s.mu.Unlock()
		n, err := s.client.Read(buf)
		s.mu.Lock()
		s.size += int64(n)
		s.ended = err
	}
	s.endReading()
}

// abort ends all attempts, and whoever still reads the client.
func (s *spool) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	s.endReading()
}

// endReading waits until nobody reads the client: a handler must not return before. If the body has not
// ended, neither this wait nor the server's own clean-up may take long.
func (s *spool) endReading() {
	if s.ended == nil && !s.completeLocked() || s.ended != nil && s.ended != io.EOF {
		_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	}
	for s.reading {
		s.wake.Wait()
	}
}

// clientError returns how the client broke its body, or nil. If the connection is known to be broken it
// waits for the reader that must have noticed.
func (s *spool) clientError(broken bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if broken && s.reading {
		s.setDeadline(time.Now().Add(discardIdle))
		for s.reading {
			s.wake.Wait()
		}
	}
	if s.ended == io.EOF {
		return nil
	}
	return s.ended
}

// account returns how much came from the client, how much of it was kept at most, and where.
func (s *spool) account() (size, kept int64, where string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.copy.most, s.copy.where
}

// release frees the copy. No cursor can read any more.
func (s *spool) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	s.copy.free()
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
