//go:build unix

package config

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// A pipe has its content only once. The check for a new one waited for a writer for ever, and with it every refresh and
// the end of the program; from a shell, as in --client-secret-file <(pass show pandadoc), the log warned of an empty file.
func TestASecretFromAPipeIsReadOnce(t *testing.T) {
	for _, row := range []struct {
		flag, environ string
		again         func(*Config) (tokens.Secret, error)
	}{
		{"--client-secret-file", "PANDADOC_CLIENT_ID=id", func(c *Config) (tokens.Secret, error) { return c.Tokens.Secrets.ClientSecret(), nil }},
		{"--store-password-file", "PANDADOC_STORE=redis://127.0.0.1", func(c *Config) (tokens.Secret, error) { return c.storeNeeds.Password() }},
	} {
		t.Run(row.flag, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			go os.WriteFile(path, []byte("first-0123456789"), 0)
			c, err := serve(t, []string{row.environ}, row.flag+"="+path)
			check(t, "error", err, nil)
			secret := make(chan string, 1)
			go func() {
				s, _ := row.again(c)
				secret <- s.Reveal()
			}()
			select {
			case got := <-secret:
				check(t, "secret", got, "first-0123456789")
			case <-time.After(5 * time.Second):
				t.Error("to read it again waits for a writer")
				os.WriteFile(path, nil, 0) // ends it
			}
		})
	}
}
