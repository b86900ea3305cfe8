package workspace

import (
	"net/mail"
	"strings"
)

// contact is a person in the workspace's address book.
type contact struct {
	ID            string  `json:"id"`
	Email         string  `json:"email"`
	FirstName     string  `json:"first_name"`
	LastName      string  `json:"last_name"`
	Company       *string `json:"company"`
	JobTitle      *string `json:"job_title"`
	Phone         string  `json:"phone"`
	Country       *string `json:"country"`
	State         *string `json:"state"`
	StreetAddress *string `json:"street_address"`
	City          *string `json:"city"`
	PostalCode    *string `json:"postal_code"`
}

// contacts serves /public/v1/contacts and /public/v1/contacts/{id}.
func contacts() resource[contact] {
	return resource[contact]{
		in:  func(w *Workspace) *collection[contact] { return &w.contacts },
		key: "id",
		create: func(w *Workspace, c *Call) (string, *contact, error) {
			made := &contact{ID: w.ids.ID()}
			return made.ID, made, w.readContact(c, made, nil)
		},
		change: func(w *Workspace, c *Call, changed *contact) error {
			return w.readContact(c, changed, w.contactWith(changed.Email))
		},
		filter: func(c *Call) filter[contact] {
			email := c.query.Get("email") // the whole address
			return func(p *contact) bool { return email == "" || strings.EqualFold(p.Email, email) }
		},
	}
}

// readContact reads the request into p. No other contact than self may have the same address.
func (w *Workspace) readContact(c *Call, p, self *contact) error {
	id := p.ID
	if err := amend(c, p); err != nil {
		return err
	}
	p.ID = id
	if p.Email == "" {
		return nil
	}
	if err := checkEmail("email", p.Email); err != nil {
		return err
	}
	if other := w.contactWith(p.Email); other != nil && other != self {
		return Invalid("email", "Contact with this email already exists.")
	}
	return nil
}

func checkEmail(field, email string) error {
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email {
		return Invalid(field, "Enter a valid email address.")
	}
	return nil
}

func (w *Workspace) contactWith(email string) *contact {
	for _, known := range w.contacts.all() {
		if email != "" && strings.EqualFold(known.Email, email) {
			return known
		}
	}
	return nil
}

// contactOf finds the contact that {"id", "kind"} names. The emulator has no groups of contacts.
func (w *Workspace) contactOf(c *Call) (*contact, error) {
	var in struct{ ID, Kind string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	switch in.Kind {
	case "contact":
	case "contact_group":
		return nil, Invalid("id", "Contact group does not exist.")
	default:
		return nil, Invalid("kind", "Select a valid choice: contact or contact_group.")
	}
	found, err := w.contacts.get(in.ID)
	if err != nil {
		return nil, Invalid("id", "Contact does not exist.")
	}
	return found, nil
}

// smsOptOuts answers GET /public/v1/sms-opt-outs: nobody has opted out.
func (w *Workspace) smsOptOuts(c *Call) (Reply, error) {
	c.period("timestamp_from", "timestamp_to")
	return results([]any{})
}
