// Package repotest has the project's rules as tests: which package may import which, what the program must not
// do, and where secrets may become plain strings. Each rule has its reason, and a deliberate violation that it
// must find. There is nothing here to import.
package repotest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "pandadoc-auth-proxy"

// source is one Go file of the module.
type source struct {
	path string // from the top of the module, with slashes
	text string
	file *ast.File
	fset *token.FileSet
}

func (s source) dir() string  { return path.Dir(s.path) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// imports returns the paths that the file imports.
func (s source) imports() []string {
	var all []string
	for _, i := range s.file.Imports {
		all = append(all, strings.Trim(i.Path.Value, `"`))
	}
	return all
}

// at names the place of n for a finding.
func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

// rule checks all sources. find returns its findings, each as "place: what".
type rule struct {
	name   string
	reason string
	find   func([]source) []string
	// fault is a file that breaks the rule, or several. "-- path --" begins each file.
	fault string
	// fine is a file that nearly breaks the rule.
	fine string
}

// check runs a rule on the module, and on its own planted fault.
func check(t *testing.T, rules ...rule) {
	t.Helper()
	all := load(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, finding := range r.find(all) {
				t.Errorf("%s\n\tbecause %s", finding, r.reason)
			}
			if len(r.find(planted(t, r.fault))) == 0 {
				t.Errorf("the rule does not find its planted fault:\n%s", r.fault)
			}
			for _, finding := range r.find(planted(t, r.fine)) {
				t.Errorf("the rule objects to what is fine: %s\n%s", finding, r.fine)
			}
		})
	}
}

// each returns a find function from one that checks a single file.
func each(find func(source) []string) func([]source) []string {
	return func(all []source) (findings []string) {
		for _, s := range all {
			findings = append(findings, find(s)...)
		}
		return findings
	}
}

// top is the directory of go.mod.
func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// load parses every Go file of the module, for all platforms.
func load(t *testing.T) []source {
	t.Helper()
	var all []source
	root := top(t)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isModule(name)):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		all = append(all, parse(t, filepath.ToSlash(rel), string(text)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all, func(s source) bool { return s.path == "tokens/store.go" }) {
		t.Fatal("the sources were not found: no tokens/store.go")
	}
	return all
}

// isModule reports whether dir is a module of its own, which is not part of the product.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func parse(t *testing.T, path, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return source{path, text, file, fset}
}

// planted parses the files of a rule's example.
func planted(t *testing.T, example string) []source {
	t.Helper()
	var all []source
	for _, part := range strings.Split(example, "-- ")[1:] {
		path, text, ok := strings.Cut(part, " --\n")
		if !ok {
			t.Fatalf("an example begins with -- path --, not with %q", part)
		}
		all = append(all, parse(t, path, text))
	}
	return all
}

// selectors calls f for each use of a name of another package, such as os.Exit.
func selectors(s source, f func(n ast.Node, pkg, name string)) {
	local := map[string]string{}
	for _, i := range s.file.Imports {
		full := strings.Trim(i.Path.Value, `"`)
		name := path.Base(full)
		if i.Name != nil {
			name = i.Name.Name
		}
		local[name] = full
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Obj == nil && local[x.Name] != "" {
				f(sel, local[x.Name], sel.Sel.Name)
			}
		}
		return true
	})
}
