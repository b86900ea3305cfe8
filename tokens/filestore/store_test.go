package filestore_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/filestore"
	"pandadoc-auth-proxy/tokens/storetest"
)

func TestStore(t *testing.T) {
	storetest.Suite{Lists: true, Locks: true, Checks: true, New: func(t *testing.T) storetest.Place {
		dir := filepath.Join(t.TempDir(), "store")
		file := func(account string) string { return filepath.Join(dir, account+".json") }
		return storetest.Place{
			Open: func(t *testing.T, _ string, keys *tokens.Codec) tokens.Store {
				s, err := filestore.Open(filestore.Options{Dir: dir, Codec: keys})
				if err != nil {
					t.Fatal(err)
				}
				return s
			},
			Break: func(t *testing.T) func() { // a file stands where the directory was
				rename(t, dir, dir+".away")
				if err := os.WriteFile(dir, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				return func() { rename(t, dir+".away", dir) }
			},
			Read: func(t *testing.T, account string) []byte {
				data, err := os.ReadFile(file(account))
				if err != nil {
					t.Fatal(err)
				}
				return data
			},
			Write: func(t *testing.T, account string, data []byte) {
				if err := os.WriteFile(file(account), data, 0o600); err != nil {
					t.Fatal(err)
				}
			},
		}
	}}.Run(t)
}

// rename replaces to if it is a file.
func rename(t *testing.T, from, to string) {
	t.Helper()
	_ = os.Remove(to) // it may not exist
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// open opens a store that has nothing to warn about.
func open(t *testing.T, dir string) *filestore.Store {
	t.Helper()
	s, warnings := openWarned(t, dir)
	if len(warnings()) > 0 {
		t.Fatalf("Open warned: %q", warnings())
	}
	return s
}

func openWarned(t *testing.T, dir string) (s *filestore.Store, warnings func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	s, err := filestore.Open(filestore.Options{Dir: dir, Warn: func(w string) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, w)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func create(t *testing.T, s *filestore.Store, account string) tokens.Record {
	t.Helper()
	rec, err := s.Save(t.Context(), account, storetest.Sample())
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// wantError checks that err names path and gives a next step, and shows no token.
func wantError(t *testing.T, err error, path string, words ...string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), " "+path+": ") || problem.HintOf(err) == "" {
		t.Fatalf("got error %v with hint %q, want it about %q with a hint", err, problem.HintOf(err), path)
	}
	text := err.Error() + "\nhint: " + problem.HintOf(err)
	for _, w := range append(words, path) {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
	for _, secret := range []string{"access-token-of-the-suite", "of the suite"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error %q shows a token", err)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestFilesOfAnAccount(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "open")
	s := open(t, dir)
	rec := create(t, s, "acme")
	unlock, ok, err := s.TryLock(t.Context(), "acme")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer unlock()
	if got, want := names(t, dir), []string{"acme.json", "acme.lock", "acme.refresh"}; !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
	data, err := os.ReadFile(filepath.Join(dir, "acme.json"))
	if err != nil {
		t.Fatal(err)
	}
	var stored struct{ Version string }
	if err := json.Unmarshal(data, &stored); err != nil || stored.Version != rec.Version {
		t.Errorf("the file has version %q (%v), want %q", stored.Version, err, rec.Version)
	}
}

func TestAccountNamesThatAreNone(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"))
	for _, name := range []string{"", ".", "..", "../x", "a/b", `a\b`, "a.b", "A", "a\x00", strings.Repeat("a", 64)} {
		_, loadErr := s.Load(t.Context(), name)
		_, saveErr := s.Save(t.Context(), name, storetest.Sample())
		_, _, lockErr := s.TryLock(t.Context(), name)
		for _, err := range []error{loadErr, saveErr, lockErr} {
			if err == nil || errors.Is(err, tokens.ErrNotFound) {
				t.Errorf("account %q: got %v, want it refused", name, err)
			}
		}
	}
}

func TestOpenWithoutADirectory(t *testing.T) {
	if _, err := filestore.Open(filestore.Options{}); err == nil || !strings.Contains(err.Error(), "--store") {
		t.Errorf("got %v, want an error that names the setting", err)
	}
}

// A record that Load would refuse must not take the place of one that it reads.
func TestSaveRefusesWhatLoadWould(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"))
	rec := create(t, s, "acme")
	for name, bad := range map[string]tokens.Record{
		"no generation": {Version: rec.Version},
		"too large":     {Version: rec.Version, Generation: 1, Scope: strings.Repeat("x", 1<<20)},
	} {
		if _, err := s.Save(t.Context(), "acme", bad); err == nil || errors.Is(err, tokens.ErrConflict) {
			t.Errorf("%s: Save: got %v, want it refused", name, err)
		}
	}
	if got, err := s.Load(t.Context(), "acme"); err != nil || got.Version != rec.Version {
		t.Errorf("Load: got %v, %v, want the record of before", got, err)
	}
}

func TestCheckLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	for range 2 {
		if err := s.Check(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := names(t, dir), []string{".lock"}; !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
	if got, err := s.Accounts(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("Accounts: got %q, %v, want none", got, err)
	}
}

func TestCheckIsCancelled(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// The lock is free, so there is nothing to wait for: the store may well be checked.
	if err := s.Check(ctx, ""); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
