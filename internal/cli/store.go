package cli

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
)

// store reads --store. What was written is not shown: it may hold a password.
func (v *validator) store(s *storeSettings) stores.Spec {
	spec, err := stores.Known().Parse(s.Store)
	if err != nil {
		v.fail("store", err.Error(), problem.HintOf(err))
	}
	return spec
}

// storeOptions is what a store may need besides its URL.
func storeOptions(environ []string, warn func(string)) stores.Options {
	getenv := func(name string) string { return lookup(environ, name) }
	return stores.Options{
		StateDir: func() (string, error) {
			base, err := stateHome(runtime.GOOS, getenv)
			return filepath.Join(base, programName), err
		},
		Getenv: getenv,
		Warn:   warn,
	}
}

// stateHome returns where programs keep what must outlive them and is no configuration.
func stateHome(system string, env func(string) string) (string, error) {
	if system == "windows" {
		if dir := env("LocalAppData"); dir != "" {
			return dir, nil
		}
		return "", errors.New("LocalAppData is not set, so there is no place for the token store")
	}
	// The base directory specification ignores a relative path.
	if dir := env("XDG_STATE_HOME"); filepath.IsAbs(dir) && system != "darwin" {
		return dir, nil
	}
	home := env("HOME")
	switch {
	case !filepath.IsAbs(home):
		return "", errors.New("HOME is not set, so there is no place for the token store")
	case system == "darwin":
		return filepath.Join(home, "Library", "Application Support"), nil
	}
	return filepath.Join(home, ".local", "state"), nil
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
