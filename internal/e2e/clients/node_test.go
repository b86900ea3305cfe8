package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// TestEveryMethodOfPandaDocsNodeClientWorks needs Node and the client. To install it, outside the
// repository:
//
//	cp internal/sandbox/testdata/sdk/package.json DIR && npm install --prefix DIR
//	PANDADOC_NODE_CLIENT=DIR/node_modules go test ./internal/e2e/clients -run Node
func TestEveryMethodOfPandaDocsNodeClientWorks(t *testing.T) {
	t.Parallel()
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
	p := program.Start(t, nil, "sandbox", "--calm", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("..", "..", "sandbox", "testdata", "sdk", "run.js"), p.URL, p.Info["api"])
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "65 of 65 methods called") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
