package workspace

import (
	"slices"
	"strings"
)

// form is a web form that makes documents.
type form struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Status       string `json:"status"`
	DateCreated  stamp  `json:"date_created"`
	DateModified stamp  `json:"date_modified"`
}

// listForms answers GET /public/v1/forms.
func (w *Workspace) listForms(c *Call) (reply, error) {
	from, to, err := c.pages(50, 100)
	if err != nil {
		return reply{}, err
	}
	statuses, name := c.query["status"], strings.ToLower(c.query.Get("name"))
	found := slices.DeleteFunc(slices.Clone(w.forms), func(f form) bool {
		return len(statuses) > 0 && !slices.Contains(statuses, f.Status) || !strings.Contains(strings.ToLower(f.Name), name)
	})
	return ok(map[string]any{"results": nonNil(window(found, from, to)), "has_next_page": len(found) > to})
}
