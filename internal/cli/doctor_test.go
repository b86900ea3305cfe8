package cli

import (
	"strings"
	"testing"

	"pandadoc-auth-proxy/tokens"
)

// Texts of others (a server, the system) end up in findings.
func TestDiagnosisHidesWhatOthersRepeat(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef01234567"
	d := newDiagnosis([]finding{failing("somebody said "+secret, "not "+secret)}, []tokens.Secret{tokens.NewSecret(secret)})
	for _, asJSON := range []bool{false, true} {
		var out strings.Builder
		if err := d.print(&out, asJSON); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), secret) || !strings.Contains(out.String(), "somebody said [redacted]") {
			t.Errorf("got\n%s", out.String())
		}
	}
}

func TestFindingsOfOthersStayOnTheirLine(t *testing.T) {
	var out strings.Builder
	if err := newDiagnosis([]finding{fine("all\nfail  token  forged")}, nil).print(&out, false); err != nil {
		t.Fatal(err)
	}
	check(t, "first line", strings.Split(out.String(), "\n")[0], "ok                   all fail token forged")
}

func TestDiagnosisEndsAsStatusDoes(t *testing.T) {
	for _, row := range []struct {
		name  string
		found []finding
		want  int
	}{
		{"all is well", []finding{fine(""), skipped("")}, exitOK},
		{"only a warning", []finding{worrying("", "x")}, exitOK},
		{"a failure", []finding{worrying("", "x"), failing("", "x")}, exitFailed},
		{"an account without a login", []finding{needsLogin("", "x")}, exitLoginRequired},
		{"both", []finding{failing("", "x"), needsLogin("", "x"), failing("", "x")}, exitLoginRequired},
	} {
		check(t, row.name, newDiagnosis(row.found, nil).exitStatus(), row.want)
	}
}
