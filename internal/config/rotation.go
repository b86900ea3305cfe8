package config

import (
	"os"
	"sync"

	"pandadoc-auth-proxy/tokens"
)

// secretFiles are the secrets that have files of their own. They are read again when their files change, also
// if a symbolic link in the path changes, as in Kubernetes.
type secretFiles struct {
	clientSecret *secretFile            // nil if it has no file
	keys         map[string]*secretFile // API keys, by account
}

var _ tokens.SecretSource = (*secretFiles)(nil)

// ClientSecret implements tokens.SecretSource.
func (s *secretFiles) ClientSecret() tokens.Secret { return s.clientSecret.current() }

// APIKey implements tokens.SecretSource.
func (s *secretFiles) APIKey(account string) tokens.Secret { return s.keys[account].current() }

// secretFile is one file with one secret.
type secretFile struct {
	source, path string

	mu    sync.Mutex // guards the fields below
	info  os.FileInfo
	value tokens.Secret
}

// current returns the current secret. If the file cannot be read, perhaps because it is just being replaced, or
// if others can write to it, the old secret stays in use. If f is nil, the secret is empty.
func (f *secretFile) current() tokens.Secret {
	if f == nil {
		return tokens.Secret{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil || f.info != nil && os.SameFile(info, f.info) && info.ModTime().Equal(f.info.ModTime()) && info.Size() == f.info.Size() {
		return f.value
	}
	again := &checker{Reader: &Reader{}}
	if value := again.readSecret(f.source, f.path); len(again.errs) == 0 {
		f.info, f.value = info, value
	}
	return f.value
}
