package config

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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

// Tend reads what nobody asks for, and reports each change and each trouble once.
func TestSecretFilesAreTended(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("key"), "first-0123456789")
	write(t, at("other"), "other-0123456789")
	write(t, at("secret"), "secret-0123456789")
	write(t, at("ca"), authority(t, "one"))
	write(t, at("c.yaml"), "client-keys:\n  crm:\n    key-file: "+at("key")+"\n  other:\n    key-file: "+at("other")+"\n")
	c, err := serve(t, []string{"PANDADOC_CLIENT_ID=id"}, "--client-secret-file="+at("secret"), "--ca-file="+at("ca"), "--config="+at("c.yaml"))
	check(t, "error", err, nil)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards told
		var told []string
		c.Files.Changed = func(path string, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				path += " unusable"
			}
			told = append(told, filepath.Base(path))
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go c.Files.Tend(ctx)
		next := func(what, wantTold, wantKey string) {
			t.Helper()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			check(t, what+", told", strings.Join(told, ", "), wantTold)
			check(t, what+", key", c.Proxy.ClientKeys[0].Current().Reveal(), wantKey)
			told = nil
		}
		next("nothing new", "", "first-0123456789")
		write(t, at("key"), "second-0123456789")
		next("another key", "key", "second-0123456789")
		write(t, at("key"), "short")
		next("a key that is too short", "key unusable", "second-0123456789")
		next("the same again", "", "second-0123456789")
		write(t, at("key"), "other-0123456789")
		next("the key of another client", "", "second-0123456789")
		write(t, at("key"), "third-0123456789")
		next("a good one", "key", "third-0123456789")
		os.Remove(at("secret"))
		write(t, at("ca"), "no certificate")
		next("a secret that is gone, and a file without authorities", "secret unusable, ca unusable", "third-0123456789")
		check(t, "the last secret", c.Files.ClientSecret().Reveal(), "secret-0123456789")
		before := c.Upstream.Roots()
		write(t, at("secret"), "secret-0123456789")
		write(t, at("ca"), authority(t, "another authority, with a name of another length"))
		next("both are back", "secret, ca", "third-0123456789")
		check(t, "other authorities", c.Upstream.Roots().Equal(before), false)
	})
}

// authority returns the certificate of a new authority.
func authority(t *testing.T, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
