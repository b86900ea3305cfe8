package workspace

import (
	"cmp"
	"encoding/json"
	"path"
	"slices"
	"strings"
	"time"
)

// libraryItem is a piece of content that can be added to documents.
type libraryItem struct {
	id, name string
	created  time.Time
	folderID string
	tags     []string
	tokens   json.RawMessage
}

// library serves /public/v1/content-library-items and /public/v1/content-library-items/{id}.
func library() resource[libraryItem] {
	brief := func(i *libraryItem) map[string]any {
		return map[string]any{
			"id": i.id, "name": i.name, "version": "2", "date_created": stamp(i.created), "date_modified": stamp(i.created),
		}
	}
	return resource[libraryItem]{
		in:     func(w *Workspace) *collection[libraryItem] { return &w.library },
		key:    "id",
		page:   counted,
		create: (*Workspace).newLibraryItem,
		brief:  func(_ *Workspace, i *libraryItem) any { return brief(i) },
		show: func(_ *Workspace, i *libraryItem) any {
			status := brief(i)
			status["status"] = "cli.PROCESSED"
			return status
		},
		filters: func(c *Call) []filter[libraryItem] {
			for name, values := range c.query {
				if slices.Contains(values, "") { // here, the service refuses an empty value
					c.fail(Invalid(name, "This field may not be blank."))
				}
			}
			deleted := c.flag("deleted")
			q, id, folderID, tags := strings.ToLower(c.query.Get("q")), c.query.Get("id"), c.query.Get("folder_uuid"), c.query["tag"]
			return []filter[libraryItem]{
				func(*libraryItem) bool { return !deleted }, // library items cannot be deleted
				func(i *libraryItem) bool { return strings.Contains(strings.ToLower(i.name), q) },
				func(i *libraryItem) bool { return id == "" || i.id == id },
				func(i *libraryItem) bool { return folderID == "" || i.folderID == folderID },
				func(i *libraryItem) bool { return len(tags) == 0 || sharesAny(i.tags, tags) },
			}
		},
	}
}

func (w *Workspace) newLibraryItem(c *Call) (string, *libraryItem, error) {
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
	item := &libraryItem{id: w.ids.ID(), name: name, created: c.now, tags: in.Tags, tokens: in.Tokens}
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
func (w *Workspace) libraryDetails(_ *Call, item *libraryItem) (Reply, error) {
	return ok(map[string]any{
		"id": item.id, "name": item.name, "version": "2", "date_created": stamp(item.created), "date_modified": stamp(item.created),
		"content_date_modified": stamp(item.created), "created_by": w.person(w.me),
		"metadata": map[string]any{}, "tokens": orEmpty(item.tokens, "[]"), "fields": []any{},
		"pricing": noPricing(), "tags": nonNil(item.tags), "roles": []any{},
		"content_placeholders": []any{}, "images": []any{}, "tables": []any{},
	})
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
	w.happened(d, actionRevised, c.now)
	return created(map[string]any{
		"cli":           map[string]any{"id": item.id, "pages": nonNil(in.Item.Pages)},
		"block_mapping": map[string]any{"images": []any{}, "pricing_tables": []any{}, "tables": []any{}, "texts": []any{}},
	})
}
