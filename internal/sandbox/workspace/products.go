package workspace

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// priceConfiguration is how a product is priced.
type priceConfiguration struct {
	UUID          string          `json:"uuid"`
	Currency      string          `json:"currency"`
	PricingMethod *int            `json:"pricing_method"` // 0 flat, 1 volume, 2 tiered
	Price         *float64        `json:"price"`
	Cost          *float64        `json:"cost"`
	BillingType   string          `json:"billing_type"`
	BillingCycle  *string         `json:"billing_cycle"`
	Tiers         json.RawMessage `json:"tiers"`
}

// variant is the part of a product that has a price.
type variant struct {
	SKU           *string            `json:"sku"`
	Description   *string            `json:"description"`
	CustomFields  json.RawMessage    `json:"custom_fields"`
	Images        json.RawMessage    `json:"images"`
	Configuration priceConfiguration `json:"price_configuration"`
}

// product is an item in the catalogue.
type product struct {
	id, variantID string
	productInfo
	variant  variant
	author   string
	created  stamp
	modified stamp
}

// productInfo is the part of a product that requests have at the top.
type productInfo struct {
	Title       string
	Type        string
	CategoryID  *string      `json:"category_id"`
	BundleItems []bundleItem `json:"bundle_items"`
}

type bundleItem struct {
	Item     json.RawMessage `json:"item_or_uuid,omitempty"`
	Quantity int             `json:"quantity"`
}

// products serves /public/v2/product-catalog/items and /public/v2/product-catalog/items/{item_uuid}.
func products() resource[product] {
	return resource[product]{
		in:        func(w *Workspace) *collection[product] { return &w.products },
		key:       "item_uuid",
		always200: true,
		create: func(w *Workspace, c *Call) (string, *product, error) {
			p := &product{id: w.uuid(), variantID: w.uuid(), created: stamp(c.now), author: w.current().UserID}
			if err := cmp.Or(c.decode(&p.variant), c.decode(&p.productInfo)); err != nil {
				return "", nil, err
			}
			p.Type = cmp.Or(p.Type, "regular")
			p.variant.Configuration.UUID = w.uuid()
			return p.id, p, p.check(c)
		},
		change: func(_ *Workspace, c *Call, p *product) error {
			in := struct {
				Variant *variant `json:"product_variant"`
			}{&p.variant}
			if err := cmp.Or(amend(c, &p.productInfo), amend(c, &in)); err != nil {
				return err
			}
			if in.Variant != nil {
				in.Variant.Configuration.UUID = p.variant.Configuration.UUID
				p.variant = *in.Variant
			}
			return p.check(c)
		},
		show:  (*Workspace).catalogueItem,
		brief: (*Workspace).searchItem,
		filter: func(c *Call) filter[product] {
			query := strings.ToLower(c.query.Get("query"))
			return func(p *product) bool {
				return strings.Contains(strings.ToLower(p.Title+" "+value(p.variant.SKU)), query) && fits(c.query["types"], p.Type) &&
					!slices.Contains(c.query["exclude_uuids"], p.id) && c.allows("category_id", value(p.CategoryID))
			}
		},
		page: func(c *Call, all []any) any {
			size, page := c.number("per_page", 50, 1, 100), c.number("page", 1, 1, 1_000_000)
			return map[string]any{
				"items": window(all, (page-1)*size, page*size), "has_more_items": len(all) > page*size, "total": len(all),
			}
		},
	}
}

func (p *product) check(c *Call) error {
	price := &p.variant.Configuration
	switch {
	case p.Title == "":
		return Invalid("title", "This field is required.")
	case p.Type != "regular" && p.Type != "bundle":
		return Invalid("type", "Select a valid choice: regular or bundle.")
	case price.Currency == "" || price.PricingMethod == nil:
		return Invalid("price_configuration", "currency and pricing_method are required.")
	case *price.PricingMethod < 0 || *price.PricingMethod > 2:
		return Invalid("pricing_method", "Select a valid choice: 0, 1 or 2.")
	}
	price.BillingType = cmp.Or(price.BillingType, "one_time")
	price.Tiers = orEmpty(price.Tiers, "null")
	p.variant.CustomFields, p.variant.Images = orEmpty(p.variant.CustomFields, "[]"), orEmpty(p.variant.Images, "[]")
	p.modified = stamp(c.now)
	return nil
}

// catalogueItem is the form of a single product, with its one variant.
func (w *Workspace) catalogueItem(p *product) any {
	bundle := []any{}
	for _, b := range p.BundleItems {
		item := json.RawMessage(b.Item)
		var id string
		if json.Unmarshal(b.Item, &id) == nil {
			found, err := w.products.get(id)
			if err != nil {
				continue // it has been deleted
			}
			price := found.variant.Configuration
			item, _ = json.Marshal(map[string]any{
				"uuid": found.id, "title": found.Title, "sku": found.variant.SKU, "description": found.variant.Description,
				"image_url": nil, "images": found.variant.Images, "currency": price.Currency, "price": price.Price,
			})
		}
		bundle = append(bundle, map[string]any{"item": item, "quantity": b.Quantity})
	}
	return map[string]any{
		"uuid": p.id, "title": p.Title, "type": p.Type, "category_id": p.CategoryID, "category_name": nil, "bundle_items": bundle,
		"created_by": p.author, "modified_by": p.author, "date_created": p.created, "date_modified": p.modified,
		"default_price_configuration": p.variant.Configuration,
		"variants": []any{map[string]any{
			"uuid": p.variantID, "sku": p.variant.SKU, "description": p.variant.Description, "custom_fields": p.variant.CustomFields,
			"images": p.variant.Images, "status": 1, "date_created": p.created, "date_modified": p.modified,
			"price_configurations": []any{p.variant.Configuration},
		}},
	}
}

// searchItem is the form of a product in GET /public/v2/product-catalog/items/search.
func (w *Workspace) searchItem(p *product) any {
	price := p.variant.Configuration
	return map[string]any{
		"uuid": p.id, "title": p.Title, "type": p.Type, "sku": value(p.variant.SKU), "description": p.variant.Description,
		"category_id": p.CategoryID, "category_name": nil, "custom_fields": p.variant.CustomFields, "images": p.variant.Images,
		"image_src": nil, "highlights": map[string]any{}, "bundle_items_count": len(p.BundleItems), "workspace_id": w.home,
		"billing_type": price.BillingType, "billing_cycle": nil, "currency": price.Currency, "price": price.Price, "cost": price.Cost,
		"pricing_method": price.PricingMethod, "tiers": price.Tiers, "min_tier_value": nil, "max_tier_value": nil,
		"created_by": p.author, "modified_by": p.author, "date_created": p.created, "date_modified": p.modified,
	}
}

// value returns what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		p = new(T)
	}
	return *p
}
