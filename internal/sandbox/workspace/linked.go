package workspace

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

// listLinked answers GET /public/v1/documents/{id}/linked-objects.
func (w *Workspace) listLinked(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	return ok(map[string]any{"linked_objects": nonNil(d.links)})
}

// addLinked answers POST /public/v1/documents/{id}/linked-objects.
func (w *Workspace) addLinked(c *Call) (reply, error) {
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
			return reply{}, Invalid(name, "This field is required.")
		}
	}
	in.ID = w.ids.ID()
	d.links = append(d.links, in)
	w.documents.grow(d.id, c.size())
	return created(in)
}

// deleteLinked answers DELETE /public/v1/documents/{id}/linked-objects/{linked_object_id}.
func (w *Workspace) deleteLinked(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	left := slices.DeleteFunc(slices.Clone(d.links), func(l linkedObject) bool { return l.ID == c.vars["linked_object_id"] })
	if len(left) == len(d.links) {
		return reply{}, NotFound()
	}
	d.links = left
	return noContent()
}

// findLinked answers GET /public/v1/documents/linked-objects.
func (w *Workspace) findLinked(c *Call) (reply, error) {
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
