package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// verdict says how a check came out.
type verdict string

const (
	verdictOK   verdict = "ok"
	verdictWarn verdict = "warn" // works, but not as it should, or not for long
	verdictFail verdict = "fail"
	verdictSkip verdict = "skip" // could not be looked at, for a reason that is told
)

// finding is what a check has seen.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"result"`
	Seen    string  `json:"seen"`
	Fix     string  `json:"fix,omitempty"` // the next thing to try, for a warning and a failure
	// Login says that only a login helps an account.
	Login bool `json:"login_required,omitempty"`
}

func fine(seen string) finding          { return finding{Verdict: verdictOK, Seen: seen} }
func skipped(why string) finding        { return finding{Verdict: verdictSkip, Seen: why} }
func worrying(seen, fix string) finding { return finding{Verdict: verdictWarn, Seen: seen, Fix: fix} }
func failing(seen, fix string) finding  { return finding{Verdict: verdictFail, Seen: seen, Fix: fix} }

// needsLogin is a failure that only a login of the account mends.
func needsLogin(seen, fix string) finding {
	return finding{Verdict: verdictFail, Seen: seen, Fix: fix, Login: true}
}

// failingAs makes a failure of an error, with its hint as the fix.
func failingAs(err error, otherwise string) finding {
	return failing(err.Error(), cmp.Or(problem.HintOf(err), otherwise))
}

// diagnosis is what a doctor prints.
type diagnosis struct {
	Result   verdict   `json:"result"` // of the worst check
	Login    bool      `json:"login_required"`
	Failed   int       `json:"failed"`
	Warnings int       `json:"warnings"`
	Checks   []finding `json:"checks"`
}

// newDiagnosis sums up. What is secret is taken out of texts that others wrote.
func newDiagnosis(all []finding, secret []tokens.Secret) diagnosis {
	r := diagnosis{Result: verdictOK, Checks: all}
	known := newRedactor(secret)
	for i, f := range all {
		all[i].Seen, all[i].Fix = known.hide(f.Seen), known.hide(f.Fix)
		r.Login = r.Login || f.Login
	}
	r.Failed, r.Warnings = r.count(verdictFail), r.count(verdictWarn)
	switch {
	case r.Failed > 0:
		r.Result = verdictFail
	case r.Warnings > 0:
		r.Result = verdictWarn
	}
	return r
}

func (r diagnosis) count(v verdict) (n int) {
	for _, f := range r.Checks {
		if f.Verdict == v {
			n++
		}
	}
	return n
}

// exitStatus agrees with that of status: an account that needs a login comes first.
func (r diagnosis) exitStatus() int {
	switch {
	case r.Login:
		return exitLoginRequired
	case r.Failed > 0:
		return exitFailed
	}
	return exitOK
}

// print writes one line a finding, the fix below it, and a summary.
func (r diagnosis) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	var text strings.Builder
	for _, f := range r.Checks {
		fmt.Fprintf(&text, "%-4s  %-13s  %s\n", f.Verdict, f.Check, oneLine(f.Seen))
		if f.Fix != "" {
			fmt.Fprintf(&text, "%21sfix: %s\n", "", oneLine(f.Fix))
		}
	}
	fmt.Fprintf(&text, "\n%s\n", r.summary())
	_, err := io.WriteString(w, text.String())
	return err
}

// oneLine keeps texts of others from looking like lines of ours.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (r diagnosis) summary() string {
	parts := []string{fmt.Sprintf("%d ok", r.count(verdictOK))}
	for _, v := range []struct {
		n    int
		name string
	}{{r.count(verdictSkip), "not looked at"}, {r.Warnings, "to look after"}, {r.Failed, "failed"}} {
		if v.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", v.n, v.name))
		}
	}
	slices.Reverse(parts)
	text := strings.Join(parts, ", ")
	if r.Login {
		text += "; an account needs a login"
	}
	return text
}
