package workspace

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// documentStatus answers GET /public/v1/documents/{id}.
func (w *Workspace) documentStatus(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	return ok(d.brief(c.now))
}

// documentDetails answers GET /public/v1/documents/{id}/details.
func (w *Workspace) documentDetails(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	return ok(w.details(d, c.now))
}

// sendDocument answers POST /public/v1/documents/{id}/send.
func (w *Workspace) sendDocument(c *Call) (reply, error) {
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
		return reply{}, Invalid("recipients", "Document must have at least one recipient.")
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

// updateDocument answers PATCH /public/v1/documents/{id}.
func (w *Workspace) updateDocument(c *Call) (reply, error) {
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

// changeStatus answers PATCH /public/v1/documents/{id}/status, and 15 with a file.
func (w *Workspace) changeStatus(c *Call) (reply, error) {
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
		return reply{}, Invalid("status", "Select a valid choice: 2, 10, 11 or 12.")
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

// toDraft answers POST /public/v1/documents/{id}/draft.
func (w *Workspace) toDraft(c *Call) (reply, error) {
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

// deleteDocument answers DELETE /public/v1/documents/{id}. A deleted document stays in lists that ask for deleted ones.
func (w *Workspace) deleteDocument(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	w.trash(d, c.now)
	return noContent()
}

// deleteDocuments answers DELETE /public/v1/documents, whose body is a list of ids.
func (w *Workspace) deleteDocuments(c *Call) (reply, error) {
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

func (w *Workspace) trash(d *document, now time.Time) {
	d.deleted, d.modified = true, now
	w.notify("document_deleted", d, now)
}

// moveDocument answers POST /public/v1/documents/{id}/move-to-folder/{folder_id}.
func (w *Workspace) moveDocument(c *Call) (reply, error) {
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

// giveDocument answers PATCH /public/v1/documents/{id}/ownership.
func (w *Workspace) giveDocument(c *Call) (reply, error) {
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
		return reply{}, Invalid("membership_id", "Member does not exist.")
	}
	d.owner, d.modified = in.MembershipID, c.now
	return noContent()
}

// giveDocuments answers PATCH /public/v1/documents/ownership.
func (w *Workspace) giveDocuments(c *Call) (reply, error) {
	var in struct {
		From string `json:"from_membership_id"`
		To   string `json:"to_membership_id"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if w.member(in.From) == nil || w.member(in.To) == nil {
		return reply{}, Invalid("from_membership_id", "Member does not exist.")
	}
	for _, d := range w.documents.all() {
		if d.owner == in.From {
			d.owner, d.modified = in.To, c.now
		}
	}
	return noContent()
}

// shareDocument answers POST /public/v1/documents/{id}/session: a session in which one recipient can sign.
func (w *Workspace) shareDocument(c *Call) (reply, error) {
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
		return reply{}, Invalid("recipient", "Recipient is not in the document.")
	}
	if s := d.statusAt(c.now); s == statusDraft || s == statusUploaded {
		return reply{}, conflict("Document must be sent first.")
	}
	if in.Lifetime == 0 {
		in.Lifetime = 3600
	}
	if in.Lifetime < 0 || in.Lifetime > 31536000 {
		return reply{}, Invalid("lifetime", "Use 1 to "+strconv.Itoa(31536000)+" seconds.")
	}
	return created(map[string]any{"id": w.ids.ID(), "expires_at": stamp(c.now.Add(time.Duration(in.Lifetime) * time.Second))})
}

// editDocument answers POST /public/v1/documents/{id}/editing-sessions: a session of the embedded editor.
func (w *Workspace) editDocument(c *Call) (reply, error) {
	if _, err := w.draft(c); err != nil {
		return reply{}, err
	}
	return w.editingSession(c)
}

func (w *Workspace) editingSession(c *Call) (reply, error) {
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
		"id": w.ids.ID(), "key": w.ids.ID(), "token": w.ids.Hex(40), "email": in.Email,
		"expires_at": stamp(c.now.Add(time.Duration(in.Lifetime) * time.Second)),
	})
}
