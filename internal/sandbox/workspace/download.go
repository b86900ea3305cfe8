package workspace

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
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
	if err == nil {
		_, err = f.Write(content)
	}
	err = errors.Join(err, z.Close())
	return packed.Bytes(), err
}

// downloadProtected answers GET /public/v1/documents/{id}/download-protected. For every
// sandbox credential, the service answers with a 401 that is not about the token.
func (w *Workspace) downloadProtected(c *Call) (Reply, error) {
	return Reply{}, Unauthenticated("Protected documents cannot be downloaded with a sandbox credential.")
}

// makePDF returns a one-page PDF (version 1.4) with the given lines, in the built-in Helvetica. Characters that the
// font's encoding does not have are shown as question marks.
func makePDF(title string, lines ...string) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "BT /F1 20 Tf 72 760 Td (%s) Tj /F1 11 Tf 0 -14 Td", pdfString(title))
	for _, line := range lines {
		fmt.Fprintf(&text, " 0 -18 Td (%s) Tj", pdfString(line))
	}
	text.WriteString(" ET")
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", text.Len(), text.String()),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
		fmt.Sprintf("<< /Title (%s) /Producer (PandaDoc emulator) >>", pdfString(title)),
	}
	// Bytes above 127 after the header, so that transfer programs treat the file as binary (ISO 32000, 7.5.2).
	out := bytes.NewBufferString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	offsets := make([]int, len(objects))
	for i, object := range objects {
		offsets[i] = out.Len()
		fmt.Fprintf(out, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := out.Len()
	// Every entry of the table has 20 bytes, including its end of line.
	fmt.Fprintf(out, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, offset := range offsets {
		fmt.Fprintf(out, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(out, "trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, len(objects), start)
	return out.Bytes()
}

// pdfString escapes s for a literal string in WinAnsi.
func pdfString(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '(' || r == ')' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case r >= 0xa0 && r <= 0xff:
			fmt.Fprintf(&b, "\\%03o", r)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}
