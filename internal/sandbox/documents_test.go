package sandbox

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// names returns the names in a collection of documents.
func names(t *testing.T, a answer) []string {
	t.Helper()
	var page struct {
		Results []struct{ Name string }
	}
	a.want(t, 200).decode(t, &page)
	var list []string
	for _, d := range page.Results {
		list = append(list, d.Name)
	}
	return list
}

func TestADocumentFromUploadToDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, Options{Calm: true})
		template := first(t, s.get("/public/v1/templates"))["id"].(string)
		made := s.do("POST", "/public/v1/documents", map[string]any{
			"name": "Offer", "template_uuid": template, "recipients": []any{map[string]string{"email": "kim@customer.example"}},
		}).want(t, 201).object(t)
		path := "/public/v1/documents/" + made["id"].(string)
		link := made["links"].([]any)[0].(map[string]any)["href"]
		if want := s.info.API + path; link != want {
			t.Errorf("link: got %v, want %v", link, want)
		}
		state := func() any { return s.get(path).want(t, 200).object(t)["status"] }
		if got := state(); got != "document.uploaded" {
			t.Errorf("at first: got %v", got)
		}
		s.do("POST", path+"/send", `{}`).want(t, 409) // too early
		s.get(path+"/download").want(t, 409)
		time.Sleep(2 * time.Second)
		if got := state(); got != "document.draft" {
			t.Errorf("after a while: got %v", got)
		}
		s.do("POST", path+"/send", `{"subject":"Please sign"}`).want(t, 200)
		if got := state(); got != "document.sent" {
			t.Errorf("after sending: got %v", got)
		}
		s.do("POST", path+"/send", `{}`).want(t, 409) // twice
		s.do("PATCH", path, `{"name":"x"}`).want(t, 400)

		a := s.get(path+"/download").want(t, 202)
		if len(a.body) != 0 || a.Header.Get("Retry-After") != "1" {
			t.Errorf("not ready: got %d bytes, Retry-After %q", len(a.body), a.Header.Get("Retry-After"))
		}
		time.Sleep(time.Second)
		a = s.get(path+"/download?watermark_text=copy").want(t, 200)
		for _, text := range []string{"%PDF-", "([DEV] Offer)", "(Watermark: copy)"} {
			if !bytes.Contains(a.body, []byte(text)) {
				t.Errorf("download: no %q in %.200q", text, a.body)
			}
		}
		if got, want := a.Header.Get("Content-Disposition"), `attachment; filename="[DEV] Offer.pdf"`; got != want {
			t.Errorf("file name: got %s, want %s", got, want)
		}
		if got := s.get(path+"/download?separate_files=true").want(t, 200).Header.Get("Content-Type"); got != "application/zip" {
			t.Errorf("separate files: got %q", got)
		}
		s.do("DELETE", path, nil).want(t, 204)
		s.get(path).want(t, 404)
		if got := names(t, s.get("/public/v1/documents?deleted=true")); !slices.Equal(got, []string{"[DEV] Offer"}) {
			t.Errorf("deleted documents: got %q", got)
		}
	})
}

func TestDocumentFiltersAndPages(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	all := names(t, s.get("/public/v1/documents"))
	if len(all) != 8 {
		t.Fatalf("sample documents: got %d, want 8", len(all))
	}
	var paged []string
	for page := 1; page <= 4; page++ {
		paged = append(paged, names(t, s.get(fmt.Sprintf("/public/v1/documents?count=3&page=%d", page)))...)
	}
	if !slices.Equal(paged, all) {
		t.Errorf("pages: got %q, want %q", paged, all)
	}
	template := first(t, s.get("/public/v1/templates?q=invoice"))["id"].(string)
	details := s.get("/public/v1/documents/" + first(t, s.get("/public/v1/documents?q=invoice"))["id"].(string) + "/details").object(t)
	contact := details["recipients"].([]any)[0].(map[string]any)["contact_id"].(string)
	for query, want := range map[string]int{
		"q=INVOICE":                            2,
		"status=0":                             2,
		"status__ne=0":                         6,
		"status=2&q=employment":                1,
		"tag=sample":                           8,
		"tag=other":                            0,
		"tag=other&tag=sample":                 8,
		"metadata=order%3D1003":                1,
		"metadata=order=9":                     0,
		"template_id=" + template:              2,
		"contact_id=" + contact:                4,
		"folder_uuid=x":                        0,
		"membership_id=x":                      0,
		"form_id=x":                            0,
		"id=" + details["id"].(string):         1,
		"deleted=true":                         0,
		"completed_from=2000-01-01":            2,
		"created_to=2000-01-01T00:00:00Z":      0,
		"modified_from=2000-01-01T00:00:00.5Z": 8,
	} {
		if got := names(t, s.get("/public/v1/documents?"+query)); len(got) != want {
			t.Errorf("%s: got %d documents, want %d", query, len(got), want)
		}
	}
	for _, order := range []string{"name", "date_created", "status", "date_completed"} {
		up, down := names(t, s.get("/public/v1/documents?order_by="+order)), names(t, s.get("/public/v1/documents?order_by=-"+order))
		if slices.Equal(up, down) || len(up) != 8 {
			t.Errorf("order_by=%s: the same both ways: %q", order, up)
		}
	}
	if got := names(t, s.get("/public/v1/documents?order_by=name")); !slices.IsSorted(got) {
		t.Errorf("order_by=name: got %q", got)
	}
}

func TestUploadIsChosenByTheRawQueryKey(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	for _, tt := range []struct {
		query string
		op    int
	}{
		{"?upload", 5}, {"?upload=", 5}, {"?upload=&editor_ver=ev2", 5}, {"?editor_ver=ev2&upload", 5},
		{"?upload-markdown", 6}, {"?uploads", 3}, {"?x=upload", 3}, {"", 3},
	} {
		s.do("POST", "/public/v1/documents"+tt.query, pdfForm())
		if got := s.last().Operation; got != tt.op {
			t.Errorf("%q: got operation %d, want %d", tt.query, got, tt.op)
		}
	}
}

func TestAttachmentsAreReturnedUnchanged(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	path := "/public/v1/documents/" + first(t, s.get("/public/v1/documents?status=0"))["id"].(string) + "/attachments"
	content := []byte(strings.Repeat("attachment ", 100_000))
	// The published Node client sends its file to the path without ?upload.
	for _, target := range []string{path, path + "?upload"} {
		made := s.do("POST", target, multipartForm{fileName: "ä b.bin", content: content, fields: map[string]string{"name": "given"}}).want(t, 200).object(t)
		a := s.get(path+"/"+made["uuid"].(string)+"/download").want(t, 200)
		if string(a.body) != string(content) || made["name"] != "given" {
			t.Errorf("%s: got %d bytes named %v", target, len(a.body), made["name"])
		}
	}
	large := s.do("POST", path, multipartForm{fileName: "big", content: make([]byte, 4<<20+1)}).want(t, 200).object(t)
	s.get(path+"/"+large["uuid"].(string)+"/download").want(t, 501)
	var list []any
	if s.get(path).decode(t, &list); len(list) != 3 {
		t.Errorf("attachments: got %d, want 3", len(list))
	}
}

func TestContactsFilterIsExactAndRecipientsBecomeContacts(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	found := func(email string) int {
		var page struct{ Results []any }
		s.get("/public/v1/contacts?email="+url.QueryEscape(email)).decode(t, &page)
		return len(page.Results)
	}
	if got := found("kim@customer"); got != 0 {
		t.Errorf("part of an address: got %d contacts, want 0", got)
	}
	s.do("POST", "/public/v1/documents", `{"url":"https://files.example/a.pdf","recipients":[{"email":"new+one@customer.example"}]}`).want(t, 201)
	if got := found("new+one@customer.example"); got != 1 {
		t.Errorf("a recipient's address: got %d contacts, want 1", got)
	}
}

func TestTheAPILogShowsTheRequests(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	s.get("/public/v1/documents?q=marked").want(t, 200)
	s.get("/public/v1/documents/none?q=marked").want(t, 404)
	for query, want := range map[string]int{"search=q%3Dmarked": 2, "search=q%3Dmarked&statuses=400": 1, "search=q%3Dmarked&statuses=200": 1, "search=q%3Dmarked&methods=POST": 0} {
		var page struct{ Results []any }
		if s.get("/public/v2/logs?"+query).decode(t, &page); len(page.Results) != want {
			t.Errorf("%s: got %d entries, want %d", query, len(page.Results), want)
		}
	}
}

func TestADraftCanBeChanged(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	path := "/public/v1/documents/" + first(t, s.get("/public/v1/documents?status=0"))["id"].(string)
	people := func() []any { return s.get(path+"/details").want(t, 200).object(t)["recipients"].([]any) }
	old := people()[0].(map[string]any)
	s.do("PATCH", path, map[string]any{"recipients": []any{
		map[string]any{"id": old["id"], "first_name": "Renamed"}, map[string]any{"email": "second@customer.example"},
	}}).want(t, 204)
	list := people()
	kept, added := list[0].(map[string]any), list[1].(map[string]any)
	if kept["id"] != old["id"] || kept["first_name"] != "Renamed" || kept["email"] != old["email"] || added["email"] != "second@customer.example" {
		t.Errorf("recipients: got %v", list)
	}
	for _, wrong := range []string{`{"recipients":[{"id":"x"}]}`, `{"recipients":[{"email":"x"}]}`, `{"recipients":[{}]}`, `{"fields":[1]}`, `{"fields":{"a":1}}`} {
		s.do("PATCH", path, wrong).want(t, 400)
	}
	if got := len(people()); got != 2 {
		t.Errorf("recipients after refused changes: got %d, want 2", got)
	}

	var fields struct {
		Fields []struct {
			UUID       string `json:"uuid"`
			AssignedTo struct {
				ID string `json:"id"`
			} `json:"assigned_to"`
		}
	}
	s.get(path+"/fields").decode(t, &fields)
	assign := func(field, recipient any) answer {
		return s.do("PATCH", path+"/fields", map[string]any{"fields": []any{map[string]any{"field_id": field, "assigned_to": recipient}}})
	}
	assign("x", added["id"]).want(t, 400)
	assign(fields.Fields[0].UUID, "x").want(t, 400)
	assign(fields.Fields[0].UUID, added["id"]).want(t, 204)
	s.get(path+"/fields").decode(t, &fields)
	if got := fields.Fields[0].AssignedTo.ID; got != added["id"] {
		t.Errorf("assigned to: got %v, want %v", got, added["id"])
	}
	s.do("POST", path+"/send", `{}`).want(t, 200)
	assign(fields.Fields[0].UUID, nil).want(t, 400)
}

// TestADeletedTemplateIsGone: a section could still be made from it.
func TestADeletedTemplateIsGone(t *testing.T) {
	s := startSignedIn(t, Options{Calm: true})
	draft := "/public/v1/documents/" + first(t, s.get("/public/v1/documents?status=0"))["id"].(string)
	template := first(t, s.get("/public/v1/templates"))["id"].(string)
	from := map[string]any{"template_uuid": template, "recipients": []any{}}
	s.do("POST", draft+"/sections/uploads", from).want(t, 201)
	s.do("DELETE", "/public/v1/templates/"+template, nil).want(t, 204)
	s.do("POST", draft+"/sections/uploads", from).want(t, 400)
	s.do("POST", "/public/v1/documents", from).want(t, 400)
}
