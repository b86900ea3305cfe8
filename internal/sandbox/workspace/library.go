package workspace

import (
	"cmp"
	"encoding/json"
	"path"
	"strings"
	"time"
)

// libraryItem is a piece of content that documents can take in.
type libraryItem struct {
	id, name string
	created  time.Time
	folderID string
	tags     []string
	tokens   json.RawMessage
}

func (i *libraryItem) brief() map[string]any {
	return map[string]any{
		"id": i.id, "name": i.name, "version": "2",
		"date_created": stamp(i.created), "date_modified": stamp(i.created),
	}
}

// listLibrary answers GET /public/v1/content-library-items. The service answers 400 to a parameter with an empty value here.
func (w *Workspace) listLibrary(c *Call) (reply, error) {
	for name, values := range c.query {
		for _, v := range values {
			if v == "" {
				return reply{}, Invalid(name, "This field may not be blank.")
			}
		}
	}
	from, to, err := c.pages(50, 100)
	if err != nil {
		return reply{}, err
	}
	deleted, err := c.flag("deleted")
	if err != nil {
		return reply{}, err
	}
	q, id, folderID, tags := strings.ToLower(c.query.Get("q")), c.query.Get("id"), c.query.Get("folder_uuid"), c.query["tag"]
	found := keep(w.library.all(),
		func(*libraryItem) bool { return !deleted }, // nothing can be deleted here
		func(i *libraryItem) bool { return strings.Contains(strings.ToLower(i.name), q) },
		func(i *libraryItem) bool { return id == "" || i.id == id },
		func(i *libraryItem) bool { return folderID == "" || i.folderID == folderID },
		func(i *libraryItem) bool { return len(tags) == 0 || sharesAny(i.tags, tags) },
	)
	list := []map[string]any{}
	for _, i := range window(found, from, to) {
		list = append(list, i.brief())
	}
	return results(list)
}

// createLibraryItem answers POST /public/v1/content-library-items and POST /public/v1/content-library-items?upload.
func (w *Workspace) createLibraryItem(c *Call) (reply, error) {
	var in struct {
		Name   string
		Tags   []string
		Tokens json.RawMessage
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
	item := &libraryItem{id: w.ids.ID(), name: in.Name, created: c.now, tags: in.Tags, tokens: in.Tokens}
	w.library.put(item.id, item, c.size())
	return created(item.brief())
}

// libraryStatus answers GET /public/v1/content-library-items/{id}.
func (w *Workspace) libraryStatus(c *Call) (reply, error) {
	item, err := w.library.get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	status := item.brief()
	status["status"] = "cli.PROCESSED"
	return ok(status)
}

// libraryDetails answers GET /public/v1/content-library-items/{id}/details.
func (w *Workspace) libraryDetails(c *Call) (reply, error) {
	item, err := w.library.get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	details := item.brief()
	for key, value := range map[string]any{
		"content_date_modified": stamp(item.created), "created_by": w.person(w.members[0].MembershipID),
		"metadata": map[string]any{}, "tokens": orEmpty(item.tokens, "[]"), "fields": []any{},
		"pricing": map[string]any{"tables": []any{}}, "tags": nonNil(item.tags), "roles": []any{},
		"content_placeholders": []any{}, "images": []any{},
	} {
		details[key] = value
	}
	return ok(details)
}

// appendLibraryItem answers POST /public/v1/documents/{id}/append-content-library-item.
func (w *Workspace) appendLibraryItem(c *Call) (reply, error) {
	var in struct {
		ID string `json:"cli_id"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	d, err := w.draft(c)
	if err != nil {
		return reply{}, err
	}
	item, err := w.library.get(in.ID)
	if err != nil {
		return reply{}, Invalid("cli_id", "Content library item does not exist.")
	}
	d.changed(c.now)
	w.happened(d, "content_library_item_appended", c.now)
	return created(map[string]any{"document_uuid": d.id, "cli_id": item.id, "name": item.name})
}
