package workspace

import (
	"cmp"
	"encoding/json"
	"time"
)

// Document states, in the service's words.
const (
	statusUploaded  = "document.uploaded"
	statusDraft     = "document.draft"
	statusSent      = "document.sent"
	statusViewed    = "document.viewed"
	statusCompleted = "document.completed"
	statusPaid      = "document.paid"
	statusVoided    = "document.voided"
	statusDeclined  = "document.declined"
)

// statusNumbers are the states as filters and status changes number them.
func statusNumbers() map[string]string {
	return map[string]string{
		"0": statusDraft, "1": statusSent, "2": statusCompleted, "3": statusUploaded,
		"4": "document.error", "5": statusViewed, "6": "document.waiting_approval", "7": "document.approved",
		"8": "document.rejected", "9": "document.waiting_pay", "10": statusPaid, "11": statusVoided,
		"12": statusDeclined, "13": "document.external_review",
	}
}

const (
	// conversion is how long a new document stays uploaded before it is a draft. The service takes
	// three to five seconds.
	conversion = 1500 * time.Millisecond
	// rendering is how long a download is answered 202 after it was first asked for.
	rendering = time.Second
)

// document is one document and all that hangs on it.
type document struct {
	id, name   string
	status     string
	created    time.Time
	modified   time.Time
	completed  time.Time
	expires    time.Time
	deleted    bool
	templateID string
	folderID   string
	owner      string // membership id
	createdBy  string // "template", "pdf", "upload", "markdown": for the audit trail
	tags       []string
	metadata   json.RawMessage
	tokens     json.RawMessage
	fields     []field
	recipients []*recipient
	files      []*attachment
	links      []linkedObject
	sections   []section
	trail      []auditEvent
	reminders  json.RawMessage
	settings   json.RawMessage
	asked      map[string]time.Time // when each rendering was first asked for
}

// statusAt moves an uploaded document to draft when its time has come; there is no clock running.
func (d *document) statusAt(now time.Time) string {
	if d.status == statusUploaded && now.Sub(d.created) >= conversion {
		return statusDraft
	}
	return d.status
}

func (d *document) setStatus(status string, now time.Time) {
	d.status, d.modified = status, now
	d.completed = time.Time{}
	if status == statusCompleted || status == statusPaid {
		d.completed = now
	}
}

// readyAt says whether a rendering of the document is ready; the first question starts it.
func (d *document) readyAt(what string, now time.Time) bool {
	if d.asked == nil {
		d.asked = map[string]time.Time{}
	}
	first, ok := d.asked[what]
	if !ok {
		d.asked[what] = now
		return false
	}
	return now.Sub(first) >= rendering
}

// changed notes a change: renderings are old news.
func (d *document) changed(now time.Time) {
	d.modified, d.asked = now, nil
}

// document finds the document that a path names; deleted ones are gone.
func (w *Workspace) document(c *Call) (*document, error) {
	d, err := w.documents.get(cmp.Or(c.vars["id"], c.vars["document_id"]))
	if err != nil {
		return nil, err
	}
	if d.deleted {
		return nil, NotFound()
	}
	return d, nil
}

// draft finds the document of a path and makes sure that it can be changed.
func (w *Workspace) draft(c *Call) (*document, error) {
	d, err := w.document(c)
	if err != nil {
		return nil, err
	}
	if s := d.statusAt(c.now); s != statusDraft {
		return nil, conflict("Document status must be document.draft, it is %s.", s)
	}
	return d, nil
}

// brief is a document in lists and status answers.
type brief struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Status         string `json:"status"`
	DateCreated    stamp  `json:"date_created"`
	DateModified   stamp  `json:"date_modified"`
	DateCompleted  stamp  `json:"date_completed"`
	ExpirationDate stamp  `json:"expiration_date"`
	Version        string `json:"version"`
	UUID           string `json:"uuid"`
}

func (d *document) brief(now time.Time) brief {
	return brief{
		ID: d.id, UUID: d.id, Name: d.name, Status: d.statusAt(now), Version: "2",
		DateCreated: stamp(d.created), DateModified: stamp(d.modified),
		DateCompleted: stamp(d.completed), ExpirationDate: stamp(d.expires),
	}
}

// details is the heavy form of a document.
func (w *Workspace) details(d *document, now time.Time) map[string]any {
	var from any
	if t, err := w.templates.get(d.templateID); err == nil {
		from = map[string]string{"id": t.id, "name": t.name}
	}
	var folderID any
	if d.folderID != "" {
		folderID = d.folderID
	}
	return map[string]any{
		"id": d.id, "name": d.name, "status": d.statusAt(now), "version": "2",
		"autonumbering_sequence_name_prefix": nil,
		"date_created":                       stamp(d.created), "date_modified": stamp(d.modified), "date_completed": stamp(d.completed),
		"content_date_modified": stamp(d.modified), "expiration_date": stamp(d.expires), "date_sent": stamp(d.firstTime("document_sent")),
		"created_by": w.person(d.owner), "sent_by": w.sender(d), "template": from, "folder_uuid": folderID,
		"metadata": orEmpty(d.metadata, "{}"), "tokens": orEmpty(d.tokens, "[]"), "fields": fieldViews(d.fields),
		"pricing":     map[string]any{"tables": []any{}, "quotes": []any{}, "total": "0.00"},
		"grand_total": map[string]string{"amount": "0.00", "currency": "USD"},
		"tags":        nonNil(d.tags), "recipients": recipientViews(d.recipients), "linked_objects": nonNil(d.links),
		"sections": nonNil(d.sections),
	}
}

func (w *Workspace) sender(d *document) any {
	if d.firstTime("document_sent").IsZero() {
		return nil
	}
	return w.person(d.owner)
}

// orEmpty gives what the client sent, or the empty value of its kind.
func orEmpty(raw json.RawMessage, empty string) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage(empty)
	}
	return raw
}

// nonNil makes an empty list show as [].
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
