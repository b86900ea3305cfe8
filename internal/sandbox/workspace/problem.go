package workspace

import (
	"fmt"
	"net/http"
	"strings"
)

// Problem is an error of the API. Its JSON form depends on the API version of the path.
type Problem struct {
	Status int
	Kind   string // "type" of version 1
	Field  string // of the request, which is invalid; noField for the whole request, empty if there is no such mistake
	Detail string // a sentence
	Header map[string]string
	Body   any // replaces the usual body of version 1 if a status has a special one
}

func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Kind, p.text()) }

// BodyFor returns the answer's body for a path: {type, detail} in version 1, {code, details} in version 2 and beta.
func (p *Problem) BodyFor(path string) any {
	path = strings.TrimSuffix(path, "/")
	beta := strings.HasPrefix(path, "/public/beta/")
	switch {
	case beta && (strings.HasSuffix(path, "/summary") || strings.HasSuffix(path, "/content")) && (p.Status == 400 || p.Status == 404):
		return map[string]any{"error": map[string]string{"code": p.code(), "message": p.text()}}
	case beta && strings.HasSuffix(path, "/ai-metadata") && p.Status == 409:
		return map[string]string{"code": "not_started", "description": p.text()}
	case beta || strings.HasPrefix(path, "/public/v2/"):
		return map[string]any{"code": p.code(), "details": p.details()}
	case p.Body != nil:
		return p.Body
	case strings.Contains(path, "/auto-reminders") && p.Status == 400: // for these paths, the detail is a sentence
		return map[string]any{"type": "request_error", "detail": p.text()}
	}
	if p.Field != "" {
		return map[string]any{"type": p.Kind, "detail": map[string][]string{p.Field: {p.Detail}}}
	}
	return map[string]string{"type": p.Kind, "detail": p.Detail}
}

// code returns the name of the status in version 2.
func (p *Problem) code() string {
	switch p.Status {
	case 429:
		return "too_many_requests"
	case 500:
		return "internal"
	case 504:
		return "timeout"
	}
	return strings.ReplaceAll(strings.ToLower(http.StatusText(p.Status)), " ", "_")
}

// detail is one of the details of version 2.
type detail struct {
	Code    string            `json:"code"`
	Pointer *string           `json:"pointer"` // to the invalid field, or nil
	Data    map[string]string `json:"data"`
}

func (p *Problem) details() []detail {
	if p.Status == http.StatusUnauthorized || p.Status == http.StatusNotFound || p.Status == http.StatusTooManyRequests {
		return []detail{} // the code needs no details
	}
	d := detail{Code: p.code(), Data: map[string]string{"message": p.Detail}}
	if p.Field != "" {
		d.Code = "invalid"
		if p.Field != noField {
			d.Pointer = new("/" + strings.ReplaceAll(p.Field, ".", "/"))
		}
	}
	return []detail{d}
}

// text returns the detail as one sentence.
func (p *Problem) text() string {
	if p.Field == "" || p.Field == noField {
		return p.Detail
	}
	return p.Field + ": " + p.Detail
}

// noField is the key that the service uses for errors of the whole request.
const noField = "non_field_errors"

// Invalid returns the problem that a field of the request is invalid.
func Invalid(field, message string) *Problem {
	return &Problem{Status: 400, Kind: "validation_error", Field: field, Detail: message}
}

func malformed(message string) *Problem { return Invalid(noField, message) }

// refusal returns a 400 with one sentence, which only a few operations send.
func refusal(sentence string) *Problem {
	return &Problem{Status: 400, Kind: "request_error", Detail: sentence}
}

// NotFound returns the problem that an item or route does not exist.
func NotFound() *Problem { return &Problem{Status: 404, Kind: "request_error", Detail: "Not found"} }

func tooBig(limit int64) *Problem {
	return &Problem{Status: 413, Kind: "request_error",
		Detail: fmt.Sprintf("Attached file is too big. Maximum file size is %d MB", limit/1_000_000)}
}

// Unauthenticated returns the problem that the credential is missing or not accepted.
func Unauthenticated(detail string) *Problem {
	return &Problem{Status: 401, Kind: "authentication_error", Detail: detail}
}

// conflict returns the problem that the state of a document does not allow the operation.
func conflict(id, status, why string) *Problem {
	return &Problem{Status: 409, Kind: "request_error", Detail: why,
		Body: map[string]string{"id": id, "status": status, "info_message": why}}
}

// Standard returns the service's own problem for a status, for faults without a body.
func Standard(status int) *Problem {
	switch status {
	case 400:
		return malformed("Bad request.")
	case 401:
		return Unauthenticated("Authentication credentials were not provided.")
	case 403:
		return &Problem{Status: 403, Kind: "permissions_error", Detail: "You do not have permission to perform this action."}
	case 404:
		return NotFound()
	case 409:
		return conflict("", statusUploaded, "Document is still being processed.")
	case 413:
		return tooBig(50_000_000)
	case 423:
		return &Problem{Status: 423, Kind: "document_locked", Detail: "The document is being edited."}
	case 429:
		return &Problem{Status: 429, Kind: "throttled", Detail: "Request was throttled."}
	}
	return &Problem{Status: status, Kind: "request_error", Detail: http.StatusText(status)}
}
