package sandbox

import (
	"encoding/json"
)

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
