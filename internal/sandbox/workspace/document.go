package workspace

import (
	"cmp"
	"errors"
	"net/http"
	"time"
)

// The states of a document, as the service names them.
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

// statusNumbers are the numbers of the states in filters and status changes.
func statusNumbers() map[string]string {
	return map[string]string{
		"0": statusDraft, "1": statusSent, "2": statusCompleted, "3": statusUploaded,
		"4": "document.error", "5": statusViewed, "6": "document.waiting_approval", "7": "document.approved",
		"8": "document.rejected", "9": "document.waiting_pay", "10": statusPaid, "11": statusVoided,
		"12": statusDeclined, "13": "document.external_review", "14": "document.scheduled",
	}
}

const (
	// conversion is how long a new document is "uploaded" before it is a draft. The service takes
	// three to five seconds.
	conversion = 1500 * time.Millisecond
	// rendering is how long a download answers 202 after the first request for it.
	rendering = time.Second
)

// document is one document with all its parts.
type document struct {
	content
	status     string
	completed  time.Time
	expires    time.Time
	templateID string
	owner      string // membership id
	fields     []field
	recipients []*recipient
	files      collection[attachment]
	links      collection[linkedObject]
	sections   collection[section]
	trail      []auditEvent
	quote      *quote // nil for none
	images     []namedBlock
	tables     []namedBlock
	texts      []namedBlock
	reminders  reminders
	settings   settings
	asked      map[string]time.Time // when each rendering was first requested
}

// statusAt makes an uploaded document a draft when conversion is over. It is called at each use: no timer runs.
func (d *document) statusAt(now time.Time) string {
	if d.status == statusUploaded && now.Sub(d.created) >= conversion {
		return statusDraft
	}
	return d.status
}

func (d *document) setStatus(status string, now time.Time) {
	d.changed(now)
	d.status = status
	d.completed = time.Time{}
	if status == statusCompleted || status == statusPaid {
		d.completed = now
	}
}

// readyAt reports whether a rendering of the document is ready. The first call starts it.
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

// changed notes a change, after which all renderings must be made again.
func (d *document) changed(now time.Time) {
	d.modified, d.asked = now, nil
}

// document finds the document that a path names.
func (w *Workspace) document(c *Call) (*document, error) {
	return w.documentWith(cmp.Or(c.vars["id"], c.vars["document_id"]))
}

// documentWith finds a document, unless it was deleted.
func (w *Workspace) documentWith(id string) (*document, error) {
	d, err := w.documents.get(id)
	if err == nil && d.deleted {
		err = NotFound()
	}
	return d, err
}

// draftOrConflict finds the document of a path, and returns a 409 if it cannot be changed.
func (w *Workspace) draftOrConflict(c *Call) (*document, error) {
	d, err := w.document(c)
	if err == nil && d.statusAt(c.now) != statusDraft {
		return nil, d.conflict(c, "Document status must be document.draft, it is "+d.statusAt(c.now)+".")
	}
	return d, err
}

// draft is draftOrConflict for the operations that have no 409 in the specification: it returns a 400.
func (w *Workspace) draft(c *Call) (*document, error) {
	d, err := w.draftOrConflict(c)
	if p, ok := errors.AsType[*Problem](err); ok && p.Status == http.StatusConflict {
		err = Invalid("status", p.Detail)
	}
	return d, err
}

// namedBlock is a part of a document that requests and details name.
type namedBlock struct {
	Name string `json:"name"`
}

func (d *document) conflict(c *Call, why string) *Problem {
	return conflict(d.id, d.statusAt(c.now), why)
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
	UUID           string `json:"uuid,omitempty"` // in single answers, not in lists
}

func (d *document) brief(now time.Time) brief {
	return brief{
		ID: d.id, UUID: d.id, Name: d.name, Status: d.statusAt(now), Version: "2",
		DateCreated: stamp(d.created), DateModified: stamp(d.modified),
		DateCompleted: stamp(d.completed), ExpirationDate: stamp(d.expires),
	}
}

// details is the complete form of a document.
func (w *Workspace) details(d *document, now time.Time) map[string]any {
	author := w.person(d.owner)
	author.MembershipID = d.owner
	var from, sender any
	if t, err := w.templates.get(d.templateID); err == nil {
		from = map[string]string{"id": t.id, "name": t.name}
	}
	if !d.sentAt().IsZero() {
		sender = w.person(d.owner)
	}
	pricing := noPricing()
	if d.quote != nil {
		pricing["quotes"], pricing["total"] = []any{d.quote.view()}, money(d.quote.total())
	}
	return map[string]any{
		"id": d.id, "name": d.name, "status": d.statusAt(now), "version": "2", "ref_number": "", "autonumbering_sequence_name_prefix": nil,
		"date_created": stamp(d.created), "date_modified": stamp(d.modified), "date_completed": stamp(d.completed),
		"content_date_modified": stamp(d.modified), "expiration_date": stamp(d.expires), "date_sent": stamp(d.sentAt()),
		"created_by": author, "sent_by": sender, "template": from, "folder_uuid": nullable(d.folderID), "lock": nil, "approval_execution": nil,
		"metadata": orEmpty(d.metadata, "{}"), "tokens": orEmpty(d.tokens, "[]"), "fields": d.fieldViews(), "pricing": pricing,
		"grand_total": map[string]string{"amount": money(d.quote.total()), "currency": "USD"},
		"tags":        nonNil(d.tags), "recipients": views(d.recipients, (*recipient).view), "linked_objects": d.links.all(),
		"images": nonNil(d.images), "tables": nonNil(d.tables), "texts": nonNil(d.texts),
	}
}

// action is the kind of an entry of the audit trail, with the service's number.
type action int

const (
	actionCreated            action = 1
	actionRevised            action = 2
	actionSent               action = 6
	actionDeclined           action = 27
	actionCompleted          action = 18
	actionExpired            action = 19
	actionPaid               action = 20
	actionReassigned         action = 23
	actionRecipientEdited    action = 24
	actionRecipientAdded     action = 25
	actionRecipientDeleted   action = 26
	actionQuoteQuantityMoved action = 61
)

// auditEvent is one line of a document's trail.
type auditEvent struct {
	ID          string            `json:"id"`
	Action      action            `json:"action"`
	DateCreated stamp             `json:"date_created"`
	IPAddress   string            `json:"ip_address"`
	Reason      *string           `json:"reason"`
	User        map[string]string `json:"user"`
}

// maxTrail limits the trail of one document.
const maxTrail = 500

// record adds an entry to the trail of d.
func (w *Workspace) record(d *document, a action, now time.Time) {
	if len(d.trail) < maxTrail {
		who := w.person(d.owner)
		d.trail = append(d.trail, auditEvent{
			ID: w.ids.ID(), Action: a, DateCreated: stamp(now), IPAddress: "hidden",
			User: map[string]string{"id": who.ID, "email": who.Email},
		})
	}
}

// revise notes that a request has changed d, also in the trail.
func (w *Workspace) revise(c *Call, d *document, a action) {
	d.changed(c.now)
	w.documents.atLeast(d.id, c.size())
	w.record(d, a, c.now)
}

// sentAt returns when the document was first sent, or zero.
func (d *document) sentAt() time.Time {
	for _, e := range d.trail {
		if e.Action == actionSent {
			return e.DateCreated.time()
		}
	}
	return time.Time{}
}

// auditTrail answers GET /public/v2/documents/{document_id}/audit-trail.
func (w *Workspace) auditTrail(c *Call) (Reply, error) {
	from, to := c.offsets()
	d, err := w.document(c)
	if err != nil {
		return Reply{}, err
	}
	return ok(map[string]any{"count": len(d.trail), "results": nonNil(window(d.trail, from, to))})
}
