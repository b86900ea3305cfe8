package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/filestore"
)

// storeSpec is where tokens are kept.
type storeSpec struct {
	memory bool
	dir    string // of a file store; empty means the user's state directory
}

func (s storeSpec) String() string {
	if s.memory {
		return "memory:"
	}
	return "file:" + s.dir
}

// store reads --store. A URL of a store that is not supported is not shown: it may hold a password.
func (v *validator) store(s *storeSettings) storeSpec {
	scheme, rest, found := strings.Cut(s.Store, ":")
	const supported = "write file: (the user's state directory), file:DIR or memory:"
	switch {
	case !found:
		v.fail("store", fmt.Sprintf("%q names no kind of store", s.Store), supported)
	case scheme == "memory" && rest == "":
		return storeSpec{memory: true}
	case scheme == "memory":
		v.fail("store", "memory: takes nothing after the colon", supported)
	case scheme == "file" && rest == "":
		return storeSpec{}
	case scheme == "file":
		if dir, err := filepath.Abs(rest); err == nil {
			return storeSpec{dir: dir}
		}
		v.fail("store", "the directory of this process is gone, so DIR cannot be relative", "give an absolute path")
	default:
		v.fail("store", fmt.Sprintf("%s: is not a store that this version supports", scheme), supported)
	}
	return storeSpec{}
}

// place returns the directory of a file store.
func (s storeSpec) place(environ []string) (string, error) {
	if s.dir != "" {
		return s.dir, nil
	}
	base, err := stateHome(runtime.GOOS, func(name string) string { return lookup(environ, name) })
	if err != nil {
		return "", err
	}
	return filepath.Join(base, programName), nil
}

// stateHome returns where programs keep what must outlive them and is no configuration.
func stateHome(system string, env func(string) string) (string, error) {
	const fix = "give a directory with --store file:DIR (PANDADOC_STORE), or use --store memory:"
	if system == "windows" {
		if dir := env("LocalAppData"); dir != "" {
			return dir, nil
		}
		return "", problem.Mistake("LocalAppData is not set, so there is no place for the token store", fix)
	}
	// The base directory specification ignores a relative path.
	if dir := env("XDG_STATE_HOME"); filepath.IsAbs(dir) && system != "darwin" {
		return dir, nil
	}
	home := env("HOME")
	switch {
	case !filepath.IsAbs(home):
		return "", problem.Mistake("HOME is not set, so there is no place for the token store", fix)
	case system == "darwin":
		return filepath.Join(home, "Library", "Application Support"), nil
	}
	return filepath.Join(home, ".local", "state"), nil
}

// openStore is a store and what the rest of the program needs to know of it.
type openStore struct {
	records tokens.Store
	name    string // for people
	dir     string // for temporary files; empty if there is none
	err     error  // why it cannot be used in full, although it could be opened
	// emergency begins the paths of files for pairs that the store did not take. Empty for none.
	emergency string
}

// open opens the store. One that can be read but not written is opened all the same: a token that is
// still good is worth serving.
func (s storeSpec) open(ctx context.Context, environ []string, warn func(string)) (openStore, error) {
	if s.memory {
		return openStore{records: tokens.NewMemory(), name: "memory:"}, nil
	}
	place, err := s.place(environ)
	if err != nil {
		return openStore{}, err
	}
	store, err := filestore.Open(place, filestore.Warn(warn))
	if err != nil {
		return openStore{}, storeError(err)
	}
	dir := store.Dir()
	return openStore{
		records: store, name: "file:" + dir, dir: dir, err: storeError(store.Check(ctx)), emergency: emergencyPrefix(place),
	}, nil
}

// emergencyPrefix tells stores apart that share one temporary directory.
func emergencyPrefix(place string) string {
	sum := sha256.Sum256([]byte(place))
	return filepath.Join(os.TempDir(), fmt.Sprintf("%s-%x-", programName, sum[:8]))
}

// storeError makes a hint of the fix that the file store names.
func storeError(err error) error {
	var e *filestore.Error
	if !errors.As(err, &e) {
		return err
	}
	return problem.WithHint(fmt.Errorf("token store: %s %s: %w", e.Op, e.Path, e.Err), e.Fix)
}

// lookup returns the value of a variable, as os.Getenv does, of an environment that was handed over.
func lookup(environ []string, name string) string {
	for _, entry := range environ {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return ""
}
