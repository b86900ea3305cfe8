package repotest

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

func noInit(s source) (findings []string) {
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			findings = append(findings, s.at(f)+": has an init")
		}
	}
	return findings
}

// noExit finds calls that end the process: os.Exit, and Fatal of any logger.
func noExit(s source) (findings []string) {
	if s.forTests() || s.dir() == "." {
		return nil
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, _ := sel.X.(*ast.Ident)
		exits := x != nil && (x.Name == "os" || x.Name == "syscall") && sel.Sel.Name == "Exit"
		if exits || slices.Contains([]string{"Fatal", "Fatalf", "Fatalln"}, sel.Sel.Name) {
			findings = append(findings, fmt.Sprintf("%s: calls %s", s.at(n), sel.Sel.Name))
		}
		return true
	})
	return findings
}

var readsEnvironment = []string{
	"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "Clearenv",
	"UserHomeDir", "UserConfigDir", "UserCacheDir",
}

func noEnvironment(s source) (findings []string) {
	if s.forTests() || s.dir() == "internal/cli" || s.path == "main.go" {
		return nil
	}
	selectors(s, func(n ast.Node, pkg, name string) {
		if (pkg == "os" || pkg == "syscall") && slices.Contains(readsEnvironment, name) {
			findings = append(findings, fmt.Sprintf("%s: calls os.%s", s.at(n), name))
		}
	})
	return findings
}

// noSleep finds sleeping in tests. It allows files that run tests in a bubble of testing/synctest, directly or by
// a helper of their package: in a bubble, sleeping moves the clock and takes no time.
func noSleep(all []source) (findings []string) {
	bubbles := map[string]bool{}
	for _, s := range all {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.isTest() && callsSynctest(s, f) {
				bubbles[s.dir()+"."+f.Name.Name] = true
			}
		}
	}
	for _, s := range all {
		if s.isTest() && !inBubble(s, bubbles) {
			selectors(s, func(n ast.Node, pkg, name string) {
				if pkg == "time" && name == "Sleep" {
					findings = append(findings, s.at(n)+": calls time.Sleep")
				}
			})
		}
	}
	return findings
}

func callsSynctest(s source, f *ast.FuncDecl) (found bool) {
	selectors(s, func(n ast.Node, pkg, _ string) {
		found = found || pkg == "testing/synctest" && f.Pos() <= n.Pos() && n.Pos() < f.End()
	})
	return found
}

func inBubble(s source, bubbles map[string]bool) (found bool) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if x, ok := n.(*ast.Ident); ok {
			found = found || bubbles[s.dir()+"."+x.Name]
		}
		return !found
	})
	return found
}

// builders make values that never change.
var builders = []string{
	"regexp.MustCompile", "strings.NewReplacer", "template.Must", "html.Must",
	"netip.MustParseAddr", "netip.MustParsePrefix",
	"prometheus.NewDesc",
}

// noState allows these package-level variables: interface guards, errors to compare with, values of builders,
// embedded files, and literals that no code of the package writes to.
func noState(all []source) (findings []string) {
	written := map[string]bool{}
	for _, s := range all {
		if !s.isTest() {
			writes(s, func(name string) { written[s.dir()+"."+name] = true })
		}
	}
	for _, s := range all {
		if s.isTest() {
			continue
		}
		for _, d := range s.file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				findings = append(findings, stateful(s, g, written)...)
			}
		}
	}
	return findings
}

func stateful(s source, decl *ast.GenDecl, written map[string]bool) (findings []string) {
	for _, spec := range decl.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			switch {
			case name.Name == "_", embedded(decl) || embedded(v):
			case len(v.Values) != len(v.Names):
				findings = append(findings, fmt.Sprintf("%s: var %s begins without a value, so something sets it", s.at(v), name.Name))
			case sentinel(name.Name, v.Values[i]):
			case !constant(v.Values[i]):
				findings = append(findings, fmt.Sprintf("%s: var %s is made by something that no rule knows", s.at(v), name.Name))
			case written[s.dir()+"."+name.Name]:
				findings = append(findings, fmt.Sprintf("%s: var %s is written to", s.at(v), name.Name))
			}
		}
	}
	return findings
}

func embedded(n ast.Node) bool {
	var doc *ast.CommentGroup
	switch n := n.(type) {
	case *ast.GenDecl:
		doc = n.Doc
	case *ast.ValueSpec:
		doc = n.Doc
	}
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed") })
}

// sentinel reports whether a variable is an error to compare with: its name shows that.
func sentinel(name string, value ast.Expr) bool {
	_, made := value.(*ast.CallExpr)
	return made && (strings.HasPrefix(name, "err") || strings.HasPrefix(name, "Err"))
}

// constant reports whether e is a literal, or a call of a builder.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit, *ast.CompositeLit:
		return true
	case *ast.CallExpr:
		sel, ok := e.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		pkg, ok := sel.X.(*ast.Ident)
		return ok && slices.Contains(builders, pkg.Name+"."+sel.Sel.Name)
	}
	return false
}

// writes calls f for every package-level name that the file assigns to, or takes the address of, in whole or in
// part. Local names that hide one do not count.
func writes(s source, f func(name string)) {
	target := func(e ast.Expr) {
		for {
			switch x := e.(type) {
			case *ast.IndexExpr:
				e = x.X
			case *ast.SelectorExpr:
				e = x.X
			case *ast.StarExpr:
				e = x.X
			case *ast.ParenExpr:
				e = x.X
			case *ast.Ident:
				if _, ours := declOf(x).(*ast.ValueSpec); x.Obj == nil || ours && s.file.Scope.Lookup(x.Name) == x.Obj {
					f(x.Name)
				}
				return
			default:
				return
			}
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, l := range n.Lhs {
					target(l)
				}
			}
		case *ast.IncDecStmt:
			target(n.X)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				target(n.X)
			}
		case *ast.CallExpr:
			if fn, ok := n.Fun.(*ast.Ident); ok && (fn.Name == "delete" || fn.Name == "clear") && len(n.Args) > 0 {
				target(n.Args[0])
			}
		}
		return true
	})
}

func declOf(x *ast.Ident) any {
	if x.Obj == nil {
		return nil
	}
	return x.Obj.Decl
}

func TestConduct(t *testing.T) {
	check(t,
		rule{
			"no init", "work that happens on import cannot be chosen, ordered or tested",
			each(noInit),
			"-- proxy/x.go --\npackage proxy\nfunc init() {}\n",
			"-- proxy/x.go --\npackage proxy\ntype x struct{}\nfunc (x) init() {}\n",
		},
		rule{
			"only main exits", "an exit elsewhere would skip the save of a rotation that is in memory only",
			each(noExit),
			"-- internal/cli/x.go --\npackage cli\nimport \"github.com/sirupsen/logrus\"\nfunc f(l *logrus.Logger) { l.Fatalf(\"\") }\n",
			"-- main.go --\npackage main\nimport \"os\"\nfunc main() { os.Exit(0) }\n",
		},
		rule{
			"only the command line reads the environment", "a constructor that reads the environment has arguments that nobody sees",
			each(noEnvironment),
			"-- tokens/x.go --\npackage tokens\nimport \"os\"\nvar _ = os.Getenv(\"HOME\")\n",
			"-- internal/cli/x.go --\npackage cli\nimport \"os\"\nfunc f() { os.Getenv(\"HOME\") }\n",
		},
		rule{
			"no test sleeps", "a sleep is too long on a fast machine and too short on a busy one",
			noSleep,
			"-- proxy/x_test.go --\npackage proxy\nimport \"time\"\nfunc f() { time.Sleep(1) }\n",
			"-- proxy/x_test.go --\npackage proxy\nimport \"testing/synctest\"\nfunc bubble() { synctest.Test(nil, nil) }\n" +
				"-- proxy/y_test.go --\npackage proxy\nimport \"time\"\nfunc f() { bubble(); time.Sleep(1) }\n",
		},
		rule{
			"no package-level state (set later)", "two proxies in one process must not meet, nor two tests",
			noState,
			"-- proxy/x.go --\npackage proxy\nvar count int\n",
			"-- proxy/x.go --\npackage proxy\nimport \"errors\"\nvar errX = errors.New(\"x\")\nvar _ error = errX\n",
		},
		rule{
			"no package-level state (made by a call)", "two proxies in one process must not meet, nor two tests",
			noState,
			"-- proxy/x.go --\npackage proxy\nvar cache = newCache()\n",
			"-- proxy/x.go --\npackage proxy\nimport _ \"embed\"\n//go:embed x\nvar page string\n",
		},
		rule{
			"no package-level state (a table that is written to)", "two proxies in one process must not meet, nor two tests",
			noState,
			"-- proxy/x.go --\npackage proxy\nvar table = map[string]int{}\n-- proxy/y.go --\npackage proxy\nfunc f() { table[\"x\"]++ }\n",
			"-- proxy/x.go --\npackage proxy\nvar table = []int{1}\n-- proxy/y.go --\npackage proxy\nfunc f() { table := []int{}; table[0] = 2 }\n",
		},
	)
}
