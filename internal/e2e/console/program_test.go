package console

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run runs a program with a standard input, and returns its output.
func run(t *testing.T, dir, input string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, append(os.Environ(), env...), strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s\n%s", name, err, out, input[:min(len(input), 2000)])
	}
	return string(out)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestCopiedNodeRuns needs Node and PandaDoc's client; see TestEveryMethodOfPandaDocsNodeClientWorks for how to
// install it.
func TestCopiedNodeRuns(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	modules := os.Getenv("PANDADOC_NODE_CLIENT")
	if modules == "" {
		t.Skip("PANDADOC_NODE_CLIENT does not name a node_modules directory with pandadoc-node-client")
	}
	b, p := newSandbox(t)
	env := []string{"NODE_PATH=" + modules}
	b.open("#/try/2")
	b.fill("count", "2")
	b.fill("order_by", "name")
	want(t, "documents", between(run(t, t.TempDir(), b.copied("Node"), env, node), "results:"), "true")
	b.open("#/try/3")
	b.choose("Choose a template")
	want(t, "new document", between(run(t, t.TempDir(), b.copied("Node"), env, node), "document.uploaded"), "true")
	body := string(p.Want("/public/v1/documents?q=Proposal%20for%20Customer&count=1", 200))
	want(t, "its name", between(body, "Proposal for Customer Ltd"), "true")
	b.open("#/try/92")
	want(t, "subscription", between(run(t, t.TempDir(), b.copied("Node"), env, node), "Status changes"), "true")
	b.open("#/try/10") // the client has no call for it
	b.fill("document_id", document(t, p, "document.draft"))
	want(t, "reminders", between(run(t, t.TempDir(), b.copied("Node"), env, node), `200 {"`), "true")
	b.open("#/try/5") // a file
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "contract.pdf"), []byte("%PDF-1.4 ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, "upload", between(run(t, dir, b.copied("Node"), env, node), "document.uploaded"), "true")
}

// between reports whether text contains part as a whole word.
func between(text, part string) string {
	if strings.Contains(text, part) {
		return "true"
	}
	return "no " + part + " in " + text
}

func TestCopiedPythonRuns(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	b, p := newSandbox(t)
	b.open("#/try/10") // the client has no call for it
	b.fill("document_id", document(t, p, "document.draft"))
	want(t, "reminders", between(run(t, t.TempDir(), b.copied("Python"), nil, python), `200 {"`), "true")
	b.open("#/try/72")
	want(t, "module", between(b.copied("Python"), "from pandadoc_client.api import folders_api_api"), "true")
	b.open("#/try/2")
	b.fill("count", "2")
	b.fill("deleted", "false")
	want(t, "with the client", between(b.copied("Python"), `documents_api.DocumentsApi(client).list_documents(
        count=2,
        deleted=False,
    )`), "true")
}
