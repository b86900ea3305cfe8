package workspace

import "time"

// notarization is a request for a session with a notary. There are no sessions.
type notarization struct {
	id, documentID, name, author string
	invitees                     []invitee
	created                      time.Time
}

type invitee struct {
	ID        string `json:"id"`
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

// listNotaries answers GET /public/v2/notary/notaries with one notary.
func (w *Workspace) listNotaries(c *Call) (Reply, error) {
	one := map[string]string{
		"id": w.notary, "email": "nora@sandbox.example", "name": "Nora Notary", "status": "ACTIVE", "commission_state": "VA",
	}
	all := []any{}
	if fits(c.query["status"], one["status"]) && fits(c.query["commission_state"], one["commission_state"]) {
		all = append(all, one)
	}
	return ok(offset(c, all))
}

// notarizations serves /public/v2/notary/notarization-requests and
// /public/v2/notary/notarization-requests/{session_request_id}.
func notarizations() resource[notarization] {
	return resource[notarization]{
		in:     func(w *Workspace) *collection[notarization] { return &w.notarizations },
		key:    "session_request_id",
		page:   offset,
		create: (*Workspace).newNotarization,
		made: func(w *Workspace, n *notarization) any {
			invited := func(i invitee) any { // with the link, which the details do not have
				return map[string]string{
					"id": i.ID, "email": i.Email, "first_name": i.FirstName, "last_name": i.LastName, "notarization_link": link(i.ID),
				}
			}
			return map[string]any{
				"id": n.id, "name": n.name, "status": "SENT", "created_by": w.author(n.author), "date_created": stamp(n.created),
				"date_accepted": nil, "invitees": views(n.invitees, invited),
			}
		},
		brief: func(_ *Workspace, n *notarization) any {
			return map[string]any{
				"id": n.id, "document_id": n.documentID, "name": n.name, "status": "SENT", "created_by_user_id": n.author,
				"date_created": stamp(n.created), "date_started": nil, "date_completed": nil,
			}
		},
		show: func(w *Workspace, n *notarization) any {
			return map[string]any{
				"id": n.id, "document_id": n.documentID, "status": "SENT", "created_by": w.author(n.author), "invitees": n.invitees,
				"date_created": stamp(n.created), "date_started": nil, "date_completed": nil, "recording": nil,
				"signed_documents": []any{}, "termination_details": nil, "termination_reason": nil,
			}
		},
		filter: func(c *Call) filter[notarization] {
			return func(n *notarization) bool {
				return fits(c.query["status"], "SENT") && fits(c.query["document_id"], n.documentID) &&
					fits(c.query["created_by_user_id"], n.author)
			}
		},
	}
}

func (w *Workspace) author(userID string) map[string]string {
	u, err := w.users.get(userID)
	if err != nil {
		return map[string]string{"user_id": userID}
	}
	return map[string]string{"user_id": u.id, "email": u.email, "first_name": u.firstName, "last_name": u.lastName}
}

func (w *Workspace) newNotarization(c *Call) (string, *notarization, error) {
	var in struct {
		DocumentID string `json:"document_id"`
		Invitation *struct {
			Invitees []invitee `json:"invitees"`
		} `json:"invitation"`
		Notary *struct {
			ID          string `json:"id"`
			ScheduledAt string `json:"scheduled_at"`
		} `json:"notary"`
	}
	if err := c.decode(&in); err != nil {
		return "", nil, err
	}
	d, err := w.documentWith(in.DocumentID)
	switch {
	case err != nil:
		return "", nil, Invalid("document_id", "Document does not exist.")
	case in.Invitation == nil:
		return "", nil, Invalid("invitation", "This field is required.")
	case in.Notary != nil && in.Notary.ID != w.notary:
		return "", nil, Invalid("notary", "Notary does not exist.")
	}
	n := &notarization{id: w.ids.ID(), documentID: d.id, name: d.name, author: w.current().UserID, created: c.now, invitees: []invitee{}}
	for _, i := range in.Invitation.Invitees {
		if err := checkEmail("invitees", i.Email); err != nil {
			return "", nil, err
		}
		i.ID = w.ids.ID()
		n.invitees = append(n.invitees, i)
	}
	return n.id, n, nil
}
