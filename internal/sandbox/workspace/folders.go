package workspace

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// folder holds documents or templates.
type folder struct {
	id, parentID, name string
	created            time.Time
}

func (f *folder) view() map[string]any {
	return map[string]any{"uuid": f.id, "name": f.name, "date_created": stamp(f.created)}
}

// documentFolders serves /public/v1/documents/folders and /public/v1/documents/folders/{id}.
func documentFolders() resource[folder] {
	return folders(
		func(w *Workspace) *collection[folder] { return &w.documentFolders },
		func(w *Workspace, id string) bool {
			return slices.ContainsFunc(w.documents.all(), func(d *document) bool { return d.folderID == id && !d.deleted })
		},
	)
}

// templateFolders serves /public/v1/templates/folders and /public/v1/templates/folders/{id}.
func templateFolders() resource[folder] {
	return folders(
		func(w *Workspace) *collection[folder] { return &w.templateFolders },
		func(w *Workspace, id string) bool {
			return slices.ContainsFunc(w.templates.all(), func(t *template) bool { return t.folderID == id && !t.deleted })
		},
	)
}

// folders serves one of the two folder trees; holds reports whether a folder has items.
func folders(in func(*Workspace) *collection[folder], holds func(*Workspace, string) bool) resource[folder] {
	read := func(w *Workspace, c *Call, f *folder) error {
		var body struct {
			Name       string `json:"name"`
			ParentUUID string `json:"parent_uuid"`
		}
		if err := c.decode(&body); err != nil {
			return err
		}
		if body.Name == "" {
			return Invalid("name", "This field is required.")
		}
		if _, err := in(w).get(body.ParentUUID); body.ParentUUID != "" && err != nil {
			return Invalid("parent_uuid", "Folder does not exist.")
		}
		f.name, f.parentID = body.Name, cmp.Or(body.ParentUUID, f.parentID)
		return nil
	}
	return resource[folder]{
		in: in, key: "id", change: read, page: counted,
		create: func(w *Workspace, c *Call) (string, *folder, error) {
			f := &folder{id: w.ids.ID(), created: c.now}
			return f.id, f, read(w, c, f)
		},
		show: func(_ *Workspace, f *folder) any { return f.view() },
		brief: func(w *Workspace, f *folder) any {
			view := f.view()
			view["has_folders"] = slices.ContainsFunc(in(w).all(), func(child *folder) bool { return child.parentID == f.id })
			view["has_items"] = holds(w, f.id)
			return view
		},
		filter: func(c *Call) filter[folder] {
			return func(f *folder) bool { return f.parentID == c.query.Get("parent_uuid") }
		},
	}
}

// form is a web form from which documents are made.
type form struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Status       string `json:"status"`
	DateCreated  stamp  `json:"date_created"`
	DateModified stamp  `json:"date_modified"`
}

// listForms answers GET /public/v1/forms.
func (w *Workspace) listForms(c *Call) (Reply, error) {
	from, to := c.pages(50, 100)
	name := strings.ToLower(c.query.Get("name"))
	found := slices.DeleteFunc(slices.Clone(w.forms), func(f form) bool {
		return !fits(c.query["status"], f.Status) || !strings.Contains(strings.ToLower(f.Name), name)
	})
	return ok(map[string]any{"results": nonNil(window(found, from, to)), "has_next_page": len(found) > to})
}
