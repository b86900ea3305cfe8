package doctor

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

const fakeToken = "0123456789abcdef0123456789abcdef01234567"

// fault is a problem, and what doctor must report about it.
type fault struct {
	name  string
	plant func(*installation)
	check string   // that finds it
	seen  string   // part of what it saw
	fix   string   // part of the fix
	exit  int      // 0 for a warning
	also  []string // other checks that correctly report it too
}

func TestDoctorNamesTheFaultAndTheFix(t *testing.T) {
	t.Parallel()
	all := slices.Concat(configurationFaults(), storeFaults(), readOnlyStore(), networkFaults(), accountFaults())
	for _, row := range all {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newInstallation(t)
			row.plant(w)
			d := w.doctor()
			if !slices.ContainsFunc(d.find(row.check), func(f finding) bool {
				return strings.Contains(f.Seen, row.seen) && strings.Contains(f.Fix, row.fix)
			}) {
				t.Errorf("the check %q says %v\nwant it to have seen %q, with the fix %q\n%s", row.check, d.find(row.check), row.seen, row.fix, d)
			}
			if got := d.others(row.check); !slices.Equal(got, row.also) {
				t.Errorf("got complaints of %q as well, want %q\n%s", got, row.also, d)
			}
			if d.status != row.exit {
				t.Errorf("got exit status %d, want %d\n%s", d.status, row.exit, d)
			}
		})
	}
	t.Logf("%d faults", len(all))
}

func TestDoctorOfAHealthyInstallation(t *testing.T) {
	t.Parallel()
	w := newInstallation(t)
	w.signIn()
	wantHealthy := func(d diagnosis) {
		t.Helper()
		if d.status != 0 || d.Result != "ok" || d.Failed+d.Warnings != 0 {
			t.Errorf("got status %d, result %q\n%s", d.status, d.Result, d)
		}
	}
	wantHealthy(w.doctor())
	w.serve()
	d := w.doctor()
	wantHealthy(d)
	for _, want := range []string{"the running proxy serves localhost:", "account default is Ada", "in the workspace Sandbox workspace"} {
		if !strings.Contains(d.output, want) {
			t.Errorf("%q is not in\n%s", want, d.output)
		}
	}
	before, _ := w.emulator.TokenCalls()
	wantHealthy(w.doctor("--refresh")) // by the running proxy
	if after, _ := w.emulator.TokenCalls(); after != before+1 {
		t.Errorf("got %d refreshes, want 1", after-before)
	}
}

// With --admin-listen none, doctor asked the proxy through its socket, and then said that there was nothing to ask.
func TestDoctorReportsAProxyWithoutAnAdminPort(t *testing.T) {
	t.Parallel()
	w := newInstallation(t)
	w.signIn()
	w.env["ADMIN_LISTEN"], w.env["ADMIN_SOCKET"] = "none", filepath.Join(t.TempDir(), "socket")
	w.serve()
	w.env["STORE"] = "file:" + filepath.Join(filepath.Dir(w.dir), "another")
	if d, want := w.doctor(), "the running proxy uses the store file:"; !strings.Contains(d.output, want) {
		t.Errorf("%q is not in\n%s", want, d)
	}
}

// The configuration still shows the seed, which the proxy has used long ago.
func TestDoctorDoesNotGuessAtTokensInMemory(t *testing.T) {
	t.Parallel()
	w := newInstallation(t)
	w.env["STORE"] = "memory:"
	w.serve().Want(documents, 200)
	if d, want := w.doctor(), "account default: its tokens are in the memory of the running proxy"; !strings.Contains(d.output, want) {
		t.Errorf("%q is not in\n%s", want, d)
	}
}

func TestDoctorWithRefreshFindsMore(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("running proxy: %t", running), func(t *testing.T) {
			t.Parallel()
			w := newInstallation(t)
			w.signIn()
			w.env["CLIENT_SECRET"] = fakeToken
			if running {
				w.serve()
			}
			if d := w.doctor(); d.status != 0 {
				t.Errorf("without --refresh: got status %d\n%s", d.status, d)
			}
			d := w.doctor("--refresh")
			found := d.find("refresh")
			if d.status != 1 || len(found) != 1 || !strings.Contains(found[0].Seen, "does not accept the client id or secret") ||
				!strings.Contains(found[0].Fix, "PANDADOC_CLIENT_SECRET") {
				t.Errorf("got status %d and %v", d.status, found)
			}

			w.env["CLIENT_SECRET"] = w.emulator.Info["client_secret"]
			w.env["ADMIN_LISTEN"] = "localhost:" + program.FreePort(t) // not that of the proxy with the wrong secret
			w.spendElsewhere()
			d = w.doctor("--refresh")
			found = d.find("refresh")
			if d.status != 3 || len(found) != 1 || !found[0].Login || !strings.Contains(found[0].Fix, "pandadoc-auth-proxy login") {
				t.Errorf("a spent refresh token: got status %d and %v", d.status, found)
			}
		})
	}
}

func TestReportForPeople(t *testing.T) {
	t.Parallel()
	w := newInstallation(t)
	delete(w.env, "REFRESH_TOKEN")
	status, out, errs := w.run("doctor")
	if status != 3 || errs != "" {
		t.Errorf("got status %d and on standard error %q", status, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	count := map[string]int{}
	for i, line := range lines[:len(lines)-2] {
		result, _, _ := strings.Cut(line, " ")
		count[result]++
		isFix := strings.HasPrefix(strings.TrimSpace(line), "fix: ")
		if !slices.Contains([]string{"ok", "warn", "fail", "skip"}, result) && !isFix {
			t.Errorf("line %d is %q", i+1, line)
		}
	}
	if want := fmt.Sprintf("1 failed, 2 skipped, %d ok; an account needs a login", count["ok"]); lines[len(lines)-1] != want {
		t.Errorf("got summary %q, want %q", lines[len(lines)-1], want)
	}
	if want := "fail  token          nobody has signed in to account default\n                     fix: run: pandadoc-auth-proxy login\n"; !strings.Contains(out, want) {
		t.Errorf("%q is not in\n%s", want, out)
	}
}
