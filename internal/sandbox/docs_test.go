package sandbox

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table in docs/emulator.md")

const (
	tableBegin = "<!-- made by `go test ./internal/sandbox -run Docs -update`: do not edit -->\n"
	tableEnd   = "<!-- end of the made part -->\n"
)

// docsTable is the table of docs/emulator.md.
func docsTable() string {
	list := operations()
	slices.SortStableFunc(list, func(a, b operation) int { return cmp.Compare(a.Number, b.Number) })
	var rows, own strings.Builder
	for _, o := range list {
		if o.Number == 0 {
			fmt.Fprintf(&own, "| `%s %s` | %s |\n", o.Method, o.Path, o.Summary)
			continue
		}
		fmt.Fprintf(&rows, "| %d | `%s %s` | %s | %s |\n", o.Number, o.Method, o.Path, o.Summary, o.Note)
	}
	return fmt.Sprintf("| # | request | what it does | limits |\n|---|---|---|---|\n%s"+
		"\nRoutes that PandaDoc's specification does not have:\n\n| request | what it does |\n|---|---|\n%s", rows.String(), own.String())
}

func TestDocsTableIsCurrent(t *testing.T) {
	name := filepath.Join("..", "..", "docs", "emulator.md")
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), tableBegin)
	table, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", name)
	}
	want := docsTable()
	if table == want {
		return
	}
	if !*update {
		t.Fatalf("the table in %s is stale: run go test ./internal/sandbox -run Docs -update", name)
	}
	if err := os.WriteFile(name, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDocsNameEveryFault keeps the hand-written part complete.
func TestDocsNameEveryFault(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "emulator.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{
		FaultStatus, FaultRefuse, FaultDelay, FaultDrop, FaultDropAfterCommit, FaultStatusAfterCommit, FaultCut, FaultNoRefreshToken,
		FaultKeepOld, FaultExpiresIn, EmulatorHeader, "--calm", "--chaos", "--seed", "--token-ttl", "--emulator-only", "--emulator-listen",
		"/history", "/stats", "/clear", "/expire", "/revoke", "/fault",
	} {
		if !strings.Contains(string(raw), "`"+word) {
			t.Errorf("docs/emulator.md does not explain `%s`", word)
		}
	}
}
