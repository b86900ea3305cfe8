package workspace

import (
	"cmp"
	"slices"
	"strings"
)

// user is a person in the organization.
type user struct {
	id, email, firstName, lastName, phone, license string
	owner                                          bool
}

// membership is a user's place in a workspace.
type membership struct {
	id, userID, workspaceID, role string
	created                       stamp
}

// office is a workspace of the organization. All documents of the emulator are in the first one.
type office struct {
	id, name string
	created  stamp
}

// member is a membership in the form of the API.
type member struct {
	UserID         string `json:"user_id"`
	MembershipID   string `json:"membership_id"`
	Email          string `json:"email"`
	FirstName      string `json:"first_name"`
	LastName       string `json:"last_name"`
	IsActive       bool   `json:"is_active"`
	Workspace      string `json:"workspace"`
	WorkspaceName  string `json:"workspace_name"`
	EmailsVerified bool   `json:"emails_verified"`
	Role           string `json:"role"`
	UserLicense    string `json:"user_license"`
	DateCreated    stamp  `json:"date_created"`
	DateModified   stamp  `json:"date_modified"`
}

// memberRef names a member inside other answers.
type memberRef struct {
	ID           string  `json:"id"`
	MembershipID string  `json:"membership_id,omitempty"`
	Email        string  `json:"email"`
	FirstName    string  `json:"first_name"`
	LastName     string  `json:"last_name"`
	Avatar       *string `json:"avatar"`
}

// member finds a membership of the workspace that has the documents.
func (w *Workspace) member(membershipID string) (member, error) {
	m, err := w.memberships.get(membershipID)
	if err != nil || m.workspaceID != w.home {
		return member{}, NotFound()
	}
	u, err := w.users.get(m.userID)
	if err != nil {
		return member{}, err
	}
	home := w.offices.items[w.home].item
	return member{
		UserID: u.id, MembershipID: m.id, Email: u.email, FirstName: u.firstName, LastName: u.lastName, IsActive: true,
		Workspace: home.id, WorkspaceName: home.name, EmailsVerified: true, Role: m.role, UserLicense: u.license,
		DateCreated: m.created, DateModified: m.created,
	}, nil
}

// memberOf finds the member that a path names.
func (w *Workspace) memberOf(c *Call) (member, error) {
	return w.member(cmp.Or(c.vars["id"], c.vars["member_id"]))
}

// current returns the member who consented.
func (w *Workspace) current() member {
	m, _ := w.member(w.me)
	return m
}

// person returns a reference to the member with that id, or else to the current member.
func (w *Workspace) person(membershipID string) memberRef {
	m, err := w.member(membershipID)
	if err != nil {
		m = w.current()
	}
	return memberRef{ID: m.UserID, Email: m.Email, FirstName: m.FirstName, LastName: m.LastName}
}

// listMembers answers GET /public/v1/members.
func (w *Workspace) listMembers(*Call) (Reply, error) {
	var list []member
	for _, m := range w.memberships.all() {
		if shown, err := w.member(m.id); err == nil {
			list = append(list, shown)
		}
	}
	return results(list)
}

// currentMember answers GET /public/v1/members/current.
func (w *Workspace) currentMember(*Call) (Reply, error) { return ok(w.current()) }

// memberDetails answers GET /public/v1/members/{id}.
func (w *Workspace) memberDetails(_ *Call, m member) (Reply, error) { return ok(m) }

// memberToken answers POST /public/v1/members/{member_id}/token. Nothing accepts the token.
func (w *Workspace) memberToken(*Call, member, struct{ Lifetime int }) (Reply, error) {
	return ok(map[string]string{"token": w.ids.Hex(40)})
}

// offices serves /public/v1/workspaces.
func offices() resource[office] {
	return resource[office]{
		in:  func(w *Workspace) *collection[office] { return &w.offices },
		key: "workspace_id",
		create: func(w *Workspace, c *Call) (string, *office, error) {
			var in struct{ Name string }
			if err := c.decode(&in); err != nil {
				return "", nil, err
			}
			if in.Name == "" {
				return "", nil, Invalid("name", "This field is required.")
			}
			made := &office{id: w.ids.ID(), name: in.Name, created: stamp(c.now)}
			m := &membership{id: w.ids.ID(), userID: w.current().UserID, workspaceID: made.id, role: "Admin", created: stamp(c.now)}
			w.memberships.put(m.id, m, 512)
			return made.id, made, nil
		},
		show: func(_ *Workspace, o *office) any { return map[string]string{"id": o.id, "name": o.name} },
		brief: func(w *Workspace, o *office) any {
			return map[string]any{"id": o.id, "name": o.name, "date_created": o.created, "owner": w.current().Email}
		},
		page: func(c *Call, all []any) any { return withTotal(c, all, 100) },
	}
}

// withTotal returns a page of at most most items, with the total of all pages.
func withTotal(c *Call, all []any, most int) any {
	from, to := c.pages(50, most)
	return map[string]any{"results": window(all, from, to), "total": len(all)}
}

// closeOffice answers POST /public/v1/workspaces/{workspace_id}/deactivate.
func (w *Workspace) closeOffice(c *Call) (Reply, error) {
	if c.vars["workspace_id"] == w.home {
		return Reply{}, &Problem{Status: 403, Kind: "permissions_error", Detail: "The emulator keeps the workspace that its documents are in."}
	}
	if _, err := w.offices.remove(c.vars["workspace_id"]); err != nil {
		return Reply{}, err
	}
	return ok(map[string]any{})
}

// users serves /public/v1/users and /public/v1/users/{user_id}. Pages have at most 50 users.
func users() resource[user] {
	return resource[user]{
		in:     func(w *Workspace) *collection[user] { return &w.users },
		key:    "user_id",
		create: (*Workspace).newUser,
		made: func(w *Workspace, u *user) any {
			return map[string]any{"user_id": u.id, "workspaces": w.placesOf(u.id, "member_id")}
		},
		show: func(w *Workspace, u *user) any {
			return map[string]any{
				"user_id": u.id, "email": u.email, "first_name": u.firstName, "last_name": u.lastName, "phone_number": u.phone,
				"license": u.license, "is_organization_owner": u.owner, "workspaces": w.placesOf(u.id, "membership_id"),
			}
		},
		page: func(c *Call, all []any) any { return withTotal(c, all, 50) },
	}
}

// placesOf returns the memberships of a user. idKey is what an answer calls the id of one.
func (w *Workspace) placesOf(userID, idKey string) []map[string]string {
	places := []map[string]string{}
	for _, m := range w.memberships.all() {
		if m.userID == userID {
			places = append(places, map[string]string{"workspace_id": m.workspaceID, idKey: m.id, "role": m.role})
		}
	}
	return places
}

func roles() []string { return []string{"Admin", "Manager", "Member", "Collaborator"} }

// newUser reads a user, and the workspaces that the user joins.
func (w *Workspace) newUser(c *Call) (string, *user, error) {
	var in struct {
		License string
		User    struct {
			Email     string `json:"email"`
			FirstName string `json:"first_name"`
			LastName  string `json:"last_name"`
			Phone     string `json:"phone_number"`
		}
		Workspaces []struct {
			Role        string `json:"role"`
			WorkspaceID string `json:"workspace_id"`
		}
	}
	if err := c.decode(&in); err != nil {
		return "", nil, err
	}
	if err := checkEmail("email", in.User.Email); err != nil {
		return "", nil, err
	}
	same := func(u *user) bool { return strings.EqualFold(u.email, in.User.Email) }
	switch {
	case !slices.Contains([]string{"Full", "eSign", "Read-only", "Creator", "Guest"}, in.License):
		return "", nil, Invalid("license", "Select a valid choice.")
	case len(in.Workspaces) == 0:
		return "", nil, Invalid("workspaces", "This field is required.")
	case slices.ContainsFunc(w.users.all(), same):
		return "", nil, Invalid("email", "User with this email already exists.")
	}
	for _, place := range in.Workspaces {
		if _, err := w.offices.get(place.WorkspaceID); err != nil {
			return "", nil, Invalid("workspace_id", "Workspace does not exist.")
		}
		if !slices.Contains(roles(), place.Role) {
			return "", nil, Invalid("role", "Select a valid choice.")
		}
	}
	u := &user{
		id: w.ids.ID(), email: in.User.Email, firstName: in.User.FirstName, lastName: in.User.LastName,
		phone: in.User.Phone, license: in.License,
	}
	for _, place := range in.Workspaces {
		m := &membership{id: w.ids.ID(), userID: u.id, workspaceID: place.WorkspaceID, role: place.Role, created: stamp(c.now)}
		w.memberships.put(m.id, m, 512)
	}
	return u.id, u, nil
}

// addMember answers POST /public/v1/workspaces/{workspace_id}/members.
func (w *Workspace) addMember(c *Call, place *office, in struct {
	Role   string `json:"role"`
	UserID string `json:"user_id"`
}) (Reply, error) {
	u, err := w.users.get(in.UserID)
	switch {
	case err != nil:
		return Reply{}, Invalid("user_id", "User does not exist.")
	case !slices.Contains(roles(), in.Role):
		return Reply{}, Invalid("role", "Select a valid choice.")
	case slices.ContainsFunc(w.memberships.all(), func(m *membership) bool { return m.userID == u.id && m.workspaceID == place.id }):
		return Reply{}, Invalid("user_id", "User is a member of the workspace.")
	}
	m := &membership{id: w.ids.ID(), userID: u.id, workspaceID: place.id, role: in.Role, created: stamp(c.now)}
	w.memberships.put(m.id, m, c.size())
	return created(map[string]string{
		"member_id": m.id, "workspace_id": place.id, "role": m.role, "email": u.email, "first_name": u.firstName, "last_name": u.lastName,
	})
}

func (w *Workspace) membershipOf(c *Call) (*membership, error) {
	m, err := w.memberships.get(c.vars["member_id"])
	if err == nil && m.workspaceID != c.vars["workspace_id"] {
		err = NotFound()
	}
	return m, err
}

// removeMember answers DELETE /public/v1/workspaces/{workspace_id}/members/{member_id}.
func (w *Workspace) removeMember(_ *Call, m *membership) (Reply, error) {
	if m.id == w.me {
		return Reply{}, refusal("Owner can not be removed.")
	}
	w.memberships.remove(m.id)
	return noContent()
}

// changeRole answers PATCH /public/v1/workspaces/{workspace_id}/members/{member_id}/role.
func (w *Workspace) changeRole(c *Call, m *membership, in struct{ Role string }) (Reply, error) {
	if !slices.Contains(roles(), in.Role) {
		return Reply{}, Invalid("role", "Select a valid choice: the emulator has no roles of your own.")
	}
	m.role = in.Role
	email := ""
	if u, err := w.users.get(m.userID); err == nil {
		email = u.email
	}
	return ok(map[string]string{"member_id": m.id, "workspace_id": m.workspaceID, "role": m.role, "email": email})
}

// newAPIKey answers POST /public/v1/workspaces/{workspace_id}/api-keys. Nothing accepts the key.
func (w *Workspace) newAPIKey(_ *Call, place *office, in struct {
	Type   string `json:"type"`
	UserID string `json:"user_id"`
}) (Reply, error) {
	if in.Type != "production" && in.Type != "sandbox" {
		return Reply{}, Invalid("type", "Select a valid choice: production or sandbox.")
	}
	in.UserID = cmp.Or(in.UserID, w.current().UserID)
	if _, err := w.users.get(in.UserID); err != nil {
		return Reply{}, Invalid("user_id", "User does not exist.")
	}
	return ok(map[string]string{"key": w.ids.Hex(40), "type": in.Type, "user_id": in.UserID, "workspace_id": place.id})
}
