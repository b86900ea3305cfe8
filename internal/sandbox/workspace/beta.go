package workspace

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// The beta operations are asynchronous: the first answer says that the work is in progress.

// documentContent answers GET /public/beta/documents/{document_id}/content: 202 first.
func (w *Workspace) documentContent(c *Call) (Reply, error) {
	return w.generated(c, "content", "format", []string{"plaintext", "markdown"}, func(d *document, format string) string {
		title := d.name
		if format == "markdown" {
			title = "# " + title
		}
		return strings.Join(append([]string{title}, documentLines(d, c)...), "\n\n")
	})
}

// documentSummary answers GET /public/beta/documents/{document_id}/summary: 202 first.
func (w *Workspace) documentSummary(c *Call) (Reply, error) {
	return w.generated(c, "summary", "type", []string{"detailed", "short", "headline", "xshort"}, func(d *document, _ string) string {
		return "A made-up document called " + d.name + "."
	})
}

// generated returns 202 first, and later a text with an ETag, under name. The parameter param of the query has one of
// forms: the form of the text.
func (w *Workspace) generated(c *Call, name, param string, forms []string, text func(d *document, form string) string) (Reply, error) {
	form := c.query.Get(param)
	if last := len(forms) - 1; !slices.Contains(forms, form) {
		return Reply{}, Invalid(param, "Select a valid choice: "+strings.Join(forms[:last], ", ")+" or "+forms[last]+".")
	}
	d, err := w.document(c)
	if err != nil {
		return Reply{}, err
	}
	if !d.readyAt(name, c.now) {
		return notReady()
	}
	made := text(d, form)
	rep, err := ok(map[string]string{name: made, param: form})
	rep.Header = map[string]string{"ETag": `"` + etag(made) + `"`}
	return rep, err
}

// exportDOCX answers POST /public/beta/documents/{document_id}/docx-export-tasks. The id of the task
// is that of the document, because a document has only one task.
func (w *Workspace) exportDOCX(c *Call, d *document) (Reply, error) {
	delete(d.asked, "docx")
	d.readyAt("docx", c.now)
	return ok(map[string]string{"id": "docx-" + d.id, "document_id": d.id, "status": "created"})
}

// docxTask answers GET /public/beta/documents/{document_id}/docx-export-tasks/{task_id}. When
// the task is done, it names an address, but there is no file at that address.
func (w *Workspace) docxTask(c *Call, d *document) (Reply, error) {
	if _, started := d.asked["docx"]; !started || c.vars["task_id"] != "docx-"+d.id {
		return Reply{}, NotFound()
	}
	task := map[string]any{"id": c.vars["task_id"], "document_id": d.id, "status": "processing"}
	if d.readyAt("docx", c.now) {
		task["status"] = "done"
		task["docx_items"] = []any{map[string]any{"section_title": nil, "url": "https://files.pandadoc.example/" + d.id + ".docx"}}
	}
	return ok(task)
}

// metadataOf returns invented results of an extraction; keys is a filter.
func metadataOf(d *document, keys []string) []any {
	list := []any{}
	for _, f := range []struct{ key, kind, value string }{
		{"Counterparty name", "single_line", "Customer Ltd"},
		{"Contract value", "currency", money(d.quote.total())},
		{"Effective date", "date", d.created.UTC().Format("2006-01-02")},
	} {
		if fits(keys, f.key) {
			list = append(list, map[string]any{
				"id": etag(d.id + f.key), "key": f.key, "field_type": f.kind, "settings": map[string]any{},
				"value": map[string]string{"acceptance_status": "pending", "value": f.value},
			})
		}
	}
	return list
}

// documentMetadata answers GET /public/beta/documents/{document_id}/ai-metadata: 202 first.
func (w *Workspace) documentMetadata(c *Call) (Reply, error) {
	from, to := c.offsets()
	d, err := w.document(c)
	if err = cmp.Or(c.err, err); err != nil {
		return Reply{}, err
	}
	if !d.readyAt("metadata", c.now) {
		rep, err := notReady()
		rep.Body = []byte(`{"code":"extraction_pending","description":"The extraction is under way."}`)
		return rep, err
	}
	all := metadataOf(d, nil)
	return ok(map[string]any{"count": len(all), "results": window(all, from, to)})
}

// manyMetadata answers POST /public/beta/documents/ai-metadata. Each document is independent.
func (w *Workspace) manyMetadata(c *Call, in struct {
	IDs  []string `json:"document_ids"`
	Keys []string `json:"field_keys"`
}) (Reply, error) {
	if len(in.IDs) == 0 {
		return Reply{}, Invalid("document_ids", "This field is required.")
	}
	list := []any{}
	for _, id := range in.IDs {
		d, err := w.documentWith(id)
		switch {
		case err != nil:
			list = append(list, map[string]any{"document_id": id, "status": "not_found", "description": "Document not found."})
		case !d.readyAt("metadata", c.now):
			list = append(list, map[string]any{
				"document_id": id, "status": "extraction_pending", "description": "The extraction is under way.", "retry_after": 1,
			})
		default:
			found := metadataOf(d, in.Keys)
			list = append(list, map[string]any{
				"document_id": id, "status": "ok", "ai_metadata": map[string]any{"count": len(found), "results": found},
			})
		}
	}
	return ok(map[string]any{"count": len(list), "results": list})
}

// searchDocuments answers GET /public/beta/documents/search. It searches for the words in names,
// because the emulator cannot understand a question.
func (w *Workspace) searchDocuments(c *Call) (Reply, error) {
	q := c.query.Get("q")
	if q == "" {
		return Reply{}, Invalid("q", "This field is required.")
	}
	words := strings.Fields(strings.ToLower(q))
	list := []any{}
	for _, d := range w.documents.all() {
		name := strings.ToLower(d.name)
		if d.deleted || !slices.ContainsFunc(words, func(word string) bool { return strings.Contains(name, word) }) {
			continue
		}
		who := w.person(d.owner)
		in := map[string]string{"id": d.folderID, "name": ""}
		if f, err := w.documentFolders.get(d.folderID); err == nil {
			in["name"] = f.name
		}
		list = append(list, map[string]any{
			"document_id": d.id, "name": d.name, "status": d.statusAt(c.now), "date_created": stamp(d.created), "folder": in,
			"owner":        map[string]any{"id": who.ID, "email": who.Email, "name": who.FirstName + " " + who.LastName, "avatar": nil},
			"extra_fields": map[string]any{"title": d.name, "tags": nonNil(d.tags), "recipient_count": len(d.recipients), "removed": false},
		})
	}
	return ok(map[string]any{
		"count": len(list), "results": list, "message": strconv.Itoa(len(list)) + " documents found.",
		"intent": []any{map[string]string{"field": "name", "value": q}}, "suggestions": []any{},
	})
}
