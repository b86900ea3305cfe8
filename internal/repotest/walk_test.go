package repotest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A reader who follows one request, or one refused token, must not get lost. These tests follow the static calls
// from the functions where a story begins, and count the files of the package in which the called functions are.
// Calls through an interface, or into another package, are not followed: the reader sees the name and need not
// read further.
func TestAStoryIsToldInFewFiles(t *testing.T) {
	for _, want := range []struct {
		name  string
		dir   string
		roots []string // functions, as "Type.Method" or "Func"
		most  int      // files
	}{
		{"a request", "proxy", []string{"Proxy.ServeHTTP", "authTransport.RoundTrip"}, 8},
		{"a refused token", "tokens", []string{"Manager.Renew"}, 7},
	} {
		t.Run(want.name, func(t *testing.T) {
			p := typeCheck(t, want.dir)
			walked, err := p.walk(want.roots)
			if err != nil {
				t.Fatal(err)
			}
			files := walked.files()
			t.Logf("%d functions in %d files, %d changes of file: %s",
				len(walked.order), len(files), walked.changes, strings.Join(files, " "))
			if len(files) > want.most {
				t.Errorf("%s leads through %d files of %s, more than %d: %s",
					want.name, len(files), want.dir, want.most, strings.Join(files, " "))
			}
		})
	}
}

// A setting is parsed once, into the type that uses it.
func TestASettingPassesFewFiles(t *testing.T) {
	const most = 4
	var files []string
	for _, s := range load(t) {
		if !s.isTest() && regexp.MustCompile(`\bMaxInFlight\b|max-in-flight`).MatchString(s.text) && s.dir() != "internal/problem" {
			files = append(files, s.path)
		}
	}
	if len(files) > most || len(files) == 0 {
		t.Errorf("--max-in-flight is met in %d files, want 1 to %d: %s", len(files), most, strings.Join(files, " "))
	}
}

// The walk is tested with a story of known length.
func TestTheWalkFollowsCallsAndHooks(t *testing.T) {
	p := checkFiles(t, map[string]string{
		"a.go": "package p\ntype t struct{ hook func() }\nfunc (x *t) Serve() { x.hook = x.rewrite; go func() { helper() }() }\n",
		"b.go": "package p\nfunc (x *t) rewrite() { generic[int](0) }\nfunc unused() { other() }\n",
		"c.go": "package p\nfunc helper() {}\nfunc generic[T any](T) {}\n",
		"d.go": "package p\nfunc other() {}\n",
	})
	walked, err := p.walk([]string{"t.Serve"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(walked.files(), " "), "a.go b.go c.go"; got != want {
		t.Errorf("got the files %s, want %s", got, want)
	}
	if _, err := p.walk([]string{"t.Gone"}); err == nil {
		t.Error("a root that does not exist is not reported")
	}
}

// checked is one package with its types.
type checked struct {
	fset  *token.FileSet
	info  *types.Info
	decls map[*types.Func]*ast.FuncDecl
	pkg   *types.Package
}

// story is a walk: the functions, in the order in which the reader meets them.
type story struct {
	in      *checked
	order   []*types.Func
	changes int // how often the reader turns to another file
}

func (p *checked) walk(roots []string) (*story, error) {
	w := &story{in: p}
	for _, name := range roots {
		f := p.find(name)
		if f == nil {
			return nil, fmt.Errorf("there is no %s in %s: the story begins elsewhere now", name, p.pkg.Path())
		}
		w.visit(f)
	}
	return w, nil
}

// visit follows f and every function of the package that f names. A function that is passed as a hook is part of
// the story too.
func (w *story) visit(f *types.Func) {
	decl := w.in.decls[f.Origin()]
	if decl == nil || slices.Contains(w.order, f.Origin()) {
		return
	}
	w.order = append(w.order, f.Origin())
	from := w.in.file(f.Origin())
	ast.Inspect(decl, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		if callee, ok := w.in.info.Uses[id].(*types.Func); ok && w.in.decls[callee.Origin()] != nil {
			if w.in.file(callee.Origin()) != from {
				w.changes++
			}
			w.visit(callee)
		}
		return true
	})
}

func (w *story) files() []string {
	seen := map[string]bool{}
	for _, f := range w.order {
		seen[w.in.file(f)] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func (p *checked) file(f *types.Func) string { return filepath.Base(p.fset.Position(f.Pos()).Filename) }

func (p *checked) find(name string) *types.Func {
	for f := range p.decls {
		full := f.Name()
		if recv := f.Signature().Recv(); recv != nil {
			typ := recv.Type()
			if ptr, ok := typ.(*types.Pointer); ok {
				typ = ptr.Elem()
			}
			full = typ.(*types.Named).Obj().Name() + "." + full
		}
		if full == name {
			return f
		}
	}
	return nil
}

// typeCheck reads one package of the module. The go command gives the export data of the packages that it imports.
func typeCheck(t *testing.T, dir string) *checked {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles", "./"+dir)
	cmd.Dir = top(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := map[string]string{}
	var files []string
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Export, Dir string
			GoFiles                 []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if p.ImportPath == module+"/"+dir {
			for _, name := range p.GoFiles {
				files = append(files, filepath.Join(p.Dir, name))
			}
		}
	}
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range files {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	return checkTypes(t, fset, parsed, importer.ForCompiler(fset, "gc", lookup), module+"/"+dir)
}

func checkFiles(t *testing.T, text map[string]string) *checked {
	t.Helper()
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range slices.Sorted(maps.Keys(text)) {
		f, err := parser.ParseFile(fset, name, text[name], parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	return checkTypes(t, fset, parsed, nil, "p")
}

func checkTypes(t *testing.T, fset *token.FileSet, files []*ast.File, imports types.Importer, name string) *checked {
	t.Helper()
	p := &checked{fset: fset, decls: map[*types.Func]*ast.FuncDecl{}, info: &types.Info{
		Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}}
	config := types.Config{Importer: imports}
	pkg, err := config.Check(name, fset, files, p.info)
	if err != nil {
		t.Fatal(err)
	}
	p.pkg = pkg
	for _, f := range files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				p.decls[p.info.Defs[fn.Name].(*types.Func)] = fn
			}
		}
	}
	return p
}
