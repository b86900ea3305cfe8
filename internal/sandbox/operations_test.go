package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// probe is one call of an operation and the shape of its answer.
type probe struct {
	op     int
	target string // {name} stands for an id that was saved before
	body   any
	status int
	keys   []string // that the answer, or the first item of its collection, must have
	save   string   // "name=key" keeps answer[key] as {name}
	media  string   // of the answer, if it is not JSON
}

func pdfForm() multipartForm {
	return multipartForm{fileName: "contract.pdf", content: []byte("%PDF-1.4 contract"), fields: map[string]string{"data": `{"name":"Uploaded"}`}}
}

const person = `{"email":"new@customer.example","first_name":"New","last_name":"Person"}`

// probes calls every operation that is emulated, in an order in which each finds what it needs.
func probes() []probe {
	status := []string{"id", "name", "status", "date_created", "date_modified", "expiration_date", "version", "uuid"}
	attachment := []string{"uuid", "name", "date_created", "created_by"}
	contact := []string{"id", "email", "first_name", "last_name", "company", "job_title", "phone", "state", "street_address", "city", "postal_code"}
	member := []string{"user_id", "membership_id", "email", "first_name", "last_name", "is_active", "workspace", "workspace_name", "role", "user_license", "date_created"}
	webhook := []string{"uuid", "name", "url", "active", "payload", "triggers", "workspace_id", "shared_key", "status"}
	section := []string{"uuid", "document_uuid", "status", "name", "sections_uuids", "date_created"}
	library := []string{"id", "name", "date_created", "date_modified", "version"}
	log := []string{"id", "url", "method", "status", "request_time", "response_time"}
	product := []string{"uuid", "title", "sku", "price", "date_modified"}
	return []probe{
		{op: 60, target: "/public/v1/templates?count=1", status: 200, keys: []string{"id", "name", "date_created", "date_modified", "version"}, save: "template=id"},
		{op: 66, target: "/public/v1/templates/{template}", status: 200, keys: []string{"id", "name", "status"}},
		{op: 64, target: "/public/v1/templates/{template}/details", status: 200, keys: []string{"id", "name", "created_by", "metadata", "tokens", "fields", "pricing", "tags", "roles", "content_placeholders", "images"}},
		{op: 69, target: "/public/v2/templates/{template}/settings", status: 200, keys: []string{"language"}},
		{op: 70, target: "/public/v2/templates/{template}/settings", body: `{"language":"de-DE"}`, status: 200, keys: []string{"language"}},
		{op: 61, target: "/public/v1/templates", body: `{"name":"Mine"}`, status: 201, keys: []string{"id", "name"}, save: "mine=id"},
		{op: 62, target: "/public/v1/templates?upload", body: pdfForm(), status: 201, keys: []string{"id", "name"}},
		{op: 63, target: "/public/v1/templates/{mine}/duplicate", body: `{}`, status: 201, keys: []string{"id", "name"}},
		{op: 67, target: "/public/v1/templates/{mine}", body: `{"name":"Ours"}`, status: 204},
		{op: 68, target: "/public/v1/templates/{mine}/editing-sessions", body: `{}`, status: 201, keys: []string{"id", "token", "expires_at"}},
		{op: 65, target: "/public/v1/templates/{mine}", status: 204},
		{op: 75, target: "/public/v1/templates/folders", status: 200, keys: []string{"uuid", "name", "date_created", "has_folders", "has_items"}},
		{op: 76, target: "/public/v1/templates/folders", body: `{"name":"New"}`, status: 201, keys: []string{"uuid", "name", "date_created"}, save: "tfolder=uuid"},
		{op: 77, target: "/public/v1/templates/folders/{tfolder}", body: `{"name":"Old"}`, status: 200, keys: []string{"uuid", "name"}},
		{op: 73, target: "/public/v1/documents/folders", body: `{"name":"New"}`, status: 201, keys: []string{"uuid", "name", "date_created"}, save: "folder=uuid"},
		{op: 72, target: "/public/v1/documents/folders", status: 200, keys: []string{"uuid", "name", "date_created", "has_folders", "has_items"}},
		{op: 74, target: "/public/v1/documents/folders/{folder}", body: `{"name":"Renamed"}`, status: 200, keys: []string{"uuid", "name"}},

		{op: 2, target: "/public/v1/documents", status: 200, keys: status},
		{op: 5, target: "/public/v1/documents?upload", body: pdfForm(), status: 201, keys: []string{"id", "status", "links", "uuid", "info_message"}},
		{op: 6, target: "/public/v1/documents?upload-markdown", body: multipartForm{fileName: "a.md", content: []byte("# Hello")}, status: 201, keys: []string{"id", "status", "links"}},
		{op: 3, target: "/public/v1/documents", body: `{"template_uuid":"{template}","recipients":[` + person + `],"fields":{"Note":{"value":"x"}}}`, status: 201, keys: []string{"id", "name", "status", "date_created", "date_modified", "expiration_date", "uuid", "links", "info_message"}, save: "doc=id"},
		{op: 7, target: "/public/v1/documents/{doc}", status: 200, keys: status},
		{op: 9, target: "/public/v1/documents/{doc}", body: `{"name":"Changed"}`, status: 204},
		{op: 17, target: "/public/v1/documents/{doc}/details", status: 200, keys: []string{"id", "name", "status", "created_by", "template", "metadata", "tokens", "fields", "pricing", "tags", "recipients", "grand_total", "linked_objects", "date_created", "version"}},
		{op: 10, target: "/public/v1/documents/{doc}/auto-reminders", body: `{"is_enabled":true}`, status: 200, keys: []string{"is_enabled"}},
		{op: 11, target: "/public/v1/documents/{doc}/auto-reminders", status: 200, keys: []string{"is_enabled"}},
		{op: 12, target: "/public/v1/documents/{doc}/auto-reminders/status", status: 200, keys: []string{"recipient_id", "status"}, save: "recipient=recipient_id"},
		{op: 13, target: "/public/v1/documents/{doc}/esign-disclosure", status: 200, keys: []string{"is_enabled", "body"}},
		{op: 19, target: "/public/v1/documents/{doc}/editing-sessions", body: `{"lifetime":60}`, status: 201, keys: []string{"id", "token", "expires_at"}},
		{op: 35, target: "/public/v1/documents/{doc}/fields", body: `{"fields":[{"name":"Size"}]}`, status: 200},
		{op: 33, target: "/public/v1/documents/{doc}/fields", status: 200, keys: []string{"fields"}},
		{op: 34, target: "/public/v1/documents/{doc}/fields", body: `{"fields":[]}`, status: 204},
		{op: 27, target: "/public/v1/documents/{doc}/attachments", status: 200},
		{op: 28, target: "/public/v1/documents/{doc}/attachments", body: `{"source":"https://files.example/a.txt","name":"a.txt"}`, status: 200, keys: attachment, save: "attachment=uuid"},
		{op: 29, target: "/public/v1/documents/{doc}/attachments?upload", body: pdfForm(), status: 200, keys: attachment},
		{op: 30, target: "/public/v1/documents/{doc}/attachments/{attachment}", status: 200, keys: attachment},
		{op: 32, target: "/public/v1/documents/{doc}/attachments/{attachment}/download", status: 200, media: "text/plain"},
		{op: 31, target: "/public/v1/documents/{doc}/attachments/{attachment}", status: 204},
		{op: 25, target: "/public/v1/documents/{doc}/linked-objects", body: `{"provider":"crm","entity_type":"deal","entity_id":"7"}`, status: 201, keys: []string{"id", "provider", "entity_type", "entity_id"}, save: "link=id"},
		{op: 24, target: "/public/v1/documents/{doc}/linked-objects", status: 200, keys: []string{"linked_objects"}},
		{op: 23, target: "/public/v1/documents/linked-objects?provider=crm&entity_type=deal&entity_id=7", status: 200, keys: []string{"id", "name"}},
		{op: 26, target: "/public/v1/documents/{doc}/linked-objects/{link}", status: 204},
		{op: 37, target: "/public/v2/documents/{doc}/settings", status: 200, keys: []string{"language"}},
		{op: 38, target: "/public/v2/documents/{doc}/settings", body: `{"language":"fr-FR"}`, status: 200, keys: []string{"language"}},
		{op: 48, target: "/public/v1/documents/{doc}/sections", status: 200},
		{op: 49, target: "/public/v1/documents/{doc}/sections/uploads", body: `{"url":"https://files.example/b.pdf"}`, status: 201, keys: section, save: "upload=uuid"},
		{op: 50, target: "/public/v1/documents/{doc}/sections/uploads?upload", body: pdfForm(), status: 201, keys: section},
		{op: 51, target: "/public/v1/documents/{doc}/sections/uploads/{upload}", status: 200, keys: section},
		{op: 48, target: "/public/v1/documents/{doc}/sections", status: 200, keys: []string{"uuid", "name"}, save: "section=uuid"},
		{op: 52, target: "/public/v1/documents/{doc}/sections/{section}", status: 200, keys: []string{"uuid", "name", "document_uuid"}},
		{op: 53, target: "/public/v1/documents/{doc}/sections/{section}", status: 204},
		{op: 55, target: "/public/v1/content-library-items", status: 200, keys: library, save: "item=id"},
		{op: 56, target: "/public/v1/content-library-items", body: `{"name":"Piece"}`, status: 201, keys: library},
		{op: 57, target: "/public/v1/content-library-items?upload", body: pdfForm(), status: 201, keys: library},
		{op: 58, target: "/public/v1/content-library-items/{item}", status: 200, keys: library},
		{op: 59, target: "/public/v1/content-library-items/{item}/details", status: 200, keys: append([]string{"created_by", "roles", "tags"}, library...)},
		{op: 42, target: "/public/v1/documents/{doc}/append-content-library-item", body: `{"cli_id":"{item}"}`, status: 201},
		{op: 41, target: "/public/v1/documents/{doc}/move-to-folder/{folder}", status: 204},
		{op: 87, target: "/public/v1/members", status: 200, keys: member, save: "member=membership_id"},
		{op: 88, target: "/public/v1/members/current", status: 200, keys: member},
		{op: 89, target: "/public/v1/members/{member}", status: 200, keys: member},
		{op: 39, target: "/public/v1/documents/{doc}/ownership", body: `{"membership_id":"{member}"}`, status: 204},
		{op: 40, target: "/public/v1/documents/ownership", body: `{"from_membership_id":"{member}","to_membership_id":"{member}"}`, status: 204},
		{op: 83, target: "/public/v1/contacts", body: `{"email":"cc@customer.example","company":"Customer Ltd"}`, status: 201, keys: contact, save: "contact=id"},
		{op: 43, target: "/public/v1/documents/{doc}/recipients", body: `{"id":"{contact}","kind":"contact"}`, status: 200, keys: []string{"recipient_id"}, save: "cc=recipient_id"},
		{op: 45, target: "/public/v1/documents/{doc}/recipients/recipient/{recipient}", body: `{"first_name":"Newer"}`, status: 204},
		{op: 46, target: "/public/v1/documents/{doc}/recipients/{recipient}/reassign", body: `{"email":"other@customer.example"}`, status: 200, keys: []string{"recipient_id"}},
		{op: 44, target: "/public/v1/documents/{doc}/recipients/{cc}", status: 204},
		{op: 92, target: "/public/v1/webhook-subscriptions", body: `{"name":"hook","url":"https://hooks.example/in","triggers":["document_state_changed"]}`, status: 201, keys: webhook, save: "hook=uuid"},
		{op: 18, target: "/public/v1/documents/{doc}/send", body: `{"message":"Please sign"}`, status: 200, keys: append([]string{"recipients"}, status...)},
		{op: 47, target: "/public/v1/documents/{doc}/send-reminder", body: `{}`, status: 200, keys: []string{"recipient_id", "status"}},
		{op: 20, target: "/public/v1/documents/{doc}/session", body: `{"recipient":"other@customer.example","lifetime":60}`, status: 201, keys: []string{"id", "expires_at"}},
		{op: 16, target: "/public/v1/documents/{doc}/draft", status: 200, keys: status},
		{op: 14, target: "/public/v1/documents/{doc}/status", body: `{"status":2}`, status: 204},
		{op: 15, target: "/public/v1/documents/{doc}/status?upload", body: multipartForm{fileName: "signed.pdf", content: []byte("%PDF-1.4 signed"), fields: map[string]string{"data": `{"status":10}`}}, status: 204},
		{op: 21, target: "/public/v1/documents/{doc}/download", status: 202},
		{op: 21, target: "/public/v1/documents/{doc}/download", status: 200, media: "application/pdf"},
		{op: 22, target: "/public/v1/documents/{doc}/download-protected", status: 401, keys: []string{"type", "detail"}},
		{op: 36, target: "/public/v2/documents/{doc}/audit-trail?limit=2", status: 200, keys: []string{"date", "action", "user"}},
		{op: 123, target: "/public/beta/documents/{doc}/summary", status: 202},
		{op: 123, target: "/public/beta/documents/{doc}/summary", status: 200, keys: []string{"summary"}},
		{op: 124, target: "/public/beta/documents/{doc}/content", status: 202},
		{op: 124, target: "/public/beta/documents/{doc}/content", status: 200, keys: []string{"content"}},
		{op: 8, target: "/public/v1/documents/{doc}", status: 204},
		{op: 4, target: "/public/v1/documents", body: `["{doc}"]`, status: 200, keys: []string{"deleted", "not_found"}},

		{op: 91, target: "/public/v1/webhook-subscriptions", status: 200, keys: webhook},
		{op: 93, target: "/public/v1/webhook-subscriptions/{hook}", status: 200, keys: webhook},
		{op: 94, target: "/public/v1/webhook-subscriptions/{hook}", body: `{"active":false}`, status: 200, keys: webhook},
		{op: 96, target: "/public/v1/webhook-subscriptions/{hook}/shared-key", status: 200, keys: []string{"shared_key"}},
		{op: 97, target: "/public/v1/webhook-events", status: 200, keys: []string{"uuid", "name", "type", "http_status_code", "error", "delivery_time"}, save: "event=uuid"},
		{op: 98, target: "/public/v1/webhook-events/{event}", status: 200, keys: []string{"uuid", "url", "request_body"}},
		{op: 95, target: "/public/v1/webhook-subscriptions/{hook}", status: 204},
		{op: 82, target: "/public/v1/contacts?email=CC@customer.example", status: 200, keys: contact},
		{op: 84, target: "/public/v1/contacts/{contact}", status: 200, keys: contact},
		{op: 86, target: "/public/v1/contacts/{contact}", body: `{"city":"Berlin"}`, status: 200, keys: contact},
		{op: 85, target: "/public/v1/contacts/{contact}", status: 204},
		{op: 71, target: "/public/v1/forms", status: 200, keys: []string{"id", "name", "status", "date_created"}},
		{op: 78, target: "/public/v1/logs", status: 200, keys: log, save: "log=id"},
		{op: 79, target: "/public/v1/logs/{log}", status: 200, keys: log},
		{op: 80, target: "/public/v2/logs?count=5", status: 200, keys: log},
		{op: 81, target: "/public/v2/logs/{log}", status: 200, keys: append([]string{"token_type", "query_params_string"}, log...)},
		{op: 104, target: "/public/v2/product-catalog/items/search?query=hour", status: 200, keys: product, save: "product=uuid"},
		{op: 105, target: "/public/v2/product-catalog/items", body: `{"title":"Chair","price":12.5}`, status: 200, keys: product},
		{op: 106, target: "/public/v2/product-catalog/items/{product}", status: 200, keys: product},
		{op: 107, target: "/public/v2/product-catalog/items/{product}", body: `{"sku":"S-1"}`, status: 200, keys: product},
		{op: 108, target: "/public/v2/product-catalog/items/{product}", status: 200},
		{op: 110, target: "/public/v1/workspaces", status: 200, keys: []string{"id", "name"}},
		{op: 113, target: "/public/v1/users", status: 200, keys: []string{"user_id", "email", "license", "workspaces"}, save: "user=user_id"},
		{op: 115, target: "/public/v1/users/{user}", status: 200, keys: []string{"user_id", "email"}},
		{op: 120, target: "/public/v1/sms-opt-outs", status: 200},
	}
}

func TestEveryEmulatedOperationAnswersInItsShape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, Options{Calm: true})
		methods := map[int]string{}
		missing := map[int]bool{}
		for _, o := range operations() {
			if o.Number > 1 {
				methods[o.Number] = o.Method
			}
			if o.Number > 1 && o.Emulated() {
				missing[o.Number] = true
			}
		}
		saved := map[string]string{}
		for _, p := range probes() {
			delete(missing, p.op)
			call := fmt.Sprintf("operation %d, %s %s", p.op, methods[p.op], p.target)
			body := p.body
			if text, ok := body.(string); ok {
				body = fill(text, saved)
			}
			a := s.do(methods[p.op], fill(p.target, saved), body)
			if a.StatusCode != p.status {
				t.Fatalf("%s: got status %d, want %d: %.300s", call, a.StatusCode, p.status, a.body)
			}
			if got := s.last().Operation; got != p.op {
				t.Errorf("%s: served by operation %d", call, got)
			}
			checkShape(t, call, a, p)
			if name, key, ok := strings.Cut(p.save, "="); ok {
				saved[name], _ = first(t, a)[key].(string)
			}
			time.Sleep(2 * time.Second) // what is in the making gets ready
		}
		if len(missing) > 0 {
			t.Errorf("no probe for operations %v", slices.Sorted(maps.Keys(missing)))
		}
	})
}

func checkShape(t *testing.T, call string, a answer, p probe) {
	t.Helper()
	switch {
	case p.media != "":
		if got := a.Header.Get("Content-Type"); got != p.media || len(a.body) == 0 {
			t.Errorf("%s: got %d bytes of %q, want %q", call, len(a.body), got, p.media)
		}
		if a.Header.Get("Content-Disposition") == "" {
			t.Errorf("%s: no file name", call)
		}
	case a.StatusCode == http.StatusNoContent || a.StatusCode == http.StatusAccepted || p.op == 108:
		if len(a.body) != 0 || a.Header.Get("Content-Type") != "" {
			t.Errorf("%s: got %d bytes of %q, want an empty body", call, len(a.body), a.Header.Get("Content-Type"))
		}
		if (a.StatusCode == http.StatusAccepted) != (a.Header.Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q", call, a.Header.Get("Retry-After"))
		}
	default:
		if got := a.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: got %q, want JSON", call, got)
		}
		if len(p.keys) == 0 {
			return
		}
		object := first(t, a)
		for _, key := range p.keys {
			if _, ok := object[key]; !ok {
				t.Errorf("%s: no %q in %.300s", call, key, a.body)
			}
		}
	}
}

// first is the answer's object, or the first item of its collection.
func first(t *testing.T, a answer) map[string]any {
	t.Helper()
	object := a.object(t)
	for _, name := range []string{"results", "items"} {
		list, ok := object[name].([]any)
		if !ok {
			continue
		}
		if len(list) == 0 {
			t.Fatalf("%s: the collection is empty", a.Request.URL.Path)
		}
		return list[0].(map[string]any)
	}
	return object
}

func fill(text string, saved map[string]string) string {
	for name, value := range saved {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

func TestTheTableHasEveryOperationOnce(t *testing.T) {
	count := map[int]int{}
	for _, o := range operations() {
		count[o.Number]++
		if o.Operation.Emulated() && o.stream != nil {
			t.Errorf("operation %d has two handlers", o.Number)
		}
		if o.Summary == "" {
			t.Errorf("%s %s has no summary", o.Method, o.Path)
		}
	}
	emulated := 0
	for n := 1; n <= 127; n++ {
		if count[n] != 1 {
			t.Errorf("operation %d: got %d rows, want 1", n, count[n])
		}
	}
	for _, o := range operations() {
		if o.Number > 0 && o.Emulated() {
			emulated++
		}
	}
	t.Logf("%d of 127 operations are emulated", emulated)
}

func TestKnownButNotEmulatedIs501(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	if got := s.get("/public/v2/notary/notaries").want(t, 501).object(t); got["code"] != "not_implemented" {
		t.Errorf("version 2: got %v", got)
	}
	if got := s.do("POST", "/public/v1/workspaces", `{}`).want(t, 501).object(t); got["type"] != "not_implemented" || !strings.Contains(got["detail"].(string), "workspace") {
		t.Errorf("version 1: got %v", got)
	}
	s.access = "x"
	s.get("/public/v2/notary/notaries").want(t, 401)
}

func TestBadInputIsAnsweredAsTheServiceWould(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	list := s.get("/public/v1/documents?status=0").want(t, 200)
	draft := first(t, list)["id"].(string)
	for _, tt := range []struct {
		name, method, target string
		body                 any
		status               int
		want                 string // in the body
	}{
		{"unknown route", "GET", "/public/v1/nothing", nil, 404, `"type":"not_found"`},
		{"unknown route, version 2", "GET", "/public/v2/nothing", nil, 404, `"code":"not_found"`},
		{"two slashes", "GET", "//public/v1/documents", nil, 404, "not_found"},
		{"wrong method", "PUT", "/public/v1/contacts", `{}`, 405, "method_not_allowed"},
		{"trailing slash", "GET", "/public/v1/documents/", nil, 200, "results"},
		{"encoded slash in an id", "GET", "/public/v1/documents/a%2Fdetails", nil, 404, "Not found"},
		{"count too large", "GET", "/public/v1/documents?count=101", nil, 400, `"validation_error"`},
		{"count no number", "GET", "/public/v1/documents?count=x", nil, 400, `"count"`},
		{"page zero", "GET", "/public/v1/documents?page=0", nil, 400, `"page"`},
		{"users in pages of 50", "GET", "/public/v1/users?count=51", nil, 400, `"count"`},
		{"logs beyond 10000", "GET", "/public/v2/logs?count=1000&page=11", nil, 400, "10000"},
		{"unknown status", "GET", "/public/v1/documents?status=99", nil, 400, `"status"`},
		{"unknown order", "GET", "/public/v1/documents?order_by=color", nil, 400, `"order_by"`},
		{"bad date", "GET", "/public/v1/documents?created_from=yesterday", nil, 400, `"created_from"`},
		{"empty library filter", "GET", "/public/v1/content-library-items?q=", nil, 400, `"q"`},
		{"not JSON", "POST", "/public/v1/documents", `{"name":`, 400, "JSON parse error"},
		{"wrong type", "POST", "/public/v1/documents", `{"name":7}`, 400, `"name"`},
		{"no template", "POST", "/public/v1/documents", `{"recipients":[]}`, 400, `"template_uuid"`},
		{"unknown template", "POST", "/public/v1/documents", `{"template_uuid":"x","recipients":[]}`, 400, "does not exist"},
		{"no recipients", "POST", "/public/v1/documents", `{"url":"https://a.example/b.pdf"}`, 400, `"recipients"`},
		{"bad address", "POST", "/public/v1/documents", `{"url":"https://a.example/b.pdf","recipients":[{"email":"x"}]}`, 400, "valid email"},
		{"bad URL", "POST", "/public/v1/documents", `{"url":"file:///etc/passwd","recipients":[]}`, 400, `"url"`},
		{"JSON for an upload", "POST", "/public/v1/documents?upload", `{}`, 415, "multipart"},
		{"upload without a file", "POST", "/public/v1/documents?upload", multipartForm{fields: map[string]string{"data": "{}"}}, 400, `"file"`},
		{"form for JSON", "POST", "/public/v1/documents", pdfForm(), 415, "json"},
		{"status that cannot be set", "PATCH", "/public/v1/documents/" + draft + "/status", `{"status":1}`, 400, `"status"`},
		{"reminder of a draft", "POST", "/public/v1/documents/" + draft + "/send-reminder", `{}`, 409, "document.draft"},
		{"contact without address", "POST", "/public/v1/contacts", `{}`, 400, `"email"`},
		{"contact twice", "POST", "/public/v1/contacts", `{"email":"kim@customer.example"}`, 400, "already exists"},
		{"folder without name", "POST", "/public/v1/documents/folders", `{}`, 400, `"name"`},
		{"webhook without https", "POST", "/public/v1/webhook-subscriptions", `{"name":"a","url":"http://a.example","triggers":["document_deleted"]}`, 400, `"url"`},
		{"webhook with unknown trigger", "POST", "/public/v1/webhook-subscriptions", `{"name":"a","url":"https://a.example","triggers":["x"]}`, 400, `"triggers"`},
		{"JSON over 2 MB", "POST", "/public/v1/contacts", `{"company":"` + strings.Repeat("x", 2_000_000) + `"}`, 413, "2 MB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do(tt.method, tt.target, tt.body).want(t, tt.status)
			if !strings.Contains(string(a.body), tt.want) {
				t.Errorf("body: got %s, want %s in it", a.body, tt.want)
			}
			if tt.status == 405 && a.Header.Get("Allow") == "" {
				t.Error("no Allow header")
			}
		})
	}
}
