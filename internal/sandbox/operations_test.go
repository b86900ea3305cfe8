package sandbox

import (
	"strings"
	"testing"
)

// first is the object of the answer, or the first item of its collection.
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

func TestTheTableHasEveryOperationOnce(t *testing.T) {
	count := map[int]int{}
	for _, o := range operations() {
		count[o.Number]++
		if o.Summary == "" {
			t.Errorf("%s %s has no summary", o.Method, o.Path)
		}
	}
	for n := 1; n <= 127; n++ {
		if count[n] != 1 {
			t.Errorf("operation %d: got %d rows, want 1", n, count[n])
		}
	}
}

func TestBadInputIsAnsweredAsTheServiceWould(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	list := s.get("/public/v1/documents?status=0").want(t, 200)
	draft := first(t, list)["id"].(string)
	home := s.get("/public/v1/members/current").object(t)["workspace"].(string)
	for _, tt := range []struct {
		name, method, target string
		body                 any
		status               int
		want                 string // in the body
	}{
		{"unknown route", "GET", "/public/v1/nothing", nil, 404, `"type":"request_error"`},
		{"unknown route, version 2", "GET", "/public/v2/nothing", nil, 404, `"code":"not_found"`},
		{"two slashes", "GET", "//public/v1/documents", nil, 404, "Not found"},
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
		{"wrong type of a block", "POST", "/public/v1/documents", `{"images":7}`, 400, `{"images":`},
		{"wrong type in a product", "POST", "/public/v2/product-catalog/items", `{"sku":7}`, 400, `"pointer":"/sku"`},
		{"no template", "POST", "/public/v1/documents", `{"recipients":[]}`, 400, `"template_uuid"`},
		{"unknown template", "POST", "/public/v1/documents", `{"template_uuid":"x","recipients":[]}`, 400, "does not exist"},
		{"no recipients", "POST", "/public/v1/documents", `{"template_uuid":"x"}`, 400, `"recipients"`},
		{"bad address", "POST", "/public/v1/documents", `{"url":"https://a.example/b.pdf","recipients":[{"email":"x"}]}`, 400, "valid email"},
		{"bad URL", "POST", "/public/v1/documents", `{"url":"file:///etc/passwd","recipients":[]}`, 400, `"url"`},
		{"JSON for an upload", "POST", "/public/v1/documents?upload", `{}`, 415, "multipart"},
		{"upload without a file", "POST", "/public/v1/documents?upload", multipartForm{fields: map[string]string{"data": "{}"}}, 400, `"file"`},
		{"form for JSON", "POST", "/public/v1/contacts", pdfForm(), 415, "json"},
		{"status that cannot be set", "PATCH", "/public/v1/documents/" + draft + "/status", `{"status":1}`, 400, `"status"`},
		{"reminder of a draft", "POST", "/public/v1/documents/" + draft + "/send-reminder", `{}`, 409, "document.draft"},
		{"contact with a bad address", "POST", "/public/v1/contacts", `{"email":"x"}`, 400, `"email"`},
		{"reminders without enabled", "PATCH", "/public/v1/documents/" + draft + "/auto-reminders", `{}`, 400, "enabled: "},
		{"unknown language", "PATCH", "/public/v2/documents/" + draft + "/settings", `{"language":"xx"}`, 400, "language"},
		{"own workspace", "POST", "/public/v1/workspaces/" + home + "/deactivate", `{}`, 403, "permissions_error"},
		{"user of no workspace", "POST", "/public/v1/users", `{"license":"Full","user":{"email":"a@b.example"},"workspaces":[]}`, 400, "workspaces"},
		{"price without a currency", "POST", "/public/v2/product-catalog/items", `{"title":"x","price_configuration":{}}`, 400, "currency"},
		{"summary of no type", "GET", "/public/beta/documents/" + draft + "/summary", nil, 400, `"message":"type: `},
		{"page zero of the catalogue", "GET", "/public/v2/product-catalog/items/search?page=0", nil, 400, `"pointer":"/page"`},
		{"unknown order of forms", "GET", "/public/v1/forms?order_by=color", nil, 400, `"order_by"`},
		{"webhook with unknown payload", "POST", "/public/v1/webhook-subscriptions", `{"name":"a","url":"https://a.example","triggers":["document_deleted"],"payload":["x"]}`, 400, `"payload"`},
		{"null for a body", "POST", "/public/v1/contacts", `null`, 400, "No data"},
		{"text that is not UTF-8", "POST", "/public/v1/contacts", "{\"first_name\":\"\xff\"}", 400, "JSON parse error"},
		{"short editing session", "POST", "/public/v1/documents/" + draft + "/editing-sessions", `{"email":"a@b.example","lifetime":1}`, 400, `"lifetime"`},
		{"expired without being sent", "PATCH", "/public/v1/documents/" + draft + "/status", `{"status":11}`, 409, "document.draft"},
		{"unknown quote", "PUT", "/public/v1/documents/" + draft + "/quotes/x", `{}`, 404, "Not found"},
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

// TestFilesAreAcceptedWithoutUpload: public integrations send files like this, and got 415.
func TestFilesAreAcceptedWithoutUpload(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	if made := s.do("POST", "/public/v1/documents", pdfForm()).want(t, 201).object(t); made["name"] != "[DEV] Uploaded" {
		t.Errorf("name: got %v", made["name"])
	}
}

// TestTheShortRecipientPathIsAccepted: PandaDoc's Python client sends it.
func TestTheShortRecipientPathIsAccepted(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	path := "/public/v1/documents/" + first(t, s.get("/public/v1/documents?status=0"))["id"].(string)
	who := func() map[string]any {
		return s.get(path + "/details").object(t)["recipients"].([]any)[0].(map[string]any)
	}
	s.do("PATCH", path+"/recipients/"+who()["id"].(string), `{"first_name":"Newer"}`).want(t, 204)
	if got := who()["first_name"]; got != "Newer" {
		t.Errorf("first name: got %v", got)
	}
}

// TestARefusedChangeChangesNothing: json.Unmarshal writes through the pointers and into the lists of the value that
// it is given. A refused change had overwritten the stored item, and a product could not be encoded any more (500).
func TestARefusedChangeChangesNothing(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	price := map[string]any{"currency": "USD", "pricing_method": 0, "price": 5, "tiers": []int{1, 2}}
	for _, tt := range []struct {
		collection, id string
		item           map[string]any
		refused        string
	}{
		{"/public/v1/contacts", "id", map[string]any{"email": "a@b.example", "company": "Old"}, `{"company":"New","email":"x"}`},
		{"/public/v1/webhook-subscriptions", "uuid",
			map[string]any{"name": "hook", "url": "https://a.example", "triggers": []string{"document_deleted"}, "payload": []string{"fields"}},
			`{"payload":["tokens"],"triggers":["x"]}`},
		{"/public/v2/product-catalog/items", "uuid",
			map[string]any{"title": "t", "sku": "old", "images": []string{"a"}, "price_configuration": price,
				"bundle_items": []any{map[string]any{"item_or_uuid": map[string]string{"title": "old"}, "quantity": 1}}},
			`{"title":"","bundle_items":[{"item_or_uuid":{},"quantity":2}],"product_variant":{"sku":"new","images":[],"price_configuration":{"price":6,"tiers":[]}}}`},
	} {
		path := tt.collection + "/" + s.do("POST", tt.collection, tt.item).object(t)[tt.id].(string)
		before := s.get(path).want(t, 200)
		s.do("PATCH", path, tt.refused).want(t, 400)
		if after := s.get(path).want(t, 200); string(after.body) != string(before.body) {
			t.Errorf("got %s\nwant %s", after.body, before.body)
		}
	}
}

// TestARefusedDocumentLeavesNoContacts: the recipients before the refused one had become contacts.
func TestARefusedDocumentLeavesNoContacts(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	draft := "/public/v1/documents/" + first(t, s.get("/public/v1/documents?status=0"))["id"].(string)
	before := s.get("/public/v1/contacts")
	refused := `[{"email":"new@b.example"},{"email":"x"}]`
	s.do("POST", "/public/v1/documents", `{"url":"https://a.example/b.pdf","recipients":`+refused+`}`).want(t, 400)
	s.do("PATCH", draft, `{"recipients":`+refused+`}`).want(t, 400)
	s.do("PATCH", draft, `{"recipients":[{"email":"new@b.example"}],"fields":7}`).want(t, 400)
	if after := s.get("/public/v1/contacts"); string(after.body) != string(before.body) {
		t.Errorf("got %s\nwant %s", after.body, before.body)
	}
	s.do("PATCH", draft, `{"recipients":[{"email":"new@b.example"}]}`).want(t, 204)
	made := first(t, s.get("/public/v1/contacts?email=new@b.example"))["id"]
	if r := s.get(draft + "/details").object(t)["recipients"].([]any)[0].(map[string]any); r["contact_id"] != made {
		t.Errorf("contact of the recipient: got %v, want %v", r["contact_id"], made)
	}
}

// TestTheSameMistakesGetTheSameAnswer: of several wrong parameters, a random one was reported, so that a run with the
// same seed and the same requests had other answers.
func TestTheSameMistakesGetTheSameAnswer(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	for _, target := range []string{
		"/public/v1/forms?status=x&asc=x&order_by=x",
		"/public/v1/content-library-items?q=&id=&tag=&count=",
	} {
		want := s.get(target).want(t, 400)
		for range 20 {
			if got := s.get(target); string(got.body) != string(want.body) {
				t.Errorf("%s: got %s after %s", target, got.body, want.body)
				break
			}
		}
	}
}
