package hazards

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table in docs/security.md again")

// counts are the numbers of rows of the sections, so that no hazard is dropped by mistake.
var counts = map[string]int{
	"A": 18, "B": 13, "C": 15, "D": 18, "E": 13, "F": 9, "G": 14, "H": 15, "I": 23, "J": 22, "K": 11, "L": 5, "M": 6, "N": 12, "O": 3, "U": 26,
}

// Every hazard has a test, or a reason why there is none.
func TestEveryHazardIsCovered(t *testing.T) {
	found := tests{root: filepath.Join("..", "..", ".."), parsed: map[string]map[string]string{}}
	covered, all := 0, 0
	var without []string
	for _, s := range sections() {
		n := 0
		for i, r := range s.rows {
			if want := fmt.Sprintf("%s%d", s.letter, i+1); r.id != want {
				t.Errorf("row %s stands where %s belongs", r.id, want)
			}
			switch {
			case len(r.tests) == 0 && r.why == "":
				t.Errorf("%s (%s) has neither a test nor a reason", r.id, r.hazard)
			case len(r.tests) > 0 && r.why != "":
				t.Errorf("%s has a test and a reason why there is none", r.id)
			case len(r.tests) == 0:
				without = append(without, fmt.Sprintf("%-4s %s: %s", r.id, r.hazard, r.why))
			default:
				n++
			}
			for _, cited := range r.tests {
				if problem := found.check(r.id, cited); problem != "" {
					t.Errorf("%s cites %s: %s", r.id, cited, problem)
				}
			}
		}
		if len(s.rows) != counts[s.letter] {
			t.Errorf("section %s has %d rows, want %d", s.letter, len(s.rows), counts[s.letter])
		}
		t.Logf("%s  %-30s %2d of %2d", s.letter, s.title, n, len(s.rows))
		covered, all = covered+n, all+len(s.rows)
	}
	t.Logf("   %-30s %d of %d", "all", covered, all)
	t.Logf("without a test:\n%s", strings.Join(without, "\n"))
}

// tests finds tests by name.
type tests struct {
	root   string
	parsed map[string]map[string]string // by directory and name: the source
}

const ciScript = ".ci/run"

// isFile tells scripts from names of tests.
func isFile(cited string) bool { return cited == ciScript || strings.HasSuffix(cited, ".txtar") }

// check returns what is wrong with the name of a test, or "".
func (f *tests) check(id, cited string) string {
	if isFile(cited) {
		text, err := os.ReadFile(filepath.Join(f.root, cited))
		switch {
		case err != nil:
			return err.Error()
		case cited == ciScript && !bytes.Contains(text, []byte("\nstep '"+id+":")):
			return "there is no step that names the row"
		}
		return ""
	}
	dir, name, elsewhere := strings.Cut(cited, ".")
	if !elsewhere {
		dir, name = "internal/e2e/hazards", cited
	}
	source, ok := f.in(dir)[name]
	switch {
	case !ok:
		return "there is no such test"
	case !elsewhere && !regexp.MustCompile(`\b`+id+`\b`).MatchString(source):
		return "the test does not name the row"
	}
	return ""
}

// in returns the tests of a package, each with the source of its file, because names of rows can be in tables and
// helpers beside the test.
func (f *tests) in(dir string) map[string]string {
	if all, ok := f.parsed[dir]; ok {
		return all
	}
	all := map[string]string{}
	files, _ := filepath.Glob(filepath.Join(f.root, dir, "*_test.go"))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			continue
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && regexp.MustCompile(`^(Test|Fuzz)[A-Z0-9]`).MatchString(fn.Name.Name) {
				all[fn.Name.Name] = string(text)
			}
		}
	}
	f.parsed[dir] = all
	return all
}

const (
	beginTable = "<!-- made by `go test ./internal/e2e/hazards -run Docs -update`: do not edit -->\n"
	endTable   = "<!-- end -->\n"
)

// The page about security lists all hazards and their tests.
func TestDocsListEveryHazard(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "security.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := bytes.Cut(page, []byte(beginTable))
	_, after, ended := bytes.Cut(rest, []byte(endTable))
	if !found || !ended {
		t.Fatalf("%s has no place for the table", path)
	}
	want := slices.Concat(before, []byte(beginTable), []byte(table()), []byte(endTable), after)
	if bytes.Equal(page, want) {
		return
	}
	if !*update {
		t.Fatalf("%s is not current: go test ./internal/e2e/hazards -run Docs -update", path)
	}
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

func table() string {
	var b strings.Builder
	for _, s := range sections() {
		n := 0
		for _, r := range s.rows {
			if len(r.tests) > 0 {
				n++
			}
		}
		fmt.Fprintf(&b, "\n### %s. %s (%d of %d tested)\n\n| | hazard | tested by |\n|---|---|---|\n", s.letter, s.title, n, len(s.rows))
		for _, r := range s.rows {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.id, r.hazard, standing(r))
		}
	}
	return b.String() + "\n"
}

// standing is the last column of a row.
func standing(r row) string {
	if len(r.tests) == 0 {
		return "– " + r.why
	}
	var names []string
	for _, cited := range r.tests {
		switch dir, name, elsewhere := strings.Cut(cited, "."); {
		case isFile(cited):
			cited = strings.TrimPrefix(cited, "internal/cli/testdata/script/")
		case elsewhere && dir == "":
			cited = name
		case !elsewhere:
			cited = "**" + cited + "**"
		}
		names = append(names, strings.ReplaceAll(cited, "internal/", ""))
	}
	return strings.Join(names, ", ")
}
