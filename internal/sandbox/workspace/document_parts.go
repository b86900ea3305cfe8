package workspace

import (
	"cmp"
	"slices"
)

// linkedObject links a document to a record of a CRM.
type linkedObject struct {
	ID         string `json:"id"`
	Provider   string `json:"provider"`
	EntityType string `json:"entity_type"`
	EntityID   string `json:"entity_id"`
	Children   []any  `json:"children"` // always empty
}

// listLinked answers GET /public/v1/documents/{id}/linked-objects.
func (w *Workspace) listLinked(c *Call, d *document) (Reply, error) {
	return ok(map[string]any{"linked_objects": d.links.all()})
}

// addLinked answers POST /public/v1/documents/{id}/linked-objects.
func (w *Workspace) addLinked(c *Call, d *document, in linkedObject) (Reply, error) {
	for _, field := range []struct{ name, value string }{{"provider", in.Provider}, {"entity_type", in.EntityType}, {"entity_id", in.EntityID}} {
		if field.value == "" {
			return Reply{}, Invalid(field.name, "This field is required.")
		}
	}
	in.ID, in.Children = w.ids.ID(), []any{}
	d.links.put(in.ID, &in, c.size())
	w.documents.grow(d.id, c.size())
	return created(in)
}

// deleteLinked answers DELETE /public/v1/documents/{id}/linked-objects/{linked_object_id}.
func (w *Workspace) deleteLinked(c *Call, d *document) (Reply, error) {
	if _, err := d.links.remove(c.vars["linked_object_id"]); err != nil {
		return Reply{}, err
	}
	return noContent()
}

// findLinked answers GET /public/v1/documents/linked-objects with a bare list.
func (w *Workspace) findLinked(c *Call) (Reply, error) {
	provider, kind, id := c.query.Get("provider"), c.query.Get("entity_type"), c.query.Get("entity_id")
	if provider == "" || kind == "" || id == "" {
		return Reply{}, malformed("provider, entity_type and entity_id are required.")
	}
	found := []map[string]any{}
	for _, d := range w.documents.all() {
		same := func(l *linkedObject) bool { return l.Provider == provider && l.EntityType == kind && l.EntityID == id }
		if !d.deleted && slices.ContainsFunc(d.links.all(), same) {
			found = append(found, map[string]any{
				"id": d.id, "status": d.statusAt(c.now), "date_created": stamp(d.created), "template_id": d.templateID,
			})
		}
	}
	return ok(found)
}

// attachment is a file on a document.
type attachment struct {
	UUID        string    `json:"uuid"`
	Name        string    `json:"name"`
	DateCreated stamp     `json:"date_created"`
	CreatedBy   memberRef `json:"created_by"`

	kind    string
	content []byte // nil if it was too large to keep
}

// listAttachments answers GET /public/v1/documents/{id}/attachments with a bare list.
func (w *Workspace) listAttachments(c *Call, d *document) (Reply, error) { return ok(d.files.all()) }

// addAttachment answers POST /public/v1/documents/{id}/attachments, with and without ?upload: official
// clients send files without it.
func (w *Workspace) addAttachment(c *Call, d *document) (Reply, error) {
	if d.statusAt(c.now) == statusUploaded {
		return Reply{}, Invalid("status", "Document is still being processed.")
	}
	var in struct{ Name, Source string }
	if c.upload == nil {
		if err := c.decode(&in); err != nil {
			return Reply{}, err
		}
	} else {
		in.Name, in.Source = c.upload.fields["name"], c.upload.fields["source"]
	}
	if c.upload != nil && c.upload.name != "" {
		return ok(w.attach(d, c, cmp.Or(in.Name, c.upload.name)))
	}
	if in.Source == "" {
		return Reply{}, Invalid("source", "Either a file or a source URL is required.")
	}
	name, err := fileURL(in.Source)
	if err != nil {
		return Reply{}, Invalid("source", "Enter a valid URL.")
	}
	// Nothing is fetched: the content of such an attachment is a line that says so.
	c.upload = &upload{kind: "text/plain", content: []byte("The emulator does not fetch " + Bounded(in.Source, 2000) + "\n")}
	return ok(w.attach(d, c, cmp.Or(in.Name, name, "attachment")))
}

// attach adds the upload of c to d.
func (w *Workspace) attach(d *document, c *Call, name string) *attachment {
	a := &attachment{
		UUID: w.ids.ID(), Name: Bounded(name, 255), DateCreated: stamp(c.now), CreatedBy: w.person(d.owner),
		kind: cmp.Or(c.upload.kind, "application/octet-stream"), content: c.upload.content,
	}
	d.files.put(a.UUID, a, c.size())
	w.documents.grow(d.id, c.size())
	return a
}

func (w *Workspace) attachment(c *Call) (*attachment, error) {
	d, err := w.document(c)
	if err != nil {
		return nil, err
	}
	return d.files.get(c.vars["attachment_id"])
}

// attachmentDetails answers GET /public/v1/documents/{id}/attachments/{attachment_id}.
func (w *Workspace) attachmentDetails(_ *Call, a *attachment) (Reply, error) { return ok(a) }

// deleteAttachment answers DELETE /public/v1/documents/{id}/attachments/{attachment_id}.
func (w *Workspace) deleteAttachment(c *Call, d *document) (Reply, error) {
	a, err := d.files.remove(c.vars["attachment_id"])
	if err != nil {
		return Reply{}, err
	}
	w.documents.grow(d.id, -int64(len(a.content)))
	d.modified = c.now
	return noContent()
}

// downloadAttachment answers GET /public/v1/documents/{id}/attachments/{attachment_id}/download.
func (w *Workspace) downloadAttachment(_ *Call, a *attachment) (Reply, error) {
	if a.content == nil {
		return Reply{}, &Problem{Status: 501, Kind: "not_implemented",
			Detail: "The emulator keeps attachments of up to 4 MiB; this one was larger."}
	}
	return fileReply(a.kind, a.Name, a.content)
}

// section is one part of a document that was put together from several.
type section struct {
	UUID         string `json:"uuid"`
	Name         string `json:"name"`
	DocumentUUID string `json:"document_uuid"`

	uploadID string
	created  stamp
}

// listSections answers GET /public/v1/documents/{document_id}/sections.
func (w *Workspace) listSections(c *Call, d *document) (Reply, error) {
	brief := func(s *section) any { return map[string]string{"uuid": s.UUID, "name": s.Name} }
	return results(views(d.sections.all(), brief))
}

// addSection answers POST /public/v1/documents/{document_id}/sections/uploads, with and without ?upload.
// The upload takes as long as that of a document.
func (w *Workspace) addSection(c *Call, d *document, in struct {
	Name         string `json:"name"`
	TemplateUUID string `json:"template_uuid"`
	URL          string `json:"url"`
}) (Reply, error) {
	name := in.Name
	switch {
	case c.upload != nil:
		file, err := c.file()
		if err != nil {
			return Reply{}, err
		}
		name = cmp.Or(name, file.name)
	case in.TemplateUUID != "":
		t, err := w.templateWith(in.TemplateUUID)
		if err != nil {
			return Reply{}, Invalid("template_uuid", "Template does not exist.")
		}
		name = cmp.Or(name, t.name)
	default:
		base, err := fileURL(in.URL)
		if err != nil {
			return Reply{}, err
		}
		name = cmp.Or(name, base, "Section")
	}
	s := &section{UUID: w.uuid(), Name: Bounded(name, 255), DocumentUUID: d.id, uploadID: w.uuid(), created: stamp(c.now)}
	d.sections.put(s.UUID, s, c.size())
	d.changed(c.now)
	w.documents.grow(d.id, c.size())
	w.notify("document_section_added", d.brief(c.now), c.now)
	view := s.upload(c)
	view["date_completed"] = nil
	view["info_message"] = "You need to poll the Document Section Upload Status method until the status is document_sections_upload.PROCESSED"
	delete(view, "sections_uuids")
	return created(view)
}

// upload returns the progress of the upload of a section.
func (s *section) upload(c *Call) map[string]any {
	status, made := "document_sections_upload.UPLOADED", []string{}
	if !c.now.Before(s.created.time().Add(conversion)) {
		status, made = "document_sections_upload.PROCESSED", []string{s.UUID}
	}
	return map[string]any{
		"uuid": s.uploadID, "document_uuid": s.DocumentUUID, "name": s.Name, "status": status,
		"sections_uuids": made, "date_created": s.created, "date_modified": s.created,
	}
}

// sectionUpload answers GET /public/v1/documents/{document_id}/sections/uploads/{upload_id}.
func (w *Workspace) sectionUpload(c *Call, d *document) (Reply, error) {
	for _, s := range d.sections.all() {
		if s.uploadID == c.vars["upload_id"] {
			return ok(s.upload(c))
		}
	}
	return Reply{}, NotFound()
}

// sectionDetails answers GET /public/v1/documents/{document_id}/sections/{section_id}.
func (w *Workspace) sectionDetails(c *Call, d *document) (Reply, error) {
	s, err := d.sections.get(c.vars["section_id"])
	if err != nil {
		return Reply{}, err
	}
	return ok(s)
}

// deleteSection answers DELETE /public/v1/documents/{document_id}/sections/{section_id}.
func (w *Workspace) deleteSection(c *Call, d *document) (Reply, error) {
	if _, err := d.sections.remove(c.vars["section_id"]); err != nil {
		return Reply{}, err
	}
	d.changed(c.now)
	return noContent()
}

// addNamedItems answers POST /public/v2/dsv/{document_id}/add-named-items.
func (w *Workspace) addNamedItems(c *Call, in struct {
	Items []struct {
		Name     string `json:"name"`
		Level    int    `json:"level"`
		PageName string `json:"page_name"`
	} `json:"items"`
}) (Reply, error) {
	if in.Items == nil {
		return Reply{}, Invalid("items", "This field is required.")
	}
	d, err := w.draft(c)
	if err != nil {
		return Reply{}, err
	}
	list := []map[string]any{}
	for _, item := range in.Items {
		if item.Name == "" || item.PageName == "" {
			return Reply{}, Invalid("items", "Every item needs a name and a page_name.")
		}
		list = append(list, map[string]any{
			"id": w.uuid(), "name": item.Name, "level": item.Level, "page_name": item.PageName, "page_uuid": w.uuid(),
		})
	}
	d.changed(c.now)
	return ok(map[string]any{"count": len(list), "results": list})
}
