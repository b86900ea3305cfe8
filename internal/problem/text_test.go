package problem

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPlainTakesAwayWhatATerminalObeys(t *testing.T) {
	for in, want := range map[string]string{
		"plain text: Zürich, 漢字, 🙂":                   "plain text: Zürich, 漢字, 🙂",
		"two\nlines\tand a tab":                       "two\nlines\tand a tab",
		"\x1b[31mred\x1b[0m":                          "red",
		"\x1b]0;title\abell":                          "bell",
		"\x1b]8;;http://evil.example\x1b\\link\x1b]8": "link",
		"\u009b31mred\u009d52;c;AAAA\u009cend":        "redend",
		"\x1bPq#0\x1b\\sixel":                         "sixel",
		"\x1b]0;no end":                               "",
		"\x1b]0;ends with the line\nnext":             "\nnext",
		"\x1bcreset, \x1b":                            "reset, ",
		"a\rb\bc\x00d\x7fe":                           "abcde",
		"\u202eright to left\u2066":                   "right to left",
		"broken \xff utf-8":                           "broken  utf-8",
		"line\u2028separator":                         "lineseparator",
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestLineCannotLookLikeSeveral(t *testing.T) {
	if got, want := Line("first\n\x1b[2Kerror: forged\r\n"), "first error: forged"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhen(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "(now)", -time.Second: "(1 second ago)", -1900 * time.Millisecond: "(1 second ago)", -90 * time.Second: "(90 seconds ago)",
		time.Second: "(in 1 second)", 2 * time.Minute: "(in 2 minutes)", 50 * time.Hour: "(in 2 days)", -47 * time.Hour: "(47 hours ago)",
	} {
		if got, date := When(now.Add(d), now), now.Add(d).Local().Format("2006-01-02 15:04:05 MST "); got != date+want {
			t.Errorf("%v: got %q, want %q", d, got, date+want)
		}
	}
	if got := When(time.Time{}, now); got != "" {
		t.Errorf("got %q for no time", got)
	}
}

func TestAShellReadsQuotedWordsAsTheyWere(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("sh is not installed")
	}
	words := []string{"plain", "", "two words", "it's", `a"b\c`, "$HOME `id`", "~root", "*", "&x:*", "+config|get", "a;b", "#no", "é", "{a,b}", "!!", "=x"}
	out, err := exec.Command(shell, "-c", `printf '%s\n' `+Quote(words...)).Output()
	if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); err != nil || !slices.Equal(got, words) {
		t.Errorf("got %q (%v), want %q", got, err, words)
	}
}

func TestSentencesOfTheTableBecomePartsOfLongerOnes(t *testing.T) {
	for in, want := range map[string]string{
		"Nobody has signed in.": "nobody has signed in",
		"PandaDoc refused it.":  "PandaDoc refused it",
		"API keys differ.":      "API keys differ",
		"A refresh was cut.":    "a refresh was cut",
	} {
		if got := Clause(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
