package workspace

import (
	"slices"
	"time"
)

// auditEvent is one line of a document's trail.
type auditEvent struct {
	Date   stamp     `json:"date"`
	Action string    `json:"action"`
	User   memberRef `json:"user"`
}

// maxTrail bounds the trail of one document.
const maxTrail = 500

// happened adds to the trail of d.
func (w *Workspace) happened(d *document, action string, now time.Time) {
	if len(d.trail) < maxTrail {
		d.trail = append(d.trail, auditEvent{Date: stamp(now), Action: action, User: w.person(d.owner)})
	}
}

// firstTime is when action first happened; zero if it did not.
func (d *document) firstTime(action string) time.Time {
	for _, e := range d.trail {
		if e.Action == action {
			return e.Date.time()
		}
	}
	return time.Time{}
}

// auditTrail answers GET /public/v2/documents/{document_id}/audit-trail.
func (w *Workspace) auditTrail(c *Call) (reply, error) {
	from, to, err := c.offsets()
	if err != nil {
		return reply{}, err
	}
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	return results(slices.Clone(window(d.trail, from, to)))
}
