package workspace

import (
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

func (w *Workspace) contactWith(email string) *contact {
	for _, known := range w.contacts.all() {
		if strings.EqualFold(known.Email, email) {
			return known
		}
	}
	return nil
}

// contactFor returns the id of the contact with a recipient's address, making one if need be.
func (w *Workspace) contactFor(in recipientInput) string {
	if known := w.contactWith(in.Email); known != nil && in.Email != "" {
		return known.ID
	}
	made := &contact{ID: w.ids.ID(), Email: in.Email, FirstName: in.FirstName, LastName: in.LastName, Phone: in.Phone}
	w.contacts.put(made.ID, made, int64(512+len(in.Email)+len(in.FirstName)+len(in.LastName)+len(in.Phone)))
	return made.ID
}

// listContacts answers GET /public/v1/contacts. The email filter compares the whole address.
func (w *Workspace) listContacts(c *Call) (reply, error) {
	email := c.query.Get("email")
	return results(keep(w.contacts.all(), func(p *contact) bool { return email == "" || strings.EqualFold(p.Email, email) }))
}

// createContact answers POST /public/v1/contacts.
func (w *Workspace) createContact(c *Call) (reply, error) {
	var in contact
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if err := checkEmail("email", in.Email); err != nil {
		return reply{}, err
	}
	if w.contactWith(in.Email) != nil {
		return reply{}, Invalid("email", "Contact with this email already exists.")
	}
	in.ID = w.ids.ID()
	w.contacts.put(in.ID, &in, c.size())
	return created(in)
}

// contactDetails answers GET /public/v1/contacts/{id}.
func (w *Workspace) contactDetails(c *Call) (reply, error) {
	found, err := w.contacts.get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	return ok(found)
}

// changeContact answers PATCH /public/v1/contacts/{id}.
func (w *Workspace) changeContact(c *Call) (reply, error) {
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
		return reply{}, Invalid("email", "Contact with this email already exists.")
	}
	*found = changed
	w.contacts.grow(found.ID, c.size())
	return ok(found)
}

// deleteContact answers DELETE /public/v1/contacts/{id}.
func (w *Workspace) deleteContact(c *Call) (reply, error) {
	if !w.contacts.remove(c.vars["id"]) {
		return reply{}, NotFound()
	}
	return noContent()
}
