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

// Environ is an environment, as os.Environ returns it.
type Environ []string

// Get returns the value of a variable, as os.Getenv does for the process's environment.
func (e Environ) Get(name string) string { return e.lookUp(runtime.GOOS, name) }

// lookUp ignores case on Windows, as the system does: os.Environ has LocalAppData as LOCALAPPDATA.
func (e Environ) lookUp(system, name string) string {
	for _, entry := range e {
		if key, value, _ := strings.Cut(entry, "="); key == name || system == "windows" && strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// StoreOptions returns what the store may need besides its URL.
func (c *Config) StoreOptions(warn func(string)) stores.Options {
	o := c.storeNeeds
	o.StateDir, o.Getenv, o.Warn = c.Environ.StateDir, c.Environ.Get, warn
	if c.Upstream.Roots != nil {
		o.Roots = c.Upstream.Roots() // as they are now: a store keeps its connections
	}
	return o
}

// SocketDirs returns the directories for an admin socket, the best one first: directories of ours in the user's
// runtime, state and temporary directory.
func (e Environ) SocketDirs() (dirs []string) {
	if dir := e.Get("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		dirs = append(dirs, filepath.Join(dir, problem.Program))
	}
	if dir, err := e.StateDir(); err == nil {
		dirs = append(dirs, filepath.Join(dir, "run"))
	}
	temporary := e.Get("TMPDIR")
	if !filepath.IsAbs(temporary) {
		temporary = os.TempDir()
	}
	return append(dirs, filepath.Join(temporary, fmt.Sprintf("%s-%d", problem.Program, os.Geteuid())))
}

// StateDir returns the program's state directory: for files that are kept when it ends and are no
// configuration.
func (e Environ) StateDir() (string, error) {
	missing := func(dir string) bool {
		_, err := os.Stat(dir)
		return errors.Is(err, fs.ErrNotExist)
	}
	base, err := e.stateHome(runtime.GOOS, missing)
	return filepath.Join(base, problem.Program), err
}

// StoreLocation names the store in the same words for every process of this machine, and reports whether it is the
// default.
func (c *Config) StoreLocation() (place string, isDefault bool) {
	if c.Store.IsZero() {
		return "", true
	}
	place = c.Store.String()
	dir, isFile := strings.CutPrefix(place, "file:")
	switch {
	case !isFile:
		return place, false
	case dir == "":
		dir, _ = c.Environ.StateDir()
		return "file:" + dir, true
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	return "file:" + dir, false
}

// AdminKeyPath returns the file of the admin key: the configured one, or that in the state directory.
func (c *Config) AdminKeyPath() (string, error) {
	if c.AdminKeyFile != "" {
		return c.AdminKeyFile, nil
	}
	dir, err := c.Environ.StateDir()
	return filepath.Join(dir, "admin-key"), err
}

func (e Environ) stateHome(system string, missing func(dir string) bool) (string, error) {
	if system == "windows" {
		if dir := e.lookUp(system, "LocalAppData"); dir != "" {
			return dir, nil
		}
		return "", errors.New("LocalAppData is not set, so there is no state directory")
	}
	// The base directory specification ignores a relative path.
	if dir := e.lookUp(system, "XDG_STATE_HOME"); filepath.IsAbs(dir) && system != "darwin" {
		return dir, nil
	}
	home := e.lookUp(system, "HOME")
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
