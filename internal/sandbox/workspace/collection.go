package workspace

import (
	"net/http"
	"slices"
)

const (
	maxItems = 5000
	maxBytes = 64 << 20
)

// collection holds items of one kind in the order in which they came. When there are too many, or they
// are too big together, the oldest make room.
type collection[T any] struct {
	order []string
	items map[string]held[T]
	bytes int64
}

type held[T any] struct {
	item *T
	cost int64
}

func newCollection[T any]() *collection[T] { return &collection[T]{items: map[string]held[T]{}} }

// put adds item; cost is roughly what keeping it takes, in bytes.
func (s *collection[T]) put(id string, item *T, cost int64) {
	s.order = append(s.order, id)
	s.items[id] = held[T]{item, cost}
	s.bytes += cost
	for len(s.items) > maxItems || s.bytes > maxBytes && len(s.items) > 1 {
		s.remove(s.order[0])
	}
}

// grow adds to the cost of an item that is there.
func (s *collection[T]) grow(id string, cost int64) {
	if h, ok := s.items[id]; ok {
		h.cost += cost
		s.bytes += cost
		s.items[id] = h
	}
}

// get returns the item, or the problem that says that there is none.
func (s *collection[T]) get(id string) (*T, error) {
	if h, ok := s.items[id]; ok {
		return h.item, nil
	}
	return nil, NotFound()
}

func (s *collection[T]) remove(id string) bool {
	h, ok := s.items[id]
	if !ok {
		return false
	}
	delete(s.items, id)
	s.bytes -= h.cost
	for i, other := range s.order {
		if other == id {
			s.order = append(s.order[:i], s.order[i+1:]...)
			break
		}
	}
	return true
}

// all returns the items in order, oldest first.
func (s *collection[T]) all() []*T {
	list := make([]*T, 0, len(s.order))
	for _, id := range s.order {
		list = append(list, s.items[id].item)
	}
	return list
}

// filter reports whether an item stays in a list.
type filter[T any] func(*T) bool

func keep[T any](list []*T, filters ...filter[T]) []*T {
	return slices.DeleteFunc(list, func(item *T) bool {
		return slices.ContainsFunc(filters, func(f filter[T]) bool { return !f(item) })
	})
}

// window cuts list to [from, to).
func window[T any](list []T, from, to int) []T {
	return list[min(from, len(list)):min(to, len(list))]
}

// resource serves the usual operations on the items of one collection: list, create, details, change
// and delete. What a kind of item does not have is left nil.
type resource[T any] struct {
	in  func(*Workspace) *collection[T]
	key string // the variable of the path that names an item
	// create returns a new item and its id, from the request.
	create func(*Workspace, *Call) (string, *T, error)
	// change applies the request to a copy of an item, which replaces the item if there is no error.
	change func(*Workspace, *Call, *T) error
	// show is an item in an answer, brief an item in a list. Without brief, show serves both.
	show, brief func(*Workspace, *Call, *T) any
	filters     func(*Workspace, *Call) ([]filter[T], error)
	made        int // status of a creation; zero means 201
	changed     int // status of a change; zero means 200, and 204 has no body
	// page cuts a list and wraps it. Without it the whole list is under "results".
	page func(c *Call, all []any) (any, error)
}

func (r resource[T]) list(w *Workspace, c *Call) (reply, error) {
	var filters []filter[T]
	if r.filters != nil {
		var err error
		if filters, err = r.filters(w, c); err != nil {
			return reply{}, err
		}
	}
	show := r.show
	if r.brief != nil {
		show = r.brief
	}
	all := []any{}
	for _, item := range keep(r.in(w).all(), filters...) {
		all = append(all, show(w, c, item))
	}
	if r.page == nil {
		return results(all)
	}
	answer, err := r.page(c, all)
	if err != nil {
		return reply{}, err
	}
	return ok(answer)
}

func (r resource[T]) post(w *Workspace, c *Call) (reply, error) {
	id, item, err := r.create(w, c)
	if err != nil {
		return reply{}, err
	}
	r.in(w).put(id, item, c.size())
	status := r.made
	if status == 0 {
		status = http.StatusCreated
	}
	return reply{status: status, json: r.show(w, c, item)}, nil
}

func (r resource[T]) details(w *Workspace, c *Call) (reply, error) {
	item, err := r.in(w).get(c.vars[r.key])
	if err != nil {
		return reply{}, err
	}
	return ok(r.show(w, c, item))
}

func (r resource[T]) patch(w *Workspace, c *Call) (reply, error) {
	item, err := r.in(w).get(c.vars[r.key])
	if err != nil {
		return reply{}, err
	}
	changed := *item
	if err := r.change(w, c, &changed); err != nil {
		return reply{}, err
	}
	*item = changed
	r.in(w).grow(c.vars[r.key], c.size())
	if r.changed == http.StatusNoContent {
		return noContent()
	}
	return ok(r.show(w, c, item))
}

func (r resource[T]) remove(w *Workspace, c *Call) (reply, error) {
	if !r.in(w).remove(c.vars[r.key]) {
		return reply{}, NotFound()
	}
	return noContent()
}

// counted pages a list by count and page, 50 and at most 100 on a page, under "results".
func counted(c *Call, all []any) (any, error) {
	from, to, err := c.pages(50, 100)
	return map[string]any{"results": window(all, from, to)}, err
}

// offset pages a list by limit and offset, as version 2 does, under "results" with the whole "count".
func offset(c *Call, all []any) (any, error) {
	from, to, err := c.offsets()
	return map[string]any{"results": window(all, from, to), "count": len(all)}, err
}
