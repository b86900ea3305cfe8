package workspace

import (
	"cmp"
	"slices"
)

// section is a part of a document that is made of several.
type section struct {
	UUID         string `json:"uuid"`
	Name         string `json:"name"`
	DocumentUUID string `json:"document_uuid"`

	uploadID string
	created  stamp
}

// listSections answers GET /public/v1/documents/{document_id}/sections.
func (w *Workspace) listSections(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	return results(slices.Clone(d.sections))
}

// addSection answers POST /public/v1/documents/{document_id}/sections/uploads and POST /public/v1/documents/{document_id}/sections/uploads?upload. The upload is done as soon as the document's own would be.
func (w *Workspace) addSection(c *Call) (reply, error) {
	var in struct {
		Name         string `json:"name"`
		TemplateUUID string `json:"template_uuid"`
		URL          string `json:"url"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	d, err := w.draft(c)
	if err != nil {
		return reply{}, err
	}
	name := in.Name
	switch {
	case c.upload != nil:
		file, err := c.file()
		if err != nil {
			return reply{}, err
		}
		name = cmp.Or(name, file.name)
	case in.TemplateUUID != "":
		t, err := w.templates.get(in.TemplateUUID)
		if err != nil {
			return reply{}, Invalid("template_uuid", "Template does not exist.")
		}
		name = cmp.Or(name, t.name)
	default:
		base, err := fileURL(in.URL)
		if err != nil {
			return reply{}, err
		}
		name = cmp.Or(name, base, "Section")
	}
	s := section{UUID: w.ids.ID(), Name: Bounded(name, 255), DocumentUUID: d.id, uploadID: w.ids.ID(), created: stamp(c.now)}
	d.sections = append(d.sections, s)
	d.changed(c.now)
	w.documents.grow(d.id, c.size())
	return created(s.upload(c))
}

// upload tells how far the making of a section is.
func (s section) upload(c *Call) map[string]any {
	status, completed := "section.UPLOADED", stamp{}
	if done := s.created.time().Add(conversion); !c.now.Before(done) {
		status, completed = "section.PROCESSED", stamp(done)
	}
	return map[string]any{
		"uuid": s.uploadID, "document_uuid": s.DocumentUUID, "name": s.Name, "status": status,
		"sections_uuids": []string{s.UUID}, "date_created": s.created, "date_modified": s.created, "date_completed": completed,
	}
}

func (w *Workspace) sectionBy(c *Call, fits func(section) bool) (*document, int, error) {
	d, err := w.document(c)
	if err != nil {
		return nil, 0, err
	}
	i := slices.IndexFunc(d.sections, fits)
	if i < 0 {
		return nil, 0, NotFound()
	}
	return d, i, nil
}

// sectionUpload answers GET /public/v1/documents/{document_id}/sections/uploads/{upload_id}.
func (w *Workspace) sectionUpload(c *Call) (reply, error) {
	d, i, err := w.sectionBy(c, func(s section) bool { return s.uploadID == c.vars["upload_id"] })
	if err != nil {
		return reply{}, err
	}
	return ok(d.sections[i].upload(c))
}

// sectionDetails answers GET /public/v1/documents/{document_id}/sections/{section_id}.
func (w *Workspace) sectionDetails(c *Call) (reply, error) {
	d, i, err := w.sectionBy(c, func(s section) bool { return s.UUID == c.vars["section_id"] })
	if err != nil {
		return reply{}, err
	}
	return ok(d.sections[i])
}

// deleteSection answers DELETE /public/v1/documents/{document_id}/sections/{section_id}.
func (w *Workspace) deleteSection(c *Call) (reply, error) {
	d, i, err := w.sectionBy(c, func(s section) bool { return s.UUID == c.vars["section_id"] })
	if err != nil {
		return reply{}, err
	}
	d.sections = slices.Delete(d.sections, i, i+1)
	d.changed(c.now)
	return noContent()
}
