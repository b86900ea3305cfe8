package workspace

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// listDocuments answers GET /public/v1/documents.
func (w *Workspace) listDocuments(c *Call) (Reply, error) {
	from, to := c.pages(50, 100)
	found := keep(w.documents.all(), documentFilter(c))
	slices.Reverse(found) // among equals, the newest first
	slices.SortStableFunc(found, documentOrder(c))
	return results(views(window(found, from, to), func(d *document) brief {
		b := d.brief(c.now)
		b.UUID = ""
		return b
	}))
}

// documentFilter reads the filters of the list of documents.
func documentFilter(c *Call) filter[document] {
	content, contactID := c.contentFilter(), c.query.Get("contact_id")
	status, notStatus := c.status("status"), c.status("status__ne")
	created, modified := c.period("created_from", "created_to"), c.period("modified_from", "modified_to")
	completed := c.period("completed_from", "completed_to")
	return func(d *document) bool {
		hasContact := func(r *recipient) bool { return r.contactID == contactID }
		lacks := func(pair string) bool { return !hasMetadata(d.metadata, pair) }
		return content(&d.content) && c.allows("template_id", d.templateID) && c.allows("membership_id", d.owner) &&
			c.allows("form_id", "") && // no document of the emulator comes from a form
			(contactID == "" || slices.ContainsFunc(d.recipients, hasContact)) &&
			!slices.ContainsFunc(c.query["metadata"], lacks) &&
			(status == "" || d.statusAt(c.now) == status) && (notStatus == "" || d.statusAt(c.now) != notStatus) &&
			created(d.created) && modified(d.modified) && completed(d.completed)
	}
}

// status reads the number of a status, and returns its name.
func (c *Call) status(name string) string {
	number := c.query.Get(name)
	status, ok := statusNumbers()[number]
	if !ok && number != "" {
		c.fail(Invalid(name, "Select a valid choice."))
	}
	return status
}

// documentOrder reads order_by; a minus in front reverses the order. Without it, the newest documents are first.
func documentOrder(c *Call) func(a, b *document) int {
	modified := func(a, b *document) int { return a.modified.Compare(b.modified) }
	orders := map[string]func(a, b *document) int{
		"name":                 func(a, b *document) int { return cmp.Compare(a.name, b.name) },
		"status":               func(a, b *document) int { return cmp.Compare(a.statusAt(c.now), b.statusAt(c.now)) },
		"date_created":         func(a, b *document) int { return a.created.Compare(b.created) },
		"date_completed":       func(a, b *document) int { return a.completed.Compare(b.completed) },
		"date_sent":            func(a, b *document) int { return a.sentAt().Compare(b.sentAt()) },
		"date_expiration":      func(a, b *document) int { return a.expires.Compare(b.expires) },
		"date_modified":        modified,
		"date_status_changed":  modified,
		"date_of_last_action":  modified,
		"date_declined":        modified,
		"date_of_last_message": modified,
	}
	by, descending := strings.CutPrefix(c.query.Get("order_by"), "-")
	order, ok := orders[by]
	if !ok {
		if by != "" {
			c.fail(Invalid("order_by", "Select a valid choice."))
		}
		order, descending = orders["date_created"], true
	}
	if descending {
		return func(a, b *document) int { return order(b, a) }
	}
	return order
}

// hasMetadata compares one "key=value" with a document's metadata.
func hasMetadata(raw json.RawMessage, pair string) bool {
	key, want, _ := strings.Cut(pair, "=")
	var metadata map[string]any
	if json.Unmarshal(orEmpty(raw, "{}"), &metadata) != nil {
		return false
	}
	have, ok := metadata[key].(string)
	return ok && have == want
}
