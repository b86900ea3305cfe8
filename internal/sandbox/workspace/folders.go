package workspace

import "time"

// folder holds documents or templates.
type folder struct {
	id, parentID, name string
	created            time.Time
}

// folders are the operations of one of the two trees of folders.
type folders struct {
	shelf func(*Workspace) *shelf[folder]
	holds func(*Workspace, string) bool // whether a folder has items
}

func documentTree() folders {
	return folders{
		shelf: func(w *Workspace) *shelf[folder] { return w.documentFolders },
		holds: func(w *Workspace, id string) bool {
			return len(keep(w.documents.all(), func(d *document) bool { return d.folderID == id && !d.deleted })) > 0
		},
	}
}

func templateTree() folders {
	return folders{
		shelf: func(w *Workspace) *shelf[folder] { return w.templateFolders },
		holds: func(w *Workspace, id string) bool {
			return len(keep(w.templates.all(), func(t *template) bool { return t.folderID == id && !t.deleted })) > 0
		},
	}
}

// list answers GET /public/v1/documents/folders and GET /public/v1/templates/folders.
func (f folders) list(w *Workspace, c *Call) (reply, error) {
	from, to, err := c.pages(50, 100)
	if err != nil {
		return reply{}, err
	}
	parent := c.query.Get("parent_uuid")
	found := keep(f.shelf(w).all(), func(item *folder) bool { return item.parentID == parent })
	list := []map[string]any{}
	for _, item := range window(found, from, to) {
		children := keep(f.shelf(w).all(), func(child *folder) bool { return child.parentID == item.id })
		view := item.view()
		view["has_folders"], view["has_items"] = len(children) > 0, f.holds(w, item.id)
		list = append(list, view)
	}
	return results(list)
}

func (f *folder) view() map[string]any {
	return map[string]any{"uuid": f.id, "name": f.name, "date_created": stamp(f.created)}
}

// create answers POST /public/v1/documents/folders and POST /public/v1/templates/folders.
func (f folders) create(w *Workspace, c *Call) (reply, error) {
	var in struct {
		Name       string `json:"name"`
		ParentUUID string `json:"parent_uuid"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Name == "" {
		return reply{}, Invalid("name", "This field is required.")
	}
	if _, err := f.shelf(w).get(in.ParentUUID); in.ParentUUID != "" && err != nil {
		return reply{}, Invalid("parent_uuid", "Folder does not exist.")
	}
	item := &folder{id: w.ids.ID(), parentID: in.ParentUUID, name: in.Name, created: c.now}
	f.shelf(w).put(item.id, item, c.size())
	return created(item.view())
}

// rename answers PUT /public/v1/documents/folders/{id} and PUT /public/v1/templates/folders/{id}.
func (f folders) rename(w *Workspace, c *Call) (reply, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	item, err := f.shelf(w).get(c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	if in.Name == "" {
		return reply{}, Invalid("name", "This field is required.")
	}
	item.name = in.Name
	f.shelf(w).grow(item.id, c.size())
	return ok(item.view())
}
