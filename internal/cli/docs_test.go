package cli

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/stores"
)

var update = flag.Bool("update", false, "write the generated pages below docs/")

// The page of settings is made of the flags of serve.
func TestSettingsPageIsCurrent(t *testing.T) {
	compare(t, "../../docs/settings.md", settingsPage(model(t)))
}

// model returns the commands and flags of the program.
func model(t *testing.T) *kong.Application {
	t.Helper()
	parser, err := kong.New(&commandLine{}, append(config.NewReader(nil, stores.Known()).Options(), kong.Vars{"version": ""})...)
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model
}

// compare fails unless the file holds text, or writes it.
func compare(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != text {
		t.Errorf("%s is not current: run go test ./internal/cli -run Page -update", path)
	}
}

// narrowing returns the names of the settings that must not be empty.
func narrowing(app *kong.Application) string {
	var names []string
	for _, flag := range serveOf(app).Flags {
		if flag.Tag.Has("narrows") {
			names = append(names, "`--"+flag.Name+"`")
		}
	}
	return strings.Join(names, ", ")
}

func settingsPage(app *kong.Application) string {
	var page strings.Builder
	page.WriteString(`# Settings

This page is generated from the program: ` + "`go test ./internal/cli -run Page -update`" + `.

You can give every setting as a flag, as an environment variable, or as a key in the YAML file that ` + "`--config`" + `
names: ` + "`--refresh-before`, `PANDADOC_REFRESH_BEFORE`, `refresh-before:`" + `. A flag overrides a variable, a variable
overrides the file, and the file overrides the default. Names must be spelled exactly: ` + "`refresh_before:`" + ` is an
error, and the hint gives the right name. An empty variable counts as not set, with two exceptions. It is an error for
` + narrowing(app) + `,
because an empty value would allow more or protect less. And an empty ` + "`PANDADOC_PROBE_PATH`" + ` turns the check off.

All mistakes are reported together, each with its fix, and the exit status is 2. Every command but
` + "`version`, `help`, `completion` and `healthcheck`" + ` warns about variables that begin with ` + "`PANDADOC_`" + ` and are
not settings, and names the settings that were probably meant.

Write times like ` + "`500ms`, `30s`, `5m`, `24h`" + `, and sizes like ` + "`64KiB`, `128MiB`, `1GiB`" + `. For flags without a
value, write ` + "`true` or `false`" + ` in a variable or in the file. To give several values, repeat the flag, write a list
in the file, or separate the values with spaces in the variable (for ` + "`--allow-route`" + `: one per line).
`)
	for _, command := range app.Children {
		if command.Name != "serve" {
			continue
		}
		title := ""
		for _, flag := range command.Flags {
			if flag.Name == "help" || flag.Name == "version" {
				continue
			}
			if flag.Group.Title != title {
				title = flag.Group.Title
				fmt.Fprintf(&page, "\n## %s\n\n| setting | default | meaning |\n|---|---|---|\n", title)
			}
			name := "`--" + flag.Name + "`"
			if !flag.IsBool() {
				name = "`--" + flag.Name + " " + flag.PlaceHolder + "`"
			}
			value := "–"
			if flag.Default != "" && flag.Default != "false" {
				value = "`" + flag.Default + "`"
			}
			fmt.Fprintf(&page, "| %s | %s | %s |\n", strings.ReplaceAll(name, "|", `\|`), value, strings.ReplaceAll(flag.Help, "|", `\|`))
		}
	}
	page.WriteString(`
## How to give secrets

Secrets are never flags, because other users of the machine can read the list of processes. Each is a variable,
a variable or flag that names a file, or a key of the configuration file:

| secret | value | file |
|---|---|---|
`)
	for _, name := range []string{"client-id", "client-secret", "refresh-token", "access-token", "api-key"} {
		variable := "PANDADOC_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		fmt.Fprintf(&page, "| %s | `%s`, `%s:` | `%s_FILE`, `--%s-file`, `%s-file:` |\n", strings.Replace(strings.ReplaceAll(name, "-", " "), "api", "API", 1), variable, name, variable, name, name)
	}
	page.WriteString(`
A file that other users can write to is refused. A file that they can read causes a warning. Quotes and white space
around a secret are refused, because they would become part of it.

## The file

` + "```yaml" + `
# pandadoc.yaml, used with --config pandadoc.yaml
listen: localhost:8080
region: eu
read-only: true
allow-route:
  - GET /public/v1/documents*
client-id-file: /etc/pandadoc-auth-proxy/client-id
client-secret-file: /etc/pandadoc-auth-proxy/client-secret
accounts:                 # more accounts, besides default
  acme:
    refresh-token-file: /etc/pandadoc-auth-proxy/acme
  widgets:
    api-key-file: /etc/pandadoc-auth-proxy/widgets
client-keys:              # now every request must have one of these keys
  reports:
    key-file: /etc/pandadoc-auth-proxy/reports
    account: acme         # this key is for this account only
` + "```" + `

` + "`pandadoc-auth-proxy client-key NAME`" + ` creates a key and prints its lines.
`)
	return page.String()
}

// The program accepts the example on the page.
func TestSettingsPageHoldsAFileThatWorks(t *testing.T) {
	page, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	dir := t.TempDir()
	for _, name := range []string{"client-id", "client-secret", "acme", "widgets", "reports"} {
		write(t, dir+"/"+name, name+"-0123456789")
	}
	write(t, dir+"/pandadoc.yaml", strings.ReplaceAll(example, "/etc/pandadoc-auth-proxy", dir))
	c := parseServe(t, nil, "--config="+dir+"/pandadoc.yaml")
	check(t, "accounts", len(c.Tokens.Accounts), 2)
	check(t, "client keys", len(c.Proxy.ClientKeys), 1)
	check(t, "read-only", c.Proxy.ReadOnly, true)
	check(t, "API", c.Upstream.API.String(), "https://api.pandadoc.eu")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every command can be completed, and is in the manual page.
func TestCompletionsAndManualKnowEveryCommandAndFlag(t *testing.T) {
	app := model(t)
	var manual strings.Builder
	if err := writeManual(&manual, app, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"bash": bashCompletion(app), "zsh": zshCompletion(app), "fish": fishCompletion(app), "man": manual.String()}
	for _, command := range app.Children {
		for name, text := range texts {
			if !strings.Contains(text, command.Name) && !strings.Contains(text, roff(command.Name)) {
				t.Errorf("%s: no %s", name, command.Name)
			}
		}
		for _, flag := range command.Flags {
			for name, word := range map[string]string{"bash": "--" + flag.Name, "zsh": "--" + flag.Name, "fish": "-l " + flag.Name} {
				if !strings.Contains(texts[name], word) {
					t.Errorf("%s: no %s of %s", name, flag.Name, command.Name)
				}
			}
			if flag.Name != "help" && !strings.Contains(texts["man"], roff("--"+flag.Name)) {
				t.Errorf("man: no %s of %s", flag.Name, command.Name)
			}
		}
	}
	if names := variables(); !slices.Contains(names, "PANDADOC_MAX_IN_FLIGHT") || !slices.Contains(names, "PANDADOC_API_KEY") {
		t.Errorf("got the variables %q", names)
	}
}
