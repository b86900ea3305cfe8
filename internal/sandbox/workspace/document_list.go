package workspace

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// listDocuments answers GET /public/v1/documents.
func (w *Workspace) listDocuments(c *Call) (Reply, error) {
	from, to := c.pages(50, 100)
	found := keep(w.documents.all(), documentFilters(c)...)
	slices.Reverse(found) // among equals, the newest first
	slices.SortStableFunc(found, documentOrder(c))
	var list []brief
	for _, d := range window(found, from, to) {
		b := d.brief(c.now)
		b.UUID = ""
		list = append(list, b)
	}
	return results(list)
}

func documentFilters(c *Call) []filter[document] {
	deleted := c.flag("deleted")
	filters := []filter[document]{func(d *document) bool { return d.deleted == deleted }}
	for _, named := range []struct {
		name string
		of   func(*document) string
	}{
		{"id", func(d *document) string { return d.id }},
		{"template_id", func(d *document) string { return d.templateID }},
		{"folder_uuid", func(d *document) string { return d.folderID }},
		{"membership_id", func(d *document) string { return d.owner }},
		{"form_id", func(*document) string { return "" }}, // no document of the emulator comes from a form
	} {
		if want := c.query.Get(named.name); want != "" {
			filters = append(filters, func(d *document) bool { return named.of(d) == want })
		}
	}
	if q := strings.ToLower(c.query.Get("q")); q != "" {
		filters = append(filters, func(d *document) bool { return strings.Contains(strings.ToLower(d.name), q) })
	}
	if tags := c.query["tag"]; len(tags) > 0 {
		filters = append(filters, func(d *document) bool { return sharesAny(d.tags, tags) })
	}
	if id := c.query.Get("contact_id"); id != "" {
		filters = append(filters, func(d *document) bool {
			return slices.ContainsFunc(d.recipients, func(r *recipient) bool { return r.contactID == id })
		})
	}
	for _, pair := range c.query["metadata"] {
		filters = append(filters, func(d *document) bool { return hasMetadata(d.metadata, pair) })
	}
	return append(filters, stateFilters(c)...)
}

// stateFilters are the filters for states and times.
func stateFilters(c *Call) (filters []filter[document]) {
	for name, wanted := range map[string]bool{"status": true, "status__ne": false} {
		number := c.query.Get(name)
		if number == "" {
			continue
		}
		status, ok := statusNumbers()[number]
		if !ok {
			c.fail(Invalid(name, "Select a valid choice."))
		}
		filters = append(filters, func(d *document) bool { return (d.statusAt(c.now) == status) == wanted })
	}
	for name, of := range map[string]func(*document) time.Time{
		"created":   func(d *document) time.Time { return d.created },
		"modified":  func(d *document) time.Time { return d.modified },
		"completed": func(d *document) time.Time { return d.completed },
	} {
		within := c.period(name+"_from", name+"_to")
		filters = append(filters, func(d *document) bool { return within(of(d)) })
	}
	return filters
}

// documentOrder reads order_by; a minus in front reverses the order.
func documentOrder(c *Call) func(a, b *document) int {
	by, descending := strings.CutPrefix(c.query.Get("order_by"), "-")
	sign := 1
	if descending {
		sign = -1
	}
	times := map[string]func(*document) time.Time{
		"date_created":         func(d *document) time.Time { return d.created },
		"date_modified":        func(d *document) time.Time { return d.modified },
		"date_status_changed":  func(d *document) time.Time { return d.modified },
		"date_of_last_action":  func(d *document) time.Time { return d.modified },
		"date_completed":       func(d *document) time.Time { return d.completed },
		"date_sent":            (*document).sentAt,
		"date_expiration":      func(d *document) time.Time { return d.expires },
		"date_declined":        func(d *document) time.Time { return d.modified },
		"date_of_last_message": func(d *document) time.Time { return d.modified },
	}
	if of, ok := times[by]; ok {
		return func(a, b *document) int { return sign * of(a).Compare(of(b)) }
	}
	switch by {
	case "name":
		return func(a, b *document) int { return sign * cmp.Compare(a.name, b.name) }
	case "status":
		return func(a, b *document) int { return sign * cmp.Compare(a.statusAt(c.now), b.statusAt(c.now)) }
	case "":
	default:
		c.fail(Invalid("order_by", "Select a valid choice."))
	}
	return func(a, b *document) int { return b.created.Compare(a.created) }
}

func sharesAny(have, want []string) bool {
	return slices.ContainsFunc(want, func(t string) bool { return slices.Contains(have, t) })
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
