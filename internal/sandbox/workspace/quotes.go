package workspace

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// quote is a table of prices in a document. In the API, its numbers are text.
type quote struct {
	ID        string
	Currency  string
	Selection string
	Sections  []quoteSection
}

type quoteSection struct {
	ID, Name           string
	Selection          string
	Optional, Selected bool
	Items              []quoteItem
}

type quoteItem struct {
	ID, Name, Description, SKU string
	Price, Cost                float64
	Quantity                   int
	Selected                   bool
	Billing                    *string
}

// newQuote returns the quote that a document from a template starts with.
func newQuote(w *Workspace) *quote {
	return &quote{ID: w.uuid(), Currency: "USD", Selection: "custom", Sections: []quoteSection{{
		ID: w.uuid(), Name: "Services", Selection: "custom", Selected: true,
		Items: []quoteItem{{ID: w.uuid(), Name: "Consulting hour", SKU: "S-Con", Price: 100, Quantity: 2, Selected: true}},
	}}}
}

func money(amount float64) string { return fmt.Sprintf("%.2f", amount) }

func (s quoteSection) total() float64 {
	sum := 0.0
	for _, i := range s.Items {
		sum += i.Price * float64(i.Quantity)
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

func (q *quote) view() map[string]any {
	sections := []any{}
	for _, s := range q.Sections {
		items := []any{}
		for _, i := range s.Items {
			sum := money(i.Price * float64(i.Quantity))
			items = append(items, map[string]any{
				"id": i.ID, "name": i.Name, "description": i.Description, "sku": i.SKU, "price": money(i.Price), "cost": money(i.Cost),
				"qty": fmt.Sprint(i.Quantity), "total": sum, "overall_total": sum, "billing_frequency": i.Billing, "contract_term": nil,
				"options": map[string]bool{"qty_editable": false, "selected": i.Selected}, "custom_columns": map[string]any{},
				"external_columns": map[string]any{}, "discounts": map[string]any{}, "fees": map[string]any{}, "taxes": map[string]any{},
				"multipliers": map[string]any{}, "pricing_method": "flat", "reference_type": nil, "type": "product",
			})
		}
		summary := quoteSums(s.total())
		summary["total_section_value"], summary["total_qty"] = money(s.total()), fmt.Sprint(len(s.Items))
		sections = append(sections, map[string]any{
			"id": s.ID, "name": s.Name, "columns": []any{}, "items": items, "total": money(s.total()), "summary": summary,
			"settings": map[string]any{"optional": s.Optional, "selected": s.Selected, "selection_type": s.Selection},
		})
	}
	summary := quoteSums(q.total())
	summary["total_contract_value"], summary["total_discount"], summary["total_fee"] = money(q.total()), money(0), money(0)
	summary["total_tax"], summary["total_savings"], summary["total_qty"] = money(0), money(0), fmt.Sprint(len(q.Sections))
	return map[string]any{
		"id": q.ID, "currency": q.Currency, "merge_rules": []any{}, "sections": sections, "total": money(q.total()),
		"settings": map[string]string{"selection_type": q.Selection}, "summary": summary,
	}
}

// quoteInput is a change of a quote. A section or item with an id changes that one; without an id, it is new.
type quoteInput struct {
	Currency string
	Settings struct {
		SelectionType string `json:"selection_type"`
	}
	Sections []quoteSectionInput
}

type quoteSectionInput struct {
	ID       string
	Name     *string
	Settings struct {
		Optional      bool
		Selected      *bool
		SelectionType string `json:"selection_type"`
	}
	Items []quoteItemInput
}

type quoteItemInput struct {
	ID, Description, SKU string
	Name                 *string
	Price, Cost          *float64
	Qty                  *int
	BillingFrequency     *string `json:"billing_frequency"`
}

// updateQuote answers PUT /public/v1/documents/{document_id}/quotes/{quote_id}: the sections of the
// request replace the old ones. Discounts, fees and taxes are not computed.
func (w *Workspace) updateQuote(c *Call, d *document, in quoteInput) (Reply, error) {
	if d.quote == nil || d.quote.ID != c.vars["quote_id"] {
		return Reply{}, NotFound()
	}
	changed := *d.quote
	changed.Currency = cmp.Or(in.Currency, changed.Currency)
	changed.Selection = cmp.Or(in.Settings.SelectionType, changed.Selection)
	if in.Sections != nil {
		sections, err := w.quoteSections(d.quote, in)
		if err != nil {
			return Reply{}, err
		}
		changed.Sections = sections
	}
	d.quote = &changed
	d.changed(c.now)
	w.documents.grow(d.id, c.size())
	w.record(d, actionQuoteQuantityMoved, c.now)
	w.notify("quote_updated", json.RawMessage(`{"id":"`+d.quote.ID+`"}`), c.now)
	return ok(d.quote.view())
}

func (w *Workspace) quoteSections(old *quote, in quoteInput) ([]quoteSection, error) {
	sections := []quoteSection{}
	for _, given := range in.Sections {
		s := quoteSection{ID: w.uuid(), Selection: "custom", Selected: true}
		if given.ID != "" {
			i := slices.IndexFunc(old.Sections, func(s quoteSection) bool { return s.ID == given.ID })
			if i < 0 {
				return nil, Invalid("sections", "Section "+Bounded(given.ID, 40)+" is not in the quote.")
			}
			s = old.Sections[i]
		}
		set(&s.Name, given.Name)
		set(&s.Selected, given.Settings.Selected)
		s.Optional, s.Selection = given.Settings.Optional, cmp.Or(given.Settings.SelectionType, s.Selection)
		if given.Items != nil {
			items, err := w.quoteItems(s.Items, given.Items)
			if err != nil {
				return nil, err
			}
			s.Items = items
		}
		sections = append(sections, s)
	}
	return sections, nil
}

func (w *Workspace) quoteItems(old []quoteItem, in []quoteItemInput) ([]quoteItem, error) {
	items := []quoteItem{}
	for _, given := range in {
		item := quoteItem{ID: w.uuid(), Quantity: 1, Selected: true}
		if given.ID != "" {
			i := slices.IndexFunc(old, func(i quoteItem) bool { return i.ID == given.ID })
			if i < 0 {
				return nil, Invalid("items", "Item "+Bounded(given.ID, 40)+" is not in the section.")
			}
			item = old[i]
		}
		set(&item.Name, given.Name)
		set(&item.Price, given.Price)
		set(&item.Cost, given.Cost)
		set(&item.Quantity, given.Qty)
		item.Description, item.SKU = cmp.Or(given.Description, item.Description), cmp.Or(given.SKU, item.SKU)
		item.Billing = cmp.Or(given.BillingFrequency, item.Billing)
		items = append(items, item)
	}
	return items, nil
}

// set replaces a value if the request has another one.
func set[T any](to *T, sent *T) {
	if sent != nil {
		*to = *sent
	}
}
