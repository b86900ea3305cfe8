package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// payload returns n bytes that repeat nowhere.
func payload(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

type noDeadlines struct{}

func (noDeadlines) SetReadDeadline(time.Time) error { return nil }

// testSpool returns a spool over body with the limits given, under a budget of its own.
func testSpool(t testing.TB, client io.Reader, length, memory, disk, total int64) *Spool {
	return New(client, length, noDeadlines{}, Options{
		Memory: memory, Disk: disk, Dir: t.TempDir(), Timeout: time.Minute, Budget: NewBudget(total, total, func(error) {}),
	})
}

// FuzzSpool reads the two attempts of a body in random steps and compares them with a simple model: the first attempt
// reads a prefix of the body; the second, if the copy is kept, reads all of it.
func FuzzSpool(f *testing.F) {
	f.Add(uint16(100), uint16(10), uint16(50), true, uint16(30), uint64(1))
	f.Add(uint16(5000), uint16(64), uint16(9000), false, uint16(4000), uint64(2))
	f.Add(uint16(0), uint16(0), uint16(0), true, uint16(0), uint64(3))
	f.Fuzz(func(t *testing.T, size, memory, disk uint16, announced bool, first uint16, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		body := payload(int(size))
		length := int64(-1)
		if announced {
			length = int64(size)
		}
		var client io.Reader = bytes.NewReader(body)
		if seed%2 == 0 {
			client = iotest.DataErrReader(client)
		}
		s := testSpool(t, client, length, int64(memory), int64(disk), 1<<20)
		one := s.Cursor()
		got := readUpTo(t, one, int(first), rnd)
		if !bytes.HasPrefix(body, got) {
			t.Fatalf("the first attempt read %d bytes that are no prefix", len(got))
		}
		one.Hold()
		// The copy is complete as long as the data fits. If the length is known, it must fit at the start.
		limit := max(int(memory), int(disk))
		wantKept := len(got) <= limit && !(announced && int(size) > limit)
		if kept := s.Kept(); kept != wantKept {
			t.Fatalf("kept %v after %d bytes of %d with limits %d and %d, want %v", kept, len(got), size, memory, disk, wantKept)
		}
		if !wantKept {
			one.Resume()
			rest, err := io.ReadAll(one)
			if err != nil || !bytes.Equal(append(got, rest...), body) {
				t.Fatalf("without a copy the first attempt read %d and %d bytes of %d, %v", len(got), len(rest), size, err)
			}
		} else {
			one.Close()
			if n, err := one.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errAttemptOver) {
				t.Fatalf("a closed attempt read %d, %v", n, err)
			}
			two := s.Cursor() // the API has not processed it: it also reads a part
			part := readUpTo(t, two, rnd.IntN(len(body)+2), rnd)
			if !bytes.HasPrefix(body, part) {
				t.Fatalf("the second attempt read %d bytes that are no prefix", len(part))
			}
			two.Hold()
			if !s.Kept() {
				if came := max(len(got), len(part)); came <= limit && !(announced && int(size) > limit) {
					t.Fatalf("the copy of %d bytes is gone with limits %d and %d", came, memory, disk)
				}
				two.Resume()
				rest := readUpTo(t, two, len(body)+1, rnd)
				if all := append(part, rest...); !bytes.Equal(all, body) {
					t.Fatalf("without a copy the second attempt read %d bytes, not the %d of the body", len(all), size)
				}
			} else {
				two.Close()
				all := readUpTo(t, s.Cursor(), len(body)+1, rnd)
				if !bytes.Equal(all, body) {
					t.Fatalf("the last attempt read %d bytes, not the %d of the body", len(all), size)
				}
			}
		}
		s.Abort()
		s.Release()
		if left := s.copy.options.Budget.Left(); left != 1<<20 {
			t.Fatalf("budget left %d", left)
		}
	})
}

// readUpTo reads at most n bytes in random steps.
func readUpTo(t *testing.T, r io.Reader, n int, rnd *rand.Rand) (all []byte) {
	t.Helper()
	for len(all) < n {
		buf := make([]byte, 1+rnd.IntN(min(n-len(all), 700)))
		got, err := r.Read(buf)
		all = append(all, buf[:got]...)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatalf("read: %v", err)
		}
	}
	return all
}

// If an attempt is stopped while it reads, the data goes to the next attempt, even if it exceeds the limit.
func TestReadUnderWayIsHandedToTheNextAttempt(t *testing.T) {
	for _, memory := range []int64{100, 5} {
		client, sender := io.Pipe()
		s := testSpool(t, client, -1, memory, 0, 1<<20)
		one := s.Cursor()
		var wg sync.WaitGroup
		var late error
		wg.Go(func() {
			io.ReadFull(one, make([]byte, 4))
			_, late = one.Read(make([]byte, 50)) // blocks in the client
		})
		io.WriteString(sender, "head")
		waitUntilReading(s, 4)
		one.Hold()
		if !s.Kept() {
			t.Fatal("the copy is gone")
		}
		one.Close()
		two := s.Cursor()
		wg.Go(func() {
			io.WriteString(sender, " and middle")
			io.WriteString(sender, " and end")
			sender.Close()
		})
		all, err := io.ReadAll(two)
		wg.Wait()
		if err != nil || string(all) != "head and middle and end" {
			t.Errorf("memory %d: the second attempt read %q, %v", memory, all, err)
		}
		if !errors.Is(late, errAttemptOver) {
			t.Errorf("memory %d: the late read ended with %v", memory, late)
		}
		s.Abort()
		s.Release()
	}
}

// waitUntilReading returns when a reader waits for the client after size bytes.
func waitUntilReading(s *Spool, size int64) {
	for {
		s.mu.Lock()
		waiting := s.reading && s.size >= size
		s.mu.Unlock()
		if waiting {
			return
		}
		runtime.Gosched()
	}
}

// The same, but the read ends before the next attempt begins.
func TestReadThatEndsDuringTheDiagnosisIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, sender := io.Pipe()
		s := testSpool(t, client, -1, 5, 0, 1<<20)
		one := s.Cursor()
		var wg sync.WaitGroup
		wg.Go(func() { io.ReadAll(one) })
		io.WriteString(sender, "head")
		synctest.Wait() // now the first attempt continues to read
		one.Hold()
		io.WriteString(sender, " and middle")
		if !s.Kept() {
			t.Fatal("the copy was dropped while it was relied upon")
		}
		one.Close()
		two := s.Cursor()
		wg.Go(func() { sender.Close() })
		if all, err := io.ReadAll(two); err != nil || string(all) != "head and middle" {
			t.Errorf("the second attempt read %q, %v", all, err)
		}
		wg.Wait()
		s.Release()
	})
}

func TestHeldAttemptStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSpool(t, strings.NewReader("body"), 4, 100, 0, 1<<20)
		one := s.Cursor()
		one.Hold()
		done := make(chan string)
		go func() {
			all, err := io.ReadAll(one)
			done <- fmt.Sprint(string(all), err)
		}()
		synctest.Wait()
		select {
		case got := <-done:
			t.Errorf("a held attempt read %q", got)
		default:
		}
		one.Resume()
		if got, want := <-done, "body<nil>"; got != want {
			t.Errorf("a resumed attempt read %s, want %s", got, want)
		}
		s.Release()
	})
}

// The goroutines of two transports may read at the same time. With the race detector, this test finds data races.
func TestTwoAttemptsAtOnce(t *testing.T) {
	for range 50 {
		body := payload(200_000)
		s := testSpool(t, iotest.HalfReader(bytes.NewReader(body)), -1, 1000, 1<<20, 1<<30)
		one := s.Cursor()
		var wg sync.WaitGroup
		wg.Go(func() { io.Copy(io.Discard, one) })
		one.Hold()
		one.Close()
		all, err := io.ReadAll(s.Cursor())
		if err != nil || !bytes.Equal(all, body) {
			t.Fatalf("the second attempt read %d bytes, %v", len(all), err)
		}
		wg.Wait()
		s.Abort()
		s.Release()
	}
}

// The API did not process a request, and refused its repetition before the body was read. The proxy passed the refusal
// on, dropped the copy that the repetition was reading, and sent a body with a hole.
func TestRepetitionThatGoesOnReadsItsCopyToTheEnd(t *testing.T) {
	s := testSpool(t, strings.NewReader("head and end"), 12, 100, 0, 1<<20)
	defer s.Release()
	one := s.Cursor()
	io.ReadFull(one, make([]byte, 8))
	one.Hold()
	if !s.Kept() {
		t.Fatal("the copy is gone")
	}
	one.Close()
	two := s.Cursor()
	part := make([]byte, 4)
	io.ReadFull(two, part)
	two.Hold()
	two.Resume()
	rest, err := io.ReadAll(two)
	if got := string(part) + string(rest); err != nil || got != "head and end" {
		t.Errorf("the repetition sent %q, %v", got, err)
	}
}
