package sandbox

import (
	"fmt"
	"net/http"
)

// problem is an error of the API. It is written in the shape of the path's version.
type problem struct {
	status int
	kind   string // "type" of version 1, "code" of version 2 unless codeV2 has another
	detail any    // a string or an object
	header map[string]string
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %v", p.status, p.kind, p.detail) }

// codesV2 are the words of version 2 where they differ from version 1.
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

// body gives the answer's body: {type, detail} in version 1, {code, details} in version 2.
func (p *problem) body(version int) any {
	if version != 2 {
		return map[string]any{"type": p.kind, "detail": p.detail}
	}
	details := []any{}
	if p.status != http.StatusUnauthorized && p.status != http.StatusTooManyRequests {
		details = append(details, p.detail)
	}
	return map[string]any{"code": codeV2(p.kind), "details": details}
}

func invalid(field, message string) *problem {
	return &problem{status: 400, kind: "validation_error", detail: map[string]any{field: []string{message}}}
}

func malformed(message string) *problem {
	return &problem{status: 400, kind: "validation_error", detail: message}
}

func notFound() *problem { return &problem{status: 404, kind: "not_found", detail: "Not found"} }

func conflict(format string, args ...any) *problem {
	return &problem{status: 409, kind: "request_error", detail: fmt.Sprintf(format, args...)}
}

func tooBig(limit int64) *problem {
	return &problem{status: 413, kind: "request_error",
		detail: fmt.Sprintf("Attached file is too big. Maximum file size is %d MB", limit/1_000_000)}
}

func unauthenticated(detail string) *problem {
	return &problem{status: 401, kind: "authentication_error", detail: detail}
}

// standard is the service's own problem for a status, used where a fault gives no body.
func standard(status int) *problem {
	switch status {
	case 400:
		return malformed("Bad request.")
	case 401:
		return unauthenticated("Authentication credentials were not provided.")
	case 403:
		return &problem{status: 403, kind: "permissions_error", detail: "You do not have permission to perform this action."}
	case 404:
		return notFound()
	case 413:
		return tooBig(50_000_000)
	case 429:
		return &problem{status: 429, kind: "throttled", detail: "Request was throttled."}
	}
	return &problem{status: status, kind: "request_error", detail: http.StatusText(status)}
}

// htmlOutage is what the network in front of the service says when it does not answer.
const htmlOutage = `<!doctype html><html><head><title>Service unavailable</title></head>` +
	`<body><h1>Service unavailable</h1><p>This page comes from the PandaDoc emulator.</p></body></html>`
