package specification

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write what is made from the specification")

func reducedFile() string { return filepath.Join("..", "testdata", "pandadoc-openapi.json") }

// fullFile returns PandaDoc's own file: the one that the environment names, or one beside the checkout. If there
// is none, it returns the reduced form: reducing that again changes nothing.
func fullFile(t *testing.T) string {
	t.Helper()
	if name := os.Getenv("PANDADOC_OPENAPI"); name != "" {
		return name
	}
	beside := filepath.Join("..", "..", "..", "..", "shared", "pandadoc-openapi.json")
	if _, err := os.Stat(beside); err == nil {
		return beside
	}
	t.Log("PandaDoc's own file is not at hand: comparing with the committed reduced form")
	return reducedFile()
}

func read(t *testing.T, name string) object {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out object
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// compare compares a committed file with the generated text, or writes it.
func compare(t *testing.T, name string, made []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, made, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, made) {
		t.Errorf("%s is not what PandaDoc's specification makes: run go test ./internal/sandbox/specification -update", name)
	}
}

func TestTheReducedFormIsCurrent(t *testing.T) {
	made, err := reduce(read(t, fullFile(t)))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, reducedFile(), made)
}
