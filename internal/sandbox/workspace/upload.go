package workspace

import (
	"errors"
	"io"
	"mime/multipart"
)

const (
	// maxKept is the largest file whose content is kept for a later download. Larger files are only counted.
	maxKept  = 4 << 20
	maxField = 64 << 10
)

// upload is a multipart body.
type upload struct {
	name    string // of the file
	kind    string // its media type
	size    int64
	content []byte            // nil if the file is larger than maxKept
	fields  map[string]string // the parts that are not files
}

var errTooBig = errors.New("larger than the limit")

// readUpload parses a multipart body while it arrives, so that a large file is never in memory as a whole.
func readUpload(body io.Reader, boundary string, limit int64) (*upload, error) {
	if boundary == "" {
		return nil, malformed("Multipart form parse error - no boundary.")
	}
	u := &upload{fields: map[string]string{}}
	parts := multipart.NewReader(body, boundary)
	for range 20 { // no operation has more parts
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return u, nil
		}
		if err != nil {
			return nil, malformed("Multipart form parse error.")
		}
		if err = u.take(part, limit); errors.Is(err, errTooBig) {
			return nil, tooBig(limit)
		}
		if err != nil {
			return nil, malformed("Multipart form parse error.")
		}
	}
	return nil, malformed("Multipart form has too many parts.")
}

func (u *upload) take(part *multipart.Part, limit int64) error {
	if part.FileName() == "" {
		most := int64(maxField)
		if part.FormName() == "data" {
			most = maxJSON
		}
		value, err := io.ReadAll(io.LimitReader(part, most+1))
		if int64(len(value)) > most {
			return errTooBig
		}
		u.fields[Bounded(part.FormName(), 100)] = string(value)
		return err
	}
	u.name, u.kind = Bounded(part.FileName(), 255), Bounded(part.Header.Get("Content-Type"), 100)
	head, err := io.ReadAll(io.LimitReader(part, min(maxKept, limit)+1))
	if err != nil {
		return err
	}
	rest, err := io.Copy(io.Discard, io.LimitReader(part, limit+1-int64(len(head))))
	u.size = int64(len(head)) + rest
	if u.size > limit {
		return errTooBig
	}
	if u.size <= maxKept {
		u.content = head
	}
	return err
}

// file returns the upload, or an error that names what is missing if it has no file.
func (c *Call) file() (*upload, error) {
	if c.upload == nil || c.upload.name == "" {
		return nil, Invalid("file", "No file was submitted.")
	}
	return c.upload, nil
}
