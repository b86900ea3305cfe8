package problem

import (
	"fmt"
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
	var out strings.Builder
	for runes := []rune(text); len(runes) > 0; {
		n := sequence(runes)
		if n == 0 {
			if !unprintable(runes[0]) {
				out.WriteRune(runes[0])
			}
			n = 1
		}
		runes = runes[n:]
	}
	return out.String()
}

// Line is Plain for text that must stay on one line, so that it cannot imitate lines of our output.
func Line(text string) string { return strings.Join(strings.Fields(Plain(text)), " ") }

func unprintable(r rune) bool {
	if r == '\n' || r == '\t' {
		return false
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar
}

// sequence returns the length in runes of the control sequence (ECMA-48) at the start of runes, or 0.
func sequence(runes []rune) int {
	n, kind := 1, runes[0]
	switch {
	case kind == '\x1b' && len(runes) > 1:
		n, kind = 2, runes[1]+0x40 // ESC [ is the same as the one rune CSI
	case kind < 0x80 || kind > 0x9f:
		return 0
	}
	switch kind {
	case 0x9b: // CSI: up to a letter or the like
		for n < len(runes) && runes[n] >= ' ' && runes[n] <= '?' {
			n++
		}
		return min(n+1, len(runes))
	case 0x90, 0x98, 0x9d, 0x9e, 0x9f: // DCS, SOS, OSC, PM, APC: up to their end, or that of the line
		for ; n < len(runes) && runes[n] != '\n'; n++ {
			switch {
			case runes[n] == '\a' || runes[n] == '\u009c':
				return n + 1
			case runes[n] == '\x1b' && n+1 < len(runes) && runes[n+1] == '\\':
				return n + 2
			}
		}
	}
	return n
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

// Quote returns words as a shell reads them.
func Quote(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.ContainsFunc(w, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=./:@,+", r))
		}) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
