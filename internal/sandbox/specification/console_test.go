package specification

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// words are our own texts: what the console says about an operation, and the examples that its form starts with.
// Names, parameters, enumerations, bodies and answers come from the specification.
type words struct {
	Lists      json.RawMessage `json:"lists"`
	Operations map[string]struct {
		Number  int             `json:"number"`
		Group   string          `json:"group"`
		Title   string          `json:"title"`
		Note    string          `json:"note"`
		Warning string          `json:"warning"`
		Secret  bool            `json:"secret"`
		Hidden  bool            `json:"hidden"`
		SDK     json.RawMessage `json:"sdk"`
		Params  map[string]struct {
			About   string            `json:"about"`
			List    string            `json:"list"`
			Example string            `json:"example"`
			Options map[string]string `json:"options"` // what the values of an enumeration mean
		} `json:"params"`
		Example  json.RawMessage     `json:"example"`
		Examples []wordExample       `json:"examples"` // if a body can have very different meanings
		Parts    map[string]wordPart `json:"parts"`
		Body     json.RawMessage     `json:"body"` // replaces the body, for the token endpoint
		Answers  map[string]string   `json:"answers"`
	} `json:"operations"`

	place func(consoleOperation) int // of an operation in words.json: the console shows operations in that order
}

type wordExample struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

type wordPart struct {
	FileName string          `json:"filename,omitempty"`
	Type     string          `json:"type,omitempty"`
	About    string          `json:"about,omitempty"`
	Example  json.RawMessage `json:"example,omitempty"`
}

// consoleOperation is one operation in the console's operations.json.
type consoleOperation struct {
	Number     int             `json:"number"`
	Method     string          `json:"method"`
	Path       string          `json:"path"`
	Group      string          `json:"group"`
	Title      string          `json:"title"`
	Note       string          `json:"note,omitempty"`
	Page       string          `json:"page"` // of PandaDoc's reference
	PathParams []consoleParam  `json:"path_params,omitempty"`
	Query      []consoleParam  `json:"query,omitempty"`
	Body       json.RawMessage `json:"body,omitempty"`
	Answers    []consoleAnswer `json:"answers"`
	Warning    string          `json:"warning,omitempty"`
	Secret     bool            `json:"secret,omitempty"`
	Hidden     bool            `json:"hidden,omitempty"`
	Deprecated bool            `json:"deprecated,omitempty"`
	SDK        json.RawMessage `json:"sdk,omitempty"`
}

type consoleParam struct {
	Name     string  `json:"name"`
	Type     string  `json:"type,omitempty"` // integer, number, boolean or date-time; text has none
	Required bool    `json:"required,omitempty"`
	Repeat   bool    `json:"repeat,omitempty"`
	About    string  `json:"about"`
	Example  string  `json:"example,omitempty"`
	List     string  `json:"list,omitempty"`
	Options  options `json:"options,omitempty"`
}

// options keep the order of the specification.
type options [][2]string

func (o options) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, pair := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%q", pair[0], pair[1])
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// consoleBody is what a request carries.
type consoleBody struct {
	Kind     string            `json:"kind"`
	Example  json.RawMessage   `json:"example,omitempty"`
	Examples []wordExample     `json:"examples,omitempty"`
	Fields   []consoleField    `json:"fields,omitempty"`
	Parts    []consoleBodyPart `json:"parts,omitempty"`
}

type consoleField struct {
	Name     string   `json:"name"`
	Type     string   `json:"type,omitempty"`
	Required bool     `json:"required,omitempty"`
	Options  []string `json:"options,omitempty"`
}

type consoleBodyPart struct {
	Name string `json:"name"`
	wordPart
}

type consoleAnswer struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
	About  string `json:"about,omitempty"`
}

func consoleFile() string {
	return filepath.Join("..", "..", "admin", "console", "assets", "operations.json")
}

func load(t *testing.T) (*openapi3.T, words) {
	t.Helper()
	spec, err := openapi3.NewLoader().LoadFromFile(reducedFile())
	if err != nil {
		t.Fatal(err)
	}
	var w words
	raw, err := os.ReadFile(filepath.Join("testdata", "words.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		t.Fatal(err)
	}
	w.place = func(o consoleOperation) int { return bytes.Index(raw, []byte(`"`+o.Method+" "+o.Path+`":`)) }
	return spec, w
}

// TestTheConsolesOperationsAreTheSpecifications: the operations were once written by hand, and differed from
// PandaDoc's in required fields, names and enumerations.
func TestTheConsolesOperationsAreTheSpecifications(t *testing.T) {
	spec, w := load(t)
	pages := read(t, reducedFile())["paths"].(object)
	var list []consoleOperation
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			page, _ := pages[path].(object)[strings.ToLower(method)].(object)["x-page"].(string)
			list = append(list, describe(t, w, method, path, page, item, op))
		}
	}
	if len(list) != len(w.Operations) {
		t.Errorf("got words for %d operations, want %d", len(w.Operations), len(list))
	}
	slices.SortFunc(list, func(a, b consoleOperation) int { return cmp.Compare(w.place(a), w.place(b)) })
	var out bytes.Buffer
	out.WriteString("{\n\"lists\": ")
	if err := json.Compact(&out, w.Lists); err != nil {
		t.Fatal(err)
	}
	out.WriteString(",\n\"operations\": [\n")
	for i, o := range list {
		if i > 0 {
			out.WriteString(",\n")
		}
		out.Write(compact(t, o))
	}
	out.WriteString("\n]\n}\n")
	compare(t, consoleFile(), out.Bytes())
}

func compact(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

func describe(t *testing.T, w words, method, path, page string, item *openapi3.PathItem, op *openapi3.Operation) consoleOperation {
	t.Helper()
	key := method + " " + path
	said, ok := w.Operations[key]
	if !ok {
		t.Errorf("%s: words.json has nothing about it", key)
	}
	o := consoleOperation{
		Number: said.Number, Method: method, Path: path, Group: said.Group, Title: said.Title, Note: said.Note, SDK: said.SDK,
		Page: "https://developers.pandadoc.com/reference/" + page, Warning: said.Warning, Secret: said.Secret, Hidden: said.Hidden,
		Deprecated: op.Deprecated, Body: said.Body,
	}
	params := slices.Concat(item.Parameters, op.Parameters)
	for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
		if p := params.GetByInAndName("path", m[1]); p == nil {
			t.Errorf("%s: the specification has no parameter %s", key, m[1])
		}
		about := said.Params[m[1]]
		o.PathParams = append(o.PathParams, consoleParam{Name: m[1], About: about.About, List: about.List})
	}
	for _, p := range params {
		if p.Value.In == "query" {
			o.Query = append(o.Query, queryParam(w, key, p.Value))
		}
	}
	if o.Body == nil && op.RequestBody != nil {
		o.Body = compact(t, body(t, w, key, op.RequestBody.Value))
	}
	for _, status := range []int{200, 201, 202, 204} {
		if r := op.Responses.Status(status); r != nil {
			o.Answers = append(o.Answers, consoleAnswer{Status: status, Body: answerKind(r.Value), About: said.Answers[strconv.Itoa(status)]})
		}
	}
	return o
}

func queryParam(w words, key string, p *openapi3.Parameter) consoleParam {
	about := w.Operations[key].Params[p.Name]
	out := consoleParam{Name: p.Name, Required: p.Required, About: about.About, Example: about.Example, List: about.List}
	if p.Schema == nil {
		return out
	}
	schema := p.Schema.Value
	if schema.Type.Is("array") {
		out.Repeat = true
		schema = schema.Items.Value
	}
	for _, value := range schema.Enum {
		if value == nil {
			continue
		}
		text := fmt.Sprint(value)
		out.Options = append(out.Options, [2]string{text, cmp.Or(about.Options[text], text)})
	}
	if out.Options == nil { // what the specification explains in prose only
		for _, text := range slices.Sorted(func(yield func(string) bool) {
			for value := range about.Options {
				if !yield(value) {
					return
				}
			}
		}) {
			out.Options = append(out.Options, [2]string{text, about.Options[text]})
		}
	}
	out.Type = kind(schema)
	return out
}

// kind is how the console treats a value; plain text has none.
func kind(schema *openapi3.Schema) string {
	for _, name := range []string{"integer", "number", "boolean"} {
		if schema.Type.Is(name) {
			return name
		}
	}
	if schema.Format == "date-time" {
		return schema.Format
	}
	return ""
}

func body(t *testing.T, w words, key string, given *openapi3.RequestBody) consoleBody {
	t.Helper()
	said := w.Operations[key]
	if media := given.Content["multipart/form-data"]; media != nil {
		out := consoleBody{Kind: "multipart"}
		for _, name := range slices.Sorted(mapKeys(properties(media.Schema.Value))) {
			part, ok := said.Parts[name]
			if !ok {
				t.Errorf("%s: words.json says nothing about the part %s", key, name)
			}
			out.Parts = append(out.Parts, consoleBodyPart{name, part})
		}
		slices.SortStableFunc(out.Parts, func(a, b consoleBodyPart) int { return strings.Compare(b.FileName, a.FileName) }) // the file first
		return out
	}
	media := given.Content["application/json"]
	out := consoleBody{Kind: "json", Example: said.Example, Examples: said.Examples}
	all := properties(media.Schema.Value)
	for _, name := range slices.Sorted(mapKeys(all)) {
		schema := all[name].Value
		f := consoleField{Name: name, Type: kind(schema), Required: slices.Contains(media.Schema.Value.Required, name)}
		for _, value := range schema.Enum {
			if value != nil {
				f.Options = append(f.Options, fmt.Sprint(value))
			}
		}
		out.Fields = append(out.Fields, f)
	}
	return out
}

func mapKeys(m openapi3.Schemas) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range m {
			if !yield(name) {
				return
			}
		}
	}
}

// properties are those of a schema and of all schemas that it contains.
func properties(schema *openapi3.Schema) openapi3.Schemas {
	out := openapi3.Schemas{}
	for name, property := range schema.Properties {
		out[name] = property
	}
	for _, part := range slices.Concat(schema.AllOf, schema.OneOf, schema.AnyOf) {
		for name, property := range properties(part.Value) {
			out[name] = property
		}
	}
	return out
}

func answerKind(r *openapi3.Response) string {
	switch {
	case len(r.Content) == 0:
		return "empty"
	case r.Content["application/pdf"] != nil:
		return "pdf"
	case r.Content["application/json"] != nil || r.Content["multipart/form-data"] != nil:
		return "json" // the specification calls one JSON answer a form
	}
	return "file"
}

// TestTheConsolesExamplesFitTheSpecification: the values that a form starts with are valid.
func TestTheConsolesExamplesFitTheSpecification(t *testing.T) {
	spec, w := load(t)
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			key := method + " " + path
			if op.RequestBody == nil || op.RequestBody.Value.Content["application/json"] == nil {
				continue
			}
			said := w.Operations[key]
			if said.Example == nil {
				t.Errorf("%s: no example", key)
				continue
			}
			for _, example := range append(said.Examples, wordExample{Value: said.Example}) {
				fits(t, key, compact(t, example.Value), op.RequestBody.Value.Content["application/json"].Schema.Value)
			}
		}
	}
}

func fits(t *testing.T, key string, example []byte, schema *openapi3.Schema) {
	t.Helper()
	filled := bytes.ReplaceAll(example, []byte("{field}"), []byte("d6948f39-612a-4626-a439-ca9e0cbbda7c"))
	filled = regexp.MustCompile(`\{\w+\}`).ReplaceAll(filled, []byte("hryJY9mqYZHjQCYQuSjRQg"))
	// The schema tells recipients from groups by "type", which the specification's own examples leave out.
	filled = bytes.ReplaceAll(filled, []byte(`{"email":"kim@`), []byte(`{"type":"recipient","email":"kim@`))
	var value any
	if err := json.Unmarshal(filled, &value); err != nil {
		t.Errorf("%s: %v", key, err)
		return
	}
	if err := schema.VisitJSON(value, openapi3.VisitAsRequest()); err != nil {
		t.Errorf("%s: %v", key, err)
	}
}
