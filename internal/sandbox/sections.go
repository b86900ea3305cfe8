package sandbox

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

// listSections is operation 48.
func (w *world) listSections(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	return results(slices.Clone(d.sections))
}

// addSection is operations 49 and 50. The upload is done as soon as the document's own would be.
func (w *world) addSection(c *call) (reply, error) {
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
			return reply{}, invalid("template_uuid", "Template does not exist.")
		}
		name = cmp.Or(name, t.name)
	default:
		base, err := fileURL(in.URL)
		if err != nil {
			return reply{}, err
		}
		name = cmp.Or(name, base, "Section")
	}
	s := section{UUID: w.ids.id(), Name: bounded(name, 255), DocumentUUID: d.id, uploadID: w.ids.id(), created: stamp(c.now)}
	d.sections = append(d.sections, s)
	d.changed(c.now)
	w.documents.grow(d.id, c.size())
	return created(s.upload(c))
}

// upload tells how far the making of a section is.
func (s section) upload(c *call) map[string]any {
	status, completed := "section.UPLOADED", stamp{}
	if done := s.created.time().Add(conversion); !c.now.Before(done) {
		status, completed = "section.PROCESSED", stamp(done)
	}
	return map[string]any{
		"uuid": s.uploadID, "document_uuid": s.DocumentUUID, "name": s.Name, "status": status,
		"sections_uuids": []string{s.UUID}, "date_created": s.created, "date_modified": s.created, "date_completed": completed,
	}
}

func (w *world) sectionBy(c *call, fits func(section) bool) (*document, int, error) {
	d, err := w.document(c)
	if err != nil {
		return nil, 0, err
	}
	i := slices.IndexFunc(d.sections, fits)
	if i < 0 {
		return nil, 0, notFound()
	}
	return d, i, nil
}

// sectionUpload is operation 51.
func (w *world) sectionUpload(c *call) (reply, error) {
	d, i, err := w.sectionBy(c, func(s section) bool { return s.uploadID == c.vars["upload_id"] })
	if err != nil {
		return reply{}, err
	}
	return ok(d.sections[i].upload(c))
}

// sectionDetails is operation 52.
func (w *world) sectionDetails(c *call) (reply, error) {
	d, i, err := w.sectionBy(c, func(s section) bool { return s.UUID == c.vars["section_id"] })
	if err != nil {
		return reply{}, err
	}
	return ok(d.sections[i])
}

// deleteSection is operation 53.
func (w *world) deleteSection(c *call) (reply, error) {
	d, i, err := w.sectionBy(c, func(s section) bool { return s.UUID == c.vars["section_id"] })
	if err != nil {
		return reply{}, err
	}
	d.sections = slices.Delete(d.sections, i, i+1)
	d.changed(c.now)
	return noContent()
}
