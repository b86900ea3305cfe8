package proxy

import "strings"

// maxRouteSegments bounds what a route shows; the API's own paths have at most seven segments.
const maxRouteSegments = 8

// routeOf returns path with everything replaced that is not a word of PandaDoc's API: what remains names
// the operation, and ids of documents and people stay out of logs and metrics. There are so few words
// that routes may be labels of metrics only together with a method that has been checked.
func routeOf(path string) string {
	if path == "" || path == "/" {
		return path
	}
	var b strings.Builder
	b.Grow(len("/public/v1/content-library-items/*/details") + 16)
	for n := 0; path != ""; n++ {
		if n == maxRouteSegments {
			b.WriteString("/...")
			break
		}
		segment := ""
		segment, path, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
		b.WriteByte('/')
		b.WriteString(routeWord(segment))
	}
	return b.String()
}

// routeWord returns segment if it is a word of the API, else "*".
func routeWord(segment string) string {
	switch segment {
	case "", "public", "v1", "v2", "beta",
		"add-named-items", "ai-metadata", "api-keys", "append-content-library-item", "attachments",
		"audit-trail", "auto-reminders", "contacts", "content", "content-library-items", "current",
		"deactivate", "details", "documents", "docx-export-tasks", "download", "download-protected",
		"draft", "dsv", "duplicate", "editing-sessions", "esign-disclosure", "fields", "folders", "forms",
		"items", "linked-objects", "logs", "members", "move-to-folder", "notaries", "notarization-requests",
		"notary", "ownership", "path", "product-catalog", "quotes", "reassign", "recipient", "recipients",
		"role", "search", "sections", "send", "send-reminder", "session", "settings", "shared-key",
		"sms-opt-outs", "status", "summary", "templates", "token", "uploads", "users",
		"webhook-events", "webhook-subscriptions", "workspaces":
		return segment
	}
	return "*"
}
