package workspace

import (
	"cmp"
	"encoding/json"
	"maps"
	"path"
	"slices"
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

func (t *content) brief() map[string]any {
	return map[string]any{
		"id": t.id, "name": t.name, "version": "2", "date_created": stamp(t.created), "date_modified": stamp(t.modified),
	}
}

func (t *content) status(status string) map[string]any {
	view := t.brief()
	view["status"] = status
	return view
}

// contentDetails is the complete form of a library item, and most of that of a template.
func (w *Workspace) contentDetails(t *content) map[string]any {
	details := t.brief()
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

// library serves /public/v1/content-library-items and /public/v1/content-library-items/{id}.
func library() resource[content] {
	return resource[content]{
		in:     func(w *Workspace) *collection[content] { return &w.library },
		key:    "id",
		page:   counted,
		create: (*Workspace).newLibraryItem,
		brief:  func(_ *Workspace, i *content) any { return i.brief() },
		show:   func(_ *Workspace, i *content) any { return i.status("cli.PROCESSED") },
		filter: func(c *Call) filter[content] {
			for name, values := range c.query {
				if slices.Contains(values, "") { // here, the service refuses an empty value
					c.fail(Invalid(name, "This field may not be blank."))
				}
			}
			return c.contentFilter()
		},
	}
}

func (w *Workspace) newLibraryItem(c *Call) (string, *content, error) {
	name, err := c.nameOrFile()
	if err != nil {
		return "", nil, err
	}
	var in struct {
		Tags   []string
		Tokens json.RawMessage
	}
	if err := c.decode(&in); err != nil {
		return "", nil, err
	}
	item := &content{id: w.ids.ID(), name: name, created: c.now, modified: c.now, tags: in.Tags, tokens: in.Tokens}
	return item.id, item, nil
}

// nameOrFile returns the name that was sent, or that of the uploaded file.
func (c *Call) nameOrFile() (string, error) {
	var in struct{ Name, URL string }
	if err := c.decode(&in); err != nil {
		return "", err
	}
	if c.upload != nil {
		file, err := c.file()
		if err != nil {
			return "", err
		}
		in.Name = cmp.Or(in.Name, strings.TrimSuffix(file.name, path.Ext(file.name)))
	}
	if in.URL != "" {
		base, err := fileURL(in.URL)
		if err != nil {
			return "", err
		}
		in.Name = cmp.Or(in.Name, base)
	}
	if in.Name == "" {
		return "", Invalid("name", "This field is required.")
	}
	return in.Name, nil
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
	d.changed(c.now)
	w.record(d, actionRevised, c.now)
	return created(map[string]any{
		"cli":           map[string]any{"id": item.id, "pages": nonNil(in.Item.Pages)},
		"block_mapping": map[string]any{"images": []any{}, "pricing_tables": []any{}, "tables": []any{}, "texts": []any{}},
	})
}
