package stores

import (
	"context"
	"path/filepath"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/filestore"
	"pandadoc-auth-proxy/tokens/kubestore"
	"pandadoc-auth-proxy/tokens/redisstore"
)

// Known returns the kinds of store of this program, the default first.
func Known() Table {
	return Table{
		{Scheme: "file", Forms: []string{"file:", "file:DIR"}, About: "in the user's state directory, or in DIR", Check: checkFile, Open: openFile},
		{Scheme: "memory", Forms: []string{"memory:"}, About: "lost when the program ends", Check: checkMemory, Open: openMemory},
		redisKind("redis", "in Redis or Valkey, for many machines"),
		redisKind("rediss", "the same over TLS"),
		{Scheme: "kubernetes", Forms: []string{"kubernetes:[NAMESPACE/]PREFIX"}, About: "in Secrets, for many pods", TakesPassword: true, InKubernetes: true, Check: checkKubernetes, Open: openKubernetes},
	}
}

func checkMemory(rest string) error {
	if rest != "" {
		return problem.Mistake("memory: takes nothing after the colon", "write memory:")
	}
	return nil
}

func openMemory(context.Context, string, Options) (Store, error) {
	return Store{Records: tokens.NewMemory(), Name: "memory:"}, nil
}

func checkFile(rest string) error {
	if rest == "" {
		return nil
	}
	if _, err := filepath.Abs(rest); err != nil {
		return problem.Mistake("the current directory was removed, so DIR cannot be relative", "give an absolute path")
	}
	return nil
}

func openFile(ctx context.Context, rest string, o Options) (Store, error) {
	dir, err := filepath.Abs(rest)
	if rest == "" {
		dir, err = o.StateDir()
	}
	if err != nil {
		return Store{}, problem.WithHint(err, "name a directory with --store file:DIR (PANDADOC_STORE), or use --store memory:")
	}
	records, err := filestore.Open(filestore.Options{Dir: dir, Codec: o.Keys, Warn: o.Warn})
	if err != nil {
		return Store{}, err
	}
	return Store{
		Records: records, Name: "file:" + records.Dir(),
		Abilities: Abilities{Persistent: true, ScratchDir: records.Dir()},
		Limited:   records.Check(ctx, ""),
	}, nil
}

func redisKind(scheme, about string) Kind {
	return Kind{
		Scheme: scheme, Forms: []string{scheme + "://HOST"}, About: about, TakesPassword: true,
		Check: func(rest string) error { return redisstore.CheckURL(scheme + ":" + rest) },
		Open: func(ctx context.Context, rest string, o Options) (Store, error) {
			records, err := redisstore.Open(redisstore.Options{
				URL: scheme + ":" + rest, Password: o.Password, RootCAs: o.Roots, Codec: o.Keys, Warn: o.Warn,
			})
			if err != nil {
				return Store{}, err
			}
			return database(ctx, records), nil
		},
	}
}

func checkKubernetes(rest string) error {
	_, _, err := kubestore.Parse(rest)
	return err
}

func openKubernetes(ctx context.Context, rest string, o Options) (Store, error) {
	namespace, prefix, err := kubestore.Parse(rest)
	if err != nil {
		return Store{}, err
	}
	records, err := kubestore.Open(kubestore.Options{
		Namespace: namespace, Prefix: prefix, URL: o.KubernetesURL, Token: o.Password, RootCAs: o.Roots,
		Getenv: o.Getenv, Codec: o.Keys,
	})
	if err != nil {
		return Store{}, SettingError{err}
	}
	return database(ctx, records), nil
}

// database returns a store on other machines. It gets a moment to answer. If it is not available now, it may be later,
// and the program does not wait for it.
func database(ctx context.Context, records interface {
	tokens.Store
	Name() string
	Check(ctx context.Context, account string) error
}) Store {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return Store{
		Records: records, Name: records.Name(), Abilities: Abilities{Persistent: true}, Limited: records.Check(ctx, ""),
	}
}
