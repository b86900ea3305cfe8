package workspace

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The API log shows the requests in the emulator's history.

// listLogs answers GET /public/v1/logs and GET /public/v2/logs.
func (w *Workspace) listLogs(c *Call) (Reply, error) {
	from, to := c.pages(100, 1000)
	if to > 10_000 {
		c.fail(malformed("count times page must not be more than 10000."))
	}
	sent, statuses, search := c.period("since", "to"), c.query["statuses"], c.query.Get("search")
	found := slices.DeleteFunc(w.log(), func(e Request) bool {
		return !sent(e.Time) || !fits(c.query["methods"], e.Method) || !strings.Contains(e.Target, search) ||
			len(statuses) > 0 && !slices.ContainsFunc(statuses, func(s string) bool { return statusFits(s, e.Status) })
	})
	slices.Reverse(found)
	return results(views(window(found, from, to), logView))
}

// statusFits compares a status, or only its first digit: the service filters by hundreds.
func statusFits(want string, status int) bool {
	have := strconv.Itoa(status)
	return want == have || len(want) > 0 && want == have[:1] || want == have[:1]+"00"
}

func logView(e Request) map[string]any {
	return map[string]any{
		"id": e.ID, "method": e.Method, "url": e.Target, "status": e.Status,
		"request_time":  stamp(e.Time),
		"response_time": stamp(e.Time.Add(e.Duration)),
	}
}

// logDetails answers GET /public/v1/logs/{id} and GET /public/v2/logs/{id}. Bodies are not kept, so they are empty.
func (w *Workspace) logDetails(c *Call) (Reply, error) {
	for _, e := range w.log() {
		if e.ID != c.vars["id"] {
			continue
		}
		details := logView(e)
		details["request_id"] = e.ID
		_, query, _ := strings.Cut(e.Target, "?")
		maps.Copy(details, map[string]any{
			"query_params_string": query, "token_type": strings.ToUpper(strings.ReplaceAll(e.Scheme, "-", "_")), "key": e.Token,
			"application": "Sandbox application", "user_id": w.current().UserID, "user_email": w.current().Email,
			"query_params_object": nil, "request_body": map[string]any{}, "response_body": map[string]any{},
		})
		return ok(details)
	}
	return Reply{}, NotFound()
}
