package sandbox

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

func (w *world) template(c *call) (*template, error) {
	t, err := w.templates.get(cmp.Or(c.vars["id"], c.vars["template_id"]))
	if err == nil && t.deleted {
		err = notFound()
	}
	return t, err
}

// listTemplates is operation 60.
func (w *world) listTemplates(c *call) (reply, error) {
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

// createTemplate is operations 61 and 62.
func (w *world) createTemplate(c *call) (reply, error) {
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
		return reply{}, invalid("name", "This field is required.")
	}
	if _, err := w.templateFolders.get(in.FolderUUID); in.FolderUUID != "" && err != nil {
		return reply{}, invalid("folder_uuid", "Folder does not exist.")
	}
	t := &template{
		id: w.ids.id(), name: in.Name, created: c.now, modified: c.now,
		folderID: in.FolderUUID, tags: in.Tags, tokens: in.Tokens, roles: []string{"Client"},
	}
	w.templates.put(t.id, t, c.size())
	return created(t.brief())
}

// copyTemplate is operation 63.
func (w *world) copyTemplate(c *call) (reply, error) {
	var in struct{ Name string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	t, err := w.template(c)
	if err != nil {
		return reply{}, err
	}
	twin := *t
	twin.id, twin.name, twin.created, twin.modified = w.ids.id(), cmp.Or(in.Name, "Copy of "+t.name), c.now, c.now
	w.templates.put(twin.id, &twin, c.size()+int64(len(t.tokens)+len(t.settings)))
	return created(twin.brief())
}

// templateStatus is operation 66.
func (w *world) templateStatus(c *call) (reply, error) {
	t, err := w.template(c)
	if err != nil {
		return reply{}, err
	}
	status := t.brief()
	status["status"] = "template.PROCESSED"
	return ok(status)
}

// templateDetails is operation 64.
func (w *world) templateDetails(c *call) (reply, error) {
	t, err := w.template(c)
	if err != nil {
		return reply{}, err
	}
	roles := []map[string]any{}
	for _, name := range t.roles {
		roles = append(roles, map[string]any{"id": fingerprint(t.id + name), "name": name, "signing_order": nil, "preassigned_person": nil})
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

// changeTemplate is operation 67.
func (w *world) changeTemplate(c *call) (reply, error) {
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

// deleteTemplate is operation 65.
func (w *world) deleteTemplate(c *call) (reply, error) {
	t, err := w.template(c)
	if err != nil {
		return reply{}, err
	}
	t.deleted, t.modified = true, c.now
	return noContent()
}

// editTemplate is operation 68.
func (w *world) editTemplate(c *call) (reply, error) {
	if _, err := w.template(c); err != nil {
		return reply{}, err
	}
	return w.editingSession(c)
}

// templateSettings is operation 69.
func (w *world) templateSettings(c *call) (reply, error) {
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

// changeTemplateSettings is operation 70.
func (w *world) changeTemplateSettings(c *call) (reply, error) {
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
