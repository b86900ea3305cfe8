package cli

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/doctor"
)

// The table of settings in the README and `serve --help` name the same flags.
func TestReadmeNamesTheFlagsOfServe(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "## Settings")
	table, _, _ = strings.Cut(table, "\n## ")
	var documented []string
	for _, line := range strings.Split(table, "\n") {
		if row, ok := strings.CutPrefix(line, "| `--"); ok {
			cell, _, _ := strings.Cut("`--"+row, " | ")
			documented = append(documented, regexp.MustCompile(`--[a-z-]+`).FindAllString(cell, -1)...)
		}
	}
	var help bytes.Buffer
	if status := Run(t.Context(), Env{Args: []string{"serve", "--help"}, Stdout: &help, Stderr: &help}); status != 0 {
		t.Fatalf("serve --help: exit status %d\n%s", status, help.String())
	}
	var offered []string
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-h, )?(--[a-z-]+)`).FindAllStringSubmatch(help.String(), -1) {
		if m[1] != "--help" {
			offered = append(offered, m[1])
		}
	}
	slices.Sort(documented)
	slices.Sort(offered)
	if !slices.Equal(documented, offered) {
		t.Errorf("the README documents\n%q\nand --help offers\n%q", documented, offered)
	}
}

// The table in docs/doctor.md is that of the program.
func TestDoctorsPageNamesItsChecks(t *testing.T) {
	page, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, row := range doctor.Checks() {
		fmt.Fprintf(&table, "| `%s` | %s |\n", row[0], row[1])
	}
	if !strings.Contains(string(page), "|---|---|\n"+table.String()+"\n") {
		t.Errorf("docs/doctor.md does not hold this table:\n%s", table.String())
	}
}
