package sandbox

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// world is the workspace that the API shows. Every operation runs under its lock, on input that was
// read before, so that the operations themselves are plain sequential code.
type world struct {
	ids     *random
	history *history // for the API logs

	mu              sync.Mutex // guards the fields below
	documents       *shelf[document]
	templates       *shelf[template]
	contacts        *shelf[contact]
	library         *shelf[libraryItem]
	documentFolders *shelf[folder]
	templateFolders *shelf[folder]
	webhooks        *shelf[webhook]
	events          *shelf[webhookEvent]
	products        *shelf[product]
	forms           []form
	members         []member
}

// do runs one operation and encodes its answer, which may point into the world.
func (w *world) do(o *operation, c *call) (reply, []byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rep, err := o.answer(w, c)
	if err != nil || rep.json == nil {
		return rep, nil, err
	}
	body, err := json.Marshal(rep.json)
	if err != nil {
		return rep, nil, fmt.Errorf("encode the answer of operation %d: %w", o.number, err)
	}
	return rep, body, nil
}

// stamp is a time in answers, with the service's microseconds.
type stamp time.Time

func (s stamp) MarshalJSON() ([]byte, error) {
	t := time.Time(s)
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000000Z"`), nil
}

func (s stamp) time() time.Time { return time.Time(s) }

const (
	shelfItems = 5000
	shelfBytes = 64 << 20
)

// shelf holds items of one kind in the order in which they came. When there are too many, or they
// are too big together, the oldest make room.
type shelf[T any] struct {
	order []string
	items map[string]shelved[T]
	bytes int64
}

type shelved[T any] struct {
	item *T
	cost int64
}

func newShelf[T any]() *shelf[T] { return &shelf[T]{items: map[string]shelved[T]{}} }

// put adds item; cost is roughly what keeping it takes, in bytes.
func (s *shelf[T]) put(id string, item *T, cost int64) {
	s.order = append(s.order, id)
	s.items[id] = shelved[T]{item, cost}
	s.bytes += cost
	for len(s.items) > shelfItems || s.bytes > shelfBytes && len(s.items) > 1 {
		s.remove(s.order[0])
	}
}

// grow adds to the cost of an item that is there.
func (s *shelf[T]) grow(id string, cost int64) {
	if held, ok := s.items[id]; ok {
		held.cost += cost
		s.bytes += cost
		s.items[id] = held
	}
}

// get returns the item, or the problem that says that there is none.
func (s *shelf[T]) get(id string) (*T, error) {
	if held, ok := s.items[id]; ok {
		return held.item, nil
	}
	return nil, notFound()
}

func (s *shelf[T]) remove(id string) bool {
	held, ok := s.items[id]
	if !ok {
		return false
	}
	delete(s.items, id)
	s.bytes -= held.cost
	for i, other := range s.order {
		if other == id {
			s.order = append(s.order[:i], s.order[i+1:]...)
			break
		}
	}
	return true
}

// all returns the items in order, oldest first.
func (s *shelf[T]) all() []*T {
	list := make([]*T, 0, len(s.order))
	for _, id := range s.order {
		list = append(list, s.items[id].item)
	}
	return list
}
