//go:build unix

package filestore_test

import (
	"os"
	"path/filepath"
	"testing"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/filestore"
)

// A store was used as file:DIR. Later something made DIR/pandadoc-auth-proxy, as the default store of a program
// whose state directory is DIR does. The records in DIR must stay in use: without them the spent seed would be
// sent again.
func TestRecordsAreUsedWhereTheyAre(t *testing.T) {
	for _, c := range []struct {
		name  string
		mode  os.FileMode // of DIR
		in    string      // where the records are, below DIR
		given string      // what Open is given, below DIR
	}{
		{"in a private directory with an empty one of ours", 0o700, "", ""},
		{"in our own below a private directory", 0o700, subdirectory, ""},
		{"in our own below an open directory", 0o755, subdirectory, ""},
		{"in our own, given by its name", 0o700, subdirectory, subdirectory},
		{"one directory above the one given", 0o700, "", subdirectory},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := os.MkdirAll(filepath.Join(dir, subdirectory), 0o700); err != nil {
				t.Fatal(err)
			}
			place := filepath.Join(dir, c.in)
			rec := createIn(t, place)
			chmod(t, dir, c.mode)

			s := open(t, filepath.Join(dir, c.given))
			if got, err := s.Load(t.Context(), "acme"); err != nil || got.Version != rec.Version {
				t.Errorf("Load: got %v, %v, want the record", got, err)
			}
			if got := s.Dir(); got != place {
				t.Errorf("Dir: got %s, want %s", got, place)
			}
			create(t, s, "other")
			if _, err := os.Lstat(filepath.Join(place, "other.json")); err != nil {
				t.Errorf("the second account is not beside the first: %v", err)
			}
		})
	}
}

// createIn writes a record into dir through a store in another place, as it would be there from before.
func createIn(t *testing.T, dir string) tokens.Record {
	t.Helper()
	other := filepath.Join(t.TempDir(), "other")
	rec := create(t, open(t, other), "acme")
	if err := os.Rename(filepath.Join(other, "acme.json"), filepath.Join(dir, "acme.json")); err != nil {
		t.Fatal(err)
	}
	return rec
}

// The mode of the directory decides only while there are no records in either place.
func TestModeDecidesWithoutRecords(t *testing.T) {
	for _, c := range []struct {
		name string
		mode os.FileMode
		want string
	}{
		{"private, with an empty directory of ours", 0o700, ""},
		{"open, with an empty directory of ours", 0o755, subdirectory},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := os.MkdirAll(filepath.Join(dir, subdirectory), 0o700); err != nil {
				t.Fatal(err)
			}
			chmod(t, dir, c.mode)
			if got, want := open(t, dir).Dir(), filepath.Join(dir, c.want); got != want {
				t.Errorf("Dir: got %s, want %s", got, want)
			}
		})
	}
}

func TestRecordsInBothPlacesAreAnError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	below := filepath.Join(dir, subdirectory)
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	createIn(t, dir)
	running := open(t, dir)
	createIn(t, below)

	_, err := filestore.Open(filestore.Options{Dir: dir})
	wantError(t, err, dir, below, "move the .json files", "--store file:"+below)
	// A program that was using one of them goes on: it knows which records are its own.
	if _, err := running.Load(t.Context(), "acme"); err != nil {
		t.Errorf("Load of a running program: %v", err)
	}
	if got := open(t, below).Dir(); got != below {
		t.Errorf("the place that the hint names is not used: got %s", got)
	}
	if err := os.Rename(filepath.Join(below, "acme.json"), filepath.Join(dir, "acme.json")); err != nil {
		t.Fatal(err)
	}
	if got := open(t, dir).Dir(); got != dir {
		t.Errorf("after merging: got %s, want %s", got, dir)
	}
}

// Files of other programs are no records, even if an account could have their name.
func TestOtherFilesAreNoRecords(t *testing.T) {
	for name, c := range map[string]struct {
		data string
		used bool // the directory counts as one with records
	}{
		"package.json":   {`{"name":"legacy","version":"1.0.0"}`, false},
		"Acme.json":      {`{"schema":1,"generation":1}`, false},
		"acme.json.bak":  {`{"schema":1,"generation":1}`, false},
		"acme.json":      {`{"schema":1,"generation":1}`, true},
		"damaged.json":   {`{"schema":1,"gen`, true},
		"emptied.json":   {``, true},
		"unrelated.lock": {``, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "volume")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(c.data), 0o600); err != nil {
				t.Fatal(err)
			}
			chmod(t, dir, 0o755)
			want := filepath.Join(dir, subdirectory)
			if c.used {
				want = dir
			}
			s, _ := openWarned(t, dir)
			if got := s.Dir(); got != want {
				t.Errorf("Dir: got %s, want %s", got, want)
			}
		})
	}
}

// Records that are moved under a running program are followed.
func TestRecordsMovedWhileInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	below := filepath.Join(dir, subdirectory)
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	rec := createIn(t, dir)
	s := open(t, dir)
	if _, err := s.Load(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "acme.json"), filepath.Join(below, "acme.json")); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(t.Context(), "acme"); err != nil || got.Version != rec.Version {
		t.Errorf("Load: got %v, %v, want the record at its new place", got, err)
	}
}
