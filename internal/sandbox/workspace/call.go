package workspace

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxJSON is the service's limit on a JSON body.
const maxJSON = 2_000_000

// Call is one request to an operation. Its input has been read already.
type Call struct {
	vars   map[string]string
	query  url.Values
	json   []byte // {} if the client sent nothing
	upload *upload
	origin string // of the API, as the client wrote it
	now    time.Time

	err error // the first mistake in the query that the operation found, see fail
}

// Reply is a complete answer. A nil body is empty. A body is JSON unless Header has a Content-Type.
type Reply struct {
	Status int
	Header map[string]string
	Body   []byte
}

func jsonReply(status int, v any) (Reply, error) {
	body, err := json.Marshal(v)
	return Reply{Status: status, Body: body}, err
}

func ok(v any) (Reply, error)      { return jsonReply(http.StatusOK, v) }
func created(v any) (Reply, error) { return jsonReply(http.StatusCreated, v) }
func noContent() (Reply, error)    { return Reply{Status: http.StatusNoContent}, nil }

// notReady is the answer of an operation whose result is not ready yet.
func notReady() (Reply, error) {
	return Reply{Status: http.StatusAccepted, Header: map[string]string{"Retry-After": "1"}}, nil
}

// results is the usual form of a collection.
func results[T any](list []T) (Reply, error) {
	return ok(map[string]any{"results": nonNil(list)})
}

// ReadCall reads the input of an operation from r; vars are the variables of its path. maxBody, in bytes, replaces
// the service's limits on uploads if it is more than zero.
func ReadCall(r *http.Request, o *Operation, vars map[string]string, now time.Time, maxBody int64) (*Call, error) {
	c := &Call{vars: vars, origin: "http://" + r.Host, now: now}
	var err error
	if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return nil, malformed("The query cannot be read.")
	}
	if err = checkQuery(o, c.query); err != nil {
		return nil, err
	}
	if o.body == noBody {
		return c, nil
	}
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isFile := kind == "multipart/form-data"
	switch {
	case isFile && o.body == jsonBody, !isFile && o.body == fileBody:
		return nil, &Problem{Status: 415, Kind: "request_error", Detail: "Unsupported media type, this operation takes " + string(o.body) + "."}
	case isFile:
		c.upload, err = readUpload(r.Body, params["boundary"], cmp.Or(maxBody, o.uploadLimit()))
	default:
		c.json, err = readJSON(r.Body)
	}
	return c, err
}

// uploadLimit is PandaDoc's: 100 MB for templates and library items, 50 MB for the rest.
func (o *Operation) uploadLimit() int64 {
	if strings.HasPrefix(o.Path, "/public/v1/templates") || strings.HasPrefix(o.Path, "/public/v1/content-library-items") {
		return 100_000_000
	}
	return 50_000_000
}

func readJSON(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxJSON+1))
	switch {
	case err != nil:
		return nil, malformed("The body was cut off.")
	case len(body) > maxJSON:
		return nil, &Problem{Status: 413, Kind: "request_error", Detail: "Request body is too big. Maximum size is 2 MB"}
	case len(body) == 0:
		return []byte("{}"), nil
	case !json.Valid(body) || !utf8.Valid(body):
		return nil, malformed("JSON parse error.")
	}
	return body, nil
}

// decode reads the JSON of the body, or of the "data" part of an upload, into v.
func (c *Call) decode(v any) error {
	raw := c.json
	if c.upload != nil {
		raw = []byte(cmp.Or(c.upload.fields["data"], "{}"))
	}
	if string(bytes.TrimSpace(raw)) == "null" {
		return malformed("No data provided.")
	}
	err := json.Unmarshal(raw, v)
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return Invalid(strings.ToLower(kind.Field), "Not a valid "+kind.Type.Kind().String()+".")
	case errors.As(err, &kind):
		return malformed("Invalid data: the body has the wrong type.")
	case err != nil:
		return malformed("JSON parse error.")
	}
	return nil
}

// amend is decode for a copy of a stored value. It gives the copy memory of its own first: json.Unmarshal writes through
// the pointers and into the lists that it finds, so a refused change would overwrite the stored value.
func amend[T any](c *Call, v *T) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var own T
	if err := json.Unmarshal(raw, &own); err != nil {
		return err
	}
	*v = own
	return c.decode(v)
}

// size estimates the memory that the input of this call needs if it is kept.
func (c *Call) size() int64 {
	n := int64(len(c.json)) + 512
	if c.upload != nil {
		n += int64(len(c.upload.content)) + int64(len(c.upload.fields["data"]))
	}
	return n
}

// fail notes a mistake in the query. Do returns the first one instead of the answer, so operations that only read need
// not check.
func (c *Call) fail(p *Problem) {
	if c.err == nil {
		c.err = p
	}
}

// pages reads count and page, and returns which part of a list to show.
func (c *Call) pages(standard, most int) (from, to int) {
	count := c.number("count", standard, 1, most)
	page := c.number("page", 1, 1, 1_000_000)
	return (page - 1) * count, page * count
}

// offsets reads limit and offset, which version 2 uses.
func (c *Call) offsets() (from, to int) {
	limit := c.number("limit", 50, 1, 100)
	offset := c.number("offset", 0, 0, 1_000_000)
	return offset, offset + limit
}

func (c *Call) number(name string, absent, least, most int) int {
	raw := c.query.Get(name)
	if raw == "" {
		return absent
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < least || n > most {
		c.fail(Invalid(name, "Ensure this value is between "+strconv.Itoa(least)+" and "+strconv.Itoa(most)+"."))
		return absent
	}
	return n
}

func (c *Call) flag(name string) bool {
	switch c.query.Get(name) {
	case "", "false", "False", "0":
		return false
	case "true", "True", "1":
		return true
	}
	c.fail(Invalid(name, "Must be true or false."))
	return false
}

// allows reports whether value passes a filter of the query. An absent or empty filter accepts every value.
func (c *Call) allows(name, value string) bool {
	want := c.query.Get(name)
	return want == "" || want == value
}

// moment returns a time from the query, or zero if it is absent.
func (c *Call) moment(name string) time.Time {
	raw := c.query.Get(name)
	if raw == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", time.DateOnly} {
		if t, err := time.Parse(layout, raw); err == nil {
			return t
		}
	}
	c.fail(Invalid(name, "Use a date and time in ISO 8601."))
	return time.Time{}
}

// period reads the names of two moments, and reports whether a time is between them: not before the first, and before
// the second. A time that is zero has not come, so it is before no moment.
func (c *Call) period(from, to string) func(time.Time) bool {
	since, until := c.moment(from), c.moment(to)
	return func(t time.Time) bool {
		return !t.Before(since) && (until.IsZero() || !t.IsZero() && t.Before(until))
	}
}
