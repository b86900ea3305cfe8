package workspace

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
)

// field is a form field of a document.
type field struct {
	UUID       string          `json:"uuid"`
	FieldID    string          `json:"field_id"`
	MergeField string          `json:"merge_field"`
	Type       string          `json:"type"`
	Value      json.RawMessage `json:"value"`
	AssignedTo string          `json:"assigned_to"` // id of a recipient
	Layout     json.RawMessage `json:"layout"`
	Settings   struct {
		Placeholder string `json:"placeholder"`
	} `json:"settings"`
}

// fieldViews returns the fields for details and for the list of fields.
func (d *document) fieldViews() []map[string]any {
	return views(d.fields, func(f field) map[string]any { return f.view(d) })
}

func (f field) view(d *document) map[string]any {
	empty := `""`
	switch f.Type {
	case "checkbox":
		empty = "false"
	case "signature", "initials", "stamp", "collect_file":
		empty = "{}"
	}
	view := map[string]any{
		"uuid": f.UUID, "field_id": f.FieldID, "name": f.FieldID, "title": f.FieldID, "type": f.Type,
		"placeholder": f.Settings.Placeholder, "is_filled": f.Value != nil, "value": orEmpty(f.Value, empty),
	}
	if f.MergeField != "" {
		view["merge_field"] = f.MergeField
	}
	if f.Type == "date" && f.Value == nil {
		delete(view, "value") // an empty string is not a date
	}
	if r, err := d.recipient(f.AssignedTo); err == nil {
		view["assigned_to"] = r.assigned()
	}
	return view
}

// fieldsFromCreation reads the "fields" of a creation: an object from field names to {"value": …}. An empty list
// means no fields.
func fieldsFromCreation(w *Workspace, raw json.RawMessage) ([]field, error) {
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "[]" {
		return nil, nil
	}
	// Keep the order of the object's keys, so that a run can be repeated.
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, Invalid("fields", "Expected an object.")
	}
	var fields []field
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, Invalid("fields", "Expected an object.")
		}
		var in struct {
			Value json.RawMessage `json:"value"`
		}
		if err := dec.Decode(&in); err != nil {
			return nil, Invalid("fields", "Each field must be an object with a value.")
		}
		f := field{UUID: w.uuid(), FieldID: name.(string), MergeField: name.(string), Type: "text", Value: in.Value}
		switch s := string(in.Value); {
		case s == "true" || s == "false":
			f.Type = "checkbox"
		case s != "" && s[0] != '"': // the service shows numbers as text
			f.Value, _ = json.Marshal(s)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// listFields answers GET /public/v1/documents/{id}/fields.
func (w *Workspace) listFields(c *Call, d *document) (Reply, error) {
	return ok(map[string]any{"fields": d.listedFields(0)})
}

// listedFields returns the fields from the given one on, as the operations on fields show them: with their place, and
// with fewer facts about their recipients.
func (d *document) listedFields(from int) []map[string]any {
	list := d.fieldViews()[from:]
	for i, view := range list {
		if layout := d.fields[from+i].Layout; layout != nil {
			view["layout"] = layout
		}
		delete(view, "merge_field")
		if who, ok := view["assigned_to"].(map[string]any); ok {
			delete(who, "role")
			delete(who, "roles")
		}
	}
	return list
}

// addFields answers POST /public/v1/documents/{id}/fields.
func (w *Workspace) addFields(c *Call, in struct {
	Fields []field `json:"fields"`
}) (Reply, error) {
	if len(in.Fields) == 0 {
		return Reply{}, Invalid("fields", "This field is required.")
	}
	d, err := w.draft(c)
	if err != nil {
		return Reply{}, err
	}
	types := []string{"checkbox", "collect_file", "date", "dropdown", "initials", "payment_details", "radio_buttons", "signature", "stamp", "text"}
	for i := range in.Fields {
		f := &in.Fields[i]
		switch {
		case f.Layout == nil:
			return Reply{}, Invalid("layout", "This field is required.")
		case !slices.Contains(types, f.Type):
			return Reply{}, Invalid("type", "Select a valid choice.")
		}
		if f.AssignedTo != "" {
			if _, err := d.recipient(f.AssignedTo); err != nil {
				return Reply{}, Invalid("assigned_to", "Recipient "+Bounded(f.AssignedTo, 40)+" is not in the document.")
			}
		}
		f.UUID = w.uuid()
		f.FieldID = cmp.Or(f.FieldID, f.UUID)
	}
	first := len(d.fields)
	d.fields = append(d.fields, in.Fields...)
	d.changed(c.now)
	w.documents.grow(d.id, c.size())
	return ok(map[string]any{"fields": d.listedFields(first)})
}

// assignFields answers PATCH /public/v1/documents/{id}/fields. Null takes a field from its recipient.
func (w *Workspace) assignFields(c *Call, in struct {
	Fields []struct {
		FieldID    string  `json:"field_id"`
		AssignedTo *string `json:"assigned_to"`
	} `json:"fields"`
}) (Reply, error) {
	if len(in.Fields) == 0 {
		return Reply{}, Invalid("fields", "This field is required.")
	}
	d, err := w.draft(c)
	if err != nil {
		return Reply{}, err
	}
	assigned := slices.Clone(d.fields)
	for _, change := range in.Fields {
		i := slices.IndexFunc(assigned, func(f field) bool { return f.UUID == change.FieldID || f.FieldID == change.FieldID })
		if i < 0 {
			return Reply{}, Invalid("fields", "Field "+Bounded(change.FieldID, 40)+" is not in the document.")
		}
		assigned[i].AssignedTo = ""
		if change.AssignedTo != nil {
			if _, err := d.recipient(*change.AssignedTo); err != nil {
				return Reply{}, Invalid("fields", "Recipient "+Bounded(*change.AssignedTo, 40)+" is not in the document.")
			}
			assigned[i].AssignedTo = *change.AssignedTo
		}
	}
	d.fields = assigned
	d.changed(c.now)
	return noContent()
}
