package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOfficialNodeClientRunsUnmodified needs Node and the client. To install it, outside the repository:
//
//	cp internal/sandbox/testdata/sdk/package.json DIR && npm install --prefix DIR
//	PANDADOC_NODE_CLIENT=DIR/node_modules go test ./internal/sandbox -run Node
func TestOfficialNodeClientRunsUnmodified(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	modules := os.Getenv("PANDADOC_NODE_CLIENT")
	if modules == "" {
		t.Skip("PANDADOC_NODE_CLIENT does not name a node_modules directory with pandadoc-node-client")
	}
	if _, err := os.Stat(filepath.Join(modules, "pandadoc-node-client")); err != nil {
		t.Fatal(err)
	}
	s := startSignedIn(t, Options{Calm: true})
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("testdata", "sdk", "run.js"), s.info.API, s.access)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "steps done") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	for _, e := range s.History() {
		if e.Status >= 500 {
			t.Errorf("%s %s: status %d", e.Method, e.Target, e.Status)
		}
	}
}
