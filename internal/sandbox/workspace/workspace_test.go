package workspace

import (
	"fmt"
	"testing"
	"time"
)

func TestTheOldestItemsMakeRoom(t *testing.T) {
	s := new(collection[document])
	for i := range 3 * maxItems {
		s.put(fmt.Sprint(i), &document{}, 1)
	}
	if len(s.items) != maxItems || len(s.order) != maxItems || s.bytes != maxItems {
		t.Errorf("items: got %d, %d in order, %d bytes", len(s.items), len(s.order), s.bytes)
	}
	for i := range 10 {
		s.put(fmt.Sprint("big", i), &document{}, maxBytes/4)
	}
	if s.bytes > maxBytes || len(s.items) == 0 {
		t.Errorf("bytes: got %d in %d items, want at most %d", s.bytes, len(s.items), maxBytes)
	}
	if _, err := s.get("big9"); err != nil {
		t.Errorf("the newest item: %v", err)
	}
}

func TestUploadLimitsAreTheServices(t *testing.T) {
	for _, o := range Operations() {
		if o.body != fileBody && o.body != eitherWay {
			continue
		}
		want := int64(50_000_000)
		if o.Number == 57 || o.Number == 62 {
			want = 100_000_000
		}
		if got := o.uploadLimit(); got != want {
			t.Errorf("operation %d: got %d, want %d", o.Number, got, want)
		}
	}
}

func TestEveryOperationHasAnAnswer(t *testing.T) {
	for _, o := range Operations() {
		if o.answer == nil {
			t.Errorf("%s %s has no answer", o.Method, o.Path)
		}
	}
}

// TestTheOldestItemsMakeRoom's rule had removed the workspace that everything is in, when somebody had made 5,000
// others: from then on every request crashed.
func TestTheCurrentMemberIsKept(t *testing.T) {
	ids := 0
	w := New(counter{&ids}, nil, time.Now())
	want := w.current()
	for i := range 2 * maxItems {
		id := fmt.Sprint(i)
		w.offices.put(id, &office{id: id}, 1)
		w.users.put(id, &user{id: id}, 1)
		w.memberships.put(id, &membership{id: id}, 1)
	}
	if got := w.current(); got != want || got.UserID == "" {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// counter is a Source that counts.
type counter struct{ n *int }

func (c counter) ID() string { return c.Hex(22) }

func (c counter) Hex(digits int) string {
	*c.n++
	return fmt.Sprintf("%0*x", digits, *c.n)
}

// TestItemsThatGrowMakeRoom: only a new item had made room, so items that were changed again and again filled the
// memory.
func TestItemsThatGrowMakeRoom(t *testing.T) {
	s := new(collection[document])
	for i := range 10 {
		s.put(fmt.Sprint(i), &document{}, 1)
	}
	for i := range 10 {
		s.grow(fmt.Sprint(i), maxBytes/4)
	}
	if _, err := s.get("9"); err != nil || s.bytes > maxBytes {
		t.Errorf("got %d bytes in %d items, want at most %d; the newest item: %v", s.bytes, len(s.items), maxBytes, err)
	}
	s.grow("9", maxBytes)
	if s.bytes > maxBytes {
		t.Errorf("got %d bytes in %d items, want at most %d", s.bytes, len(s.items), maxBytes)
	}
}

// TestReplacedValuesCountOnce: every change had counted as additional memory, so that many changes of one item removed
// all others.
func TestReplacedValuesCountOnce(t *testing.T) {
	s := new(collection[document])
	s.put("other", &document{}, 1)
	s.put("changed", &document{}, 1)
	for range 10 {
		s.atLeast("changed", maxBytes/4)
	}
	if _, err := s.get("other"); err != nil || s.bytes != maxBytes/4+1 {
		t.Errorf("got %d bytes, want %d; the other item: %v", s.bytes, maxBytes/4+1, err)
	}
}
