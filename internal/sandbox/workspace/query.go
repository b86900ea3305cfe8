package workspace

import (
	"net/url"
	"slices"
	"strings"
)

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
	scope := map[string][]string{"merge_field_scope": {"document", "upload"}}
	return map[string]map[string][]string{
		"/public/v1/templates": {"shared": trueOrFalse(), "fields": {"content_date_modified"}},
		"/public/v1/forms": {
			"status": {"draft", "active", "disabled"}, "asc": trueOrFalse(),
			"order_by": {"name", "responses", "status", "created_date", "modified_date"},
		},
		"/public/v1/logs": logs,
		"/public/v2/logs": logs,
		"/public/v1/documents/{document_id}/sections/uploads": scope,
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
	for name, allowed := range choices()[path] {
		for _, value := range query[name] {
			if value != "" && !slices.Contains(allowed, value) {
				return Invalid(name, "Select a valid choice. "+Bounded(value, 60)+" is not one of the available choices.")
			}
		}
	}
	return nil
}
