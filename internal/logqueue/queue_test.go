package logqueue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLinesAreWrittenInOrderAndInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out batches
		q := New(&out)
		io.WriteString(q, "first\n")
		synctest.Wait()
		if got := out.String(); got != "first\n" {
			t.Errorf("got %q, want the first line at once", got)
		}
		for i := range 1000 {
			fmt.Fprintf(q, "line %d\n", i)
		}
		time.Sleep(pause)
		synctest.Wait()
		if got := out.String(); !strings.HasSuffix(got, "line 999\n") {
			t.Errorf("got no last line within %v", pause)
		}
		if len(out.all) != 2 {
			t.Errorf("got %d batches, want 2", len(out.all))
		}
		io.WriteString(q, "last\n")
		q.Close(time.Second)
		if got := out.String(); !strings.HasSuffix(got, "last\n") {
			t.Error("a line written before Close is missing")
		}
		io.WriteString(q, "late\n")
		if q.Dropped() != 1 || strings.Contains(out.String(), "late") {
			t.Errorf("dropped %d lines, want one: what comes after Close", q.Dropped())
		}
	})
}

// A log pipe that nobody read stopped every request, and SIGTERM did nothing.
func TestAReaderThatStallsHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		q := New(w)
		q.OnLoss(func(lines uint64) { fmt.Fprintf(q, "%d lines lost\n", lines) })
		line := strings.Repeat("x", 1023) + "\n"
		io.WriteString(q, line)
		synctest.Wait() // it hangs in the pipe now
		for range 3000 {
			io.WriteString(q, line)
		}
		if got, want := q.Dropped(), uint64(3000-limit/1024); got != want {
			t.Errorf("dropped %d lines, want %d", got, want)
		}
		began := time.Now()
		read := make(chan string)
		go func() {
			all, _ := io.ReadAll(r)
			read <- string(all)
		}()
		time.Sleep(3 * pause)
		q.Close(time.Minute)
		w.Close()
		if all := <-read; !strings.HasSuffix(all, "1976 lines lost\n") {
			t.Errorf("got the end %q, want the number of lines lost", all[len(all)-40:])
		}
		if took := time.Since(began); took > 5*pause {
			t.Errorf("took %v", took)
		}
	})
}

func TestCloseGivesUpOnAReaderThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer r.Close() // lets the goroutine end
		q := New(w)
		io.WriteString(q, "stuck\n")
		began := time.Now()
		q.Close(time.Second)
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
	})
}

func TestAReaderThatIsGoneIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(gone{})
		defer q.Close(time.Second)
		for range 3 {
			io.WriteString(q, "line\n")
			time.Sleep(2 * pause)
		}
		synctest.Wait()
		if q.Dropped() != 3 {
			t.Errorf("dropped %d, want 3", q.Dropped())
		}
	})
}

// When a disk was full in the middle of a line, the next line was written behind its half, and all lines of the batch
// were counted as lost.
func TestALineThatIsCutDamagesNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &disk{free: len("one\ntwo\nthr")}
		q := New(disk)
		q.OnLoss(func(lines uint64) { fmt.Fprintf(q, "%d lost\n", lines) })
		io.WriteString(q, "one\ntwo\nthree\nfour\n")
		time.Sleep(2 * pause)
		io.WriteString(q, "five\n")
		time.Sleep(2 * pause)
		synctest.Wait()
		disk.free = 1000
		io.WriteString(q, "six\n")
		q.Close(time.Minute)
		if got, want := disk.String(), "one\ntwo\nthr\nsix\n3 lost\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// disk is a file on a disk that has room for free more bytes.
type disk struct {
	bytes.Buffer
	free int
}

func (d *disk) Write(p []byte) (int, error) {
	n, _ := d.Buffer.Write(p[:min(len(p), d.free)])
	d.free -= n
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// batches keeps each write by itself.
type batches struct {
	mu  sync.Mutex
	all [][]byte
}

func (b *batches) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, bytes.Clone(p))
	return len(p), nil
}

func (b *batches) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(bytes.Join(b.all, nil))
}

func TestFlushWritesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		q := New(&out)
		begun := time.Now()
		for _, line := range []string{"one\n", "two\n", "three\n"} {
			q.Write([]byte(line))
			q.Flush(time.Minute)
		}
		if got, took := out.String(), time.Since(begun); got != "one\ntwo\nthree\n" || took != 0 {
			t.Errorf("got %q after %v", got, took)
		}
		q.Close(time.Minute)
		q.Flush(time.Minute) // of a closed queue
	})
}
