package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
)

// Lookup returns the value of a variable in environ, as os.Getenv does for the process's environment.
func Lookup(environ []string, name string) string {
	for _, entry := range environ {
		if key, value, _ := strings.Cut(entry, "="); key == name {
			return value
		}
	}
	return ""
}

// StoreOptions returns what the store may need besides its URL.
func (c *Config) StoreOptions(environ []string, warn func(string)) stores.Options {
	o := c.storeNeeds
	o.StateDir = func() (string, error) { return StateDir(environ) }
	o.Getenv = func(name string) string { return Lookup(environ, name) }
	o.Warn = warn
	if c.Upstream.Roots != nil {
		o.Roots = c.Upstream.Roots() // as they are now: a store keeps its connections
	}
	return o
}

// SocketDirs returns the directories for an admin socket, the best one first: directories of ours in the user's
// runtime, state and temporary directory.
func SocketDirs(environ []string) (dirs []string) {
	if dir := Lookup(environ, "XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		dirs = append(dirs, filepath.Join(dir, problem.Program))
	}
	if dir, err := StateDir(environ); err == nil {
		dirs = append(dirs, filepath.Join(dir, "run"))
	}
	temporary := Lookup(environ, "TMPDIR")
	if !filepath.IsAbs(temporary) {
		temporary = os.TempDir()
	}
	return append(dirs, filepath.Join(temporary, fmt.Sprintf("%s-%d", problem.Program, os.Geteuid())))
}

// StateDir returns the program's state directory: for files that are kept when it ends and are no
// configuration.
func StateDir(environ []string) (string, error) {
	missing := func(dir string) bool {
		_, err := os.Stat(dir)
		return errors.Is(err, fs.ErrNotExist)
	}
	base, err := stateHome(runtime.GOOS, func(name string) string { return Lookup(environ, name) }, missing)
	return filepath.Join(base, problem.Program), err
}

// StorePlace names the store in the same words for every process of this machine, and reports whether it is the default.
func (c *Config) StorePlace(environ []string) (place string, isDefault bool) {
	if c.Store.IsZero() {
		return "", true
	}
	place = c.Store.String()
	dir, isFile := strings.CutPrefix(place, "file:")
	switch {
	case !isFile:
		return place, false
	case dir == "":
		dir, _ = StateDir(environ)
		return "file:" + dir, true
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return "file:" + dir, false
}

// AdminKeyPath returns the file of the admin key: the configured one, or that in the state directory.
func (c *Config) AdminKeyPath(environ []string) (string, error) {
	if c.AdminKeyFile != "" {
		return c.AdminKeyFile, nil
	}
	dir, err := StateDir(environ)
	return filepath.Join(dir, "admin-key"), err
}

// emergencyDirs returns the directories for tokens that the store could not save, the best one first.
func emergencyDirs(environ []string, tempDir string) (dirs []string) {
	if dir, err := StateDir(environ); err == nil {
		dirs = append(dirs, dir)
	}
	if tempDir != "" {
		dirs = append(dirs, tempDir)
	}
	return append(dirs, os.TempDir())
}

func stateHome(system string, env func(string) string, missing func(dir string) bool) (string, error) {
	if system == "windows" {
		if dir := env("LocalAppData"); dir != "" {
			return dir, nil
		}
		return "", errors.New("LocalAppData is not set, so there is no state directory")
	}
	// The base directory specification ignores a relative path.
	if dir := env("XDG_STATE_HOME"); filepath.IsAbs(dir) && system != "darwin" {
		return dir, nil
	}
	home := env("HOME")
	switch {
	case !filepath.IsAbs(home):
		return "", errors.New("HOME is not set, so there is no state directory")
	case missing(home): // root would make it, and nobody would look for tokens there
		return "", fmt.Errorf("HOME is %s, which does not exist, so there is no state directory", home)
	case system == "darwin":
		return filepath.Join(home, "Library", "Application Support"), nil
	}
	return filepath.Join(home, ".local", "state"), nil
}
