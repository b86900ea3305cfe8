package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// printStatus writes the accounts for people, problems first.
func printStatus(w io.Writer, acc *accounts, all admin.Overview) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, store %s\n", acc.Where, all.Store)
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
		{"since", problem.When(a.Since, now)},
		{"detail", a.Detail},
		{"signed in with", a.Scheme},
		{"token expires", problem.When(a.ExpiresAt, now)},
		{"last new token", problem.When(a.ObtainedAt, now)},
		{"refresh proven", proven(a, now)},
		{"next", a.Hint},
	} {
		if line.value != "" {
			fmt.Fprintf(w, "  %-15s %s\n", line.name+":", line.value)
		}
	}
}

// proven reports when a refresh last worked. A token lives a year, so it is good to know before it ends.
func proven(a admin.Account, now time.Time) string {
	if a.ProvenAt.IsZero() && a.Scheme == tokens.Bearer {
		return "never; \"" + programName + " refresh\" tries it"
	}
	return problem.When(a.ProvenAt, now)
}

// validity reports until when new tokens last.
func validity(expires time.Time) string {
	if expires.IsZero() {
		return "valid until the API refuses them"
	}
	return "valid until " + problem.When(expires, time.Now())
}
