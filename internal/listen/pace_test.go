package listen

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// system is a TCP connection as Linux has it: a write takes what there is room for, and one that waits continues only
// when the client has read a third of what waits.
type system struct {
	net.Conn
	begun    time.Time
	rate     int // bytes that the client reads in a second
	written  int
	deadline time.Time
}

const roomOfSystem = 3 << 20

func (s *system) SetWriteDeadline(t time.Time) error { s.deadline = t; return nil }

func (s *system) waiting() int {
	return max(0, s.written-s.rate*int(time.Since(s.begun)/time.Second))
}

func (s *system) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if time.Now().Before(s.deadline) {
			part := min(len(p)-n, roomOfSystem-s.waiting())
			n, s.written = n+part, s.written+part
		}
		for n < len(p) && s.waiting() > roomOfSystem*2/3 {
			if !time.Now().Before(s.deadline) {
				return n, os.ErrDeadlineExceeded
			}
			time.Sleep(min(time.Second, time.Until(s.deadline)))
		}
	}
	return n, nil
}

// H3: a client that read 2 KB in a second, without a pause, was cut off after five minutes.
func TestAClientThatReadsLittleIsNotCutOff(t *testing.T) {
	for name, wrap := range map[string]func(*system) net.Conn{
		"plain": func(s *system) net.Conn { return &conn{Conn: s, pace: pace{begun: time.Now()}} },
		"TLS":   func(s *system) net.Conn { return &wire{Conn: s, pace: pace{begun: time.Now()}} },
	} {
		for _, rate := range []int{0, 2000, 1 << 20} {
			synctest.Test(t, func(t *testing.T) {
				s := &system{begun: time.Now(), rate: rate}
				c := wrap(s)
				var err error
				for total := 0; total < 3*roomOfSystem && err == nil; total += 32 << 10 {
					_, err = c.Write(make([]byte, 32<<10))
				}
				switch took := time.Since(s.begun); {
				case rate > 0 && (err != nil || s.written != 3*roomOfSystem):
					t.Errorf("%s, %d bytes in a second: cut off after %d bytes and %v: %v", name, rate, s.written, took, err)
				case rate == 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || took > writeLimit+time.Second):
					t.Errorf("%s: a client that reads nothing: %v after %v", name, err, took)
				}
			})
		}
	}
}
