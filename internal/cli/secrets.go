package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// secretNames are the settings that are secret (the client id is treated like one). Each can be given
// as a value in the environment or in the file, or as NAME-file.
var secretNames = [...]string{"client-id", "client-secret", "refresh-token", "access-token", "api-key"}

// maxSecretFile bounds a file with a secret. Real ones have less than a hundred bytes; more is
// another file, or a device that never ends.
const maxSecretFile = 64 << 10

// secrets are the credentials that configuration gives.
type secrets struct {
	clientID     tokens.Secret
	clientSecret tokens.Secret
	accounts     map[string]tokens.AccountConfig
	clientKeys   []proxy.ClientKey
	// requireHeader is no secret of PandaDoc's, but whoever knows it passes for the application.
	requireHeader proxy.RequiredHeader
}

// all lists every value, for the logs to know what they must never show.
func (s secrets) all() []tokens.Secret {
	list := []tokens.Secret{s.clientSecret, s.requireHeader.Value}
	for _, k := range s.clientKeys {
		list = append(list, k.Key)
	}
	for _, a := range s.accounts {
		list = append(list, a.RefreshToken, a.AccessToken, a.APIKey)
	}
	return list
}

// lookExchanged says whether the client id has the length that PandaDoc gives to secrets, 40 hex digits,
// and the secret that of ids, 20.
func (s secrets) lookExchanged() bool {
	return len(s.clientID.Reveal()) == 40 && len(s.clientSecret.Reveal()) == 20
}

// secretReader collects the mistakes of reading secrets.
type secretReader struct {
	layers *layers
	errs   []error
}

func (r *secretReader) fail(err error) { r.errs = append(r.errs, err) }

// readSecrets reads the secrets of the environment, of the files that flags name, and of the file.
func readSecrets(l *layers, s *secretSettings) (secrets, error) {
	r := &secretReader{layers: l}
	files := map[string]string{
		"client-id": s.ClientIDFile, "client-secret": s.ClientSecretFile, "refresh-token": s.RefreshTokenFile,
		"access-token": s.AccessTokenFile, "api-key": s.APIKeyFile,
	}
	values := map[string]tokens.Secret{}
	for _, name := range secretNames {
		values[name] = r.read(name, files[name])
	}
	out := secrets{clientID: values["client-id"], clientSecret: values["client-secret"], accounts: r.accounts()}
	out.clientKeys = r.clientKeys()
	own := tokens.AccountConfig{
		RefreshToken: values["refresh-token"], AccessToken: values["access-token"], APIKey: values["api-key"],
	}
	if own != (tokens.AccountConfig{}) {
		if _, twice := out.accounts[tokens.DefaultAccount]; twice {
			r.fail(problem.Mistake("account \"default\" is configured twice: below accounts: and by the secrets outside of it", "keep one of them"))
		}
		out.accounts[tokens.DefaultAccount] = own
	}
	r.checkAll(out)
	return out, errors.Join(r.errs...)
}

// read resolves one secret: the value and the file of one layer exclude each other, and what the
// command line and the environment say beats the configuration file.
func (r *secretReader) read(name, path string) tokens.Secret {
	pathSource := r.layers.source(name + "-file")
	pathInFile := path != "" && r.layers.fromTheFile(name+"-file")
	value, inEnv := r.layers.env[envName(name)]
	entry, inFile := r.layers.file.take(name)
	switch {
	case inEnv && value != "" && path != "" && !pathInFile:
		r.fail(problem.Mistake(fmt.Sprintf("%s and %s are both set", envName(name), pathSource), "keep one of them"))
	case inEnv && value != "":
		return r.clean(envName(name), value)
	case path != "" && pathInFile && inFile:
		r.fail(problem.Mistake(fmt.Sprintf("%s and %s are both set", entry.where, pathSource), "keep one of them"))
	case path != "":
		return r.readFile(pathSource, path)
	case inFile:
		return r.fromEntry(entry)
	}
	return tokens.Secret{}
}

func (r *secretReader) fromEntry(e fileEntry) tokens.Secret {
	if e.err != nil {
		r.fail(e.err)
		return tokens.Secret{}
	}
	return r.clean(e.where, strings.Join(e.values, " "))
}

func (r *secretReader) readFile(source, path string) tokens.Secret {
	f, err := os.Open(path)
	if err != nil {
		r.fail(problem.WithHint(fmt.Errorf("%s: %w", source, err), "mount or create the file, readable for this user"))
		return tokens.Secret{}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch {
	case err != nil:
		r.fail(problem.WithHint(fmt.Errorf("%s: %w", source, err), "name a file that holds the secret and nothing else"))
		return tokens.Secret{}
	case len(data) > maxSecretFile:
		r.fail(problem.Mistake(fmt.Sprintf("%s: %s is too large for a secret", source, path), "name a file that holds the secret and nothing else"))
		return tokens.Secret{}
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		r.fail(problem.Mistake(fmt.Sprintf("%s: %s is empty", source, path), "write the secret into it, or unset the setting"))
		return tokens.Secret{}
	}
	return r.clean(source+": "+path, text)
}

// clean refuses what no credential holds and what would break a header, without showing it.
func (r *secretReader) clean(source, text string) tokens.Secret {
	for _, c := range text {
		if c <= ' ' || c > '~' {
			r.fail(problem.Mistake(source+": the secret holds a space, a line break or another character that no secret has", "copy it again, alone, without quotes and without Bearer or API-Key in front"))
			return tokens.Secret{}
		}
	}
	return tokens.NewSecret(text)
}

// accounts reads what stands below "accounts:" in the file.
func (r *secretReader) accounts() map[string]tokens.AccountConfig {
	all := map[string]tokens.AccountConfig{}
	if r.layers.file == nil {
		return all
	}
	for _, a := range r.layers.file.named[accountsKey] {
		if err := tokens.CheckAccount(a.name); err != nil {
			r.fail(problem.WithHint(fmt.Errorf("%s: %w", a.where, err), "rename the account"))
			continue
		}
		all[a.name] = tokens.AccountConfig{
			RefreshToken: r.within(a, "refresh-token"),
			AccessToken:  r.within(a, "access-token"),
			APIKey:       r.within(a, "api-key"),
		}
	}
	return all
}

// minClientKey is the least length of a client key: a shorter one can be guessed by trying.
const minClientKey = 16

// clientKeys reads what stands below "client-keys:" in the file.
func (r *secretReader) clientKeys() (all []proxy.ClientKey) {
	if r.layers.file == nil {
		return nil
	}
	for _, e := range r.layers.file.named[clientKeysKey] {
		before := len(r.errs)
		k := proxy.ClientKey{Name: e.name, Key: r.within(e, "key"), Account: strings.Join(e.keys["account"].values, " ")}
		switch {
		case len(r.errs) > before:
		case k.Key.IsZero():
			r.fail(problem.Mistake(e.where+": no key", "write below it, indented, key-file: FILE"))
		case len(k.Key.Reveal()) < minClientKey:
			r.fail(problem.Mistake(fmt.Sprintf("%s: the key is shorter than %d characters", e.where, minClientKey), "make one with: openssl rand -hex 32"))
		default:
			all = append(all, k)
		}
	}
	for _, err := range problem.Each(proxy.CheckClientKeys(all)) {
		r.fail(problem.WithHint(err, "give every client a key of its own, and an account that exists or none"))
	}
	return all
}

// within reads one secret below a name in the file.
func (r *secretReader) within(a namedEntry, name string) tokens.Secret {
	value, inline := a.keys[name]
	path, byFile := a.keys[name+"-file"]
	switch {
	case inline && byFile:
		r.fail(problem.Mistake(fmt.Sprintf("%s and %s are both set", value.where, path.where), "keep one of them"))
	case inline:
		return r.fromEntry(value)
	case byFile:
		return r.readFile(path.where, strings.Join(path.values, " "))
	}
	return tokens.Secret{}
}

// checkAll looks at what fits together.
func (r *secretReader) checkAll(s secrets) {
	for name, a := range s.accounts {
		if !a.APIKey.IsZero() && (!a.RefreshToken.IsZero() || !a.AccessToken.IsZero()) {
			r.fail(problem.Mistake(fmt.Sprintf("account %q has an API key and a token", name), "keep one of them: a key is used as it is and never refreshed"))
		}
	}
	if len(r.errs) > 0 {
		return // one of the two may be missing only because it could not be read
	}
	switch {
	case !s.clientID.IsZero() && s.clientSecret.IsZero():
		r.fail(problem.Mistake("there is a client id but no client secret", "set PANDADOC_CLIENT_SECRET or --client-secret-file"))
	case s.clientID.IsZero() && !s.clientSecret.IsZero():
		r.fail(problem.Mistake("there is a client secret but no client id", "set PANDADOC_CLIENT_ID or --client-id-file"))
	}
}
