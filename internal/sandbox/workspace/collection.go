package workspace

import (
	"cmp"
	"net/http"
	"slices"
)

const (
	maxItems = 5000
	maxBytes = 64 << 20
)

// collection holds items of one kind, the oldest first. If there are too many, or if they are too large together,
// the oldest are removed.
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

// put adds item; cost estimates the memory that it needs, in bytes.
func (s *collection[T]) put(id string, item *T, cost int64) {
	s.order = append(s.order, id)
	s.items[id] = held[T]{item, cost}
	s.bytes += cost
	for len(s.items) > maxItems || s.bytes > maxBytes && len(s.items) > 1 {
		s.remove(s.order[0])
	}
}

// grow adds to the cost of an item.
func (s *collection[T]) grow(id string, cost int64) {
	if h, ok := s.items[id]; ok {
		h.cost += cost
		s.bytes += cost
		s.items[id] = h
	}
}

// get returns the item, or the problem that it does not exist.
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
	i := slices.Index(s.order, id)
	s.order = slices.Delete(s.order, i, i+1)
	return true
}

// all returns the items, the oldest first.
func (s *collection[T]) all() []*T {
	list := make([]*T, 0, len(s.order))
	for _, id := range s.order {
		list = append(list, s.items[id].item)
	}
	return list
}

// filter reports whether a list shows an item.
type filter[T any] func(*T) bool

func keep[T any](list []*T, filters ...filter[T]) []*T {
	return slices.DeleteFunc(list, func(item *T) bool {
		return slices.ContainsFunc(filters, func(f filter[T]) bool { return !f(item) })
	})
}

// window returns list[from:to], as far as it exists.
func window[T any](list []T, from, to int) []T {
	return list[min(from, len(list)):min(to, len(list))]
}

// resource serves the usual operations on the items of one collection: list, create, details, change and delete.
// A field is nil if the items do not have that operation.
type resource[T any] struct {
	in  func(*Workspace) *collection[T]
	key string // the variable in the path that names an item
	// create returns a new item and its id, from the request.
	create func(*Workspace, *Call) (string, *T, error)
	// change applies the request to a copy of an item. If there is no error, the copy replaces the item.
	change func(*Workspace, *Call, *T) error
	// show returns an item for an answer, brief an item for a list. If brief is nil, show is used for both.
	show, brief func(*Workspace, *Call, *T) any
	filters     func(*Call) []filter[T]
	made        int // status of a creation; zero means 201
	// page returns the answer with one page of a list. If it is nil, the whole list is under "results".
	page func(c *Call, all []any) any
}

func (r resource[T]) list(w *Workspace, c *Call) (Reply, error) {
	var filters []filter[T]
	if r.filters != nil {
		filters = r.filters(c)
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
	return ok(r.page(c, all))
}

func (r resource[T]) post(w *Workspace, c *Call) (Reply, error) {
	id, item, err := r.create(w, c)
	if err != nil {
		return Reply{}, err
	}
	r.in(w).put(id, item, c.size())
	return jsonReply(cmp.Or(r.made, http.StatusCreated), r.show(w, c, item))
}

func (r resource[T]) details(w *Workspace, c *Call) (Reply, error) {
	item, err := r.in(w).get(c.vars[r.key])
	if err != nil {
		return Reply{}, err
	}
	return ok(r.show(w, c, item))
}

func (r resource[T]) patch(w *Workspace, c *Call) (Reply, error) {
	item, err := r.in(w).get(c.vars[r.key])
	if err != nil {
		return Reply{}, err
	}
	changed := *item
	if err := r.change(w, c, &changed); err != nil {
		return Reply{}, err
	}
	*item = changed
	r.in(w).grow(c.vars[r.key], c.size())
	return ok(r.show(w, c, item))
}

func (r resource[T]) remove(w *Workspace, c *Call) (Reply, error) {
	if !r.in(w).remove(c.vars[r.key]) {
		return Reply{}, NotFound()
	}
	return noContent()
}

// counted returns a page of a list under "results", chosen by count (50, at most 100) and page.
func counted(c *Call, all []any) any {
	from, to := c.pages(50, 100)
	return map[string]any{"results": window(all, from, to)}
}

// offset returns a page of a list under "results", chosen by limit and offset as in version 2, and the total "count".
func offset(c *Call, all []any) any {
	from, to := c.offsets()
	return map[string]any{"results": window(all, from, to), "count": len(all)}
}
