package workspace

import (
	"cmp"
	"encoding/json"
	"path"
	"strings"
	"time"
)

// template is what documents are made from.
type template struct {
	id, name string
	created  time.Time
	modified time.Time
	deleted  bool
	folderID string
	tags     []string
	roles    []string
	tokens   json.RawMessage
	settings json.RawMessage
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

// listTemplates answers GET /public/v1/templates.
func (w *Workspace) listTemplates(c *Call) (reply, error) {
	from, to, err := c.pages(50, 100)
	if err != nil {
		return reply{}, err
	}
	deleted, err := c.flag("deleted")
	if err != nil {
		return reply{}, err
	}
	q, id, folderID, tags := strings.ToLower(c.query.Get("q")), c.query.Get("id"), c.query.Get("folder_uuid"), c.query["tag"]
	found := keep(w.templates.all(),
		func(t *template) bool { return t.deleted == deleted },
		func(t *template) bool { return strings.Contains(strings.ToLower(t.name), q) },
		func(t *template) bool { return id == "" || t.id == id },
		func(t *template) bool { return folderID == "" || t.folderID == folderID },
		func(t *template) bool { return len(tags) == 0 || sharesAny(t.tags, tags) },
	)
	list := []map[string]any{}
	for _, t := range window(found, from, to) {
		list = append(list, t.brief())
	}
	return results(list)
}

// createTemplate answers POST /public/v1/templates and POST /public/v1/templates?upload.
func (w *Workspace) createTemplate(c *Call) (reply, error) {
	var in struct {
		Name       string
		FolderUUID string `json:"folder_uuid"`
		Tags       []string
		Tokens     json.RawMessage
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if c.upload != nil {
		file, err := c.file()
		if err != nil {
			return reply{}, err
		}
		in.Name = cmp.Or(in.Name, strings.TrimSuffix(file.name, path.Ext(file.name)))
	}
	if in.Name == "" {
		return reply{}, Invalid("name", "This field is required.")
	}
	if _, err := w.templateFolders.get(in.FolderUUID); in.FolderUUID != "" && err != nil {
		return reply{}, Invalid("folder_uuid", "Folder does not exist.")
	}
	t := &template{
		id: w.ids.ID(), name: in.Name, created: c.now, modified: c.now,
		folderID: in.FolderUUID, tags: in.Tags, tokens: in.Tokens, roles: []string{"Client"},
	}
	w.templates.put(t.id, t, c.size())
	return created(t.brief())
}

// copyTemplate answers POST /public/v1/templates/{id}/duplicate.
func (w *Workspace) copyTemplate(c *Call) (reply, error) {
	var in struct{ Name string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	t, err := w.template(c)
	if err != nil {
		return reply{}, err
	}
	twin := *t
	twin.id, twin.name, twin.created, twin.modified = w.ids.ID(), cmp.Or(in.Name, "Copy of "+t.name), c.now, c.now
	w.templates.put(twin.id, &twin, c.size()+int64(len(t.tokens)+len(t.settings)))
	return created(twin.brief())
}

// templateStatus answers GET /public/v1/templates/{id}.
func (w *Workspace) templateStatus(c *Call) (reply, error) {
	t, err := w.template(c)
	if err != nil {
		return reply{}, err
	}
	status := t.brief()
	status["status"] = "template.PROCESSED"
	return ok(status)
}

// templateDetails answers GET /public/v1/templates/{id}/details.
func (w *Workspace) templateDetails(c *Call) (reply, error) {
	t, err := w.template(c)
	if err != nil {
		return reply{}, err
	}
	roles := []map[string]any{}
	for _, name := range t.roles {
		roles = append(roles, map[string]any{"id": etag(t.id + name), "name": name, "signing_order": nil, "preassigned_person": nil})
	}
	details := t.brief()
	for key, value := range map[string]any{
		"created_by": w.person(w.members[0].MembershipID), "metadata": map[string]any{}, "tokens": orEmpty(t.tokens, "[]"),
		"fields": []any{}, "pricing": map[string]any{"tables": []any{}}, "tags": nonNil(t.tags), "roles": roles,
		"content_placeholders": []any{}, "images": []any{},
	} {
		details[key] = value
	}
	return ok(details)
}

// changeTemplate answers PATCH /public/v1/templates/{id}.
func (w *Workspace) changeTemplate(c *Call) (reply, error) {
	var in struct {
		Name   string
		Tags   []string
		Tokens json.RawMessage
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	t, err := w.template(c)
	if err != nil {
		return reply{}, err
	}
	t.name, t.tokens, t.modified = cmp.Or(in.Name, t.name), replaced(t.tokens, in.Tokens), c.now
	if in.Tags != nil {
		t.tags = in.Tags
	}
	w.templates.grow(t.id, c.size())
	return noContent()
}

// deleteTemplate answers DELETE /public/v1/templates/{id}.
func (w *Workspace) deleteTemplate(c *Call) (reply, error) {
	t, err := w.template(c)
	if err != nil {
		return reply{}, err
	}
	t.deleted, t.modified = true, c.now
	return noContent()
}

// editTemplate answers POST /public/v1/templates/{id}/editing-sessions.
func (w *Workspace) editTemplate(c *Call) (reply, error) {
	if _, err := w.template(c); err != nil {
		return reply{}, err
	}
	return w.editingSession(c)
}

// templateSettings answers GET /public/v2/templates/{template_id}/settings.
func (w *Workspace) templateSettings(c *Call) (reply, error) {
	t, err := w.template(c)
	if err != nil {
		return reply{}, err
	}
	settings, err := merged(t.settings, []byte("{}"), map[string]any{"language": "en-US"})
	if err != nil {
		return reply{}, err
	}
	return ok(settings)
}

// changeTemplateSettings answers PATCH /public/v2/templates/{template_id}/settings.
func (w *Workspace) changeTemplateSettings(c *Call) (reply, error) {
	t, err := w.template(c)
	if err != nil {
		return reply{}, err
	}
	if t.settings, err = merged(t.settings, c.json, map[string]any{"language": "en-US"}); err != nil {
		return reply{}, err
	}
	w.templates.grow(t.id, c.size())
	return ok(t.settings)
}
