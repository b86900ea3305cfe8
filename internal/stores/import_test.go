package stores_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/cli"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/kubestore/kubetest"
	"pandadoc-auth-proxy/tokens/redisstore/redistest"
)

// Tokens move between all kinds of stores, in clear and encrypted, wherever --kubernetes-url is needed. The first
// version compared that flag with --store, which an import from one store to another does not use.
func TestTokensMoveBetweenAllStores(t *testing.T) {
	redis, kubernetes := redistest.Start(t), kubetest.Start(t, kubetest.Everything)
	redis.Do("CONFIG", "SET", "requirepass", "hunter2")
	dir := t.TempDir()
	key, answer := filepath.Join(dir, "key"), filepath.Join(dir, "answer.json")
	for file, text := range map[string]string{
		key:    "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n",
		answer: `{"access_token":"access","refresh_token":"refresh"}`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	named := map[string]func(name string) string{
		"file":       func(name string) string { return "file:" + filepath.Join(dir, name) },
		"redis":      func(name string) string { return "redis://:hunter2@" + redis.Addr() + "/0?prefix=" + name },
		"kubernetes": func(name string) string { return "kubernetes:" + kubetest.Namespace + "/" + name },
	}
	for from, source := range named {
		for to, target := range named {
			for _, sealed := range []bool{false, true} {
				name := from + "-" + to
				var flags []string
				if sealed {
					name += "-sealed"
					flags = append(flags, "--store-key-file", key)
				}
				t.Run(name, func(t *testing.T) {
					run := func(kind bool, environ []string, args ...string) {
						t.Helper()
						args = append(append([]string{"import"}, args...), flags...)
						if kind {
							args = append(args, "--kubernetes-url", kubernetes.URL().String())
						}
						var out output
						environ = append(environ, "HOME="+dir, "PANDADOC_CLIENT_ID=id", "PANDADOC_CLIENT_SECRET=secret", "PANDADOC_ADMIN_SOCKET=none")
						if status := cli.Run(t.Context(), cli.Env{Args: args, Environ: environ, Stdout: &out, Stderr: &out, Stores: stores.Known()}); status != 0 {
							t.Fatalf("exit status %d\n%s", status, out.String())
						}
						if strings.Contains(out.String(), "hunter2") {
							t.Errorf("a password is in %s", out.String())
						}
					}
					one, two := source("one-"+name), target("two-"+name)
					run(from == "kubernetes", []string{"PANDADOC_STORE=" + one}, answer)
					run(from == "kubernetes" || to == "kubernetes", []string{"PANDADOC_FROM=" + one, "PANDADOC_TO=" + two})
					if got := stored(t, two, kubernetes.URL(), key); !got.RefreshToken.Equal(tokens.NewSecret("refresh")) || (got.KeyID() != "") != sealed {
						t.Errorf("%s holds %v under key %q", two, got, got.KeyID())
					}
				})
			}
		}
	}
}

// stored returns the record of the default account in the store that text names.
func stored(t *testing.T, text string, kubernetes *url.URL, key string) tokens.Record {
	t.Helper()
	spec, err := stores.Known().Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := tokens.ParseKeys(line)
	if err != nil {
		t.Fatal(err)
	}
	open, err := spec.Open(t.Context(), stores.Options{Keys: keys, KubernetesURL: kubernetes, Warn: func(text string) { t.Log(text) }})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := open.Records.Load(t.Context(), tokens.DefaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}
