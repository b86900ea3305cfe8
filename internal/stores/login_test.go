package stores_test

import (
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

// login sent people to PandaDoc although the store could be read but not written. Their code was spent, and the
// command then waited two minutes for the store without a word.
func TestALoginThatCouldNotBeSavedDoesNotBegin(t *testing.T) {
	redis := redistest.Start(t)
	redis.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	kubernetes := kubetest.Start(t, kubetest.Named("app-default", "app-acme")) // and the second was not prepared
	kubernetes.Put("app-default", func(kubetest.Secret) {})
	url := "--kubernetes-url " + kubernetes.URL().String()
	for _, row := range []struct{ name, args, error, hint string }{
		{"Redis without its replicas", "--store redis://" + redis.Addr(), "NOREPLICAS", "min-replicas-to-write"},
		{"a Secret that was not prepared", "--account acme --store kubernetes:" + kubetest.Namespace + "/app " + url,
			"cannot create", "create secret generic app-acme"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, text := run(t, nil, "login --paste "+row.args)
			if status != 1 || !strings.Contains(text, row.error) || !strings.Contains(text, row.hint) || strings.Contains(text, "Open this address") {
				t.Errorf("got exit status %d, want 1 with %q and %q\n%s", status, row.error, row.hint, text)
			}
		})
	}
}

func TestASettingThatCannotWorkIsAMistake(t *testing.T) {
	for _, row := range []struct{ name, args, error, hint string }{
		{"outside a cluster", "--store kubernetes:", "not a pod in a cluster", "--kubernetes-url"},
		{"without a namespace", "--store kubernetes: --kubernetes-url http://127.0.0.1:1", "needs a namespace", "kubernetes:NAMESPACE/PREFIX"},
		{"a password in the place of the user", "--store redis://hunter2@127.0.0.1", "user name but no password", "redis://:PASSWORD@HOST"},
		{"a key twice", "--store-key-file twice", "line 2 has the same key", "correct or remove that line"},
	} {
		for _, command := range []string{"serve", "status", "logout"} {
			t.Run(command+" "+row.name, func(t *testing.T) {
				t.Chdir(t.TempDir())
				const key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"
				if err := os.WriteFile("twice", []byte(key+key), 0o600); err != nil {
					t.Fatal(err)
				}
				status, text := run(t, nil, command+" "+row.args)
				if status != 2 || !strings.Contains(text, row.error) || !strings.Contains(text, row.hint) || strings.Contains(text, "hunter2") || strings.Contains(text, ">twice") {
					t.Errorf("got exit status %d, want 2 with %q and %q\n%s", status, row.error, row.hint, text)
				}
			})
		}
	}
}

func TestAPasswordInAFileThatOthersCanReadIsAWarning(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pandadoc.yaml")
	if err := os.WriteFile(file, []byte("store: redis://proxy:hunter2@127.0.0.1:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, text := run(t, nil, "doctor --config "+file); !strings.Contains(text, "other users of this machine can read "+file) {
		t.Errorf("no warning in\n%s", text)
	}
}

func TestTheHintsOfAStoreReachPeople(t *testing.T) {
	server := redistest.Start(t)
	wrong := []string{"PANDADOC_STORE=redis://proxy:hunter2@" + server.Addr()}
	right := []string{"PANDADOC_STORE=redis://" + server.Addr()}
	for _, row := range []struct {
		name, args string
		environ    []string
		hint       string
	}{
		{"status", "status", wrong, "hint: check the user and password"},
		{"doctor", "doctor", right, "fix: set appendonly yes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, text := run(t, row.environ, row.args); !strings.Contains(text, row.hint) {
				t.Errorf("%q is not in\n%s", row.hint, text)
			}
		})
	}
}

// The command that doctor names for tokens under an old key said that it had imported them, and wrote nothing.
func TestImportEncryptsWithTheNewKey(t *testing.T) {
	dir := t.TempDir()
	const first, second = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n", "MTEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"
	answer, key, store := filepath.Join(dir, "answer.json"), filepath.Join(dir, "key"), "file:"+filepath.Join(dir, "store")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(answer, `{"access_token":"access","refresh_token":"refresh"}`)
	run(t, nil, "import --to "+store+" "+answer)
	for _, keys := range []string{first, second + first} {
		write(key, keys)
		before := stored(t, store, nil, key)
		if status, text := run(t, nil, "import --store-key-file "+key+" --from "+store+" --to "+store); status != 0 {
			t.Fatalf("exit status %d\n%s", status, text)
		}
		codec, err := tokens.ParseKeys([]byte(keys))
		if err != nil {
			t.Fatal(err)
		}
		got := stored(t, store, nil, key)
		if got.KeyID() != codec.KeyID() || got.Compare(before) != 0 || !got.RefreshToken.Equal(tokens.NewSecret("refresh")) {
			t.Errorf("the store holds %v under key %q, want %v under %q", got, got.KeyID(), before, codec.KeyID())
		}
	}
}

// run runs a command without a proxy.
func run(t *testing.T, environ []string, args string) (status int, text string) {
	t.Helper()
	var out output
	environ = append(environ, "HOME="+t.TempDir(), "PANDADOC_ADMIN_SOCKET=none", "PANDADOC_ADMIN_LISTEN=none", "PANDADOC_CLIENT_ID=id",
		"PANDADOC_CLIENT_SECRET=secret", "PANDADOC_API_URL=http://127.0.0.1:1", "PANDADOC_TOKEN_URL=http://127.0.0.1:1/t")
	status = cli.Run(t.Context(), cli.Env{Args: strings.Fields(args), Environ: environ, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Stores: stores.Known()})
	return status, out.String()
}
