package workspace

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

// documentSettings answers GET /public/v2/documents/{document_id}/settings.
func (w *Workspace) documentSettings(c *Call) (reply, error) {
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

// changeSettings answers PATCH /public/v2/documents/{document_id}/settings.
func (w *Workspace) changeSettings(c *Call) (reply, error) {
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

// autoReminders answers GET /public/v1/documents/{document_id}/auto-reminders.
func (w *Workspace) autoReminders(c *Call) (reply, error) {
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

// changeReminders answers PATCH /public/v1/documents/{document_id}/auto-reminders.
func (w *Workspace) changeReminders(c *Call) (reply, error) {
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

// reminderStatus answers GET /public/v1/documents/{document_id}/auto-reminders/status.
func (w *Workspace) reminderStatus(c *Call) (reply, error) {
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

// disclosure answers GET /public/v1/documents/{document_id}/esign-disclosure.
func (w *Workspace) disclosure(c *Call) (reply, error) {
	if _, err := w.document(c); err != nil {
		return reply{}, err
	}
	return ok(map[string]any{"is_enabled": true, "body": "Disclosure text of the emulator. It has no legal meaning."})
}
