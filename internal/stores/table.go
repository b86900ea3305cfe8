package stores

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/filestore"
)

// Known returns the kinds of store of this program, the default first.
func Known() Table {
	return Table{
		{"file", []string{"file:", "file:DIR"}, "in the user's state directory, or in DIR", checkFile, openFile},
		{"memory", []string{"memory:"}, "lost when the program ends", checkMemory, openMemory},
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
		return problem.Mistake("the directory of this process is gone, so DIR cannot be relative", "give an absolute path")
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
	records, err := filestore.Open(dir, filestore.Warn(o.Warn))
	if err != nil {
		return Store{}, Explain(err)
	}
	return Store{
		Records: records, Name: "file:" + records.Dir(),
		Abilities: Abilities{Persistent: true, ScratchDir: records.Dir()},
		Limited:   Explain(records.Check(ctx)), Emergency: emergencyPrefix(dir),
	}, nil
}

// emergencyPrefix tells stores apart that share one temporary directory.
func emergencyPrefix(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(os.TempDir(), fmt.Sprintf("%s-%x-", problem.Program, sum[:8]))
}

// Explain makes a hint of the fix that the file store names.
func Explain(err error) error {
	var e *filestore.Error
	if !errors.As(err, &e) {
		return err
	}
	return problem.WithHint(fmt.Errorf("token store: %s %s: %w", e.Op, e.Path, e.Err), e.Fix)
}
