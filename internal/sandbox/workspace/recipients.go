package workspace

import (
	"encoding/json"
	"net/mail"
	"slices"
)

// recipientInput is a recipient as clients send it.
type recipientInput struct {
	ID           string          `json:"id"`
	Email        string          `json:"email"`
	Phone        string          `json:"phone"`
	FirstName    string          `json:"first_name"`
	LastName     string          `json:"last_name"`
	Role         string          `json:"role"`
	SigningOrder *int            `json:"signing_order"`
	Verification json.RawMessage `json:"verification_settings"`
}

// recipient is one person on a document.
type recipient struct {
	ID           string   `json:"id"`
	contactID    string   // told as contact_id
	Email        string   `json:"email"`
	Phone        string   `json:"phone"`
	FirstName    string   `json:"first_name"`
	LastName     string   `json:"last_name"`
	Type         string   `json:"recipient_type"` // SIGNER or CC
	Role         string   `json:"role"`
	Roles        []string `json:"roles"`
	SigningOrder *int     `json:"signing_order"`
	Completed    bool     `json:"has_completed"`
	SharedLink   string   `json:"shared_link"`
}

func recipientViews(list []*recipient) []any {
	views := []any{}
	for _, r := range list {
		views = append(views, struct {
			*recipient
			ContactID string `json:"contact_id"`
		}{r, r.contactID})
	}
	return views
}

func checkEmail(field, email string) error {
	if a, err := mail.ParseAddress(email); err != nil || a.Address != email {
		return Invalid(field, "Enter a valid email address.")
	}
	return nil
}

// newRecipient makes a signer, and a contact if the address is new.
func (w *Workspace) newRecipient(in recipientInput, place int) (*recipient, error) {
	if in.Email == "" && in.Phone == "" {
		return nil, Invalid("recipients", "Email or phone is required.")
	}
	if in.Email != "" {
		if err := checkEmail("recipients", in.Email); err != nil {
			return nil, err
		}
	}
	if in.SigningOrder == nil {
		in.SigningOrder = &place
	}
	r := &recipient{
		ID: w.ids.ID(), Email: in.Email, Phone: in.Phone, FirstName: in.FirstName, LastName: in.LastName,
		Type: "SIGNER", Role: in.Role, Roles: []string{}, SigningOrder: in.SigningOrder,
	}
	if in.Role != "" {
		r.Roles = []string{in.Role}
	}
	r.contactID = w.contactFor(in)
	r.SharedLink = "https://app.pandadoc.example/document/" + r.ID // leads nowhere, on purpose
	return r, nil
}

// changedRecipients applies an update's list, which names recipients by id or brings new ones. It
// returns nil when none was sent.
func (w *Workspace) changedRecipients(d *document, list []recipientInput) ([]*recipient, error) {
	var changed []*recipient
	for i, in := range list {
		if in.ID == "" {
			r, err := w.newRecipient(in, i+1)
			if err != nil {
				return nil, err
			}
			changed = append(changed, r)
			continue
		}
		r, err := d.recipient(in.ID)
		if err != nil {
			return nil, Invalid("recipients", "Recipient "+Bounded(in.ID, 40)+" is not in the document.")
		}
		if in.Email != "" {
			if err := checkEmail("recipients", in.Email); err != nil {
				return nil, err
			}
		}
		updated := *r
		updated.apply(in)
		changed = append(changed, &updated)
	}
	return changed, nil
}

func (r *recipient) apply(in recipientInput) {
	for _, f := range []struct {
		to   *string
		from string
	}{{&r.Email, in.Email}, {&r.Phone, in.Phone}, {&r.FirstName, in.FirstName}, {&r.LastName, in.LastName}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
}

func (d *document) recipient(id string) (*recipient, error) {
	for _, r := range d.recipients {
		if r.ID == id {
			return r, nil
		}
	}
	return nil, NotFound()
}

// addRecipient answers POST /public/v1/documents/{id}/recipients: a contact or a member gets a copy.
func (w *Workspace) addRecipient(c *Call) (reply, error) {
	var in struct{ ID, Kind string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if in.Kind != "contact" {
		return reply{}, Invalid("kind", "Select a valid choice: contact.")
	}
	person, err := w.contacts.get(in.ID)
	if err != nil {
		return reply{}, Invalid("id", "Contact does not exist.")
	}
	r, err := w.newRecipient(recipientInput{Email: person.Email, FirstName: person.FirstName, LastName: person.LastName}, len(d.recipients)+1)
	if err != nil {
		return reply{}, err
	}
	r.Type, r.SigningOrder = "CC", nil
	d.recipients = append(d.recipients, r)
	d.changed(c.now)
	w.documents.grow(d.id, c.size())
	return ok(map[string]string{"recipient_id": r.ID})
}

// deleteRecipient answers DELETE /public/v1/documents/{id}/recipients/{recipient_id}.
func (w *Workspace) deleteRecipient(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if _, err := d.recipient(c.vars["recipient_id"]); err != nil {
		return reply{}, err
	}
	d.recipients = slices.DeleteFunc(d.recipients, func(r *recipient) bool { return r.ID == c.vars["recipient_id"] })
	d.changed(c.now)
	return noContent()
}

// editRecipient answers PATCH /public/v1/documents/{id}/recipients/recipient/{recipient_id}.
func (w *Workspace) editRecipient(c *Call) (reply, error) {
	_, r, in, err := w.recipientChange(c)
	if err != nil {
		return reply{}, err
	}
	r.apply(in)
	return noContent()
}

// reassignRecipient answers POST /public/v1/documents/{id}/recipients/{recipient_id}/reassign: somebody else signs.
func (w *Workspace) reassignRecipient(c *Call) (reply, error) {
	d, r, in, err := w.recipientChange(c)
	if err != nil {
		return reply{}, err
	}
	if r.Completed {
		return reply{}, conflict("Recipient has already signed.")
	}
	if in.Email == "" {
		return reply{}, Invalid("email", "This field is required.")
	}
	r.Email, r.FirstName, r.LastName = in.Email, in.FirstName, in.LastName
	r.contactID = w.contactFor(in)
	d.changed(c.now)
	return ok(map[string]string{"recipient_id": r.ID})
}

func (w *Workspace) recipientChange(c *Call) (*document, *recipient, recipientInput, error) {
	var in recipientInput
	if err := c.decode(&in); err != nil {
		return nil, nil, in, err
	}
	if in.Email != "" {
		if err := checkEmail("email", in.Email); err != nil {
			return nil, nil, in, err
		}
	}
	d, err := w.document(c)
	if err != nil {
		return nil, nil, in, err
	}
	r, err := d.recipient(c.vars["recipient_id"])
	return d, r, in, err
}

// remind answers POST /public/v1/documents/{document_id}/send-reminder.
func (w *Workspace) remind(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if s := d.statusAt(c.now); s != statusSent && s != statusViewed {
		return reply{}, conflict("Reminders can be sent for sent documents only, this one is %s.", s)
	}
	outcomes := []map[string]string{}
	for _, r := range d.recipients {
		outcomes = append(outcomes, map[string]string{"recipient_id": r.ID, "email": r.Email, "status": "sent"})
	}
	w.happened(d, "reminder_sent", c.now)
	return results(outcomes)
}
