// Package workspace emulates what PandaDoc's API shows of one workspace: documents and their parts,
// templates, the content library, contacts, members, webhooks, the catalogue and the rest. It knows
// operations and resources; sign-in, faults and the network are the emulator's around it.
//
//	w := workspace.New(ids, log, time.Now())
//	call, err := workspace.ReadCall(r, op, vars, time.Now(), 0)
//	reply, err := w.Do(op, call)
//
// An error of ReadCall or Do is a *Problem where the request is at fault. All state is in memory and
// bounded: of every kind the oldest items make room for new ones.
package workspace

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Source makes ids. The same source makes the same ids again.
type Source interface {
	ID() string            // 22 letters and digits, as PandaDoc's objects have
	Hex(digits int) string // for keys and tokens
}

// Request is a request that the API log shows.
type Request struct {
	ID, Method, Target string
	Status             int
	Time               time.Time
	Duration           time.Duration
	Scheme             string // of the credential: Bearer or API-Key
	Token              string // its fingerprint
}

// Workspace is everything that the API shows. It is safe for concurrent use: every operation runs
// under its lock, on input that was read before, so that the operations are plain sequential code.
type Workspace struct {
	ids Source
	log func() []Request // oldest first

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

// Do runs one operation. The answer is encoded under the lock, because it may point into the workspace.
func (w *Workspace) Do(o *Operation, c *Call) (Reply, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rep, err := o.answer(w, c)
	if err != nil {
		return Reply{}, err
	}
	out := Reply{Status: rep.status, Header: rep.header, Body: rep.content}
	if rep.json != nil {
		if out.Body, err = json.Marshal(rep.json); err != nil {
			return Reply{}, fmt.Errorf("encode the answer of %s %s: %w", o.Method, o.Path, err)
		}
	}
	return out, nil
}

// Bounded cuts what a client chose before it is kept.
func Bounded(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
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
	return nil, NotFound()
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

// etag is a short mark of a text, for ETag headers and ids that must not change.
func etag(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
