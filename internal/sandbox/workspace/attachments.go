package workspace

import (
	"cmp"
	"slices"
)

// attachment is a file on a document.
type attachment struct {
	UUID        string    `json:"uuid"`
	Name        string    `json:"name"`
	DateCreated stamp     `json:"date_created"`
	CreatedBy   memberRef `json:"created_by"`

	kind    string
	size    int64
	content []byte // nil if it was too large to keep
}

// listAttachments answers GET /public/v1/documents/{id}/attachments. Its answer is a bare list, not {"results": …}.
func (w *Workspace) listAttachments(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	return ok(nonNil(d.files))
}

// addAttachment answers POST /public/v1/documents/{id}/attachments and POST /public/v1/documents/{id}/attachments?upload. Official clients send the file of 29 to the path of 28.
func (w *Workspace) addAttachment(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if d.statusAt(c.now) == statusUploaded {
		return reply{}, conflict("Document is still being processed.")
	}
	var in struct{ Name, Source string }
	if c.upload == nil {
		if err := c.decode(&in); err != nil {
			return reply{}, err
		}
	} else {
		in.Name, in.Source = c.upload.fields["name"], c.upload.fields["source"]
	}
	if c.upload != nil && c.upload.name != "" {
		return ok(w.attach(d, c, cmp.Or(in.Name, c.upload.name)))
	}
	if in.Source == "" {
		return reply{}, Invalid("source", "Either a file or a source URL is required.")
	}
	name, err := fileURL(in.Source)
	if err != nil {
		return reply{}, Invalid("source", "Enter a valid URL.")
	}
	// Nothing is fetched: the attachment of a URL holds a line that says so.
	c.upload = &upload{kind: "text/plain", content: []byte("The emulator does not fetch " + Bounded(in.Source, 2000) + "\n")}
	return ok(w.attach(d, c, cmp.Or(in.Name, name, "attachment")))
}

// attach adds the upload of c to d.
func (w *Workspace) attach(d *document, c *Call, name string) *attachment {
	a := &attachment{
		UUID: w.ids.ID(), Name: Bounded(name, 255), DateCreated: stamp(c.now), CreatedBy: w.person(d.owner),
		kind: cmp.Or(c.upload.kind, "application/octet-stream"), size: c.upload.size, content: c.upload.content,
	}
	d.files = append(d.files, a)
	w.documents.grow(d.id, c.size())
	w.happened(d, "attachment_added", c.now)
	return a
}

func (w *Workspace) attachment(c *Call) (*document, *attachment, error) {
	d, err := w.document(c)
	if err != nil {
		return nil, nil, err
	}
	for _, a := range d.files {
		if a.UUID == c.vars["attachment_id"] {
			return d, a, nil
		}
	}
	return nil, nil, NotFound()
}

// attachmentDetails answers GET /public/v1/documents/{id}/attachments/{attachment_id}.
func (w *Workspace) attachmentDetails(c *Call) (reply, error) {
	_, a, err := w.attachment(c)
	if err != nil {
		return reply{}, err
	}
	return ok(a)
}

// deleteAttachment answers DELETE /public/v1/documents/{id}/attachments/{attachment_id}.
func (w *Workspace) deleteAttachment(c *Call) (reply, error) {
	d, a, err := w.attachment(c)
	if err != nil {
		return reply{}, err
	}
	d.files = slices.DeleteFunc(d.files, func(other *attachment) bool { return other == a })
	w.documents.grow(d.id, -int64(len(a.content)))
	d.modified = c.now
	return noContent()
}

// downloadAttachment answers GET /public/v1/documents/{id}/attachments/{attachment_id}/download.
func (w *Workspace) downloadAttachment(c *Call) (reply, error) {
	_, a, err := w.attachment(c)
	if err != nil {
		return reply{}, err
	}
	if a.content == nil {
		return reply{}, &Problem{Status: 501, Kind: "not_implemented",
			Detail: "The emulator keeps attachments of up to 4 MiB; this one was larger."}
	}
	return fileReply(a.kind, a.Name, a.content)
}
