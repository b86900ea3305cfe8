package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
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

// merged puts the keys of a change over those of a JSON object that is kept, or over what an object of
// this kind starts with.
func merged(kept, change json.RawMessage, start map[string]any) (json.RawMessage, error) {
	object := start
	if len(kept) > 0 {
		object = map[string]any{}
		if err := json.Unmarshal(kept, &object); err != nil {
			return nil, malformed("JSON parse error.")
		}
	}
	if err := json.Unmarshal(change, &object); err != nil {
		return nil, malformed("Expected an object.")
	}
	return json.Marshal(object)
}

func firstSettings() map[string]any {
	return map[string]any{"language": "en-US", "expires_in": 60, "qualified_electronic_signature": nil}
}

// documentSettings is operation 37.
func (w *world) documentSettings(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	settings, err := merged(d.settings, []byte("{}"), firstSettings())
	if err != nil {
		return reply{}, err
	}
	return ok(settings)
}

// changeSettings is operation 38.
func (w *world) changeSettings(c *call) (reply, error) {
	d, err := w.draft(c)
	if err != nil {
		return reply{}, err
	}
	if d.settings, err = merged(d.settings, c.json, firstSettings()); err != nil {
		return reply{}, err
	}
	w.documents.grow(d.id, c.size())
	return ok(d.settings)
}

func firstReminders() map[string]any {
	return map[string]any{"is_enabled": false, "first_reminder_in": 3, "repeat_every": 3, "until_completed": false}
}

// autoReminders is operation 11.
func (w *world) autoReminders(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	settings, err := merged(d.reminders, []byte("{}"), firstReminders())
	if err != nil {
		return reply{}, err
	}
	return ok(settings)
}

// changeReminders is operation 10.
func (w *world) changeReminders(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if d.reminders, err = merged(d.reminders, c.json, firstReminders()); err != nil {
		return reply{}, err
	}
	w.documents.grow(d.id, c.size())
	return ok(d.reminders)
}

// reminderStatus is operation 12.
func (w *world) reminderStatus(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	list := []map[string]any{}
	for _, r := range d.recipients {
		list = append(list, map[string]any{"recipient_id": r.ID, "status": "not_scheduled", "next_reminder_at": nil})
	}
	return results(list)
}

// disclosure is operation 13.
func (w *world) disclosure(c *call) (reply, error) {
	if _, err := w.document(c); err != nil {
		return reply{}, err
	}
	return ok(map[string]any{"is_enabled": true, "body": "Disclosure text of the emulator. It has no legal meaning."})
}

// documentContent is operation 124: 202 first, then text with an ETag.
func (w *world) documentContent(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if !d.readyAt("content", c.now) {
		return notReady(1)
	}
	text := strings.Join(append([]string{"# " + d.name}, documentLines(d, c)...), "\n\n")
	rep, err := ok(map[string]any{"document_id": d.id, "content": text, "format": "markdown"})
	rep.header = map[string]string{"ETag": `"` + fingerprint(text) + `"`}
	return rep, err
}

// documentSummary is operation 123.
func (w *world) documentSummary(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if !d.readyAt("summary", c.now) {
		return notReady(1)
	}
	text := "A made-up document called " + d.name + "."
	return reply{
		status: http.StatusOK, json: map[string]any{"document_id": d.id, "summary": text},
		header: map[string]string{"ETag": `"` + fingerprint(text) + `"`},
	}, nil
}
