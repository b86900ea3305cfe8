package workspace

import (
	"cmp"
	"encoding/json"
)

// template is a template for documents.
type template struct {
	content
	roles    []templateRole
	language string
}

type templateRole struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Order *int   `json:"signing_order"`
}

func (t *template) brief() map[string]any {
	brief := t.content.brief()
	brief["content_date_modified"] = stamp(t.modified)
	return brief
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
		filter: func(c *Call) filter[template] {
			shown := c.contentFilter()
			return func(t *template) bool { return shown(&t.content) }
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
		content: content{
			id: w.ids.ID(), name: name, created: c.now, modified: c.now,
			folderID: in.FolderUUID, tags: in.Tags, tokens: in.Tokens, metadata: in.Metadata,
		},
		language: "en-US", roles: []templateRole{{ID: w.ids.ID(), Name: "Client"}},
	}
	w.notify("template_created", t.brief(), c.now)
	return t.id, t, nil
}

// copyTemplate answers POST /public/v1/templates/{id}/duplicate.
func (w *Workspace) copyTemplate(c *Call, t *template, in struct{ Name string }) (Reply, error) {
	copied := *t
	copied.id, copied.name, copied.created, copied.modified = w.ids.ID(), cmp.Or(in.Name, "Copy of "+t.name), c.now, c.now
	w.templates.put(copied.id, &copied, c.size()+int64(len(t.tokens)))
	return created(map[string]any{
		"id": copied.id, "name": copied.name, "date_created": stamp(copied.created), "date_modified": stamp(copied.modified),
		"meta": map[string]string{"source_template_id": t.id},
	})
}

// templateStatus answers GET /public/v1/templates/{id}.
func (w *Workspace) templateStatus(c *Call, t *template) (Reply, error) {
	return ok(t.status("template.PROCESSED"))
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
	details := w.contentDetails(&t.content)
	details["roles"], details["folder_uuid"] = roles, t.folderID
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
	t.roles, t.tokens, t.modified = replaced(t.roles, in.Roles), replaced(t.tokens, in.Tokens), c.now
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
