package workspace

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// quote is a table of prices in a document, as requests have it: with pointers for what a request can leave out. In
// answers, its numbers are text.
type quote struct {
	ID       string
	Currency string
	Settings struct {
		SelectionType string `json:"selection_type"`
	}
	Sections []quoteSection
}

type quoteSection struct {
	ID       string
	Name     *string
	Settings sectionSettings
	Items    []quoteItem
}

type sectionSettings struct {
	Optional      bool   `json:"optional"`
	Selected      *bool  `json:"selected"`
	SelectionType string `json:"selection_type"`
}

type quoteItem struct {
	ID, Description, SKU string
	Name                 *string
	Price, Cost          *float64
	Qty                  *int
	BillingFrequency     *string `json:"billing_frequency"`
}

// newQuote returns the quote that a document from a template starts with.
func newQuote(w *Workspace) *quote {
	q := &quote{ID: w.uuid(), Currency: "USD", Sections: []quoteSection{{
		ID: w.uuid(), Name: new("Services"), Settings: sectionSettings{Selected: new(true), SelectionType: "custom"},
		Items: []quoteItem{{ID: w.uuid(), Name: new("Consulting hour"), SKU: "S-Con", Price: new(100.0), Qty: new(2)}},
	}}}
	q.Settings.SelectionType = "custom"
	return q
}

func money(amount float64) string { return fmt.Sprintf("%.2f", amount) }

func (i quoteItem) total() float64 { return value(i.Price) * float64(value(i.Qty)) }

func (s quoteSection) total() float64 {
	sum := 0.0
	for _, i := range s.Items {
		sum += i.total()
	}
	return sum
}

func (q *quote) total() float64 {
	if q == nil {
		return 0
	}
	sum := 0.0
	for _, s := range q.Sections {
		sum += s.total()
	}
	return sum
}

func quoteSums(total float64) map[string]any {
	return map[string]any{
		"total": money(total), "subtotal": money(total), "one_time_subtotal": money(total), "recurring_subtotal": []any{},
		"discounts": map[string]any{}, "fees": map[string]any{}, "taxes": map[string]any{}, "custom_fields": map[string]any{},
	}
}

func (i quoteItem) view() any {
	sum := money(i.total())
	return map[string]any{
		"id": i.ID, "name": value(i.Name), "description": i.Description, "sku": i.SKU, "price": money(value(i.Price)), "cost": money(value(i.Cost)),
		"qty": fmt.Sprint(value(i.Qty)), "total": sum, "overall_total": sum, "billing_frequency": i.BillingFrequency, "contract_term": nil,
		"options": map[string]bool{"qty_editable": false, "selected": true}, "custom_columns": map[string]any{},
		"external_columns": map[string]any{}, "discounts": map[string]any{}, "fees": map[string]any{}, "taxes": map[string]any{},
		"multipliers": map[string]any{}, "pricing_method": "flat", "reference_type": nil, "type": "product",
	}
}

func (s quoteSection) view() any {
	sum := money(s.total())
	summary := quoteSums(s.total())
	summary["total_section_value"], summary["total_qty"] = sum, fmt.Sprint(len(s.Items))
	return map[string]any{
		"id": s.ID, "name": value(s.Name), "columns": []any{}, "items": views(s.Items, quoteItem.view), "total": sum, "summary": summary,
		"settings": s.Settings,
	}
}

func (q *quote) view() map[string]any {
	summary := quoteSums(q.total())
	summary["total_contract_value"], summary["total_discount"], summary["total_fee"] = money(q.total()), money(0), money(0)
	summary["total_tax"], summary["total_savings"], summary["total_qty"] = money(0), money(0), fmt.Sprint(len(q.Sections))
	return map[string]any{
		"id": q.ID, "currency": q.Currency, "merge_rules": []any{}, "sections": views(q.Sections, quoteSection.view), "total": money(q.total()),
		"settings": q.Settings, "summary": summary,
	}
}

// updateQuote answers PUT /public/v1/documents/{document_id}/quotes/{quote_id}: the sections of the
// request replace the old ones. Discounts, fees and taxes are not computed.
func (w *Workspace) updateQuote(c *Call, d *document, in quote) (Reply, error) {
	old := d.quote
	if old == nil || old.ID != c.vars["quote_id"] {
		return Reply{}, NotFound()
	}
	in.ID, in.Currency = old.ID, cmp.Or(in.Currency, old.Currency)
	in.Settings.SelectionType = cmp.Or(in.Settings.SelectionType, old.Settings.SelectionType)
	if err := w.completeSections(in.Sections, old.Sections); err != nil {
		return Reply{}, err
	}
	in.Sections = replaced(old.Sections, in.Sections)
	d.quote = &in
	w.revise(c, d, actionQuoteQuantityMoved)
	w.notify("quote_updated", json.RawMessage(`{"id":"`+in.ID+`"}`), c.now)
	return ok(in.view())
}

// completeSections adds to the sections of a request what it left out. A section with an id is an old one, a section
// without an id is new. The same applies to its items.
func (w *Workspace) completeSections(sent, old []quoteSection) error {
	for i := range sent {
		s := &sent[i]
		before := quoteSection{ID: w.uuid(), Settings: sectionSettings{Selected: new(true), SelectionType: "custom"}}
		if s.ID != "" {
			at := slices.IndexFunc(old, func(o quoteSection) bool { return o.ID == s.ID })
			if at < 0 {
				return Invalid("sections", "Section "+Bounded(s.ID, 40)+" is not in the quote.")
			}
			before = old[at]
		}
		s.ID, s.Name = before.ID, cmp.Or(s.Name, before.Name)
		s.Settings.Selected = cmp.Or(s.Settings.Selected, before.Settings.Selected)
		s.Settings.SelectionType = cmp.Or(s.Settings.SelectionType, before.Settings.SelectionType)
		if err := w.completeItems(s.Items, before.Items); err != nil {
			return err
		}
		s.Items = replaced(before.Items, s.Items)
	}
	return nil
}

func (w *Workspace) completeItems(sent, old []quoteItem) error {
	for i := range sent {
		item := &sent[i]
		before := quoteItem{ID: w.uuid(), Qty: new(1)}
		if item.ID != "" {
			at := slices.IndexFunc(old, func(o quoteItem) bool { return o.ID == item.ID })
			if at < 0 {
				return Invalid("items", "Item "+Bounded(item.ID, 40)+" is not in the section.")
			}
			before = old[at]
		}
		item.ID, item.Name, item.Qty = before.ID, cmp.Or(item.Name, before.Name), cmp.Or(item.Qty, before.Qty)
		item.Price, item.Cost = cmp.Or(item.Price, before.Price), cmp.Or(item.Cost, before.Cost)
		item.Description, item.SKU = cmp.Or(item.Description, before.Description), cmp.Or(item.SKU, before.SKU)
		item.BillingFrequency = cmp.Or(item.BillingFrequency, before.BillingFrequency)
	}
	return nil
}
