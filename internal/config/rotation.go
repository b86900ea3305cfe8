package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// filesInterval is the time between two checks of the files.
const filesInterval = 5 * time.Second

// SecretFiles are the settings that have files of their own. They are read again when their files change, also
// if a symbolic link in the path changes, as in Kubernetes.
type SecretFiles struct {
	// Changed is called when a file has new content, and with an error when it cannot be used: its old content then
	// stays in use.
	Changed func(path string, err error)

	checks       []func()                               // one for each file
	clientSecret *watchedFile[tokens.Secret]            // nil if it has no file
	apiKeys      map[string]*watchedFile[tokens.Secret] // by account
	clientKeys   []*watchedFile[tokens.Secret]
}

var _ tokens.SecretSource = (*SecretFiles)(nil)

// ClientSecret implements tokens.SecretSource.
func (s *SecretFiles) ClientSecret() tokens.Secret { return s.clientSecret.current() }

// APIKey implements tokens.SecretSource.
func (s *SecretFiles) APIKey(account string) tokens.Secret { return s.apiKeys[account].current() }

// Tend checks all files every few seconds, until ctx ends.
func (s *SecretFiles) Tend(ctx context.Context) {
	tick := time.NewTicker(filesInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, check := range s.checks {
			check()
		}
	}
}

// watchedFile is one file and its content.
type watchedFile[T any] struct {
	files *SecretFiles
	path  string
	read  func() (T, error)

	value atomic.Pointer[T] // read without the lock: a disk that hangs must not block requests

	mu      sync.Mutex // guards the fields below
	info    os.FileInfo
	trouble bool // was reported
}

func newWatchedFile[T any](files *SecretFiles, path string, value T, read func() (T, error)) *watchedFile[T] {
	f := &watchedFile[T]{files: files, path: path, read: read}
	f.value.Store(&value)
	files.checks = append(files.checks, func() { f.current() })
	return f
}

// current returns the current content. If the file cannot be used, perhaps because it is just being replaced, or if
// others can write to it, the old content stays in use. If f is nil, the content is the zero value.
func (f *watchedFile[T]) current() T {
	if f == nil {
		var nothing T
		return nothing
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	changed := false
	if err == nil && !f.isCurrentLocked(info) {
		var value T
		if value, err = f.read(); err == nil {
			changed = f.info != nil // at first, the content is known already
			f.info = info
			f.value.Store(&value)
		}
	}
	if changed || f.trouble != (err != nil) { // report only once that a file cannot be used, and once that it can again
		f.trouble = err != nil
		f.files.Changed(f.path, err)
	}
	return f.last()
}

// isCurrentLocked reports whether the content is that of a file with this info.
func (f *watchedFile[T]) isCurrentLocked(info os.FileInfo) bool {
	return isPipe(info) || f.info != nil && os.SameFile(info, f.info) && info.ModTime().Equal(f.info.ModTime()) && info.Size() == f.info.Size()
}

// isPipe reports whether the file gives its content only once. To open a pipe again could block forever.
func isPipe(info os.FileInfo) bool { return info.Mode().Type() == fs.ModeNamedPipe }

// last returns the content of the last check.
func (f *watchedFile[T]) last() T { return *f.value.Load() }

// secretFile returns a file with one secret, whose current value is already known. check returns why a new value
// cannot be used. A nil check accepts every value.
func (s *SecretFiles) secretFile(source, path string, value tokens.Secret, check func(tokens.Secret) error) *watchedFile[tokens.Secret] {
	return newWatchedFile(s, path, value, func() (tokens.Secret, error) {
		value, err := readSecret(source, path)
		if err == nil && check != nil {
			err = check(value)
		}
		return value, err
	})
}

// clientKey adds the file of a client key, and returns a function that returns the current key.
func (s *SecretFiles) clientKey(source, path string, value tokens.Secret) func() tokens.Secret {
	var f *watchedFile[tokens.Secret]
	f = s.secretFile(source, path, value, func(key tokens.Secret) error {
		for _, other := range s.clientKeys {
			if other != f && other.last().Equal(key) {
				return errors.New("another client has the same key")
			}
		}
		return checkClientKey(source, key)
	})
	s.clientKeys = append(s.clientKeys, f)
	return f.last
}

func checkClientKey(where string, key tokens.Secret) error {
	if len(key.Reveal()) < minClientKey {
		return problem.Mistake(fmt.Sprintf("%s: the key is shorter than %d characters", where, minClientKey), "make one with: openssl rand -hex 32")
	}
	return nil
}
