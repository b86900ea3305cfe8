package proxy

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

type noDeadlines struct{}

func (noDeadlines) SetReadDeadline(time.Time) error { return nil }

// testSpool returns a spool over body with the limits given, in a proxy of its own.
func testSpool(t testing.TB, client io.Reader, length, memory, disk, total int64) *spool {
	r := httptest.NewRequest("POST", "/", io.NopCloser(client))
	r.ContentLength = length
	p := &Proxy{budget: newBudget(total, func(error) {})}
	p.cfg = Config{ReplayMemory: memory, ReplayDisk: disk, TempDir: t.TempDir(), BodyTimeout: time.Minute}
	return p.newSpool(r, noDeadlines{})
}

// FuzzSpool reads the two attempts of a body in random steps and compares with a naive model: the first
// attempt sees a prefix of the body; the second, if the copy is kept, sees all of it.
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
		one := s.cursor()
		got := readUpTo(t, one, int(first), rnd)
		if !bytes.HasPrefix(body, got) {
			t.Fatalf("the first attempt read %d bytes that are no prefix", len(got))
		}
		one.hold()
		// The copy is whole as long as what came fits; an announced length must fit as a whole.
		limit := max(int(memory), int(disk))
		wantKept := len(got) <= limit && !(announced && int(size) > limit)
		if kept := s.kept(); kept != wantKept {
			t.Fatalf("kept %v after %d bytes of %d with limits %d and %d, want %v", kept, len(got), size, memory, disk, wantKept)
		}
		if !wantKept {
			one.resume()
			rest, err := io.ReadAll(one)
			if err != nil || !bytes.Equal(append(got, rest...), body) {
				t.Fatalf("without a copy the first attempt read %d and %d bytes of %d, %v", len(got), len(rest), size, err)
			}
		} else {
			one.Close()
			if n, err := one.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errAttemptOver) {
				t.Fatalf("a closed attempt read %d, %v", n, err)
			}
			two := s.cursor()
			all := readUpTo(t, two, len(body)+1, rnd)
			if !bytes.Equal(all, body) {
				t.Fatalf("the second attempt read %d bytes, not the %d of the body", len(all), size)
			}
		}
		s.abort()
		s.release()
		if left := s.copy.budget.left.Load(); left != 1<<20 {
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

// What an attempt is just reading when it is stopped belongs to the next one, even if it would have
// burst the limit.
func TestReadUnderWayIsHandedToTheNextAttempt(t *testing.T) {
	for _, memory := range []int64{100, 5} {
		client, sender := io.Pipe()
		s := testSpool(t, client, -1, memory, 0, 1<<20)
		one := s.cursor()
		var wg sync.WaitGroup
		var late error
		wg.Go(func() {
			io.ReadFull(one, make([]byte, 4))
			_, late = one.Read(make([]byte, 50)) // blocks in the client
		})
		io.WriteString(sender, "head")
		for s.mu.Lock(); !s.reading || s.size < 4; s.mu.Lock() {
			s.mu.Unlock()
			time.Sleep(time.Millisecond) // polls a state, proves nothing by itself
		}
		s.mu.Unlock()
		one.hold()
		if !s.kept() {
			t.Fatal("the copy is gone")
		}
		one.Close()
		two := s.cursor()
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
		s.abort()
		s.release()
	}
}

// Two transports' goroutines may read at the same time; with the race detector this looks for what
// they could break.
func TestTwoAttemptsAtOnce(t *testing.T) {
	for range 50 {
		body := payload(200_000)
		s := testSpool(t, iotest.HalfReader(bytes.NewReader(body)), -1, 1000, 1<<20, 1<<30)
		one := s.cursor()
		var wg sync.WaitGroup
		wg.Go(func() { io.Copy(io.Discard, one) })
		one.hold()
		one.Close()
		all, err := io.ReadAll(s.cursor())
		if err != nil || !bytes.Equal(all, body) {
			t.Fatalf("the second attempt read %d bytes, %v", len(all), err)
		}
		wg.Wait()
		s.abort()
		s.release()
	}
}

// FuzzPathRules compares the rules with a naive statement of them: decode until nothing changes, take
// all separators for slashes, drop parameters and empty segments, and look.
func FuzzPathRules(f *testing.F) {
	for _, target := range targets()[:200] {
		f.Add(target)
	}
	for _, s := range []string{"/oauth2/access_token", "/%6fauth2", "/a/%2e%2e;x/b", `/a\..`, "/@x/oauth2", "/a%00", "/%25252e", "//OAUTH2", "/;/oauth2;a/b"} {
		f.Add(s)
	}
	rules := newPathRules(mustURL("https://api.example"), nil)
	f.Fuzz(func(t *testing.T, path string) {
		if len(path) > 200 || len(path) == 0 || path[0] != '/' {
			return
		}
		got := rules.check(path, "") != nil
		if want := naivelyRefused(path); got != want {
			t.Errorf("check(%q) refuses: %v, want %v", path, got, want)
		}
	})
}

func naivelyRefused(path string) bool {
	for depth := 0; ; depth++ {
		if depth == maxEncodings {
			return true
		}
		var words []string
		word := []byte{}
		skip := false
		for _, c := range []byte(path + "/") {
			switch {
			case c == 0 || c == '\r' || c == '\n':
				return true
			case c == '/' || c == '\\':
				if string(word) == "." || string(word) == ".." {
					return true
				}
				if len(word) > 0 {
					words = append(words, string(bytes.ToLower(word)))
				}
				word, skip = word[:0], false
			case c == ';':
				skip = true
			case !skip:
				word = append(word, c)
			}
		}
		if len(words) > 0 && words[0] == "oauth2" || len(words) > 1 && words[0][0] == '@' && words[1] == "oauth2" {
			return true
		}
		next := naivelyDecoded(path)
		if next == path {
			return false
		}
		path = next
	}
}

func naivelyDecoded(s string) string {
	var out []byte
	for len(s) > 0 {
		if len(s) >= 3 && s[0] == '%' {
			if b, err := hex.DecodeString(s[1:3]); err == nil {
				out, s = append(out, b...), s[3:]
				continue
			}
		}
		out, s = append(out, s[0]), s[1:]
	}
	return string(out)
}
