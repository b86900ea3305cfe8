package workspace

import (
	"fmt"
	"net/http"
	"strings"
)

// Problem is an error of the API. It is written in the shape of the path's version.
type Problem struct {
	Status int
	Kind   string // "type" of version 1, "code" of version 2 unless codeV2 has another
	Detail any    // a string or an object
	Header map[string]string
	Body   any // replaces the usual body where an operation has one of its own
}

func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %v", p.Status, p.Kind, p.Detail) }

// codeV2 translates a type of version 1 to the code of version 2.
func codeV2(kind string) string {
	switch kind {
	case "authentication_error":
		return "unauthorized"
	case "permissions_error":
		return "forbidden"
	case "throttled":
		return "too_many_requests"
	}
	return kind
}

// BodyFor returns the answer's body for a path: {type, detail} in version 1, {code, details} in version 2.
func (p *Problem) BodyFor(path string) any {
	version := 1
	if strings.HasPrefix(path, "/public/v2/") {
		version = 2
	}
	if p.Body != nil {
		return p.Body
	}
	if version != 2 {
		return map[string]any{"type": p.Kind, "detail": p.Detail}
	}
	details := []any{}
	if p.Status != http.StatusUnauthorized && p.Status != http.StatusTooManyRequests {
		details = append(details, p.Detail)
	}
	return map[string]any{"code": codeV2(p.Kind), "details": details}
}

// Invalid reports that a field of the request is wrong.
func Invalid(field, message string) *Problem {
	return &Problem{Status: 400, Kind: "validation_error", Detail: map[string]any{field: []string{message}}}
}

func malformed(message string) *Problem {
	return &Problem{Status: 400, Kind: "validation_error", Detail: message}
}

// NotFound reports that there is no such item or route.
func NotFound() *Problem { return &Problem{Status: 404, Kind: "not_found", Detail: "Not found"} }

func tooBig(limit int64) *Problem {
	return &Problem{Status: 413, Kind: "request_error",
		Detail: fmt.Sprintf("Attached file is too big. Maximum file size is %d MB", limit/1_000_000)}
}

// Unauthenticated reports that the credential is missing or not accepted.
func Unauthenticated(detail string) *Problem {
	return &Problem{Status: 401, Kind: "authentication_error", Detail: detail}
}

// Standard is the service's own problem for a status, used where a fault gives no body.
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
	case 413:
		return tooBig(50_000_000)
	case 429:
		return &Problem{Status: 429, Kind: "throttled", Detail: "Request was throttled."}
	}
	return &Problem{Status: status, Kind: "request_error", Detail: http.StatusText(status)}
}
