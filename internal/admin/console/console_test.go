package console

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/problem"
)

// catalogue is assets/operations.json as the page reads it.
type catalogue struct {
	Lists map[string]struct {
		Path, Items, Value, Label string
	}
	Operations []operation
}

type operation struct {
	Number     int
	Method     string
	Path       string
	Group      string
	Title      string
	Note       string
	Page       string      // of PandaDoc's reference
	PathParams []parameter `json:"path_params"`
	Query      []parameter
	Body       *struct {
		Kind     string
		Example  json.RawMessage
		Examples []struct {
			Name  string
			Value json.RawMessage
		}
		Parts  []parameter
		Fields []field
	}
	Answers []struct {
		Status int
		Body   string
		About  string
	}
	Deprecated, Hidden, Secret bool
	Warning                    string
	SDK                        *struct {
		Class, Method, Body string
		Lacks, Dates        []string
	}
}

// field is one of a JSON body, or of a form.
type field struct {
	Name, Type, About, Example string
	Required                   bool
	Options                    []string
}

type parameter struct {
	Name, About, Type, List, FileName string
	Example                           any
	Options                           map[string]string
	Required, Repeat                  bool
}

func read(t *testing.T) catalogue {
	t.Helper()
	text, err := assets.ReadFile("assets/operations.json")
	if err != nil {
		t.Fatal(err)
	}
	in := json.NewDecoder(strings.NewReader(string(text)))
	in.DisallowUnknownFields()
	var c catalogue
	if err := in.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryOperationCanBeFilledIn(t *testing.T) {
	c := read(t)
	placeholder := regexp.MustCompile(`\{(\w+)\}`)
	for _, o := range c.Operations {
		if o.Title == "" || o.Group == "" || len(o.Answers) == 0 {
			t.Errorf("operation %d has no title, group or answer", o.Number)
		}
		var names []string
		for _, p := range o.PathParams {
			names = append(names, p.Name)
		}
		var want []string
		for _, m := range placeholder.FindAllStringSubmatch(o.Path, -1) {
			want = append(want, m[1])
		}
		if !slices.Equal(names, want) {
			t.Errorf("operation %d: parameters %q, want %q", o.Number, names, want)
		}
		for _, p := range slices.Concat(o.PathParams, o.Query) {
			if p.About == "" {
				t.Errorf("operation %d: %s is not explained", o.Number, p.Name)
			}
			if _, ok := c.Lists[p.List]; p.List != "" && !ok {
				t.Errorf("operation %d: %s is looked up in %q, which is no list", o.Number, p.Name, p.List)
			}
		}
		o.checkBody(t, c)
	}
}

// checkBody makes sure that a body has an example whose placeholders can be looked up.
func (o operation) checkBody(t *testing.T, c catalogue) {
	if o.Body == nil {
		return
	}
	var examples []string
	switch o.Body.Kind {
	case "json":
		examples = append(examples, string(o.Body.Example))
	case "multipart":
		for _, p := range o.Body.Parts {
			if p.FileName == "" {
				text, err := json.Marshal(p.Example)
				if err != nil {
					t.Fatal(err)
				}
				examples = append(examples, string(text))
			}
		}
	case "form":
		return
	}
	if len(examples) == 0 {
		t.Errorf("operation %d has no example of its body", o.Number)
	}
	for _, text := range examples {
		if !json.Valid([]byte(text)) {
			t.Errorf("operation %d: the example is not JSON: %s", o.Number, text)
		}
		for _, m := range regexp.MustCompile(`"\{(\w+)\}"`).FindAllStringSubmatch(text, -1) {
			if _, ok := c.Lists[m[1]]; !ok {
				t.Errorf("operation %d: {%s} cannot be looked up", o.Number, m[1])
			}
		}
	}
}

func TestListsAreOperations(t *testing.T) {
	c := read(t)
	for name, l := range c.Lists {
		plain, _, _ := strings.Cut(l.Path, "?")
		plain = strings.ReplaceAll(plain, "{document}", "{id}")
		if !slices.ContainsFunc(c.Operations, func(o operation) bool {
			return o.Method == http.MethodGet && regexp.MustCompile(`\{\w+\}`).ReplaceAllString(o.Path, "{id}") == plain
		}) {
			t.Errorf("list %s asks %s, which is no operation", name, l.Path)
		}
	}
}

func TestEverythingIsServedUnderAStrictPolicy(t *testing.T) {
	handlers := map[string]http.HandlerFunc{"index.html": Index}
	for _, name := range Assets() {
		handlers[name] = Asset(name)
	}
	for name, serve := range handlers {
		w := httptest.NewRecorder()
		serve(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != http.StatusOK || w.Body.Len() == 0 || w.Header().Get("Content-Type") == "" || mediaTypes[path.Ext(name)] == "" {
			t.Errorf("%s: status %d, %d bytes of %q", name, w.Code, w.Body.Len(), w.Header().Get("Content-Type"))
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("%s: got policy %q", name, policy)
		}
	}
}

// Causes stood here a second time, in other words than everywhere else.
func TestCausesAreNotToldInWordsOfItsOwn(t *testing.T) {
	for _, name := range Assets() {
		text, err := assets.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problem.All() {
			if p.Code != problem.LoginRequired && path.Ext(name) == ".js" && strings.Contains(string(text), "'"+string(p.Code)+"':") {
				t.Errorf("%s has a text for %s: take it from /api/v1/status", name, p.Code)
			}
		}
	}
}

// The policy would stop them as well; this finds them before a person does.
func TestThePageHasNoInlineCodeAndNothingForeign(t *testing.T) {
	for _, name := range Assets() {
		text, err := assets.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{`\son\w+="`, `style="`, `<script>`, `<style>`, `innerHTML`, `insertAdjacentHTML`, `document\.write`, `\beval\(`, `src="(https?:)?//`, `@import`, `: url\(`} {
			if path.Ext(name) != ".json" && regexp.MustCompile(bad).Match(text) {
				t.Errorf("%s holds %s", name, bad)
			}
		}
	}
}
