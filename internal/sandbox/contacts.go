package sandbox

import (
	"cmp"
	"encoding/json"
	"strings"
)

// contact is a person in the workspace's address book.
type contact struct {
	ID            string `json:"id"`
	Email         string `json:"email"`
	FirstName     string `json:"first_name"`
	LastName      string `json:"last_name"`
	Company       string `json:"company"`
	JobTitle      string `json:"job_title"`
	Phone         string `json:"phone"`
	Country       string `json:"country"`
	State         string `json:"state"`
	StreetAddress string `json:"street_address"`
	City          string `json:"city"`
	PostalCode    string `json:"postal_code"`
}

func (w *world) contactWith(email string) *contact {
	for _, known := range w.contacts.all() {
		if strings.EqualFold(known.Email, email) {
			return known
		}
	}
	return nil
}

// contactFor returns the id of the contact with a recipient's address, making one if need be.
func (w *world) contactFor(in recipientInput) string {
	if known := w.contactWith(in.Email); known != nil && in.Email != "" {
		return known.ID
	}
	made := &contact{ID: w.ids.id(), Email: in.Email, FirstName: in.FirstName, LastName: in.LastName, Phone: in.Phone}
	w.contacts.put(made.ID, made, int64(512+len(in.Email)+len(in.FirstName)+len(in.LastName)+len(in.Phone)))
	return made.ID
}

// listContacts is operation 82. The email filter compares the whole address.
func (w *world) listContacts(c *call) (reply, error) {
	email := c.query.Get("email")
	return results(keep(w.contacts.all(), func(p *contact) bool { return email == "" || strings.EqualFold(p.Email, email) }))
}

// createContact is operation 83.
func (w *world) createContact(c *call) (reply, error) {
	var in contact
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if err := checkEmail("email", in.Email); err != nil {
		return reply{}, err
	}
	if w.contactWith(in.Email) != nil {
		return reply{}, invalid("email", "Contact with this email already exists.")
	}
	in.ID = w.ids.id()
	w.contacts.put(in.ID, &in, c.size())
	return created(in)
}

// contactDetails is operation 84.
func (w *world) contactDetails(c *call) (reply, error) {
	found, err := w.contacts.get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	return ok(found)
}

// changeContact is operation 86.
func (w *world) changeContact(c *call) (reply, error) {
	found, err := w.contacts.get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	changed := *found
	if err := c.decode(&changed); err != nil {
		return reply{}, err
	}
	changed.ID = found.ID
	if err := checkEmail("email", changed.Email); err != nil {
		return reply{}, err
	}
	if other := w.contactWith(changed.Email); other != nil && other != found {
		return reply{}, invalid("email", "Contact with this email already exists.")
	}
	*found = changed
	w.contacts.grow(found.ID, c.size())
	return ok(found)
}

// deleteContact is operation 85.
func (w *world) deleteContact(c *call) (reply, error) {
	if !w.contacts.remove(c.vars["id"]) {
		return reply{}, notFound()
	}
	return noContent()
}

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
