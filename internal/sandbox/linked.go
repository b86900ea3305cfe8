package sandbox

import (
	"slices"
)

// linkedObject ties a document to a record of a CRM.
type linkedObject struct {
	ID         string `json:"id"`
	Provider   string `json:"provider"`
	EntityType string `json:"entity_type"`
	EntityID   string `json:"entity_id"`
}

// listLinked is operation 24.
func (w *world) listLinked(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	return ok(map[string]any{"linked_objects": nonNil(d.links)})
}

// addLinked is operation 25.
func (w *world) addLinked(c *call) (reply, error) {
	var in linkedObject
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	for name, value := range map[string]string{"provider": in.Provider, "entity_type": in.EntityType, "entity_id": in.EntityID} {
		if value == "" {
			return reply{}, invalid(name, "This field is required.")
		}
	}
	in.ID = w.ids.id()
	d.links = append(d.links, in)
	w.documents.grow(d.id, c.size())
	return created(in)
}

// deleteLinked is operation 26.
func (w *world) deleteLinked(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	left := slices.DeleteFunc(slices.Clone(d.links), func(l linkedObject) bool { return l.ID == c.vars["linked_object_id"] })
	if len(left) == len(d.links) {
		return reply{}, notFound()
	}
	d.links = left
	return noContent()
}

// findLinked is operation 23.
func (w *world) findLinked(c *call) (reply, error) {
	want := linkedObject{Provider: c.query.Get("provider"), EntityType: c.query.Get("entity_type"), EntityID: c.query.Get("entity_id")}
	if want.Provider == "" || want.EntityType == "" || want.EntityID == "" {
		return reply{}, malformed("provider, entity_type and entity_id are required.")
	}
	var found []brief
	for _, d := range w.documents.all() {
		same := func(l linkedObject) bool { l.ID = ""; return l == want }
		if !d.deleted && slices.ContainsFunc(d.links, same) {
			found = append(found, d.brief(c.now))
		}
	}
	return results(found)
}
