package config

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// secretNames are the settings that are secret (the client id is treated like one). Each can be given
// as a value in the environment or in the file, or as NAME-file.
var secretNames = [...]string{"client-id", "client-secret", "refresh-token", "access-token", "api-key"}

const (
	// maxSecretFile is the largest file with a secret, in bytes. Real ones have less than a hundred; a larger
	// one is a wrong file, or a device that never ends.
	maxSecretFile = 64 << 10
	// maxFile is the largest file with settings or certificates, in bytes.
	maxFile = 64 << 20
	// minClientKey is the minimum length of a client key: a shorter one can be guessed by trying.
	minClientKey = 16
)

// secrets reads the secrets from the environment, from the files that flags name, and from the configuration
// file.
func (c *checker) secrets(s *SecretSettings) {
	before := len(c.errs)
	c.Tokens.Secrets = c.Files
	c.Tokens.Endpoint.ClientID = c.secret("client-id", s.ClientIDFile).Reveal()
	c.Tokens.Endpoint.ClientSecret = c.secret("client-secret", s.ClientSecretFile)
	c.readAccounts(tokens.AccountConfig{
		RefreshToken: c.secret("refresh-token", s.RefreshTokenFile),
		AccessToken:  c.secret("access-token", s.AccessTokenFile),
		APIKey:       c.secret("api-key", s.APIKeyFile),
	})
	c.readClientKeys()
	if len(c.errs) == before { // otherwise one of the two may be missing only because it could not be read
		c.checkClient()
	}
	c.checkFile()
}

// secret reads one secret. A value and a file for it in the same place are a mistake. The command line and the
// environment override the configuration file.
func (c *checker) secret(name, path string) tokens.Secret {
	pathSource, pathInFile := c.source(name+"-file"), c.inFile(name+"-file")
	value := c.env[envName(name)]
	e, inFile := c.file.entries[name]
	switch {
	case value != "" && path != "" && !pathInFile:
		c.mistake(envName(name)+" and "+pathSource+" are both set", "keep one of them")
	case value != "":
		return c.keep(cleanSecret(envName(name), value))
	case path != "" && pathInFile && inFile:
		c.mistake(e.where+" and "+pathSource+" are both set", "keep one of them")
	case path != "":
		value := c.secretOf(pathSource, path)
		switch name {
		case "client-secret":
			c.Files.clientSecret = c.Files.secretFile(pathSource, path, value, nil)
		case "api-key":
			c.Files.apiKeys[tokens.DefaultAccount] = c.Files.secretFile(pathSource, path, value, nil)
		}
		return value
	case inFile:
		return c.keep(e.secret())
	}
	return tokens.Secret{}
}

// keep returns a secret that was read, or the zero secret after a mistake.
func (c *checker) keep(s tokens.Secret, err error) tokens.Secret {
	if err != nil {
		c.errs = append(c.errs, err)
		return tokens.Secret{}
	}
	c.Secrets = append(c.Secrets, s)
	return s
}

// secretOf returns the secret in a file.
func (c *checker) secretOf(source, path string) tokens.Secret {
	c.warnReadable(source, path)
	return c.keep(readSecret(source, path))
}

func (e entry) secret() (tokens.Secret, error) {
	switch {
	case e.err != nil:
		return tokens.Secret{}, e.err
	case e.list || e.values[0] == "":
		return tokens.Secret{}, problem.Mistake(e.where+": one value is expected", "write the secret on the same line, or remove the line")
	}
	return cleanSecret(e.where, e.values[0])
}

// readSecret reads a file that holds one secret and nothing else.
func readSecret(source, path string) (tokens.Secret, error) {
	data, err := readSecrets(source, path)
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case err != nil:
		return tokens.Secret{}, err
	case text == "":
		return tokens.Secret{}, problem.Mistake(fmt.Sprintf("%s: %s is empty", source, path), "write the secret into it, or unset the setting")
	}
	return cleanSecret(source+": "+path, text)
}

// readSecrets reads a file of secrets.
func readSecrets(source, path string) ([]byte, error) {
	data, err := readFile(path, "a secret", maxSecretFile)
	if err != nil {
		return nil, problem.WithHint(fmt.Errorf("%s: %w", source, err), cmp.Or(problem.HintOf(err), "name a file that contains only the secret"))
	}
	return data, nil
}

// cleanSecret refuses a text with characters that no credential has or that would break a header. The error does not
// show the text.
func cleanSecret(source, text string) (tokens.Secret, error) {
	const fix = "copy it again, alone, without quotes and without Bearer or API-Key in front"
	const quotes = "\"'`"
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return tokens.Secret{}, problem.Mistake(source+": the secret contains a space, a line break or another character that no secret has", fix)
	case strings.Trim(text, quotes) != text:
		return tokens.Secret{}, problem.Mistake(source+": the secret has quotes around it, which would become part of it", fix)
	}
	return tokens.NewSecret(text), nil
}

// readAccounts reads the part below "accounts:" in the file. own is the account outside of it.
func (c *checker) readAccounts(own tokens.AccountConfig) {
	all := map[string]tokens.AccountConfig{}
	for _, a := range c.file.named[accountsKey] {
		if err := tokens.CheckAccount(a.name); err != nil {
			c.errs = append(c.errs, problem.WithHint(fmt.Errorf("%s: %w", a.where, err), "rename the account"))
			continue
		}
		one := tokens.AccountConfig{
			RefreshToken: c.within(a, "refresh-token"),
			AccessToken:  c.within(a, "access-token"),
			APIKey:       c.within(a, "api-key"),
		}
		if e, byFile := a.keys["api-key-file"]; byFile {
			c.Files.apiKeys[a.name] = c.Files.secretFile(e.where, e.values[0], one.APIKey, nil)
		}
		all[a.name] = one
	}
	if own != (tokens.AccountConfig{}) {
		if _, twice := all[tokens.DefaultAccount]; twice {
			c.mistake("account \"default\" is configured twice: below accounts: and by the secrets outside of it", "keep one of them")
		}
		all[tokens.DefaultAccount] = own
	}
	c.Tokens.Accounts = all
	c.errs = append(c.errs, tokens.CheckAccounts(all)...)
}

// readClientKeys reads the part below "client-keys:" in the file.
func (c *checker) readClientKeys() {
	var all []proxy.ClientKey
	for _, e := range c.file.named[clientKeysKey] {
		before := len(c.errs)
		k := proxy.ClientKey{Name: e.name, Key: c.within(e, "key"), Account: strings.Join(e.keys["account"].values, " ")}
		if len(c.errs) > before {
			continue
		}
		if k.Key.IsZero() {
			c.mistake(e.where+": no key", "write below it, indented, key-file: FILE")
			continue
		}
		if err := checkClientKey(e.where, k.Key); err != nil {
			c.errs = append(c.errs, err)
			continue
		}
		if file, byFile := e.keys["key-file"]; byFile {
			k.Current = c.Files.clientKey(file.where, file.values[0], k.Key)
		}
		all = append(all, k)
	}
	for _, err := range problem.Each(proxy.CheckClientKeys(all)) {
		c.errs = append(c.errs, problem.WithHint(err, "give every client its own key, and either an existing account or none"))
	}
	c.Proxy.ClientKeys = all
}

// within reads one secret below a name in the file.
func (c *checker) within(a namedEntry, name string) tokens.Secret {
	value, inline := a.keys[name]
	path, byFile := a.keys[name+"-file"]
	switch {
	case inline && byFile:
		c.mistake(value.where+" and "+path.where+" are both set", "keep one of them")
	case inline:
		return c.keep(value.secret())
	case byFile:
		return c.secretOf(path.where, path.values[0])
	}
	return tokens.Secret{}
}

// checkClient checks that client id and client secret are consistent.
func (c *checker) checkClient() {
	id, secret := c.Tokens.Endpoint.ClientID, c.Tokens.Endpoint.ClientSecret
	switch {
	case id != "" && secret.IsZero():
		c.mistake("there is a client id but no client secret", "set PANDADOC_CLIENT_SECRET or --client-secret-file")
	case id == "" && !secret.IsZero():
		c.mistake("there is a client secret but no client id", "set PANDADOC_CLIENT_ID or --client-id-file")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Tokens.Accounts)) {
		if id == "" && !c.Tokens.Accounts[name].RefreshToken.IsZero() {
			c.warn(fmt.Sprintf("account %q has a refresh token, which cannot be used without a client id", name),
				"set PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET")
		}
	}
}

// checkFile warns if the configuration file holds secrets and other users can read it.
func (c *checker) checkFile() {
	inFile := func(name string) bool { return c.file.where(name) != "" }
	holds := inFile("require-header") || slices.ContainsFunc(secretNames[:], inFile)
	for _, name := range []string{"store", "from", "to"} {
		spec, _ := c.stores.Parse(strings.Join(c.file.entries[name].values, " ")) // zero if it is not in the file
		holds = holds || spec.HasPassword()
	}
	for _, entries := range c.file.named {
		for _, e := range entries {
			for key := range e.keys {
				holds = holds || key != "account" && !strings.HasSuffix(key, "-file")
			}
		}
	}
	if holds {
		c.warnReadable("the configuration file", c.file.path)
	}
}

// warnReadable warns if users outside the file's group can read it.
func (c *checker) warnReadable(what, path string) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 && runtime.GOOS != "windows" {
		c.warn(fmt.Sprintf("%s: other users of this machine can read %s", what, path), "run: chmod o-r "+problem.Quote(path))
	}
}

// HideSecrets removes secrets from text. It ignores short ones, which may be ordinary words and are no real secrets.
func HideSecrets(text string, secrets []tokens.Secret) string {
	for _, s := range secrets {
		if value := s.Reveal(); len(value) >= 8 {
			text = strings.ReplaceAll(text, value, s.String())
		}
	}
	return text
}

// readFile reads a file of at most that many bytes. It refuses a file that other users can change, because they could
// decide where the tokens go, or whom we and our clients trust. Only the mode of a regular file shows this.
func readFile(path, what string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, problem.WithHint(err, "mount or create the file, readable for this user, or correct its name")
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows" {
		return nil, problem.Mistake(fmt.Sprintf("other users can write to %s (mode %04o)", path, info.Mode().Perm()), "run: chmod go-w "+problem.Quote(path))
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s is too large for %s", path, what)
	}
	return data, err
}

// SpentSeed returns a warning if a refresh token of the configuration would be used up for a pair that the
// store does not keep, else nil.
func (c *Config) SpentSeed(store stores.Store) error {
	for _, a := range c.Tokens.Accounts {
		if !a.RefreshToken.IsZero() && !store.Persistent {
			return problem.Mistake(store.Name+" is lost when the proxy ends, but the refresh token of the configuration works only once",
				"use --store file: (or file:DIR) so that a restart needs no login")
		}
	}
	return nil
}
