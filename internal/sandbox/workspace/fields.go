package workspace

import (
	"bytes"
	"encoding/json"
	"slices"
)

// field is a form field of a document.
type field struct {
	UUID       string          `json:"uuid"`
	FieldID    string          `json:"field_id"`
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Value      json.RawMessage `json:"value"`
	AssignedTo *string         `json:"assigned_to"`
}

func fieldViews(list []field) []field {
	for i := range list {
		list[i].Value = orEmpty(list[i].Value, "null")
	}
	return nonNil(list)
}

// fieldsFromCreation reads the "fields" of a creation: an object from field names to {"value": …}. An
// empty list is taken as none.
func fieldsFromCreation(ids Source, raw json.RawMessage) ([]field, error) {
	if len(raw) == 0 || string(raw) == "null" || string(raw) == "[]" {
		return nil, nil
	}
	// The order of the object's keys is kept, so that a run can be repeated.
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
			Role  string          `json:"role"`
		}
		if err := dec.Decode(&in); err != nil {
			return nil, Invalid("fields", "Each field must be an object with a value.")
		}
		fields = append(fields, field{UUID: ids.ID(), FieldID: name.(string), Name: name.(string), Type: "text", Value: in.Value})
	}
	return fields, nil
}

// listFields answers GET /public/v1/documents/{id}/fields.
func (w *Workspace) listFields(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	return ok(map[string]any{"fields": fieldViews(d.fields)})
}

// addFields answers POST /public/v1/documents/{id}/fields.
func (w *Workspace) addFields(c *Call) (reply, error) {
	var in struct {
		Fields []field `json:"fields"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if len(in.Fields) == 0 {
		return reply{}, Invalid("fields", "This field is required.")
	}
	d, err := w.draft(c)
	if err != nil {
		return reply{}, err
	}
	for i := range in.Fields {
		f := &in.Fields[i]
		if f.Name == "" {
			return reply{}, Invalid("fields", "Every field needs a name.")
		}
		f.UUID = w.ids.ID()
		if f.FieldID == "" {
			f.FieldID = f.Name
		}
		if f.Type == "" {
			f.Type = "text"
		}
	}
	d.fields = append(d.fields, in.Fields...)
	d.changed(c.now)
	w.documents.grow(d.id, c.size())
	return ok(map[string]any{"fields": fieldViews(in.Fields)})
}

// assignFields answers PATCH /public/v1/documents/{id}/fields.
func (w *Workspace) assignFields(c *Call) (reply, error) {
	var in struct {
		Fields []struct {
			UUID       string  `json:"uuid"`
			AssignedTo *string `json:"assigned_to"`
		} `json:"fields"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	d, err := w.draft(c)
	if err != nil {
		return reply{}, err
	}
	assigned := slices.Clone(d.fields)
	for _, change := range in.Fields {
		i := slices.IndexFunc(assigned, func(f field) bool { return f.UUID == change.UUID })
		if i < 0 {
			return reply{}, Invalid("fields", "Field "+Bounded(change.UUID, 40)+" is not in the document.")
		}
		if change.AssignedTo != nil {
			if _, err := d.recipient(*change.AssignedTo); err != nil {
				return reply{}, Invalid("fields", "Recipient "+Bounded(*change.AssignedTo, 40)+" is not in the document.")
			}
		}
		assigned[i].AssignedTo = change.AssignedTo
	}
	d.fields = assigned
	d.changed(c.now)
	return noContent()
}
