package filestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/storetest"
)

// A file that cannot be understood may be the only copy of a refresh token that a person can still
// save by hand. It is neither absent nor in conflict, and nothing writes over it.
func TestDamagedFilesAreRefusedAndLeft(t *testing.T) {
	rec := storetest.Sample()
	rec.Version = "v1"
	good, err := (*tokens.Codec)(nil).Encode("acme", rec)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ data, says string }{
		"empty":              {"", "is empty"},
		"blank":              {" \n", "is empty"},
		"truncated":          {string(good[:len(good)/2]), "not a valid record"},
		"followed by more":   {string(good) + "}", "not a valid record"},
		"zeros":              {strings.Repeat("\x00", 300), "zero bytes"},
		"zeros at the end":   {string(good[:200]) + strings.Repeat("\x00", 100), "zero bytes"},
		"byte order mark":    {"\ufeff" + string(good), "byte order mark"},
		"huge":               {`{"schema":1,"generation":1,"x":"` + strings.Repeat("x", 2<<20) + `"}`, "larger than"},
		"newer schema":       {strings.Replace(string(good), `"schema":2`, `"schema":3`, 1), "newer version"},
		"no schema":          {`{"generation":1,"version":"v"}`, "schema or generation is missing"},
		"no later lineage":   {`{"schema":2,"generation":1,"version":"v","lineage":{"born_at":"9999-12-31T23:59:59.9Z"}}`, "too late"},
		"no generation":      {`{"schema":1,"version":"v"}`, "schema or generation is missing"},
		"no version":         {`{"schema":1,"generation":1}`, "version is missing"},
		"wrong type":         {`{"schema":1,"generation":"one"}`, `"generation" has the wrong type`},
		"another kind":       {`[1,2,3]`, "not a valid record"},
		"another file":       {"access-token-of-the-suite", "not a valid record"},
		"null":               {"null", "not a valid record"},
		"a time that is not": {`{"schema":1,"generation":1,"version":"v","expires_at":"soon"}`, "not a valid record"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			s := open(t, dir)
			path := filepath.Join(dir, "acme.json")
			if err := os.WriteFile(path, []byte(c.data), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := s.Load(t.Context(), "acme")
			wantError(t, err, path, c.says)
			for _, version := range []string{"", "v1", "v"} {
				rec := storetest.Sample()
				rec.Version = version
				_, err := s.Save(t.Context(), "acme", rec)
				wantError(t, err, path, c.says)
				if errors.Is(err, tokens.ErrConflict) || errors.Is(err, tokens.ErrNotFound) {
					t.Errorf("Save of version %q: got %v, which the caller would act on", version, err)
				}
			}
			open(t, dir) // a second start does not repair it either
			if got, err := os.ReadFile(path); err != nil || string(got) != c.data {
				t.Errorf("the file was changed (%v)", err)
			}
			create(t, s, "other") // one damaged account does not stop the others
		})
	}
}

func TestRestoredBackupIsAnotherVersion(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s, path := open(t, dir), filepath.Join(dir, "acme.json")
	first := create(t, s, "acme")
	backup, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Save(t.Context(), "acme", first)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), "acme", second); !errors.Is(err, tokens.ErrConflict) {
		t.Errorf("Save over the backup: got %v, want ErrConflict", err)
	}
	if got, err := s.Load(t.Context(), "acme"); err != nil || got.Version != first.Version {
		t.Errorf("Load: got %v, %v, want the backup", got, err)
	}
}

func TestDirectoryRemovedWhileInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	rec := create(t, s, "acme")
	unlock, _, err := s.TryLock(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}

	if _, err := s.Load(t.Context(), "acme"); !errors.Is(err, tokens.ErrNotFound) {
		t.Errorf("Load: got %v, want ErrNotFound", err)
	}
	if got, err := s.Accounts(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("Accounts: got %q, %v, want none", got, err)
	}
	if _, err := s.Save(t.Context(), "acme", rec); !errors.Is(err, tokens.ErrConflict) {
		t.Errorf("Save of the version that was there: got %v, want ErrConflict", err)
	}
	rec.Version = ""
	if _, err := s.Save(t.Context(), "acme", rec); err != nil {
		t.Errorf("Save as a new record: %v", err)
	}
	wantMode(t, dir, 0o700)
	unlock2, ok, err := s.TryLock(t.Context(), "acme")
	if err != nil || !ok {
		t.Errorf("TryLock in the new directory: got %v, %v, want the lock", ok, err)
	}
	unlock2()
}

func TestFileInPlaceOfTheDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	rec := create(t, s, "acme")
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}

	_, err := s.Load(t.Context(), "acme")
	wantError(t, err, dir, "not a directory")
	_, err = s.Save(t.Context(), "acme", rec)
	wantError(t, err, dir, "not a directory")
	_, _, err = s.TryLock(t.Context(), "acme")
	wantError(t, err, dir, "not a directory")
	_, err = s.Accounts(t.Context())
	wantError(t, err, dir, "not a directory")
	wantError(t, s.Check(t.Context(), ""), dir, "not a directory")

	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), "acme", rec); err != nil {
		t.Errorf("Save after the directory came back: %v", err)
	}
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.Mode().Perm(); got != want && os.PathSeparator == '/' {
		t.Errorf("%s has mode %04o, want %04o", path, got, want)
	}
}
