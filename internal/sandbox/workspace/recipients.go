package workspace

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// recipientInput is a recipient, or a group of them, as clients send it.
type recipientInput struct {
	ID           string          `json:"id"`
	Type         string          `json:"type"` // recipient_group, or recipient (the default)
	Name         string          `json:"name"` // of a group
	Members      []memberInput   `json:"members"`
	Email        string          `json:"email"`
	Phone        string          `json:"phone"`
	FirstName    string          `json:"first_name"`
	LastName     string          `json:"last_name"`
	Role         string          `json:"role"`
	SigningOrder *int            `json:"signing_order"`
	Delivery     json.RawMessage `json:"delivery_methods"`
	Redirect     json.RawMessage `json:"redirect"`
	Verification json.RawMessage `json:"verification_settings"`
}

type memberInput struct {
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

// recipient is one person on a document, or a group of which one signs.
type recipient struct {
	ID, contactID    string
	Email, Phone     string
	FirstName        string
	LastName         string
	kind             string // signer or CC
	role             string
	order            *int
	group            string // name; empty for a person
	members          []groupMember
	delivery         json.RawMessage
	redirect, verify json.RawMessage
}

type groupMember struct {
	ID            string  `json:"id"`
	Email         string  `json:"email"`
	FirstName     string  `json:"first_name"`
	LastName      string  `json:"last_name"`
	Avatar        *string `json:"avatar"`
	SharedLink    string  `json:"shared_link"`
	SignatureDate *string `json:"signature_date"`
}

// link deliberately does not work.
func link(id string) string { return "https://app.pandadoc.example/document/" + id }

func (r *recipient) isGroup() bool { return r.group != "" }

// view is the form of a recipient in details. Clients distinguish people and groups by "type".
func (r *recipient) view() map[string]any {
	roles := []string{}
	if r.role != "" {
		roles = append(roles, r.role)
	}
	view := map[string]any{
		"id": r.ID, "recipient_type": r.kind, "role": r.role, "roles": roles, "signing_order": r.order, "has_completed": false,
	}
	if r.isGroup() {
		view["type"], view["name"], view["members"], view["email"] = "recipient_group", r.group, r.members, nil
		return view
	}
	maps.Copy(view, map[string]any{
		"type": "recipient", "email": nullable(r.Email), "phone": nullable(r.Phone), "first_name": r.FirstName, "last_name": r.LastName,
		"avatar": nil, "contact_id": r.contactID, "shared_link": link(r.ID), "signature_date": nil, "delivery_methods": r.methods(),
		"redirect": orEmpty(r.redirect, `{"is_enabled":false,"url":null}`), "verification_settings": orEmpty(r.verify, "null"),
	})
	return view
}

// assigned is the form of a recipient in fields, where nothing may be null.
func (r *recipient) assigned() map[string]any {
	view := map[string]any{}
	for key, value := range r.view() {
		switch {
		case key == "signing_order" && r.order == nil, key == "redirect" && r.redirect == nil:
		case key == "avatar" || key == "contact_id" || key == "shared_link" || key == "signature_date" || key == "verification_settings":
		case value == nil:
			view[key] = ""
		default:
			view[key] = value
		}
	}
	return view
}

// sent is the form of a recipient in the answer to sendDocument.
func (r *recipient) sent() map[string]any {
	kind := "recipient"
	if r.isGroup() {
		kind = "recipient_group"
	}
	return map[string]any{
		"id": r.ID, "type": kind, "recipient_type": r.kind, "email": nullable(r.Email), "phone": nullable(r.Phone), "first_name": r.FirstName,
		"last_name": r.LastName, "signing_order": r.order, "shared_link": link(r.ID), "delivery_methods": r.methods(),
	}
}

func (r *recipient) methods() json.RawMessage {
	return orEmpty(r.delivery, `{"email":true,"sms":false}`)
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// newRecipient returns a signer or a group of signers, without a contact.
func (w *Workspace) newRecipient(in recipientInput, place int) (*recipient, error) {
	if in.SigningOrder == nil {
		in.SigningOrder = &place
	}
	r := &recipient{ID: w.ids.ID(), kind: "signer", role: in.Role, order: in.SigningOrder}
	if in.Type == "recipient_group" && in.Name == "" {
		return nil, Invalid("recipients", "A recipient group needs a name.")
	}
	if in.Type != "recipient_group" && in.Email == "" && in.Phone == "" {
		return nil, Invalid("recipients", "Email or phone is required.")
	}
	return r, r.apply(w, in)
}

// addContacts gives every person among the recipients a contact, a new one if the address is new. So it must not be
// called before the whole request has been accepted.
func (w *Workspace) addContacts(recipients []*recipient) {
	for _, r := range recipients {
		if r.isGroup() || r.contactID != "" {
			continue
		}
		person := w.contactWith(r.Email)
		if person == nil {
			person = &contact{ID: w.ids.ID(), Email: r.Email, FirstName: r.FirstName, LastName: r.LastName, Phone: r.Phone}
			w.contacts.put(person.ID, person, int64(512+len(r.Email)+len(r.FirstName)+len(r.LastName)+len(r.Phone)))
		}
		r.contactID = person.ID
	}
}

// apply changes the values that were sent and keeps the others.
func (r *recipient) apply(w *Workspace, in recipientInput) error {
	if in.Email != "" {
		if err := checkEmail("recipients", in.Email); err != nil {
			return err
		}
	}
	if in.Members != nil {
		members := []groupMember{}
		for _, m := range in.Members {
			if err := checkEmail("members", m.Email); err != nil {
				return err
			}
			id := w.uuid()
			members = append(members, groupMember{ID: id, Email: m.Email, FirstName: m.FirstName, LastName: m.LastName, SharedLink: link(id)})
		}
		r.members = members
	}
	if in.Type == "recipient_group" || r.isGroup() || in.Members != nil {
		r.members, r.group = nonNil(r.members), cmp.Or(in.Name, r.group)
		return nil
	}
	r.Email, r.Phone = cmp.Or(in.Email, r.Email), cmp.Or(in.Phone, r.Phone)
	r.FirstName, r.LastName = cmp.Or(in.FirstName, r.FirstName), cmp.Or(in.LastName, r.LastName)
	r.delivery, r.redirect = replaced(r.delivery, in.Delivery), replaced(r.redirect, in.Redirect)
	r.verify = replaced(r.verify, in.Verification)
	return nil
}

// changedRecipients applies the list of an update: a recipient with an id is changed, one without an id is new. It
// returns nil if there is no list.
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
		updated := *r
		if err := updated.apply(w, in); err != nil {
			return nil, err
		}
		changed = append(changed, &updated)
	}
	return changed, nil
}

func (d *document) recipient(id string) (*recipient, error) {
	for _, r := range d.recipients {
		if r.ID == id {
			return r, nil
		}
	}
	return nil, NotFound()
}

// addRecipient answers POST /public/v1/documents/{id}/recipients: a contact gets a copy.
func (w *Workspace) addRecipient(c *Call, person *contact) (Reply, error) {
	d, err := w.document(c)
	if err != nil {
		return Reply{}, err
	}
	r := &recipient{ID: w.ids.ID(), kind: "CC", Email: person.Email, FirstName: person.FirstName, LastName: person.LastName, contactID: person.ID}
	d.recipients = append(d.recipients, r)
	w.documents.grow(d.id, c.size())
	w.revise(c, d, actionRecipientAdded)
	return ok(map[string]string{"recipient_id": r.ID})
}

// deleteRecipient answers DELETE /public/v1/documents/{id}/recipients/{recipient_id}.
func (w *Workspace) deleteRecipient(c *Call) (Reply, error) {
	d, r, err := w.recipientOf(c)
	if err != nil {
		return Reply{}, err
	}
	d.recipients = slices.DeleteFunc(d.recipients, func(other *recipient) bool { return other == r })
	w.revise(c, d, actionRecipientDeleted)
	return noContent()
}

// editRecipient answers PATCH /public/v1/documents/{id}/recipients/recipient/{recipient_id}, and the
// shorter path that the Python client uses.
func (w *Workspace) editRecipient(c *Call, in recipientInput) (Reply, error) {
	d, r, err := w.recipientOf(c)
	if err != nil {
		return Reply{}, err
	}
	changed := *r
	if err := changed.apply(w, in); err != nil {
		return Reply{}, err
	}
	*r = changed
	w.documents.atLeast(d.id, c.size())
	w.record(d, actionRecipientEdited, c.now)
	return noContent()
}

// reassignRecipient answers POST /public/v1/documents/{id}/recipients/{recipient_id}/reassign: another
// contact signs instead.
func (w *Workspace) reassignRecipient(c *Call, person *contact) (Reply, error) {
	d, r, err := w.recipientOf(c)
	if err != nil {
		return Reply{}, err
	}
	r.Email, r.FirstName, r.LastName, r.contactID, r.group, r.members = person.Email, person.FirstName, person.LastName, person.ID, "", nil
	w.revise(c, d, actionReassigned)
	return ok(map[string]string{"recipient_id": r.ID})
}

func (w *Workspace) recipientOf(c *Call) (*document, *recipient, error) {
	d, err := w.document(c)
	if err != nil {
		return nil, nil, err
	}
	r, err := d.recipient(c.vars["recipient_id"])
	return d, r, err
}

// reminder is one of a request, to one recipient.
type reminder struct {
	RecipientID string `json:"recipient_id"`
	Delivery    struct {
		Email *bool `json:"email"`
		SMS   bool  `json:"sms"`
	} `json:"delivery_methods"`
	Customization json.RawMessage `json:"email_customization"`
}

// remind answers POST /public/v1/documents/{document_id}/send-reminder. Without a list, everybody is
// reminded by e-mail.
func (w *Workspace) remind(c *Call, d *document, in struct{ Reminders []reminder }) (Reply, error) {
	if s := d.statusAt(c.now); s != statusSent && s != statusViewed {
		return Reply{}, d.conflict(c, "Reminders can be sent for sent documents only, this one is "+s+".")
	}
	if in.Reminders == nil {
		for _, r := range d.recipients {
			in.Reminders = append(in.Reminders, reminder{RecipientID: r.ID})
		}
	}
	list := []map[string]any{}
	for _, asked := range in.Reminders {
		outcome := map[string]any{"recipient_id": asked.RecipientID}
		if asked.Customization != nil {
			outcome["email_customization"] = orEmpty(asked.Customization, "{}")
		}
		emailProblem, smsProblem := "", ""
		if r, err := d.recipient(asked.RecipientID); err != nil {
			emailProblem = "Can't send reminder. The document does not contain a recipient with the specified recipient ID"
			smsProblem = emailProblem
		} else if r.Phone == "" {
			smsProblem = "Can't send SMS reminder to the Recipient with no phone number"
		}
		if asked.Delivery.Email == nil || *asked.Delivery.Email {
			outcome["email"] = reminded(c, emailProblem)
		}
		if asked.Delivery.SMS {
			outcome["sms"] = reminded(c, smsProblem)
		}
		list = append(list, outcome)
	}
	return ok(map[string]any{"result": list})
}

// reminded is the outcome of a reminder, or of one that was not sent because of a problem.
func reminded(c *Call, problem string) map[string]any {
	if problem != "" {
		return map[string]any{"status": "error", "detail": problem, "sent_at": nil}
	}
	return map[string]any{"status": "sent", "detail": nil, "sent_at": stamp(c.now)}
}
