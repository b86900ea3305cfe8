package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// copied returns the text of the tab with that name.
func (b *page) copied(tab string) string {
	b.Helper()
	b.press(tab)
	b.until(fmt.Sprintf(`document.querySelector('[role=tab][aria-selected="true"]').textContent === %q`, tab))
	return eval[string](b, `document.querySelector("#copy-text pre").textContent`)
}

// hostile are texts with characters that have a meaning in some language, or end a text there.
var hostile = []string{
	`'`, `''`, `'; calc; '`, `"`, `""`, `"; calc(); "`, "`", "`n", "$HOME", "$(calc)", "${x}", "$env:PATH", "@(calc)", "%PATH%", "!x!",
	`\`, `\\`, `\'`, `\"`, `\u0022`, `\x41`, `\n`, `*/`, `/*`, `//`, `#`, `<#`, `#>`, `@'`, `'@`, `@"`, `?>`, `<?php`, `{0}`, `{{`, `}}`,
	";", "&", "&&", "|", ">", "<!--", "</script>", "\t", "\n", "\r\n", "\u0085", "\u2028", "\u2029", "\ufeff", "\u00a0",
	"\u2018; calc; \u2018", "\u2019", "\u201a", "\u201b", "\u201c", "\u201d", "\u201e", "\u202eright to left", "é漢", "😀", "e\u0301",
}

// A typographic apostrophe, as word processors write it, ended a text in PowerShell, and the rest of the text was
// run as code. A text with U+2028 could not be compiled in C#.
func TestCopiesQuoteWhatIsTyped(t *testing.T) {
	t.Parallel()
	b, _ := newSandbox(t)
	b.open("#/try/83")
	b.until(form(83))
	b.press("Headers")
	b.press("Add a header")
	b.change(`[aria-label="Name of header 2"]`, "X-Note")
	for tab, read := range map[string]func(string) ([]string, string, error){
		"PowerShell": powershellTexts, "C#": csharpTexts, "PHP": phpTexts, "curl": shellTexts,
	} {
		b.press(tab)
		all := eval[[]string](b, fmt.Sprintf(`(() => %s.map((text) => {
			const set = (field, value) => {
				field.value = value;
				field.dispatchEvent(new Event("input", { bubbles: true }));
			};
			set(document.querySelector('[aria-label="Value of header 2"]'), "a" + text + "b");
			set(document.querySelector(".try-form textarea"), JSON.stringify({ company: text }));
			return document.querySelector("#copy-text pre").textContent;
		}))()`, asJSON(t, append([]string{"harmless"}, hostile...))))
		_, harmless, err := read(all[0])
		if err != nil {
			t.Fatalf("%s: %v in %s", tab, err, all[0])
		}
		for i, text := range hostile {
			texts, rest, err := read(all[i+1])
			if err != nil || rest != harmless {
				t.Errorf("%s: %q is not quoted: %v in %s", tab, text, err, all[i+1])
				continue
			}
			body := rawJSON(t, map[string]string{"company": text})
			header := "a" + strings.NewReplacer("\r", "", "\n", "").Replace(text) + "b" // as a field of one line has it
			if !slices.Contains(texts, body) {
				t.Errorf("%s: the body %s became one of %q", tab, body, texts)
			}
			if !slices.Contains(texts, header) && !slices.Contains(texts, "X-Note: "+header) {
				t.Errorf("%s: the header %q became one of %q", tab, header, texts)
			}
		}
	}
	t.Logf("%d texts in four languages", len(hostile))
	b.press("Add a header") // in PowerShell, a table with the same key twice is an error
	b.change(`[aria-label="Name of header 3"]`, "x-note")
	b.change(`[aria-label="Value of header 3"]`, "second")
	b.change(`[aria-label="Value of header 2"]`, "first")
	if text := b.copied("PowerShell"); !strings.Contains(text, "'X-Note' = 'first, second'") {
		t.Errorf("got %s, want both values of X-Note together", text)
	}
}

// rawJSON is JSON as JavaScript writes it.
func rawJSON(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSpace(out.String()))
}

// quoted returns the texts in a program, and the program with « » instead of them. text reads one text that starts
// after its opening quote, and returns it and everything after its closing quote.
func quoted(program string, opens func(rune) bool, text func([]rune) (string, []rune, error)) (texts []string, rest string, err error) {
	var code strings.Builder
	for left := []rune(program); len(left) > 0; {
		if !opens(left[0]) {
			code.WriteRune(left[0])
			left = left[1:]
			continue
		}
		var one string
		if one, left, err = text(left[1:]); err != nil {
			return nil, "", err
		}
		texts = append(texts, one)
		code.WriteString("«»")
	}
	return texts, code.String(), nil
}

func isSingleQuote(r rune) bool { return r == '\'' || r >= '\u2018' && r <= '\u201b' }

// powershellTexts reads texts in single quotes. Two quotes of any kind mean one quote; one quote is the end.
func powershellTexts(program string) ([]string, string, error) {
	return quoted(program, isSingleQuote, func(left []rune) (string, []rune, error) {
		var out strings.Builder
		for i := 0; i < len(left); i++ {
			if isSingleQuote(left[i]) {
				if i+1 == len(left) || !isSingleQuote(left[i+1]) {
					return out.String(), left[i+1:], nil
				}
				i++
			}
			out.WriteRune(left[i])
		}
		return "", nil, fmt.Errorf("a text does not end")
	})
}

// phpTexts reads texts in single quotes, in which a backslash escapes a quote or itself.
func phpTexts(program string) ([]string, string, error) {
	return quoted(program, func(r rune) bool { return r == '\'' }, func(left []rune) (string, []rune, error) {
		var out strings.Builder
		for i := 0; i < len(left); i++ {
			switch {
			case left[i] == '\'':
				return out.String(), left[i+1:], nil
			case left[i] == '\\' && i+1 < len(left) && (left[i+1] == '\'' || left[i+1] == '\\'):
				i++
			}
			out.WriteRune(left[i])
		}
		return "", nil, fmt.Errorf("a text does not end")
	})
}

// shellTexts reads words of a POSIX shell that begin with a single quote. '\” in the middle is a quote.
func shellTexts(program string) ([]string, string, error) {
	return quoted(program, func(r rune) bool { return r == '\'' }, func(left []rune) (string, []rune, error) {
		var out strings.Builder
		for i := 0; i < len(left); i++ {
			if left[i] == '\'' {
				if !strings.HasPrefix(string(left[i:min(len(left), i+4)]), `'\''`) {
					return out.String(), left[i+1:], nil
				}
				i += 3
			}
			out.WriteRune(left[i])
		}
		return "", nil, fmt.Errorf("a text does not end")
	})
}

// csharpTexts reads regular texts in double quotes (ECMA-334, 6.4.5.6). They must end on the same line.
func csharpTexts(program string) ([]string, string, error) {
	simple := map[rune]uint16{'\'': '\'', '"': '"', '\\': '\\', '0': 0, 'a': 7, 'b': 8, 'f': 12, 'n': 10, 'r': 13, 't': 9, 'v': 11}
	return quoted(program, func(r rune) bool { return r == '"' }, func(left []rune) (string, []rune, error) {
		var out []uint16
		for i := 0; i < len(left); i++ {
			switch r := left[i]; {
			case r == '"':
				return string(utf16.Decode(out)), left[i+1:], nil
			case strings.ContainsRune("\r\n\u0085\u2028\u2029", r):
				return "", nil, fmt.Errorf("a line ends in a text")
			case r != '\\':
				out = utf16.AppendRune(out, r)
			case i+1 == len(left):
				return "", nil, fmt.Errorf("a text ends in an escape")
			case left[i+1] == 'u' && i+5 < len(left):
				n, err := strconv.ParseUint(string(left[i+2:i+6]), 16, 16)
				if err != nil {
					return "", nil, err
				}
				out = append(out, uint16(n))
				i += 5
			default:
				c, ok := simple[left[i+1]]
				if !ok {
					return "", nil, fmt.Errorf("\\%c is no escape", left[i+1])
				}
				out = append(out, c)
				i++
			}
		}
		return "", nil, fmt.Errorf("a text does not end")
	})
}

// TestCopiesRun runs the copied code in the languages that are installed, beside the file that an upload names.
func TestCopiesRun(t *testing.T) {
	t.Parallel()
	for _, language := range []struct {
		tab   string
		needs []string // a command that succeeds if the language is installed
		run   []string // gets a file with the copied text as its last argument
	}{
		{"curl", []string{"curl", "--version"}, []string{"sh"}},
		{"PHP", []string{"php", "-r", "curl_version();"}, []string{"php"}},
	} {
		t.Run(language.tab, func(t *testing.T) {
			t.Parallel()
			if err := exec.Command(language.needs[0], language.needs[1:]...).Run(); err != nil {
				t.Skipf("%s does not work here: %v", language.needs[0], err)
			}
			p := program.Emulate(t).Serve("memory:")
			b := browse(t, p)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "contract.pdf"), []byte("%PDF-1.4 ours"), 0o600); err != nil {
				t.Fatal(err)
			}
			output := func() string {
				t.Helper()
				file := filepath.Join(dir, "copied")
				if err := os.WriteFile(file, []byte(b.copied(language.tab)), 0o600); err != nil {
					t.Fatal(err)
				}
				return run(t, dir, "", nil, language.run[0], append(language.run[1:], file)...)
			}
			has := func(what, got, want string) {
				t.Helper()
				if !strings.Contains(got, want) {
					t.Errorf("%s: got %s, want %s in it", what, got, want)
				}
			}
			b.open("#/try/2")
			b.fill("q", strings.Join(hostile, " "))
			has("a query", output(), `"results":[]`)
			b.open("#/try/83")
			company := strings.Join(hostile, " ")
			b.fill("JSON", asJSON(t, map[string]string{"email": "quote@customer.example", "company": company}))
			output()
			var contacts struct {
				Results []struct{ Email, Company string }
			}
			if err := json.Unmarshal(p.Want("/public/v1/contacts?email=quote@customer.example", 200), &contacts); err != nil {
				t.Fatal(err)
			}
			if len(contacts.Results) != 1 || contacts.Results[0].Company != company {
				t.Errorf("a body: got %+v, want one contact of company %q", contacts.Results, company)
			}
			b.open("#/try/5")
			b.see("multipart/form-data")
			has("a file", output(), `"document.uploaded"`)
			b.open("#/try/21")
			b.fill("id", document(t, p, "document.completed"))
			output() // the first answer was 202
			p.Want("/public/v1/documents/"+document(t, p, "document.completed"), 200)
			b.open("#/try/8")
			id := document(t, p, "document.draft")
			b.fill("id", id)
			output()
			p.Want("/public/v1/documents/"+id, 404)
			t.Logf("five requests copied as %s were run", language.tab)
		})
	}
}
