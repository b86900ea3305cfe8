package clients

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// TestEveryErrorHasTheShapeOfTheSpecification sends to each operation an unknown id, wrong bodies, and query
// values that are out of range. It found errors of version 2 and beta with invented details, operations that
// answered 409 although PandaDoc never does, and a page number that ended the connection.
func TestEveryErrorHasTheShapeOfTheSpecification(t *testing.T) {
	t.Parallel()
	p := program.Start(t, nil, "sandbox", "--calm", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	d := &driver{T: t, base: p.URL, spec: specification(t), pool: map[string][]string{}, saved: map[string]string{}}
	_, list := d.send("GET", "/public/v1/documents?status=2", nil, "")
	completed := d.at(list, "results.0.id")
	kinds := map[int]int{}
	for _, o := range inOrder(d.spec) {
		for _, wrong := range wrongCalls(o.path, o.op, completed) {
			status, answer := d.send(o.method, wrong.target, []byte(wrong.body), wrong.kind)
			if status >= 500 {
				d.Errorf("%s %s %.60s: got status %d", o.method, wrong.target, wrong.body, status)
			}
			if status >= 400 {
				kinds[status]++
				d.checkError(o.method, o.path, wrong.target+" "+wrong.body, o.op, status, answer)
			}
		}
	}
	t.Logf("errors by status: %v", kinds)
	for _, status := range []int{400, 404, 409} {
		if kinds[status] == 0 {
			t.Errorf("no %d was answered", status)
		}
	}
}

type operation struct {
	path, method string
	op           *openapi3.Operation
}

// inOrder returns all operations except the token endpoint. Operations that make a completed document a draft, or
// delete it, come last: the others need such a document to answer 409.
func inOrder(spec *openapi3.T) (all []operation) {
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			if path != "/oauth2/access_token" {
				all = append(all, operation{path, method, op})
			}
		}
	}
	ends := func(o operation) int {
		if o.method == http.MethodDelete || strings.HasSuffix(o.path, "/draft") {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b operation) int {
		return cmp.Or(ends(a)-ends(b), cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method))
	})
	return all
}

type wrongCall struct{ target, body, kind string }

// wrongCalls are requests that most operations must refuse. A few may succeed.
func wrongCalls(path string, op *openapi3.Operation, completed string) (list []wrongCall) {
	base, key, _ := strings.Cut(path, "?")
	target := func(id, query string) string {
		filled := base
		for strings.Contains(filled, "{") {
			before, rest, _ := strings.Cut(filled, "{")
			_, after, _ := strings.Cut(rest, "}")
			filled = before + id + after
		}
		if query = strings.Trim(key+"&"+query, "&"); query != "" {
			filled += "?" + query
		}
		return filled
	}
	ids := []string{completed}
	if strings.Contains(base, "{") {
		ids = append(ids, "unknown")
	}
	for _, id := range ids {
		if op.RequestBody == nil {
			list = append(list, wrongCall{target: target(id, "")})
			continue
		}
		for _, body := range []string{`{`, `null`, `[]`, `{}`, `{"name":1,"title":1,"email":1,"id":1,"enabled":"x"}`, "{\"name\":\"\xff\"}"} {
			list = append(list, wrongCall{target(id, ""), body, "application/json"})
		}
		for _, media := range op.RequestBody.Value.Content {
			for _, example := range media.Examples {
				if raw, err := json.Marshal(example.Value.Value); err == nil {
					list = append(list, wrongCall{target(id, ""), string(raw), "application/json"})
				}
			}
		}
	}
	for _, parameter := range op.Parameters {
		if parameter.Value.In != "query" {
			continue
		}
		for _, value := range []string{"0", "-1", "99999999999999999999", "x", "%F0%9F%90%BC", ""} {
			list = append(list, wrongCall{target: target(completed, url.QueryEscape(parameter.Value.Name)+"="+value)})
		}
	}
	return list
}

// checkError compares an error with the schema of its status or, if the specification does not describe the status,
// with the usual form of the version.
func (d *driver) checkError(method, path, sent string, op *openapi3.Operation, status int, answer []byte) {
	d.Helper()
	described := op.Responses.Status(status)
	v2 := strings.HasPrefix(path, "/public/v2/") || strings.HasPrefix(path, "/public/beta/")
	if described == nil {
		name := map[bool]string{false: "404", true: "404NotFoundV2"}[v2]
		described = d.spec.Components.Responses[name]
		if status == http.StatusConflict {
			d.Errorf("%s %s: the specification has no 409: %.200s", method, path, answer)
		}
		if status == http.StatusBadRequest && !v2 {
			described = d.spec.Components.Responses["400ValidationError"]
		}
	}
	var value any
	if err := json.Unmarshal(answer, &value); err != nil {
		d.Errorf("%s %.100s: %v in %.200s", method, sent, err, answer)
		return
	}
	schema := described.Value.Content["application/json"].Schema.Value
	if err := schema.VisitJSON(value, openapi3.VisitAsResponse(), openapi3.MultiErrors()); err != nil {
		d.Errorf("%s %.100s: %d: %v\n%.300s", method, sent, status, err, answer)
	}
	found := slices.DeleteFunc(differences("", value, schema), func(difference string) bool {
		return strings.HasPrefix(difference, ".info_message") || strings.HasPrefix(difference, ".links")
	})
	for _, difference := range found {
		d.Errorf("%s %.100s: %d: %s: %.200s", method, sent, status, difference, answer)
	}
}
