package problem

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/troubleshooting.md")

// The page is generated from the table, so that it has the same texts as the program.
func TestTroubleshootingPageIsCurrent(t *testing.T) {
	const path = "../../docs/troubleshooting.md"
	page := troubleshooting()
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != page {
		t.Errorf("%s is not current: run go test ./internal/problem -update", path)
	}
}

// The page showed {path}, {reason} and seven other placeholders of the program.
func TestThePageHasNoPlaceholders(t *testing.T) {
	if left := placeholder.FindAllString(troubleshooting(), -1); len(left) > 0 {
		t.Errorf("got %q on the page, want words in capital letters", left)
	}
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

func troubleshooting() string {
	var page strings.Builder
	page.WriteString(`# Troubleshooting

This page is generated from the program: ` + "`go test ./internal/problem -update`" + `.

1. ` + "`pandadoc-auth-proxy doctor`" + ` checks everything that the proxy needs, and names the fix ([doctor](doctor.md)).
2. ` + "`pandadoc-auth-proxy status`" + ` shows the accounts; those with problems come first.
3. ` + "`pandadoc-auth-proxy explain`" + ` shows what happened to the newest request, or to the one with a given X-Request-Id.

## Answers of the proxy

An error answer from the proxy itself is ` + "`application/problem+json`" + ` with one of these codes. On the proxied port
(` + "`--listen`" + `), it also has a header ` + "`Proxy-Status: pandadoc-auth-proxy; …`" + `. All other error answers come from
PandaDoc, except short plain texts (400, 417, 431, 501) for requests that are not valid HTTP or much too large.
Some words in capital letters, like ` + "`ACCOUNT`" + `, stand for a value that the program fills in.

| code | status | what happened | what to do |
|---|---|---|---|
`)
	for _, p := range All() {
		if p.Status != 0 {
			fmt.Fprintf(&page, "| `%s` | %d | %s | %s |\n", p.Code, p.Status, cell(p.Detail), cell(p.Hint))
		}
	}
	page.WriteString(`
## Causes

These causes say why an account is not ` + "`ready`" + `. They appear in ` + "`status`, `doctor`, `/readyz`" + `, the log
and the console.

| cause | what happened | what to do |
|---|---|---|
`)
	for _, p := range All() {
		if p.Status == 0 {
			fmt.Fprintf(&page, "| `%s` | %s | %s |\n", p.Code, cell(p.Detail), cell(p.Hint))
		}
	}
	return page.String()
}

// cell formats a text for a table, with capital letters for the values to fill in.
func cell(text string) string {
	for _, command := range []string{"{login} --paste", "{login}"} {
		text = strings.ReplaceAll(text, command, "`"+strings.Replace(command, "{login}", LoginCommand(""), 1)+"`")
	}
	text = placeholder.ReplaceAllStringFunc(text, func(name string) string { return strings.ToUpper(strings.Trim(name, "{}")) })
	return strings.ReplaceAll(text, "|", `\|`)
}
