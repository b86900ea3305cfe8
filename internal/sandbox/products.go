package sandbox

import (
	"cmp"
	"encoding/json"
	"strings"
)

// product is an item of the catalogue.
type product struct {
	UUID        string          `json:"uuid"`
	Title       string          `json:"title"`
	SKU         string          `json:"sku"`
	Description string          `json:"description"`
	Type        string          `json:"type"`
	Price       json.RawMessage `json:"price"`
	Modified    stamp           `json:"date_modified"`
}

func (p *product) prepare(c *call) error {
	if p.Title == "" {
		return invalid("title", "This field is required.")
	}
	p.Type, p.Price, p.Modified = cmp.Or(p.Type, "regular"), orEmpty(p.Price, "null"), stamp(c.now)
	return nil
}

// searchProducts is operation 104.
func (w *world) searchProducts(c *call) (reply, error) {
	size, err := c.number("per_page", 50, 1, 100)
	if err != nil {
		return reply{}, err
	}
	page, err := c.number("page", 1, 1, 1_000_000)
	if err != nil {
		return reply{}, err
	}
	query := strings.ToLower(c.query.Get("query"))
	found := keep(w.products.all(), func(p *product) bool {
		return strings.Contains(strings.ToLower(p.Title+" "+p.SKU), query)
	})
	return ok(map[string]any{"items": nonNil(window(found, (page-1)*size, page*size)), "has_more_items": len(found) > page*size, "total": len(found)})
}

// createProduct is operation 105.
func (w *world) createProduct(c *call) (reply, error) {
	var in product
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if err := in.prepare(c); err != nil {
		return reply{}, err
	}
	in.UUID = w.ids.id()
	w.products.put(in.UUID, &in, c.size())
	return ok(in)
}

// productDetails is operation 106.
func (w *world) productDetails(c *call) (reply, error) {
	found, err := w.products.get(c.vars["item_uuid"])
	if err != nil {
		return reply{}, err
	}
	return ok(found)
}

// changeProduct is operation 107.
func (w *world) changeProduct(c *call) (reply, error) {
	found, err := w.products.get(c.vars["item_uuid"])
	if err != nil {
		return reply{}, err
	}
	changed := *found
	if err := c.decode(&changed); err != nil {
		return reply{}, err
	}
	changed.UUID = found.UUID
	if err := changed.prepare(c); err != nil {
		return reply{}, err
	}
	*found = changed
	w.products.grow(found.UUID, c.size())
	return ok(found)
}

// deleteProduct is operation 108: 200 with an empty body, where others answer 204.
func (w *world) deleteProduct(c *call) (reply, error) {
	if !w.products.remove(c.vars["item_uuid"]) {
		return reply{}, notFound()
	}
	return reply{status: 200}, nil
}
