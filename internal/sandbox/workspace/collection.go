package workspace

import (
	"net/http"
	"slices"
)

const (
	maxItems = 5000
	maxBytes = 64 << 20
)

// collection holds items of one kind, the oldest first. If there are too many, or if they are too large together,
// the oldest are removed. The zero value is empty.
type collection[T any] struct {
	order []string
	items map[string]held[T]
	bytes int64
	kept  int // how many of the first items never make room
}

type held[T any] struct {
	item *T
	cost int64
}

// put adds item; cost estimates the memory that it needs, in bytes.
func (s *collection[T]) put(id string, item *T, cost int64) {
	if s.items == nil {
		s.items = map[string]held[T]{}
	}
	s.order = append(s.order, id)
	s.items[id] = held[T]{item, cost}
	s.bytes += cost
	s.makeRoom()
}

func (s *collection[T]) makeRoom() {
	for len(s.items) > s.kept && (len(s.items) > maxItems || s.bytes > maxBytes) {
		s.remove(s.order[s.kept])
	}
}

// grow adds to the cost of an item to which a request has added something. An item that is alone too large is removed.
func (s *collection[T]) grow(id string, cost int64) { s.setCost(id, s.items[id].cost+cost) }

// atLeast raises the cost of an item, in which a request has replaced values, to that of the request.
func (s *collection[T]) atLeast(id string, cost int64) { s.setCost(id, max(s.items[id].cost, cost)) }

func (s *collection[T]) setCost(id string, cost int64) {
	if h, ok := s.items[id]; ok {
		s.items[id] = held[T]{h.item, cost}
		s.bytes += cost - h.cost
		s.makeRoom()
	}
}

// get returns the item, or the problem that it does not exist.
func (s *collection[T]) get(id string) (*T, error) {
	if h, ok := s.items[id]; ok {
		return h.item, nil
	}
	return nil, NotFound()
}

// remove returns the item that it has removed, or the problem that it does not exist.
func (s *collection[T]) remove(id string) (*T, error) {
	h, ok := s.items[id]
	if !ok {
		return nil, NotFound()
	}
	delete(s.items, id)
	s.bytes -= h.cost
	i := slices.Index(s.order, id)
	s.order = slices.Delete(s.order, i, i+1)
	return h.item, nil
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

func keep[T any](list []*T, shown filter[T]) []*T {
	return slices.DeleteFunc(list, func(item *T) bool { return !shown(item) })
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
	// show returns an item for an answer, brief an item for a list, made a new item. If brief or made is nil, show is
	// used. If all are nil, an item is shown as it is.
	show, brief, made func(*Workspace, *T) any
	// filter reads the query. If it is nil, a list shows all items.
	filter func(*Call) filter[T]
	// page returns the answer with one page of a list. If it is nil, the whole list is under "results".
	page func(c *Call, all []any) any
	// always200 means that creations and deletions answer 200 too, instead of 201 and 204.
	always200 bool
}

// view returns an item in the first of the forms that there is.
func (r resource[T]) view(w *Workspace, item *T, forms ...func(*Workspace, *T) any) any {
	for _, form := range forms {
		if form != nil {
			return form(w, item)
		}
	}
	return item
}

func (r resource[T]) list(w *Workspace, c *Call) (Reply, error) {
	items := r.in(w).all()
	if r.filter != nil {
		items = keep(items, r.filter(c))
	}
	all := views(items, func(item *T) any { return r.view(w, item, r.brief, r.show) })
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
	view := r.view(w, item, r.made, r.show)
	if r.always200 {
		return ok(view)
	}
	return created(view)
}

// find returns the item that the path names, or the problem that it does not exist.
func (r resource[T]) find(w *Workspace, c *Call) (*T, error) { return r.in(w).get(c.vars[r.key]) }

func (r resource[T]) details(w *Workspace, c *Call) (Reply, error) {
	item, err := r.find(w, c)
	if err != nil {
		return Reply{}, err
	}
	return ok(r.view(w, item, r.show))
}

func (r resource[T]) patch(w *Workspace, c *Call) (Reply, error) {
	item, err := r.find(w, c)
	if err != nil {
		return Reply{}, err
	}
	changed := *item
	if err := r.change(w, c, &changed); err != nil {
		return Reply{}, err
	}
	*item = changed
	r.in(w).atLeast(c.vars[r.key], c.size())
	return ok(r.view(w, item, r.show))
}

func (r resource[T]) remove(w *Workspace, c *Call) (Reply, error) {
	if _, err := r.in(w).remove(c.vars[r.key]); err != nil {
		return Reply{}, err
	}
	if r.always200 {
		return Reply{Status: http.StatusOK}, nil
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
