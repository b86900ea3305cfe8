package repotest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxReadme  = 150 // lines
	maxColumns = 120 // outside tables and transcripts
)

// pages returns the Markdown pages of the repository, by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		names, err := filepath.Glob(filepath.Join(top(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(top(t), name)
			if err != nil {
				t.Fatal(err)
			}
			found[filepath.ToSlash(rel)] = string(text)
		}
	}
	if len(found) < 10 {
		t.Fatalf("found %d pages", len(found))
	}
	return found
}

// A new reader reads one screen of a page, and looks at a line once.
func TestPagesAreShortEnoughToRead(t *testing.T) {
	all := pages(t)
	if n := strings.Count(all["README.md"], "\n"); n > maxReadme {
		t.Errorf("README.md has %d lines, more than %d: the rest belongs in docs/", n, maxReadme)
	}
	for name, text := range all {
		fenced := false
		for i, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				fenced = !fenced
			}
			if !fenced && !strings.HasPrefix(line, "|") && utf8.RuneCountInString(line) > maxColumns {
				t.Errorf("%s:%d has %d columns, more than %d", name, i+1, utf8.RuneCountInString(line), maxColumns)
			}
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], ":") {
				continue // another site
			}
			if _, err := os.Stat(filepath.Join(top(t), filepath.FromSlash(path.Join(path.Dir(name), m[1])))); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
}
