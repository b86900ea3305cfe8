package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"pandadoc-auth-proxy/internal/e2e/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// driver sends calls through the proxy and compares the answers with the specification.
type driver struct {
	*testing.T
	base  string
	spec  *openapi3.T
	saved map[string]string
	pool  map[string][]string // new documents by state

	driven   map[string]bool // "METHOD path"
	answers  int
	examples int
}

func specification(t *testing.T) *openapi3.T {
	t.Helper()
	spec, err := openapi3.NewLoader().LoadFromFile(filepath.Join("..", "..", "sandbox", "testdata", "pandadoc-openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, schema := range spec.Components.Schemas {
		for _, property := range schema.Value.Properties {
			if property.Value.IsEmpty() {
				property.Value.Nullable = true // an empty schema allows everything, also null
			}
		}
	}
	return spec
}

// TestEveryOperationAnswersAsPandaDocsSpecificationSays found errors in 25 operations of an earlier emulator. That
// emulator, and its tests, were written from descriptions in text.
func TestEveryOperationAnswersAsPandaDocsSpecificationSays(t *testing.T) {
	t.Parallel()
	p := program.Start(t, nil, "sandbox", "--calm", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	d := &driver{
		T: t, base: p.URL, spec: specification(t), pool: map[string][]string{}, driven: map[string]bool{},
		saved: map[string]string{"hook-url": "https://hooks.example/in", "contact-email": "user01@pandadoc.com"},
	}
	d.stock(45, 12)
	for _, c := range calls() {
		d.drive(c)
	}
	d.signIn(p.Info)

	var missing []string
	operations := 0
	for path, item := range d.spec.Paths.Map() {
		for method := range item.Operations() {
			operations++
			if !d.driven[method+" "+path] {
				missing = append(missing, method+" "+path)
			}
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("not driven: %q", missing)
	}
	t.Logf("%d of %d operations driven, %d answers checked, %d examples of the specification sent", len(d.driven), operations, d.answers, d.examples)
}

// stock creates documents that calls can use up, and sends some of them.
func (d *driver) stock(drafts, sent int) {
	d.Helper()
	_, list := d.send("GET", "/public/v1/templates?count=1", nil, "")
	template := d.at(list, "results.0.id")
	for range drafts + sent {
		body := fmt.Sprintf(`{"name":"Contract","template_uuid":%q,"recipients":[{"email":"kim@customer.example","first_name":"Kim","role":"Client"}],"fields":{"Like":{"value":true},"Note":{"value":"x"}}}`, template)
		_, made := d.send("POST", "/public/v1/documents", []byte(body), "application/json")
		d.pool["draft"] = append(d.pool["draft"], d.at(made, "id"))
	}
	last := d.pool["draft"][drafts+sent-1]
	for {
		if _, state := d.send("GET", "/public/v1/documents/"+last, nil, ""); d.at(state, "status") == "document.draft" {
			break
		}
		d.pause(200 * time.Millisecond)
	}
	for range sent {
		id := d.value("draft")
		d.send("POST", "/public/v1/documents/"+id+"/send", []byte("{}"), "application/json")
		d.pool["sent"] = append(d.pool["sent"], id)
	}
	d.saved["kept"] = d.value("draft")
}

// value returns the current value of a name.
func (d *driver) value(name string) string {
	d.Helper()
	if list, ok := d.pool[name]; ok {
		if len(list) == 0 {
			d.Fatalf("no %s is left: stock more", name)
		}
		d.pool[name] = list[1:]
		return list[0]
	}
	value, ok := d.saved[name]
	if !ok {
		d.Fatalf("nothing was saved as %q", name)
	}
	return value
}

// drive sends a call's own body and every example of the specification.
func (d *driver) drive(c call) {
	d.Helper()
	item := d.spec.Paths.Value(c.path)
	if item == nil || item.GetOperation(c.method) == nil {
		d.Fatalf("%s %s is not in the specification", c.method, c.path)
	}
	op := item.GetOperation(c.method)
	d.driven[c.method+" "+c.path] = true
	if c.file != "" || c.body != "" || op.RequestBody == nil {
		d.check(c, op, d.fill(c.body), "")
	}
	if c.file != "" || c.body != "" || op.RequestBody == nil || op.RequestBody.Value.Content["application/json"] == nil {
		return
	}
	examples := op.RequestBody.Value.Content["application/json"].Examples
	names := []string{}
	for name := range examples {
		if c.example != "" && name != c.example {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 {
		d.Errorf("%s %s: no example and no body", c.method, c.path)
	}
	for _, name := range names {
		raw, err := json.Marshal(d.substitute(examples[name].Value.Value, c.set, ""))
		if err != nil {
			d.Fatal(err)
		}
		d.examples++
		if reason := refused()[name]; reason != "" {
			if status, _ := d.send(c.method, d.target(c), raw, "application/json"); status != 400 {
				d.Errorf("example %q: got status %d, want 400 because %s", name, status, reason)
			}
			continue
		}
		d.check(c, op, string(raw), name)
	}
}

// substitute puts real values into an example.
func (d *driver) substitute(value any, set map[string]string, key string) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, inner := range v {
			out[k] = d.substitute(inner, set, k)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = d.substitute(inner, set, key)
		}
		return out
	case string:
		if name, ok := set[key]; ok {
			return d.value(name)
		}
	}
	return value
}

func (d *driver) fill(text string) string {
	for name := range d.saved {
		text = strings.ReplaceAll(text, "{"+name+"}", d.saved[name])
	}
	return text
}

func (d *driver) target(c call) string {
	target := c.path
	for variable, name := range c.in {
		target = strings.ReplaceAll(target, "{"+variable+"}", url.PathEscape(d.value(name)))
	}
	if c.query != "" {
		target += "?" + c.query
	}
	return target
}

// check sends one request and compares the answer with the specification.
func (d *driver) check(c call, op *openapi3.Operation, body, example string) {
	d.Helper()
	label := strings.TrimSpace(c.method + " " + c.path + " " + example)
	want := c.status
	if want == 0 {
		want = success(op)
	}
	var content []byte
	kind := ""
	switch {
	case c.file != "":
		content, kind = form(d.T, c.file, body)
	case body != "":
		content, kind = []byte(body), "application/json"
	}
	target := d.target(c)
	status, answer := d.send(c.method, target, content, kind)
	for range 50 { // wait until an asynchronous result is ready
		if status != http.StatusAccepted || want == http.StatusAccepted {
			break
		}
		d.pause(200 * time.Millisecond)
		status, answer = d.send(c.method, target, content, kind)
	}
	if status != want {
		d.Errorf("%s: got status %d, want %d: %.300s", label, status, want, answer)
		return
	}
	d.answers++
	described := op.Responses.Status(status)
	if described == nil {
		d.Errorf("%s: the specification has no answer %d", label, status)
		return
	}
	for media, given := range described.Value.Content {
		if media != "application/json" && media != "multipart/form-data" {
			if len(answer) == 0 {
				d.Errorf("%s: empty, want %s", label, media)
			}
			continue
		}
		var value any
		if err := json.Unmarshal(answer, &value); err != nil {
			d.Errorf("%s: %v in %.200s", label, err, answer)
			continue
		}
		if err := given.Schema.Value.VisitJSON(value, openapi3.VisitAsResponse(), openapi3.MultiErrors()); err != nil {
			d.Errorf("%s: %v\n%.1500s", label, err, answer)
		}
		// Few properties are required, so {} would be valid for most operations.
		for _, difference := range differences("", value, given.Schema.Value) {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(tolerated())), func(part string) bool { return strings.HasPrefix(difference, part) }) {
				d.Errorf("%s: %s", label, difference)
			}
		}
	}
	if len(described.Value.Content) == 0 && len(answer) > 0 {
		d.Errorf("%s: got %.200s, want an empty answer", label, answer)
	}
	if name, key, ok := strings.Cut(c.save, "="); ok && d.saved[name] == "" {
		d.saved[name] = d.at(answer, key)
	}
}

// success is the first 2xx that is not "wait".
func success(op *openapi3.Operation) int {
	for _, status := range []int{200, 201, 204} {
		if op.Responses.Status(status) != nil {
			return status
		}
	}
	return 0
}

// signIn calls the token endpoint, which the proxy does not forward.
func (d *driver) signIn(info map[string]string) {
	d.Helper()
	op := d.spec.Paths.Value("/oauth2/access_token").Post
	d.driven["POST /oauth2/access_token"] = true
	res, err := http.PostForm(info["token_url"], url.Values{
		"grant_type": {"refresh_token"}, "client_id": {info["client_id"]}, "client_secret": {info["client_secret"]}, "refresh_token": {info["refresh_token"]},
	})
	if err != nil {
		d.Fatal(err)
	}
	defer res.Body.Close()
	var value any
	if err := json.NewDecoder(res.Body).Decode(&value); err != nil {
		d.Fatal(err)
	}
	// The proxy has used this refresh token, so the answer is the documented error.
	described := op.Responses.Status(res.StatusCode)
	if described == nil {
		d.Errorf("token endpoint: the specification has no answer %d", res.StatusCode)
		return
	}
	d.answers++
	if given := described.Value.Content["application/json"]; given != nil {
		if err := given.Schema.Value.VisitJSON(value, openapi3.VisitAsResponse()); err != nil {
			d.Errorf("token endpoint: %v", err)
		}
	}
}

func (d *driver) send(method, target string, body []byte, kind string) (int, []byte) {
	d.Helper()
	req, err := http.NewRequestWithContext(d.Context(), method, d.base+target, bytes.NewReader(body))
	if err != nil {
		d.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		d.Fatal(err)
	}
	return res.StatusCode, answer
}

func (d *driver) pause(long time.Duration) {
	select {
	case <-time.After(long):
	case <-d.Context().Done():
	}
}

// at returns the text at a path of keys and positions.
func (d *driver) at(raw []byte, path string) string {
	d.Helper()
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		d.Fatalf("%v in %.200s", err, raw)
	}
	for key := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(v) {
				d.Fatalf("no %s in %.300s", path, raw)
			}
			value = v[i]
		}
	}
	text, ok := value.(string)
	if !ok {
		d.Fatalf("no %s in %.300s", path, raw)
	}
	return text
}

// form is a multipart body with a file and the part "data".
func form(t *testing.T, file, data string) ([]byte, string) {
	t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	part, err := m.CreateFormFile("file", "contract.pdf")
	if err != nil {
		t.Fatal(err)
	}
	part.Write([]byte(file))
	if err := m.WriteField("data", data); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return body.Bytes(), m.FormDataContentType()
}

// differences are the properties that only the answer has, and those that only the schema has.
func differences(at string, value any, schema *openapi3.Schema) (found []string) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			if schema.Items != nil {
				found = append(found, differences(at+"[]", item, schema.Items.Value)...)
			}
		}
	case map[string]any:
		known, alternatives := properties(schema)
		if len(known) == 0 || schema.AdditionalProperties.Schema != nil {
			return nil
		}
		for name, inner := range v {
			if known[name] == nil {
				found = append(found, at+"."+name+" is not in the specification")
				continue
			}
			found = append(found, differences(at+"."+name, inner, known[name].Value)...)
		}
		for name := range known {
			if _, ok := v[name]; !ok && !alternatives {
				found = append(found, at+"."+name+" is missing")
			}
		}
	}
	return found
}

// properties are those of a schema and of all schemas that it contains. If there are alternatives, no answer has
// all of them.
func properties(schema *openapi3.Schema) (all openapi3.Schemas, alternatives bool) {
	all = maps.Clone(schema.Properties)
	if all == nil {
		all = openapi3.Schemas{}
	}
	alternatives = len(schema.OneOf)+len(schema.AnyOf) > 0
	for _, part := range slices.Concat(schema.AllOf, schema.OneOf, schema.AnyOf) {
		inner, more := properties(part.Value)
		maps.Copy(all, inner)
		alternatives = alternatives || more
	}
	return all, alternatives
}
