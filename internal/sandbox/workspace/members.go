package workspace

import "slices"

// member is a user in the workspace.
type member struct {
	UserID         string `json:"user_id"`
	MembershipID   string `json:"membership_id"`
	Email          string `json:"email"`
	FirstName      string `json:"first_name"`
	LastName       string `json:"last_name"`
	IsActive       bool   `json:"is_active"`
	Workspace      string `json:"workspace"`
	WorkspaceName  string `json:"workspace_name"`
	EmailVerified  bool   `json:"email_verified"`
	EmailsVerified bool   `json:"emails_verified"`
	Role           string `json:"role"`
	UserLicense    string `json:"user_license"`
	DateCreated    stamp  `json:"date_created"`
	DateModified   stamp  `json:"date_modified"`
}

// memberRef names a member inside other answers.
type memberRef struct {
	ID           string  `json:"id"`
	MembershipID string  `json:"membership_id"`
	Email        string  `json:"email"`
	FirstName    string  `json:"first_name"`
	LastName     string  `json:"last_name"`
	Avatar       *string `json:"avatar"`
}

func (w *Workspace) member(membershipID string) *member {
	i := slices.IndexFunc(w.members, func(m member) bool { return m.MembershipID == membershipID })
	if i < 0 {
		return nil
	}
	return &w.members[i]
}

// person is the reference to a member, the first one if there is none with that id.
func (w *Workspace) person(membershipID string) memberRef {
	m := w.member(membershipID)
	if m == nil {
		m = &w.members[0]
	}
	return memberRef{ID: m.UserID, MembershipID: m.MembershipID, Email: m.Email, FirstName: m.FirstName, LastName: m.LastName}
}

// listMembers answers GET /public/v1/members.
func (w *Workspace) listMembers(*Call) (reply, error) { return results(w.members) }

// currentMember answers GET /public/v1/members/current: the one who consented.
func (w *Workspace) currentMember(*Call) (reply, error) { return ok(w.members[0]) }

// memberDetails answers GET /public/v1/members/{id}.
func (w *Workspace) memberDetails(c *Call) (reply, error) {
	m := w.member(c.vars["id"])
	if m == nil {
		return reply{}, NotFound()
	}
	return ok(m)
}

// listWorkspaces answers GET /public/v1/workspaces.
func (w *Workspace) listWorkspaces(c *Call) (reply, error) {
	from, to, err := c.pages(50, 100)
	if err != nil {
		return reply{}, err
	}
	list := []map[string]any{{"id": w.members[0].Workspace, "name": w.members[0].WorkspaceName, "date_created": w.members[0].DateCreated}}
	return results(window(list, from, to))
}

func (m member) user() map[string]any {
	return map[string]any{
		"user_id": m.UserID, "email": m.Email, "first_name": m.FirstName, "last_name": m.LastName, "is_active": m.IsActive,
		"license": m.UserLicense, "workspaces": []map[string]any{{"workspace_id": m.Workspace, "membership_id": m.MembershipID, "role": m.Role}},
	}
}

// listUsers answers GET /public/v1/users, whose pages are of at most 50.
func (w *Workspace) listUsers(c *Call) (reply, error) {
	from, to, err := c.pages(50, 50)
	if err != nil {
		return reply{}, err
	}
	list := []map[string]any{}
	for _, m := range window(w.members, from, to) {
		list = append(list, m.user())
	}
	return results(list)
}

// userDetails answers GET /public/v1/users/{user_id}.
func (w *Workspace) userDetails(c *Call) (reply, error) {
	for _, m := range w.members {
		if m.UserID == c.vars["user_id"] {
			return ok(m.user())
		}
	}
	return reply{}, NotFound()
}

// smsOptOuts answers GET /public/v1/sms-opt-outs: nobody here has a telephone.
func (w *Workspace) smsOptOuts(c *Call) (reply, error) {
	for _, name := range []string{"timestamp_from", "timestamp_to"} {
		if _, err := c.moment(name); err != nil {
			return reply{}, err
		}
	}
	return results([]any{})
}
