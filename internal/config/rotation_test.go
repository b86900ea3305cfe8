package config

import (
	"os"
	"path/filepath"
	"testing"
)

// Kubernetes replaces the files of a Secret by turning the link ..data to another directory.
func TestSecretFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	version := func(name, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "secret"), text)
		if err := os.Symlink(name, filepath.Join(dir, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("one", "first-0123456789")
	path := filepath.Join(dir, "secret")
	if err := os.Symlink("..data/secret", path); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "c.yaml")
	write(t, config, "accounts:\n  acme:\n    api-key-file: "+path+"\n")
	c, err := serve(t, []string{"PANDADOC_CLIENT_ID=id"}, "--client-secret-file="+path, "--config="+config)
	check(t, "error", err, nil)
	now := func(what, want string) {
		t.Helper()
		check(t, what+", client secret", c.Tokens.Secrets.ClientSecret().Reveal(), want)
		check(t, what+", API key", c.Tokens.Secrets.APIKey("acme").Reveal(), want)
	}
	now("at first", "first-0123456789")
	version("two", "second-0123456789")
	now("after the link was turned", "second-0123456789")
	write(t, filepath.Join(dir, "two", "secret"), "two words")
	now("while it is no secret", "second-0123456789")
	os.Remove(filepath.Join(dir, "two", "secret"))
	now("while it is gone", "second-0123456789")
	write(t, filepath.Join(dir, "two", "secret"), "third-0123456789")
	now("after all", "third-0123456789")
	check(t, "an account without a file", c.Tokens.Secrets.APIKey("default").IsZero(), true)
}
