package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/tokens"
)

// printStatus writes the accounts for people, problems first.
func printStatus(w io.Writer, acc *accounts, all admin.Overview) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, store %s\n", acc.where, all.Store)
	accounts := slices.SortedStableFunc(slices.Values(all.Accounts), func(a, b admin.Account) int {
		return cmp.Compare(urgency(a.State), urgency(b.State))
	})
	for _, a := range accounts {
		writeAccount(&text, a, time.Now())
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func urgency(s tokens.State) int {
	return slices.Index([]tokens.State{
		tokens.LoginRequired, tokens.Unavailable, tokens.Degraded, tokens.Unknown, tokens.Ready,
	}, s)
}

func writeAccount(w io.Writer, a admin.Account, now time.Time) {
	state := string(a.State)
	if a.Cause != "" {
		state += " (" + a.Cause + ")"
	}
	fmt.Fprintf(w, "\naccount %s: %s\n", a.Account, state)
	if a.State == tokens.LoginRequired {
		a.Scheme = "" // with nothing, at present
	}
	for _, line := range []struct{ name, value string }{
		{"since", when(a.Since, now)},
		{"detail", a.Detail},
		{"signed in with", a.Scheme},
		{"token expires", when(a.ExpiresAt, now)},
		{"last new token", when(a.ObtainedAt, now)},
		{"refresh proven", proven(a, now)},
		{"next", a.Hint},
	} {
		if line.value != "" {
			fmt.Fprintf(w, "  %-15s %s\n", line.name+":", line.value)
		}
	}
}

// proven says when a refresh last worked. A token lives a year, so it is good to know before it ends.
func proven(a admin.Account, now time.Time) string {
	if a.ProvenAt.IsZero() && a.Scheme == tokens.Bearer {
		return "never; \"" + programName + " refresh\" tries it"
	}
	return when(a.ProvenAt, now)
}

// when writes a moment as a date and as a distance from now. The zero time is "".
func when(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	date := t.Local().Format("2006-01-02 15:04:05 MST")
	if d := t.Sub(now); d >= 0 {
		return date + " (in " + span(d) + ")"
	}
	return date + " (" + span(now.Sub(t)) + " ago)"
}

// span is a duration in its largest unit that fits twice.
func span(d time.Duration) string {
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}} {
		if d >= 2*unit.of {
			return fmt.Sprintf("%d %s", d/unit.of, unit.name)
		}
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}

// validity says until when new tokens last.
func validity(expires time.Time) string {
	if expires.IsZero() {
		return "valid until the API refuses them"
	}
	return "valid until " + when(expires, time.Now())
}
