package workspace

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// documentStatus answers GET /public/v1/documents/{id}.
func (w *Workspace) documentStatus(c *Call, d *document) (Reply, error) { return ok(d.brief(c.now)) }

// documentDetails answers GET /public/v1/documents/{id}/details.
func (w *Workspace) documentDetails(c *Call, d *document) (Reply, error) {
	return ok(w.details(d, c.now))
}

// sendDocument answers POST /public/v1/documents/{id}/send.
func (w *Workspace) sendDocument(c *Call, d *document, in struct {
	Message, Subject *string
	Silent           *bool
}) (Reply, error) {
	if len(d.recipients) == 0 {
		return Reply{}, Invalid("recipients", "Document must have at least one recipient.")
	}
	d.setStatus(statusSent, c.now)
	w.record(d, actionSent, c.now)
	w.notify("document_state_changed", d.brief(c.now), c.now)
	return ok(struct {
		brief
		Recipients []map[string]any `json:"recipients"`
	}{d.brief(c.now), views(d.recipients, (*recipient).sent)})
}

// updateDocument answers PATCH /public/v1/documents/{id}.
func (w *Workspace) updateDocument(c *Call, d *document, in newDocument) (Reply, error) {
	changed, err := w.changedRecipients(d, in.Recipients)
	if err != nil {
		return Reply{}, err
	}
	fields, err := fieldsFromCreation(w, in.Fields)
	if err != nil {
		return Reply{}, err
	}
	w.addContacts(changed)
	if in.Fields != nil {
		d.fields = fields
	}
	d.name, d.recipients, d.tags = cmp.Or(in.Name, d.name), replaced(d.recipients, changed), replaced(d.tags, in.Tags)
	d.tokens, d.metadata = replaced(d.tokens, in.Tokens), replaced(d.metadata, in.Metadata)
	d.images, d.tables, d.texts = replaced(d.images, in.Images), replaced(d.tables, in.Tables), replaced(d.texts, in.Texts)
	w.revise(c, d, actionRevised)
	w.notify("document_updated", d.brief(c.now), c.now)
	return noContent()
}

// replaced returns the list or JSON that was sent, or the old one if none was.
func replaced[S ~[]E, E any](old, sent S) S {
	if sent == nil {
		return old
	}
	return sent
}

// changeStatus answers PATCH /public/v1/documents/{id}/status, with and without ?upload.
func (w *Workspace) changeStatus(c *Call, d *document, in struct {
	Status json.Number `json:"status"`
	Note   string      `json:"note"`
}) (Reply, error) {
	if c.upload != nil && in.Status == "" {
		in.Status = json.Number(c.upload.fields["status"])
	}
	change, known := changesByHand()[in.Status.String()]
	if !known {
		return Reply{}, Invalid("status", "Select a valid choice: 2, 10, 11 or 12.")
	}
	from, to := d.statusAt(c.now), statusNumbers()[in.Status.String()]
	if !slices.Contains(change.from, from) {
		return Reply{}, d.conflict(c, "Document status cannot be changed from "+from+" to "+to+".")
	}
	d.setStatus(to, c.now)
	if c.upload != nil && c.upload.name != "" {
		w.attach(d, c, c.upload.name)
	}
	w.record(d, change.action, c.now)
	w.notify("document_state_changed", d.brief(c.now), c.now)
	return noContent()
}

// statusChange is a change of the status that a client can make.
type statusChange struct {
	action action
	from   []string // the states in which it is allowed
}

// changesByHand are the changes by the number of the new status. The table is from PandaDoc's page on the operation.
func changesByHand() map[string]statusChange {
	return map[string]statusChange{
		"2":  {actionCompleted, []string{statusDraft, statusSent, statusViewed, statusVoided, statusDeclined}},
		"10": {actionPaid, []string{statusDraft, "document.waiting_pay", statusVoided, statusDeclined}},
		"11": {actionExpired, []string{statusSent, statusViewed}},
		"12": {actionDeclined, []string{statusDraft, statusSent, statusViewed, statusCompleted, "document.waiting_pay", statusVoided}},
	}
}

// toDraft answers POST /public/v1/documents/{id}/draft.
func (w *Workspace) toDraft(c *Call, d *document) (Reply, error) {
	d.setStatus(statusDraft, c.now)
	w.record(d, actionRevised, c.now)
	return ok(map[string]any{
		"id": d.id, "name": d.name, "status": d.status, "version": "2", "date_created": stamp(d.created),
		"date_modified": stamp(d.modified), "expiration_date": stamp(d.expires),
	})
}

// deleteDocument answers DELETE /public/v1/documents/{id}. A deleted document stays in lists that ask for deleted ones.
func (w *Workspace) deleteDocument(c *Call, d *document) (Reply, error) {
	w.markDeleted(d, c.now)
	return noContent()
}

// deleteDocuments answers DELETE /public/v1/documents, whose body is a list of {"id"}; the answer names those deleted.
func (w *Workspace) deleteDocuments(c *Call) (Reply, error) {
	var in []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(c.json, &in); err != nil || len(in) == 0 {
		return Reply{}, malformed("A list of objects with the ids of documents is required.")
	}
	gone := []string{}
	for _, one := range in {
		if d, err := w.documentWith(one.ID); err == nil {
			w.markDeleted(d, c.now)
			gone = append(gone, one.ID)
		}
	}
	if len(gone) == 0 {
		return Reply{}, NotFound()
	}
	return ok(map[string]any{"id": gone})
}

func (w *Workspace) markDeleted(d *document, now time.Time) {
	d.deleted, d.modified = true, now
	w.notify("document_deleted", d.brief(now), now)
}

// moveDocument answers POST /public/v1/documents/{id}/move-to-folder/{folder_id}.
func (w *Workspace) moveDocument(c *Call, d *document) (Reply, error) {
	if _, err := w.documentFolders.get(c.vars["folder_id"]); err != nil {
		return Reply{}, err
	}
	d.folderID, d.modified = c.vars["folder_id"], c.now
	return noContent()
}

// giveDocument answers PATCH /public/v1/documents/{id}/ownership.
func (w *Workspace) giveDocument(c *Call, d *document, in struct {
	MembershipID string `json:"membership_id"`
}) (Reply, error) {
	if _, err := w.member(in.MembershipID); err != nil {
		return Reply{}, Invalid("membership_id", "Member does not exist.")
	}
	d.owner, d.modified = in.MembershipID, c.now
	return noContent()
}

// giveDocuments answers PATCH /public/v1/documents/ownership.
func (w *Workspace) giveDocuments(c *Call, in struct {
	From string `json:"from_membership_id"`
	To   string `json:"to_membership_id"`
}) (Reply, error) {
	_, fromErr := w.member(in.From)
	_, toErr := w.member(in.To)
	if fromErr != nil || toErr != nil {
		return Reply{}, Invalid("from_membership_id", "Member does not exist.")
	}
	for _, d := range w.documents.all() {
		if d.owner == in.From {
			d.owner, d.modified = in.To, c.now
		}
	}
	return noContent()
}

// shareDocument answers POST /public/v1/documents/{id}/session: a session in which one recipient can sign.
func (w *Workspace) shareDocument(c *Call, d *document, in struct {
	Recipient string `json:"recipient"`
	Lifetime  int    `json:"lifetime"`
}) (Reply, error) {
	if !slices.ContainsFunc(d.recipients, func(r *recipient) bool { return r.Email == in.Recipient }) {
		return Reply{}, Invalid("recipient", "Recipient is not in the document.")
	}
	if s := d.statusAt(c.now); s == statusDraft || s == statusUploaded {
		return Reply{}, Invalid("status", "Document must be sent first.")
	}
	in.Lifetime = cmp.Or(in.Lifetime, 3600)
	if in.Lifetime < 0 || in.Lifetime > 31536000 {
		return Reply{}, Invalid("lifetime", "Use 1 to 31536000 seconds.")
	}
	return created(map[string]any{"id": w.ids.ID(), "expires_at": stamp(c.now.Add(time.Duration(in.Lifetime) * time.Second))})
}

// editDocument answers POST /public/v1/documents/{id}/editing-sessions: a session of the embedded editor.
func (w *Workspace) editDocument(c *Call, d *document) (Reply, error) {
	return w.editingSession(c, "document_id", d.id)
}

// editingSession returns a session for an object. Nothing can be edited with it.
func (w *Workspace) editingSession(c *Call, key, id string) (Reply, error) {
	in := struct {
		Lifetime int    `json:"lifetime"` // seconds
		Email    string `json:"email"`
	}{Lifetime: 3600}
	if err := c.decode(&in); err != nil {
		return Reply{}, err
	}
	if err := checkEmail("email", in.Email); err != nil {
		return Reply{}, err
	}
	switch {
	case in.Lifetime < 60:
		return Reply{}, Invalid("lifetime", "Ensure this value is greater than or equal to 60.")
	case in.Lifetime > 86400:
		return Reply{}, Invalid("lifetime", "Ensure this value is less than or equal to 86400.")
	}
	return created(map[string]any{
		key: id, "id": w.ids.ID(), "key": w.ids.ID(), "token": w.ids.Hex(40), "email": in.Email,
		"expires_at": stamp(c.now.Add(time.Duration(in.Lifetime) * time.Second)),
	})
}
