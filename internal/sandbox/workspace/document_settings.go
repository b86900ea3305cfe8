package workspace

import "slices"

// settings are the settings of a document, in the form that PATCH accepts and GET returns.
type settings struct {
	Language     string `json:"language"`
	ExpiresIn    int    `json:"expires_in"` // days
	Qualified    bool   `json:"qualified_electronic_signature"`
	SuggestEdits bool   `json:"suggest_edits"`
}

// reminders are the automatic reminders of a document.
type reminders struct {
	Enabled             *bool  `json:"enabled"`
	DeliveryMethod      string `json:"delivery_method"`
	InitialDelayDays    int    `json:"initial_delay_days"`
	IsRecurring         bool   `json:"is_recurring"`
	RecurrenceFrequency int    `json:"recurrence_frequency_days"`
}

func firstSettings() settings { return settings{Language: "en-US", ExpiresIn: 60} }

func firstReminders() reminders {
	return reminders{Enabled: new(bool), DeliveryMethod: "email", InitialDelayDays: 3, RecurrenceFrequency: 3}
}

// checkLanguage refuses languages that the service does not support.
func checkLanguage(language string) error {
	known := []string{
		"en-US", "fr-FR", "it-IT", "es-ES", "nl-NL", "de-DE", "pt-BR", "pt-PT", "pl-PL", "sv-SE", "cs-CZ", "da-DK",
		"el-GR", "hu-HU", "nb-NO", "ro-RO", "bg-BG",
	}
	if !slices.Contains(known, language) {
		return Invalid("language", "Select a valid choice.")
	}
	return nil
}

// documentSettings answers GET /public/v2/documents/{document_id}/settings.
func (w *Workspace) documentSettings(c *Call, d *document) (Reply, error) { return ok(d.settings) }

// changeSettings answers PATCH /public/v2/documents/{document_id}/settings.
func (w *Workspace) changeSettings(c *Call, d *document) (Reply, error) {
	changed := d.settings
	if err := c.decode(&changed); err != nil {
		return Reply{}, err
	}
	if err := checkLanguage(changed.Language); err != nil {
		return Reply{}, err
	}
	d.settings = changed
	return ok(d.settings)
}

// remindable finds the document of a path and checks that it is not in a final state.
func (w *Workspace) remindable(c *Call) (*document, error) {
	d, err := w.document(c)
	if err == nil && slices.Contains([]string{statusCompleted, statusPaid, statusDeclined, statusVoided}, d.statusAt(c.now)) {
		return nil, refusal("Can't get or modify auto-reminders setup. Document is completed, paid, declined or expired")
	}
	return d, err
}

// autoReminders answers GET /public/v1/documents/{document_id}/auto-reminders.
func (w *Workspace) autoReminders(c *Call, d *document) (Reply, error) { return ok(d.reminders) }

// changeReminders answers PATCH /public/v1/documents/{document_id}/auto-reminders.
func (w *Workspace) changeReminders(c *Call, d *document) (Reply, error) {
	changed := d.reminders
	changed.Enabled = nil
	if err := c.decode(&changed); err != nil {
		return Reply{}, err
	}
	switch {
	case changed.Enabled == nil:
		return Reply{}, Invalid("enabled", "This field is required.")
	case changed.DeliveryMethod != "email" && changed.DeliveryMethod != "sms":
		return Reply{}, Invalid("delivery_method", "Select a valid choice: email or sms.")
	}
	d.reminders = changed
	return ok(d.reminders)
}

// reminderStatus answers GET /public/v1/documents/{document_id}/auto-reminders/status.
func (w *Workspace) reminderStatus(c *Call, d *document) (Reply, error) {
	if s := d.statusAt(c.now); !*d.reminders.Enabled || s != statusSent && s != statusViewed {
		return Reply{}, refusal("Can't get reminder status. Auto reminders aren't configured for this document or the document is not in SENT or VIEWED statuses")
	}
	scheduled := func(r *recipient) any { return map[string]any{"recipient_id": r.ID, "status": "scheduled"} }
	return ok(map[string]any{"reminders": views(d.recipients, scheduled)})
}

// disclosure answers GET /public/v1/documents/{document_id}/esign-disclosure.
func (w *Workspace) disclosure(*Call, *document) (Reply, error) {
	return ok(map[string]any{"result": map[string]any{
		"is_enabled": true, "company_name": "Sandbox workspace",
		"esign_disclosure_text": "Disclosure text of the emulator. It has no legal meaning.",
	}})
}
