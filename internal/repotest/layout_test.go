package repotest

import (
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const maxLines = 450

// shelf lists what may be at the top of the repository, besides dotfiles. Everything else belongs below.
var shelf = []string{
	"go.mod", "go.sum", "main.go", "proxy", "tokens", "proxy_test.go", "Dockerfile", "README.md",
	"internal", "deploy", "docs", "LICENSE", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md",
}

func TestTopLevel(t *testing.T) {
	for _, name := range tracked(t) {
		first, _, _ := strings.Cut(name, "/")
		if !slices.Contains(shelf, first) && !strings.HasPrefix(first, ".") {
			t.Errorf("%s does not belong at the top: it is read by everybody who comes here, and holds what the design names", first)
		}
	}
}

// tracked lists the files that git knows, or all files where there is no git.
func tracked(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", top(t), "ls-files").Output()
	if err == nil && len(out) > 0 {
		return strings.Fields(string(out))
	}
	entries, err := os.ReadDir(top(t))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestModule(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		switch word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word {
		case "replace", "exclude":
			t.Errorf("go.mod has %q: what is built here must be what anybody gets who requires it", strings.TrimSpace(line))
		}
	}
	if !strings.HasPrefix(string(text), "module "+module+"\n") {
		t.Errorf("go.mod does not begin with module %s", module)
	}
}

func vagueName(s source) []string {
	vague := []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base", "types"}
	if slices.Contains(vague, strings.TrimSuffix(s.file.Name.Name, "_test")) {
		return []string{fmt.Sprintf("%s: package %s", s.path, s.file.Name.Name)}
	}
	return nil
}

func tooLong(s source) []string {
	if n := strings.Count(s.text, "\n"); n > maxLines {
		return []string{fmt.Sprintf("%s: has %d lines, more than %d", s.path, n, maxLines)}
	}
	return nil
}

// packageComment finds packages without a package comment.
func packageComment(all []source) (findings []string) {
	documented := map[string]bool{}
	for _, s := range all {
		documented[s.dir()] = documented[s.dir()] || s.file.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			findings = append(findings, dir+": has no package comment")
		}
	}
	slices.Sort(findings)
	return findings
}

// docComments finds exported names without a comment in proxy and tokens.
func docComments(all []source) (findings []string) {
	types := map[string]bool{} // exported types of a package, for the constants that are their values
	for _, s := range all {
		for _, d := range s.file.Decls {
			for _, spec := range specs(d) {
				if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() {
					types[s.dir()+"."+ts.Name.Name] = true
				}
			}
		}
	}
	for _, s := range all {
		if first, _, _ := strings.Cut(s.path, "/"); s.isTest() || first != "proxy" && first != "tokens" {
			continue
		}
		for _, d := range s.file.Decls {
			for _, name := range undocumented(s, d, types) {
				findings = append(findings, fmt.Sprintf("%s: %s has no comment", s.at(d), name))
			}
		}
	}
	return findings
}

func specs(d ast.Decl) []ast.Spec {
	if g, ok := d.(*ast.GenDecl); ok {
		return g.Specs
	}
	return nil
}

func undocumented(s source, d ast.Decl, types map[string]bool) (names []string) {
	if f, ok := d.(*ast.FuncDecl); ok {
		if f.Name.IsExported() && f.Doc == nil && receiverExported(f) && !obvious(f) {
			names = append(names, f.Name.Name)
		}
		return names
	}
	group := d.(*ast.GenDecl).Doc != nil
	for _, spec := range specs(d) {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && !group {
				names = append(names, spec.Name.Name)
			}
		case *ast.ValueSpec:
			kind, _ := spec.Type.(*ast.Ident)
			value := kind != nil && types[s.dir()+"."+kind.Name] // its type explains it
			if spec.Names[0].IsExported() && spec.Doc == nil && spec.Comment == nil && !group && !value {
				names = append(names, spec.Names[0].Name)
			}
		}
	}
	return names
}

func receiverExported(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	t := f.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	id, ok := t.(*ast.Ident)
	return !ok || id.IsExported()
}

// obvious methods are explained by the interface that requires them.
func obvious(f *ast.FuncDecl) bool {
	return f.Recv != nil && slices.Contains([]string{"Error", "Unwrap", "Is", "As"}, f.Name.Name)
}

func TestLayout(t *testing.T) {
	check(t,
		rule{
			"packages are named for what they are", "a package named for nothing collects everything",
			each(vagueName),
			"-- internal/util/x.go --\npackage util\n",
			"-- tokens/x_test.go --\npackage tokens_test\n",
		},
		rule{
			"files are about one concern", "a file that is longer is about two",
			each(tooLong),
			"-- proxy/x.go --\npackage proxy\n" + strings.Repeat("\n", maxLines),
			"-- proxy/x.go --\npackage proxy\n" + strings.Repeat("\n", maxLines-1),
		},
		rule{
			"every package introduces itself", "a newcomer begins there",
			packageComment,
			"-- proxy/x.go --\npackage proxy\n-- proxy/y.go --\npackage proxy\n",
			"-- proxy/x.go --\npackage proxy\n-- proxy/y.go --\n// Package proxy is introduced.\npackage proxy\n",
		},
		rule{
			"exported names are explained", "others build on proxy and tokens",
			docComments,
			"-- tokens/x.go --\npackage tokens\nfunc Exported() {}\n",
			"-- tokens/x.go --\npackage tokens\n// Kind is one.\ntype Kind int\nconst First Kind = 1\ntype e struct{}\nfunc (e) Method() {}\n",
		},
	)
}
