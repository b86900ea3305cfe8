package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// documentStatus is operation 7.
func (w *world) documentStatus(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	return ok(d.brief(c.now))
}

// documentDetails is operation 17.
func (w *world) documentDetails(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	return ok(w.details(d, c.now))
}

// sendDocument is operation 18.
func (w *world) sendDocument(c *call) (reply, error) {
	var in struct {
		Message, Subject *string
		Silent           *bool
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	d, err := w.draft(c)
	if err != nil {
		return reply{}, err
	}
	if len(d.recipients) == 0 {
		return reply{}, invalid("recipients", "Document must have at least one recipient.")
	}
	d.changed(c.now)
	d.setStatus(statusSent, c.now)
	w.happened(d, "document_sent", c.now)
	w.notify("document_state_changed", d, c.now)
	b := d.brief(c.now)
	return ok(struct {
		brief
		Recipients []any `json:"recipients"`
	}{b, recipientViews(d.recipients)})
}

// updateDocument is operation 9.
func (w *world) updateDocument(c *call) (reply, error) {
	var in newDocument
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	d, err := w.draft(c)
	if err != nil {
		return reply{}, err
	}
	changed, err := w.changedRecipients(d, in.Recipients)
	if err != nil {
		return reply{}, err
	}
	fields, err := fieldsFromCreation(w.ids, in.Fields)
	if err != nil {
		return reply{}, err
	}
	if changed != nil {
		d.recipients = changed
	}
	if in.Name != "" {
		d.name = in.Name
	}
	if in.Fields != nil {
		d.fields = fields
	}
	d.tokens, d.metadata = replaced(d.tokens, in.Tokens), replaced(d.metadata, in.Metadata)
	if in.Tags != nil {
		d.tags = in.Tags
	}
	d.changed(c.now)
	w.documents.grow(d.id, c.size())
	w.happened(d, "document_edited", c.now)
	return noContent()
}

func replaced(old, sent json.RawMessage) json.RawMessage {
	if sent == nil {
		return old
	}
	return sent
}

// changeStatus is operation 14, and 15 with a file.
func (w *world) changeStatus(c *call) (reply, error) {
	var in struct {
		Status json.Number `json:"status"`
		Note   string      `json:"note"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if c.upload != nil && in.Status == "" {
		in.Status = json.Number(c.upload.fields["status"])
	}
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if !slices.Contains([]string{"2", "10", "11", "12"}, in.Status.String()) {
		return reply{}, invalid("status", "Select a valid choice: 2, 10, 11 or 12.")
	}
	if s := d.statusAt(c.now); s == statusUploaded {
		return reply{}, conflict("Document is still being processed.")
	}
	d.changed(c.now)
	d.setStatus(statusNumbers()[in.Status.String()], c.now)
	if c.upload != nil && c.upload.name != "" {
		w.attach(d, c, c.upload.name)
	}
	w.happened(d, "document_status_changed", c.now)
	w.notify("document_state_changed", d, c.now)
	return noContent()
}

// toDraft is operation 16.
func (w *world) toDraft(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	switch s := d.statusAt(c.now); s {
	case statusUploaded, statusCompleted, statusPaid:
		return reply{}, conflict("Document cannot be moved to draft from %s.", s)
	}
	d.changed(c.now)
	d.setStatus(statusDraft, c.now)
	w.happened(d, "document_reverted_to_draft", c.now)
	return ok(d.brief(c.now))
}

// deleteDocument is operation 8. A deleted document stays in lists that ask for deleted ones.
func (w *world) deleteDocument(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	w.trash(d, c.now)
	return noContent()
}

// deleteDocuments is operation 4, whose body is a list of ids.
func (w *world) deleteDocuments(c *call) (reply, error) {
	var in []string
	if err := json.Unmarshal(c.json, &in); err != nil || len(in) == 0 {
		return reply{}, malformed("A list of document ids is required.")
	}
	outcome := map[string][]string{"deleted": {}, "not_found": {}}
	for _, id := range in {
		d, err := w.documents.get(id)
		if err != nil || d.deleted {
			outcome["not_found"] = append(outcome["not_found"], id)
			continue
		}
		w.trash(d, c.now)
		outcome["deleted"] = append(outcome["deleted"], id)
	}
	return ok(outcome)
}

func (w *world) trash(d *document, now time.Time) {
	d.deleted, d.modified = true, now
	w.notify("document_deleted", d, now)
}

// moveDocument is operation 41.
func (w *world) moveDocument(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if _, err := w.documentFolders.get(c.vars["folder_id"]); err != nil {
		return reply{}, err
	}
	d.folderID, d.modified = c.vars["folder_id"], c.now
	return noContent()
}

// giveDocument is operation 39.
func (w *world) giveDocument(c *call) (reply, error) {
	var in struct {
		MembershipID string `json:"membership_id"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if w.member(in.MembershipID) == nil {
		return reply{}, invalid("membership_id", "Member does not exist.")
	}
	d.owner, d.modified = in.MembershipID, c.now
	return noContent()
}

// giveDocuments is operation 40.
func (w *world) giveDocuments(c *call) (reply, error) {
	var in struct {
		From string `json:"from_membership_id"`
		To   string `json:"to_membership_id"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if w.member(in.From) == nil || w.member(in.To) == nil {
		return reply{}, invalid("from_membership_id", "Member does not exist.")
	}
	for _, d := range w.documents.all() {
		if d.owner == in.From {
			d.owner, d.modified = in.To, c.now
		}
	}
	return noContent()
}

// shareDocument is operation 20: a session in which one recipient can sign.
func (w *world) shareDocument(c *call) (reply, error) {
	var in struct {
		Recipient string `json:"recipient"`
		Lifetime  int    `json:"lifetime"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if !slices.ContainsFunc(d.recipients, func(r *recipient) bool { return r.Email == in.Recipient }) {
		return reply{}, invalid("recipient", "Recipient is not in the document.")
	}
	if s := d.statusAt(c.now); s == statusDraft || s == statusUploaded {
		return reply{}, conflict("Document must be sent first.")
	}
	if in.Lifetime == 0 {
		in.Lifetime = 3600
	}
	if in.Lifetime < 0 || in.Lifetime > 31536000 {
		return reply{}, invalid("lifetime", "Use 1 to "+strconv.Itoa(31536000)+" seconds.")
	}
	return created(map[string]any{"id": w.ids.id(), "expires_at": stamp(c.now.Add(time.Duration(in.Lifetime) * time.Second))})
}

// editDocument is operation 19: a session of the embedded editor.
func (w *world) editDocument(c *call) (reply, error) {
	if _, err := w.draft(c); err != nil {
		return reply{}, err
	}
	return w.editingSession(c)
}

func (w *world) editingSession(c *call) (reply, error) {
	var in struct {
		Lifetime int    `json:"lifetime"`
		Email    string `json:"email"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Lifetime <= 0 {
		in.Lifetime = 3600
	}
	return created(map[string]any{
		"id": w.ids.id(), "key": w.ids.id(), "token": w.ids.hex(40), "email": in.Email,
		"expires_at": stamp(c.now.Add(time.Duration(in.Lifetime) * time.Second)),
	})
}
