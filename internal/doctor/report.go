package doctor

import (
	"cmp"
	"fmt"
	"strings"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// Result is the result of a check.
type Result string

const (
	OK      Result = "ok"
	Warning Result = "warn" // works, but not as it should, or not for long
	Failure Result = "fail"
	Skipped Result = "skip" // not checked, for a reason that is given
)

// Finding is what a check has found.
type Finding struct {
	Check  string `json:"check"`
	Result Result `json:"result"`
	Seen   string `json:"seen"`
	// Fix is the next thing to try, for a warning and a failure.
	Fix string `json:"fix,omitempty"`
	// Login means that only a login helps an account.
	Login bool `json:"login_required,omitempty"`
}

func fine(seen string) Finding         { return Finding{Result: OK, Seen: seen} }
func skipped(why string) Finding       { return Finding{Result: Skipped, Seen: why} }
func warning(seen, fix string) Finding { return Finding{Result: Warning, Seen: seen, Fix: fix} }
func failing(seen, fix string) Finding { return Finding{Result: Failure, Seen: seen, Fix: fix} }

// needsLogin returns a failure that only a login fixes.
func needsLogin(seen, fix string) Finding {
	return Finding{Result: Failure, Seen: seen, Fix: fix, Login: true}
}

// failingAs turns an error into a failure, with its hint as the fix.
func failingAs(err error, otherwise string) Finding {
	return failing(err.Error(), cmp.Or(problem.HintOf(err), otherwise))
}

// warningAs turns an error with a hint into a warning.
func warningAs(err error) Finding { return warning(err.Error(), problem.HintOf(err)) }

// Report is everything that was found.
type Report struct {
	Result   Result    `json:"result"` // of the most serious problem
	Login    bool      `json:"login_required"`
	Failed   int       `json:"failed"`
	Warnings int       `json:"warnings"`
	Checks   []Finding `json:"checks"`
}

// newReport summarises the findings. It removes secrets from texts of other programs.
func newReport(all []Finding, secrets []tokens.Secret) Report {
	r := Report{Result: OK, Checks: all}
	for i, f := range all {
		all[i].Seen, all[i].Fix = problem.Line(config.HideSecrets(f.Seen, secrets)), problem.Line(config.HideSecrets(f.Fix, secrets))
		r.Login = r.Login || f.Login
	}
	r.Failed, r.Warnings = r.count(Failure), r.count(Warning)
	switch {
	case r.Failed > 0:
		r.Result = Failure
	case r.Warnings > 0:
		r.Result = Warning
	}
	return r
}

func (r Report) count(result Result) (n int) {
	for _, f := range r.Checks {
		if f.Result == result {
			n++
		}
	}
	return n
}

// String returns one line for each finding, the fix below it, and a summary.
func (r Report) String() string {
	var text strings.Builder
	for _, f := range r.Checks {
		fmt.Fprintf(&text, "%-4s  %-13s  %s\n", f.Result, f.Check, f.Seen)
		if f.Fix != "" {
			fmt.Fprintf(&text, "%21sfix: %s\n", "", f.Fix)
		}
	}
	fmt.Fprintf(&text, "\n%s\n", r.summary())
	return text.String()
}

func (r Report) summary() string {
	warnings := "warnings"
	if r.Warnings == 1 {
		warnings = "warning"
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{r.Failed, "failed"}, {r.Warnings, warnings}, {r.count(Skipped), "skipped"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	parts = append(parts, fmt.Sprintf("%d ok", r.count(OK)))
	text := strings.Join(parts, ", ")
	if r.Login {
		text += "; an account needs a login"
	}
	return text
}
