package proxy

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// deadlines records the deadlines that are set on the client's connection.
type deadlines struct {
	*httptest.ResponseRecorder
	last time.Time
	sets int
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.last = t
	d.sets++
	return nil
}

// H3: a client that stops reading is cut off. Its deadline moves whenever the client reads, even slowly. A write that
// blocks until the deadline fails.
func TestSlowReaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		c := (&Proxy{}).newCall(w, httptest.NewRequest(http.MethodGet, "/a", nil))
		part := make([]byte, 32<<10)
		for range 3 { // what fits into socket buffers does not block
			if _, err := c.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if w.sets != 0 {
			t.Errorf("%d deadlines for a short answer", w.sets)
		}
		for range 100 {
			if _, err := c.Write(part); err != nil {
				t.Fatal(err)
			}
			if left := time.Until(w.last); left < slowReadLimit*9/10 || left > slowReadLimit {
				t.Fatalf("%s left after a write, want about %s", left, slowReadLimit)
			}
			time.Sleep(10 * time.Second)
		}
		if w.sets > 60 {
			t.Errorf("%d deadlines for 100 writes: each costs a system call", w.sets)
		}
	})
}
