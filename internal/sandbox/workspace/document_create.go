package workspace

import (
	"cmp"
	"encoding/json"
	"net/url"
	"path"
	"strings"
	"time"
)

// newDocument is what clients send to create a document, as JSON or as the data part of an upload.
type newDocument struct {
	Name         string           `json:"name"`
	TemplateUUID string           `json:"template_uuid"`
	URL          string           `json:"url"`
	FolderUUID   string           `json:"folder_uuid"`
	Recipients   []recipientInput `json:"recipients"`
	Tokens       json.RawMessage  `json:"tokens"`
	Fields       json.RawMessage  `json:"fields"`
	Metadata     json.RawMessage  `json:"metadata"`
	Tags         []string         `json:"tags"`
	Images       []namedBlock     `json:"images"`
	Tables       []namedBlock     `json:"tables"`
	Texts        []namedBlock     `json:"texts"`
}

// createDocument answers POST /public/v1/documents.
func (w *Workspace) createDocument(c *Call) (Reply, error) {
	if c.upload != nil {
		return w.createFromFile(c)
	}
	var in newDocument
	if err := c.decode(&in); err != nil {
		return Reply{}, err
	}
	switch {
	case in.TemplateUUID == "" && in.URL == "":
		return Reply{}, Invalid("template_uuid", "Either template_uuid or url is required.")
	case in.TemplateUUID != "" && in.URL != "":
		return Reply{}, Invalid("template_uuid", "template_uuid and url exclude each other.")
	case in.TemplateUUID != "" && in.Recipients == nil:
		return Reply{}, Invalid("recipients", "This field is required.")
	}
	if in.URL != "" {
		name, err := fileURL(in.URL)
		if err != nil {
			return Reply{}, err
		}
		return w.makeDocument(c, in, name)
	}
	t, err := w.templateWith(in.TemplateUUID)
	if err != nil {
		return Reply{}, Invalid("template_uuid", "Template does not exist.")
	}
	return w.makeDocument(c, in, t.name)
}

// createFromFile answers POST /public/v1/documents?upload and ?upload-markdown, and files that are sent without either
// key, as public integrations do. The file is counted and hashed; the pages are invented.
func (w *Workspace) createFromFile(c *Call) (Reply, error) {
	file, err := c.file()
	if err != nil {
		return Reply{}, err
	}
	var in newDocument
	if err := c.decode(&in); err != nil {
		return Reply{}, err
	}
	if file.size == 0 {
		return Reply{}, Invalid("file", "The submitted file is empty.")
	}
	return w.makeDocument(c, in, strings.TrimSuffix(file.name, path.Ext(file.name)))
}

func (w *Workspace) makeDocument(c *Call, in newDocument, fallbackName string) (Reply, error) {
	if in.FolderUUID != "" {
		if _, err := w.documentFolders.get(in.FolderUUID); err != nil {
			return Reply{}, Invalid("folder_uuid", "Folder does not exist.")
		}
	}
	fields, err := fieldsFromCreation(w, in.Fields)
	if err != nil {
		return Reply{}, err
	}
	// The names of sandbox documents have a mark.
	d := &document{
		content: content{
			id: w.ids.ID(), name: "[DEV] " + cmp.Or(in.Name, fallbackName, "Untitled"), created: c.now, modified: c.now,
			folderID: in.FolderUUID, tags: in.Tags, metadata: in.Metadata, tokens: in.Tokens,
		},
		status: statusUploaded, expires: c.now.Add(60 * 24 * time.Hour), templateID: in.TemplateUUID, owner: w.me,
		fields: fields, images: in.Images, tables: in.Tables, texts: in.Texts, reminders: firstReminders(), settings: firstSettings(),
	}
	if in.TemplateUUID != "" {
		d.quote = newQuote(w)
	}
	for i, r := range in.Recipients {
		made, err := w.newRecipient(r, i+1)
		if err != nil {
			return Reply{}, err
		}
		d.recipients = append(d.recipients, made)
	}
	w.addContacts(d.recipients)
	w.documents.put(d.id, d, c.size())
	w.record(d, actionCreated, c.now)
	return created(map[string]any{
		"id": d.id, "uuid": d.id, "name": d.name, "status": d.status,
		"date_created": stamp(d.created), "date_modified": stamp(d.modified), "expiration_date": stamp(d.expires), "version": "2",
		"links":        []map[string]string{{"rel": "status", "href": c.origin + "/public/v1/documents/" + d.id, "type": "GET"}},
		"info_message": "You need to poll the Document Status method until the status will be changed to " + statusDraft,
	})
}

// fileURL checks a URL that the service would fetch. The emulator does not fetch it.
func fileURL(raw string) (name string, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", Invalid("url", "Enter a valid URL.")
	}
	base := path.Base(u.Path)
	return strings.TrimSuffix(base, path.Ext(base)), nil
}
