package problem

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// Plain makes text from other sources safe to print on a terminal. It removes control characters (C0, C1), the
// control sequences that they begin (colours, titles, clipboard), and characters that change the direction of
// writing. Line breaks and tabs stay.
func Plain(text string) string {
	if !strings.ContainsFunc(text, unprintable) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return -1
		}
		return r
	}, sequences.ReplaceAllString(text, ""))
}

// sequences are the control sequences of ECMA-48.
var sequences = regexp.MustCompile(`(?:\x1b\[|\x{9b})[ -?]*(?s:.)?` + // CSI: up to a letter or the like
	// DCS, SOS, OSC, PM, APC: up to their end, or that of the line.
	`|(?:\x1b[PX\]^_]|[\x{90}\x{98}\x{9d}-\x{9f}])[^\n]*?(?:\a|\x{9c}|\x1b\\|(?m:$))` +
	`|\x1b(?s:.)`)

// Line is Plain for text that must stay on one line, so that it cannot imitate lines of our output.
func Line(text string) string { return strings.Join(strings.Fields(Plain(text)), " ") }

func unprintable(r rune) bool {
	if r == '\n' || r == '\t' {
		return false
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar
}

// When formats t as a date, and as the time from or until now. The zero time gives "".
func When(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	date := t.Local().Format("2006-01-02 15:04:05 MST")
	switch d := t.Sub(now); {
	case d.Abs() < time.Second:
		return date + " (now)"
	case d > 0:
		return date + " (in " + Span(d) + ")"
	default:
		return date + " (" + Span(-d) + " ago)"
	}
}

// Validity returns until when a token is valid. The zero time means that this is not known.
func Validity(expires, now time.Time) string {
	if expires.IsZero() {
		return "valid until the API refuses them"
	}
	return "valid until " + When(expires, now)
}

// Clause turns a sentence into a part of a longer one. PandaDoc and other names keep their capitals.
func Clause(sentence string) string {
	text := strings.TrimSuffix(sentence, ".")
	first, _, _ := strings.Cut(text, " ")
	if first == "" || first[1:] != strings.ToLower(first[1:]) {
		return text
	}
	return strings.ToLower(text[:1]) + text[1:]
}

// Span formats d in the largest unit of which d has at least two.
func Span(d time.Duration) string {
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}} {
		if d >= 2*unit.of {
			return fmt.Sprintf("%d %s", d/unit.of, unit.name)
		}
	}
	if d/time.Second == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}

// bareWord is a word that needs no quotes in any shell.
var bareWord = regexp.MustCompile(`^[\w=./:@,+-]+$`)

// Quote returns words as a shell reads them.
func Quote(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if !bareWord.MatchString(w) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
