package workspace

import (
	"encoding/json"
	"fmt"
	"slices"
)

// quote is a table of prices in a document. The API writes its numbers as text.
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
	Optional, Selected         bool
	Billing                    *string
}

// newQuote is what documents from templates start with.
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
	summary["total_tax"], summary["total_savings"] = money(0), money(0)
	return map[string]any{
		"id": q.ID, "currency": q.Currency, "merge_rules": []any{}, "sections": sections, "total": money(q.total()),
		"settings": map[string]string{"selection_type": q.Selection}, "summary": summary,
	}
}

// quoteInput is what changes a quote. An id names what is there; without one, a section or item is new.
type quoteInput struct {
	Currency string
	Settings struct {
		SelectionType string `json:"selection_type"`
	}
	Sections []struct {
		ID       string
		Name     *string
		Settings struct {
			Optional      bool
			Selected      *bool
			SelectionType string `json:"selection_type"`
		}
		Items []struct {
			ID, Description, SKU string
			Name                 *string
			Price, Cost          *float64
			Qty                  *int
			BillingFrequency     *string `json:"billing_frequency"`
			Options              struct{ Optional, Selected bool }
		}
	}
}

// updateQuote answers PUT /public/v1/documents/{document_id}/quotes/{quote_id}: what is sent replaces the
// sections. Discounts, fees and taxes are not computed.
func (w *Workspace) updateQuote(c *Call) (reply, error) {
	var in quoteInput
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	d, err := w.draft(c)
	if err != nil {
		return reply{}, err
	}
	if d.quote == nil || d.quote.ID != c.vars["quote_id"] {
		return reply{}, NotFound()
	}
	changed := *d.quote
	if in.Currency != "" {
		changed.Currency = in.Currency
	}
	if in.Settings.SelectionType != "" {
		changed.Selection = in.Settings.SelectionType
	}
	if in.Sections != nil {
		if changed.Sections, err = w.quoteSections(d.quote, in); err != nil {
			return reply{}, err
		}
	}
	d.quote = &changed
	d.changed(c.now)
	w.documents.grow(d.id, c.size())
	w.happened(d, actionQuoteQuantityMoved, c.now)
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
		if given.Name != nil {
			s.Name = *given.Name
		}
		if given.Settings.SelectionType != "" {
			s.Selection = given.Settings.SelectionType
		}
		if given.Settings.Selected != nil {
			s.Selected = *given.Settings.Selected
		}
		s.Optional = given.Settings.Optional
		if given.Items == nil {
			sections = append(sections, s)
			continue
		}
		known := s.Items
		s.Items = []quoteItem{}
		for _, g := range given.Items {
			item := quoteItem{ID: w.uuid(), Quantity: 1, Selected: true}
			if g.ID != "" {
				i := slices.IndexFunc(known, func(i quoteItem) bool { return i.ID == g.ID })
				if i < 0 {
					return nil, Invalid("items", "Item "+Bounded(g.ID, 40)+" is not in the section.")
				}
				item = known[i]
			}
			if g.Name != nil {
				item.Name = *g.Name
			}
			if g.Description != "" {
				item.Description = g.Description
			}
			if g.SKU != "" {
				item.SKU = g.SKU
			}
			if g.Price != nil {
				item.Price = *g.Price
			}
			if g.Cost != nil {
				item.Cost = *g.Cost
			}
			if g.Qty != nil {
				item.Quantity = *g.Qty
			}
			if g.BillingFrequency != nil {
				item.Billing = g.BillingFrequency
			}
			s.Items = append(s.Items, item)
		}
		sections = append(sections, s)
	}
	return sections, nil
}
