package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The API log shows what the emulator was asked, from its own history.

// listLogs is operations 78 and 80.
func (w *world) listLogs(c *call) (reply, error) {
	from, to, err := c.pages(100, 1000)
	if err != nil {
		return reply{}, err
	}
	if to > 10_000 {
		return reply{}, malformed("count times page must not be more than 10000.")
	}
	since, err := c.moment("since")
	if err != nil {
		return reply{}, err
	}
	until, err := c.moment("to")
	if err != nil {
		return reply{}, err
	}
	statuses, methods, search := c.query["statuses"], c.query["methods"], c.query.Get("search")
	found := slices.DeleteFunc(w.history.entries(), func(e Entry) bool {
		return e.Operation == 0 || e.Time.Before(since) || !until.IsZero() && !e.Time.Before(until) ||
			len(statuses) > 0 && !slices.ContainsFunc(statuses, func(s string) bool { return statusFits(s, e.Status) }) ||
			len(methods) > 0 && !slices.Contains(methods, e.Method) || !strings.Contains(e.Target, search)
	})
	slices.Reverse(found)
	list := []map[string]any{}
	for _, e := range window(found, from, to) {
		list = append(list, logView(e))
	}
	return results(list)
}

// statusFits compares with a whole status or with its first digit: the service filters by hundreds.
func statusFits(want string, status int) bool {
	have := strconv.Itoa(status)
	return want == have || len(want) > 0 && want == have[:1] || want == have[:1]+"00"
}

func logView(e Entry) map[string]any {
	return map[string]any{
		"id": e.RequestID, "request_id": e.RequestID, "method": e.Method, "url": e.Target, "status": e.Status,
		"request_time":     stamp(e.Time),
		"response_time":    stamp(e.Time.Add(time.Duration(e.DurationMS * float64(time.Millisecond)))),
		"environment_type": "SANDBOX",
	}
}

// logDetails is operations 79 and 81. Bodies are not kept, so they are not told.
func (w *world) logDetails(c *call) (reply, error) {
	for _, e := range w.history.entries() {
		if e.RequestID != c.vars["id"] || e.Operation == 0 {
			continue
		}
		details := logView(e)
		_, query, _ := strings.Cut(e.Target, "?")
		for key, value := range map[string]any{
			"query_params_string": query, "token_type": strings.ToLower(e.Scheme), "key": e.Token,
			"application": "Sandbox application", "user_id": w.members[0].UserID, "user_email": w.members[0].Email,
			"request_body": nil, "response_body": nil, "http_status_text": http.StatusText(e.Status),
		} {
			details[key] = value
		}
		return ok(details)
	}
	return reply{}, notFound()
}
