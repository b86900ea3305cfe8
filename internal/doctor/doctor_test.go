package doctor

import (
	"strings"
	"testing"

	"pandadoc-auth-proxy/tokens"
)

// Texts of others (a server, the system) end up in findings.
func TestAReportHidesWhatOthersRepeat(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef01234567"
	r := newReport([]Finding{failing("somebody said "+secret, "not "+secret)}, []tokens.Secret{tokens.NewSecret(secret)})
	var out strings.Builder
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{out.String(), r.Checks[0].Seen + r.Checks[0].Fix} {
		if strings.Contains(text, secret) || !strings.Contains(text, "somebody said [redacted]") {
			t.Errorf("got %s", text)
		}
	}
}

func TestFindingsOfOthersStayOnTheirLine(t *testing.T) {
	var out strings.Builder
	if err := newReport([]Finding{fine("all\nfail  token \x1b[2K forged")}, nil).Print(&out); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Split(out.String(), "\n")[0], "ok                   all fail token forged"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheSummaryCountsInPlainEnglish(t *testing.T) {
	r := newReport([]Finding{fine(""), warning("", "x"), skipped(""), skipped(""), needsLogin("", "x")}, nil)
	if got, want := r.summary(), "1 failed, 1 warning, 2 skipped, 1 ok; an account needs a login"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
