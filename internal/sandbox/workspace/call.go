package workspace

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
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

// orEmpty returns what the client sent, or the zero value.
func orEmpty(raw json.RawMessage, empty string) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage(empty)
	}
	return raw
}

// views returns every item of a list in a form for an answer. It is never nil.
func views[T, V any](list []T, view func(T) V) []V {
	shown := []V{}
	for _, item := range list {
		shown = append(shown, view(item))
	}
	return shown
}

// nonNil makes JSON show an empty list as [] and not as null.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
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
	wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case ok && wrongType.Field != "":
		return Invalid(strings.ToLower(wrongType.Field), "Not a valid "+wrongType.Type.Kind().String()+".")
	case ok:
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

// fits reports whether value is one of the values of a filter. An absent filter accepts every value.
func fits(wanted []string, value string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, value)
}

// allows is fits for a filter of the query with one value. An empty value counts as absent.
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

// trueOrFalse are the values of a boolean.
func trueOrFalse() []string { return []string{"true", "false", "True", "False", "1", "0"} }

// choices are the parameters of the query, by path, for which the specification lists the values and which the
// operations do not check themselves. Some have no effect in the emulator, but a wrong value is still an error.
func choices() map[string]map[string][]string {
	logs := map[string][]string{
		"methods":          {"GET", "POST", "PUT", "PATCH", "DELETE"},
		"environment_type": {"PRODUCTION", "SANDBOX"},
	}
	notify := map[string][]string{"notify_user": trueOrFalse(), "notify_ws_admins": trueOrFalse()}
	return map[string]map[string][]string{
		"/public/v1/templates": {"shared": trueOrFalse(), "fields": {"content_date_modified"}},
		"/public/v1/forms": {
			"status": {"draft", "active", "disabled"}, "asc": trueOrFalse(),
			"order_by": {"name", "responses", "status", "created_date", "modified_date"},
		},
		"/public/v1/logs": logs,
		"/public/v2/logs": logs,
		"/public/v1/documents/{document_id}/sections/uploads": {"merge_field_scope": {"document", "upload"}},
		"/public/v1/webhook-events": {
			"type":  triggerNames(),
			"error": {"INTERNAL_ERROR", "NOT_VALID_URL", "CONNECT_ERROR", "TIMEOUT_ERROR"},
		},
		"/public/v2/notary/notaries": {
			"status":   {"INVITED", "UNDER_REVIEW", "ACTIVE", "REJECTED", "INACTIVE"},
			"order_by": ascending("email", "status", "name"),
		},
		"/public/v2/notary/notarization-requests": {
			"status":   {"DRAFT", "SENT", "WAITING_FOR_NOTARY", "ACCEPTED", "LIVE", "COMPLETED", "INCOMPLETE", "CANCELLED"},
			"order_by": ascending("status", "date_created", "date_completed"),
		},
		"/public/v2/product-catalog/items/search": {
			"order_by": ascending("sku", "title", "price", "date_modified"), "types": {"regular", "bundle"},
			"billing_types": {"one_time", "recurring"}, "no_category": trueOrFalse(),
		},
		"/public/v1/users": {"show_removed": trueOrFalse(), "notify_user": trueOrFalse(), "notify_ws_admins": trueOrFalse()},
		"/public/v1/workspaces/{workspace_id}/members": notify,
	}
}

// ascending returns the orders, and each of them with a minus for the opposite order.
func ascending(names ...string) []string {
	for _, name := range slices.Clone(names) {
		names = append(names, "-"+name)
	}
	return names
}

// checkQuery refuses a value that the specification does not allow. Empty values count as absent.
func checkQuery(o *Operation, query url.Values) error {
	path, _, _ := strings.Cut(o.Path, "?")
	allowed := choices()[path]
	for _, name := range slices.Sorted(maps.Keys(allowed)) { // in one order, so that a run can be repeated
		for _, value := range query[name] {
			if value != "" && !slices.Contains(allowed[name], value) {
				return Invalid(name, "Select a valid choice. "+Bounded(value, 60)+" is not one of the available choices.")
			}
		}
	}
	return nil
}

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
		if err == nil {
			err = u.take(part, limit)
		}
		switch {
		case errors.Is(err, errTooBig):
			return nil, tooBig(limit)
		case err != nil:
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
