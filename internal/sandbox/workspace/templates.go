package workspace

import (
	"cmp"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// content is what templates and documents have in common. An item of the content library is nothing else.
type content struct {
	id, name string
	created  time.Time
	modified time.Time
	deleted  bool
	folderID string
	tags     []string
	tokens   json.RawMessage
	metadata json.RawMessage
}

func (t *content) view() map[string]any {
	return map[string]any{
		"id": t.id, "name": t.name, "version": "2", "date_created": stamp(t.created), "date_modified": stamp(t.modified),
	}
}

func (t *content) withStatus(status string) map[string]any {
	view := t.view()
	view["status"] = status
	return view
}

// contentDetails is the complete form of a library item, and most of that of a template.
func (w *Workspace) contentDetails(t *content) map[string]any {
	details := t.view()
	maps.Copy(details, map[string]any{
		"content_date_modified": stamp(t.modified), "created_by": w.person(w.me),
		"metadata": orEmpty(t.metadata, "{}"), "tokens": orEmpty(t.tokens, "[]"), "fields": []any{},
		"pricing": noPricing(), "tags": nonNil(t.tags), "roles": []any{},
		"content_placeholders": []any{}, "images": []any{}, "tables": []any{},
	})
	return details
}

// contentFilter reads the filters that the lists of documents, templates and library items have in common.
func (c *Call) contentFilter() filter[content] {
	deleted, q, tags := c.flag("deleted"), strings.ToLower(c.query.Get("q")), c.query["tag"]
	return func(t *content) bool {
		return t.deleted == deleted && strings.Contains(strings.ToLower(t.name), q) &&
			c.allows("id", t.id) && c.allows("folder_uuid", t.folderID) &&
			(len(tags) == 0 || slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(t.tags, tag) }))
	}
}

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
	brief := t.view()
	brief["content_date_modified"] = stamp(t.modified)
	return brief
}

// template finds the template that a path names.
func (w *Workspace) template(c *Call) (*template, error) {
	return w.templateWith(cmp.Or(c.vars["id"], c.vars["template_id"]))
}

// templateWith finds a template, unless it was deleted.
func (w *Workspace) templateWith(id string) (*template, error) {
	t, err := w.templates.get(id)
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
	base, err := newContent(c)
	if err != nil {
		return "", nil, err
	}
	var in struct {
		FolderUUID string `json:"folder_uuid"`
		Metadata   json.RawMessage
	}
	if err := c.decode(&in); err != nil {
		return "", nil, err
	}
	if _, err := w.templateFolders.get(in.FolderUUID); in.FolderUUID != "" && err != nil {
		return "", nil, Invalid("folder_uuid", "Folder does not exist.")
	}
	base.id, base.folderID, base.metadata = w.ids.ID(), in.FolderUUID, in.Metadata
	t := &template{content: base, language: "en-US", roles: []templateRole{{ID: w.ids.ID(), Name: "Client"}}}
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
	return ok(t.withStatus("template.PROCESSED"))
}

// templateDetails answers GET /public/v1/templates/{id}/details.
func (w *Workspace) templateDetails(c *Call, t *template) (Reply, error) {
	roles := []map[string]any{}
	for _, role := range t.roles {
		var order any
		if role.Order != nil {
			order = strconv.Itoa(*role.Order)
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
	w.templates.atLeast(t.id, c.size())
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

// library serves /public/v1/content-library-items and /public/v1/content-library-items/{id}.
func library() resource[content] {
	return resource[content]{
		in:   func(w *Workspace) *collection[content] { return &w.library },
		key:  "id",
		page: counted,
		create: func(w *Workspace, c *Call) (string, *content, error) {
			item, err := newContent(c)
			if err != nil {
				return "", nil, err
			}
			item.id = w.ids.ID()
			return item.id, &item, nil
		},
		brief: func(_ *Workspace, i *content) any { return i.view() },
		show:  func(_ *Workspace, i *content) any { return i.withStatus("cli.PROCESSED") },
		filter: func(c *Call) filter[content] {
			for _, name := range slices.Sorted(maps.Keys(c.query)) {
				if slices.Contains(c.query[name], "") { // here, the service refuses an empty value
					c.fail(Invalid(name, "This field may not be blank."))
				}
			}
			return c.contentFilter()
		},
	}
}

// newContent reads what requests for new templates and library items have in common. The name can be that of the file.
func newContent(c *Call) (content, error) {
	var in struct{ Name, URL string }
	if err := c.decode(&in); err != nil {
		return content{}, err
	}
	if c.upload != nil {
		file, err := c.file()
		if err != nil {
			return content{}, err
		}
		in.Name = cmp.Or(in.Name, strings.TrimSuffix(file.name, path.Ext(file.name)))
	}
	if in.URL != "" {
		base, err := fileURL(in.URL)
		if err != nil {
			return content{}, err
		}
		in.Name = cmp.Or(in.Name, base)
	}
	if in.Name == "" {
		return content{}, Invalid("name", "This field is required.")
	}
	var more struct {
		Tags   []string
		Tokens json.RawMessage
	}
	err := c.decode(&more)
	return content{name: in.Name, created: c.now, modified: c.now, tags: more.Tags, tokens: more.Tokens}, err
}

// libraryDetails answers GET /public/v1/content-library-items/{id}/details.
func (w *Workspace) libraryDetails(_ *Call, item *content) (Reply, error) {
	return ok(w.contentDetails(item))
}

func noPricing() map[string]any {
	return map[string]any{"tables": []any{}, "quotes": []any{}, "total": "0.00"}
}

// appendLibraryItem answers POST /public/v1/documents/{id}/append-content-library-item.
func (w *Workspace) appendLibraryItem(c *Call, d *document, in struct {
	Item struct {
		ID    string            `json:"id"`
		Pages []json.RawMessage `json:"pages"`
	} `json:"cli"`
}) (Reply, error) {
	item, err := w.library.get(in.Item.ID)
	if err != nil {
		return Reply{}, Invalid("cli", "Content library item does not exist.")
	}
	w.revise(c, d, actionRevised)
	return created(map[string]any{
		"cli":           map[string]any{"id": item.id, "pages": nonNil(in.Item.Pages)},
		"block_mapping": map[string]any{"images": []any{}, "pricing_tables": []any{}, "tables": []any{}, "texts": []any{}},
	})
}
