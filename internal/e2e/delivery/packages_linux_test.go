package delivery

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// "apt purge" deleted the tokens and left the client secret and the API key in /etc. dpkg and rpm tell the script in
// its argument what they do.
func TestOnlyAPurgeRemovesTokensAndSecrets(t *testing.T) {
	for argument, kept := range map[string]bool{"purge": false, "remove": true, "upgrade": true, "0": true, "1": true, "": true} {
		root := t.TempDir()
		names := []string{
			"etc/pandadoc-auth-proxy/client-secret", "etc/pandadoc-auth-proxy/environment",
			"var/lib/private/pandadoc-auth-proxy/default.json", "var/lib/pandadoc-auth-proxy/default.json",
		}
		others := []string{"etc/other/client-secret", "var/lib/other/default.json"}
		for _, name := range append(names, others...) {
			if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, name), []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		script := exec.Command("sh", filepath.Join(top(t), "deploy/packages/postremove"), argument)
		script.Env = []string{"PATH=" + os.Getenv("PATH"), "DPKG_ROOT=" + root}
		if out, err := script.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%q: %v %s", argument, err, out)
		}
		for _, name := range append(names, others...) {
			want := kept || name == others[0] || name == others[1]
			if _, err := os.Stat(filepath.Join(root, name)); (err == nil) != want {
				t.Errorf("%q: %s is there: %v, want %v", argument, name, err == nil, want)
			}
		}
	}
}
