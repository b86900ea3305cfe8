package workspace

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

func (p *product) prepare(c *Call) error {
	if p.Title == "" {
		return Invalid("title", "This field is required.")
	}
	p.Type, p.Price, p.Modified = cmp.Or(p.Type, "regular"), orEmpty(p.Price, "null"), stamp(c.now)
	return nil
}

// searchProducts answers GET /public/v2/product-catalog/items/search.
func (w *Workspace) searchProducts(c *Call) (reply, error) {
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

// createProduct answers POST /public/v2/product-catalog/items.
func (w *Workspace) createProduct(c *Call) (reply, error) {
	var in product
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if err := in.prepare(c); err != nil {
		return reply{}, err
	}
	in.UUID = w.ids.ID()
	w.products.put(in.UUID, &in, c.size())
	return ok(in)
}

// productDetails answers GET /public/v2/product-catalog/items/{item_uuid}.
func (w *Workspace) productDetails(c *Call) (reply, error) {
	found, err := w.products.get(c.vars["item_uuid"])
	if err != nil {
		return reply{}, err
	}
	return ok(found)
}

// changeProduct answers PATCH /public/v2/product-catalog/items/{item_uuid}.
func (w *Workspace) changeProduct(c *Call) (reply, error) {
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

// deleteProduct answers DELETE /public/v2/product-catalog/items/{item_uuid}: 200 with an empty body, where others answer 204.
func (w *Workspace) deleteProduct(c *Call) (reply, error) {
	if !w.products.remove(c.vars["item_uuid"]) {
		return reply{}, NotFound()
	}
	return reply{status: 200}, nil
}
