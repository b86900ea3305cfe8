package stores

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/problem"
)

func TestParse(t *testing.T) {
	for _, row := range []struct {
		name, text, want, hint string // want is part of the error, or empty
	}{
		{"the user's directory", "file:", "", ""},
		{"a directory", "file:/var/lib/proxy", "", ""},
		{"memory", "memory:", "", ""},
		{"memory with a directory", "memory:x", "memory: takes nothing", "write memory:"},
		{"no kind", "/var/lib/hunter2", "does not name a kind of store", "file:DIR"},
		{"a line break of the file it came from", "redis://user:hunter2@host\n", "a line break or a quotation mark", "without them"},
		{"quotation marks", `"redis://user:hunter2@host"`, "a line break or a quotation mark", "without them"},
		{"an unknown kind", "etcd://user:hunter2@host", "etcd: is not a store", "file:DIR"},
	} {
		t.Run(row.name, func(t *testing.T) {
			spec, err := Known().Parse(row.text)
			switch {
			case row.want == "":
				if err != nil || spec.IsZero() || spec.String() != row.text {
					t.Errorf("got %v, %v", spec, err)
				}
			case err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hunter2"):
				t.Errorf("got %v, want %q and no password", err, row.want)
			case !strings.Contains(problem.HintOf(err), row.hint):
				t.Errorf("got hint %q, want %q in it", problem.HintOf(err), row.hint)
			}
		})
	}
}

func TestASpecHidesItsPassword(t *testing.T) {
	table := Table{{Scheme: "stub", Forms: []string{"stub:"}, Check: func(string) error { return nil }}}
	for text, has := range map[string]bool{
		"stub://user:hunter2@host/0": true, "stub://user@host": false, "stub:": false, "stub://:hunter2@host": true,
	} {
		spec, err := table.Parse(text)
		if err != nil || spec.HasPassword() != has || strings.Contains(spec.String(), "hunter2") {
			t.Errorf("%s: got %v, %v, %v", text, spec, spec.HasPassword(), err)
		}
	}
}

func TestAStoreWithoutAPlaceSaysHowToNameOne(t *testing.T) {
	spec, err := Known().Parse("file:")
	if err != nil {
		t.Fatal(err)
	}
	_, err = spec.Open(t.Context(), Options{StateDir: func() (string, error) { return "", errors.New("HOME is not set") }})
	if err == nil || !strings.Contains(problem.HintOf(err), "--store file:DIR") {
		t.Errorf("got %v with hint %q", err, problem.HintOf(err))
	}
}

// What the records can do is found out once, from the records themselves.
func TestAbilities(t *testing.T) {
	for text, want := range map[string]Abilities{
		"memory:": {Listable: true},
		"file:":   {Persistent: true, Listable: true, Lockable: true},
	} {
		dir := filepath.Join(t.TempDir(), "state")
		spec, err := Known().Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := spec.Open(t.Context(), Options{StateDir: func() (string, error) { return dir, nil }, Warn: func(text string) { t.Log(text) }})
		if err != nil {
			t.Fatal(err)
		}
		if got.ScratchDir != "" {
			want.ScratchDir = got.ScratchDir
		}
		if got.Abilities != want || got.Limited != nil {
			t.Errorf("%s: got %+v, %v, want %+v", text, got.Abilities, got.Limited, want)
		}
	}
}
