package sandbox

import (
	"net/http"
	"strings"
)

// documentContent is operation 124: 202 first, then text with an ETag.
func (w *world) documentContent(c *call) (reply, error) {
	d, err := w.document(c)
	if err != nil {
		return reply{}, err
	}
	if !d.readyAt("content", c.now) {
		return notReady(1)
	}
	text := strings.Join(append([]string{"# " + d.name}, documentLines(d, c)...), "\n\n")
	rep, err := ok(map[string]any{"document_id": d.id, "content": text, "format": "markdown"})
	rep.header = map[string]string{"ETag": `"` + fingerprint(text) + `"`}
	return rep, err
}

// documentSummary is operation 123.
func (w *world) documentSummary(c *call) (reply, error) {
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
		header: map[string]string{"ETag": `"` + fingerprint(text) + `"`},
	}, nil
}
