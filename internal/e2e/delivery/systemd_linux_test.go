package delivery

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

const units = "deploy/systemd"

// systemd verifies the units against a program that exists: the built one stands in for /usr/bin.
func TestSystemdAcceptsTheUnits(t *testing.T) {
	need(t, "systemd-analyze")
	dir := t.TempDir()
	for _, name := range []string{"pandadoc-auth-proxy.service", "pandadoc-auth-proxy.socket"} {
		text, err := os.ReadFile(filepath.Join(top(t), units, name))
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.ReplaceAll(string(text), "/usr/bin/pandadoc-auth-proxy", program.Binary()))
		text = []byte(strings.ReplaceAll(string(text), "man:pandadoc-auth-proxy(1)", "https://example.com/"))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out := run(t, dir, "systemd-analyze", "verify", "--man=no",
		filepath.Join(dir, "pandadoc-auth-proxy.service"), filepath.Join(dir, "pandadoc-auth-proxy.socket")); out != "" {
		t.Errorf("systemd-analyze verify says:\n%s", out)
	}
}

func TestTheServiceIsExposedToLittle(t *testing.T) {
	const most = 1.5
	need(t, "systemd-analyze")
	out := run(t, top(t), "systemd-analyze", "security", "--offline=true", filepath.Join(units, "pandadoc-auth-proxy.service"))
	found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no exposure level in:\n%s", out)
	}
	level, err := strconv.ParseFloat(found[1], 64)
	if err != nil || level > most {
		t.Errorf("got the exposure level %s, want at most %.1f", found[1], most)
	}
}
