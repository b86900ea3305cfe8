package workspace

import (
	"archive/zip"
	"bytes"
	"mime"
	"net/http"
	"strings"
)

func fileReply(kind, name string, content []byte) (Reply, error) {
	return Reply{Status: http.StatusOK, Body: content, Header: map[string]string{
		"Content-Type":        kind,
		"Content-Disposition": mime.FormatMediaType("attachment", map[string]string{"filename": name}),
	}}, nil
}

// downloadDocument answers GET /public/v1/documents/{id}/download: first 202 with an empty body, then the file.
func (w *Workspace) downloadDocument(c *Call, d *document) (Reply, error) {
	separate := c.flag("separate_files")
	if c.err != nil {
		return Reply{}, c.err
	}
	if d.statusAt(c.now) == statusUploaded {
		return Reply{}, d.conflict(c, "Document is still being processed.")
	}
	if !d.readyAt("download", c.now) {
		return notReady()
	}
	name := strings.NewReplacer("/", "_", "\\", "_").Replace(d.name)
	file := makePDF(d.name, documentLines(d, c)...)
	if !separate {
		return fileReply("application/pdf", name+".pdf", file)
	}
	packed, err := zipOf(name+".pdf", file)
	if err != nil {
		return Reply{}, err
	}
	return fileReply("application/zip", name+".zip", packed)
}

// documentLines is the text of the invented page.
func documentLines(d *document, c *Call) []string {
	lines := []string{
		"This page was made by an emulator of PandaDoc. It is no real document.",
		"Document " + d.id, "Status " + d.statusAt(c.now),
	}
	for _, r := range d.recipients {
		lines = append(lines, "Recipient "+r.Email)
	}
	if mark := c.query.Get("watermark_text"); mark != "" {
		lines = append(lines, "Watermark: "+Bounded(mark, 200))
	}
	return lines
}

func zipOf(name string, content []byte) ([]byte, error) {
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	f, err := z.Create(name)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// downloadProtected answers GET /public/v1/documents/{id}/download-protected. For every
// sandbox credential, the service answers with a 401 that is not about the token.
func (w *Workspace) downloadProtected(c *Call) (Reply, error) {
	return Reply{}, Unauthenticated("Protected documents cannot be downloaded with a sandbox credential.")
}
