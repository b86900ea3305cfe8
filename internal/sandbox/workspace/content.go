package workspace

import (
	"net/http"
	"strings"
)

// documentContent answers GET /public/beta/documents/{document_id}/content: 202 first, then text with an ETag.
func (w *Workspace) documentContent(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if !d.readyAt("content", c.now) {
		return notReady(1)
	}
	text := strings.Join(append([]string{"# " + d.name}, documentLines(d, c)...), "\n\n")
	rep, err := ok(map[string]any{"document_id": d.id, "content": text, "format": "markdown"})
	rep.header = map[string]string{"ETag": `"` + etag(text) + `"`}
	return rep, err
}

// documentSummary answers GET /public/beta/documents/{document_id}/summary.
func (w *Workspace) documentSummary(c *Call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if !d.readyAt("summary", c.now) {
		return notReady(1)
	}
	text := "A made-up document called " + d.name + "."
	return reply{
		status: http.StatusOK, json: map[string]any{"document_id": d.id, "summary": text},
		header: map[string]string{"ETag": `"` + etag(text) + `"`},
	}, nil
}
