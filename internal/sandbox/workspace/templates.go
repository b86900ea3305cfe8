package workspace

import (
	"cmp"
	"encoding/json"
	"maps"
	"strings"
	"time"
)

// template is a template for documents.
type template struct {
	id, name string
	created  time.Time
	modified time.Time
	deleted  bool
	folderID string
	tags     []string
	roles    []templateRole
	tokens   json.RawMessage
	metadata json.RawMessage
	language string
}

type templateRole struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Order *int   `json:"signing_order"`
}

func (t *template) brief() map[string]any {
	return map[string]any{
		"id": t.id, "name": t.name, "version": "2", "date_created": stamp(t.created),
		"date_modified": stamp(t.modified), "content_date_modified": stamp(t.modified),
	}
}

func (w *Workspace) template(c *Call) (*template, error) {
	t, err := w.templates.get(cmp.Or(c.vars["id"], c.vars["template_id"]))
	if err == nil && t.deleted {
		err = NotFound()
	}
	return t, err
}

// templates serves /public/v1/templates. A deleted template stays in lists that ask for deleted ones.
func templates() resource[template] {
	return resource[template]{
		in:     func(w *Workspace) *collection[template] { return &w.templates },
		page:   counted,
		show:   func(_ *Workspace, t *template) any { return t.brief() },
		create: (*Workspace).newTemplate,
		filters: func(c *Call) []filter[template] {
			deleted := c.flag("deleted")
			q, id, folderID, tags := strings.ToLower(c.query.Get("q")), c.query.Get("id"), c.query.Get("folder_uuid"), c.query["tag"]
			return []filter[template]{
				func(t *template) bool { return t.deleted == deleted },
				func(t *template) bool { return strings.Contains(strings.ToLower(t.name), q) },
				func(t *template) bool { return id == "" || t.id == id },
				func(t *template) bool { return folderID == "" || t.folderID == folderID },
				func(t *template) bool { return len(tags) == 0 || sharesAny(t.tags, tags) },
			}
		},
	}
}

func (w *Workspace) newTemplate(c *Call) (string, *template, error) {
	name, err := c.nameOrFile()
	if err != nil {
		return "", nil, err
	}
	var in struct {
		FolderUUID string `json:"folder_uuid"`
		Tags       []string
		Tokens     json.RawMessage
		Metadata   json.RawMessage
	}
	if err := c.decode(&in); err != nil {
		return "", nil, err
	}
	if _, err := w.templateFolders.get(in.FolderUUID); in.FolderUUID != "" && err != nil {
		return "", nil, Invalid("folder_uuid", "Folder does not exist.")
	}
	t := &template{
		id: w.ids.ID(), name: name, created: c.now, modified: c.now, language: "en-US", metadata: in.Metadata,
		folderID: in.FolderUUID, tags: in.Tags, tokens: in.Tokens, roles: []templateRole{{ID: w.ids.ID(), Name: "Client"}},
	}
	w.notify("template_created", t.brief(), c.now)
	return t.id, t, nil
}

// copyTemplate answers POST /public/v1/templates/{id}/duplicate.
func (w *Workspace) copyTemplate(c *Call, t *template, in struct{ Name string }) (Reply, error) {
	twin := *t
	twin.id, twin.name, twin.created, twin.modified = w.ids.ID(), cmp.Or(in.Name, "Copy of "+t.name), c.now, c.now
	w.templates.put(twin.id, &twin, c.size()+int64(len(t.tokens)))
	return created(map[string]any{
		"id": twin.id, "name": twin.name, "date_created": stamp(twin.created), "date_modified": stamp(twin.modified),
		"meta": map[string]string{"source_template_id": t.id},
	})
}

// templateStatus answers GET /public/v1/templates/{id}.
func (w *Workspace) templateStatus(c *Call, t *template) (Reply, error) {
	status := t.brief()
	status["status"] = "template.PROCESSED"
	delete(status, "content_date_modified")
	return ok(status)
}

// templateDetails answers GET /public/v1/templates/{id}/details.
func (w *Workspace) templateDetails(c *Call, t *template) (Reply, error) {
	roles := []map[string]any{}
	for _, role := range t.roles {
		var order any
		if role.Order != nil {
			text, _ := json.Marshal(*role.Order)
			order = string(text)
		}
		roles = append(roles, map[string]any{"id": role.ID, "name": role.Name, "signing_order": order, "preassigned_person": nil})
	}
	details := t.brief()
	maps.Copy(details, map[string]any{
		"created_by": w.person(w.me), "metadata": orEmpty(t.metadata, "{}"), "tokens": orEmpty(t.tokens, "[]"),
		"fields": []any{}, "pricing": noPricing(), "tags": nonNil(t.tags), "roles": roles, "folder_uuid": t.folderID,
		"content_placeholders": []any{}, "images": []any{}, "tables": []any{},
	})
	return ok(details)
}

// changeTemplate answers PATCH /public/v1/templates/{id}, which changes roles and tokens only.
func (w *Workspace) changeTemplate(c *Call, t *template, in struct {
	Roles  []templateRole
	Tokens json.RawMessage
}) (Reply, error) {
	for i := range in.Roles {
		if in.Roles[i].Name == "" {
			return Reply{}, Invalid("roles", "Every role needs a name.")
		}
		in.Roles[i].ID = cmp.Or(in.Roles[i].ID, w.ids.ID())
	}
	if in.Roles != nil {
		t.roles = in.Roles
	}
	t.tokens, t.modified = replaced(t.tokens, in.Tokens), c.now
	w.templates.grow(t.id, c.size())
	w.notify("template_updated", t.brief(), c.now)
	return noContent()
}

// deleteTemplate answers DELETE /public/v1/templates/{id}.
func (w *Workspace) deleteTemplate(c *Call, t *template) (Reply, error) {
	t.deleted, t.modified = true, c.now
	w.notify("template_deleted", t.brief(), c.now)
	return noContent()
}

// editTemplate answers POST /public/v1/templates/{id}/editing-sessions.
func (w *Workspace) editTemplate(c *Call, t *template) (Reply, error) {
	return w.editingSession(c, "template_id", t.id)
}

// templateSettings answers GET /public/v2/templates/{template_id}/settings.
func (w *Workspace) templateSettings(c *Call, t *template) (Reply, error) {
	return ok(map[string]string{"language": t.language})
}

// changeTemplateSettings answers PATCH /public/v2/templates/{template_id}/settings.
func (w *Workspace) changeTemplateSettings(c *Call, t *template) (Reply, error) {
	in := struct{ Language string }{t.language}
	if err := c.decode(&in); err != nil {
		return Reply{}, err
	}
	if err := checkLanguage(in.Language); err != nil {
		return Reply{}, err
	}
	t.language = in.Language
	return ok(map[string]string{"language": t.language})
}
