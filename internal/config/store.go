package config

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"slices"

	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

// store reads --store, and what belongs to it.
func (c *checker) store(s *StoreSettings) {
	c.Store = c.spec("store", s.Store)
	c.needs(s, c.Store)
}

// needs reads what the stores in use need besides their URLs.
func (c *checker) needs(s *StoreSettings, used ...stores.Spec) {
	c.storePassword(s.StorePasswordFile, used)
	c.storeKeys(s.StoreKeyFile)
	c.kubernetes(s.KubernetesURL, used)
}

// spec reads a store from a flag. Errors do not show its value, which may contain a password.
func (c *checker) spec(flag, text string) stores.Spec {
	spec, err := c.stores.Parse(text)
	switch {
	case err != nil:
		c.fail(flag, err.Error(), problem.HintOf(err))
		return stores.Spec{}
	case c.given[flag] > 0 && spec.HasPassword():
		c.fail(flag, "it contains a password, which other users of the machine can read in the process list",
			"set the URL as "+envName(flag)+" or in the configuration file, or use --store-password-file")
		return stores.Spec{}
	}
	if password := spec.Password(); !password.IsZero() {
		c.Secrets = append(c.Secrets, password)
	}
	return spec
}

// storePassword makes the store read the password again for each connection, because it may change while the
// program runs.
func (c *checker) storePassword(path string, used []stores.Spec) {
	if path == "" {
		if slices.ContainsFunc(used, stores.Spec.LacksPassword) { // the user would not be used
			c.mistake("the URL of the store has a user name but no password, or the password is in the place of the user name",
				"set "+envName("store")+" to redis://USER:PASSWORD@HOST or, without a user, to redis://:PASSWORD@HOST; or use --store-password-file")
		}
		return
	}
	source := c.source("store-password-file")
	takes := slices.DeleteFunc(slices.Clone(used), func(s stores.Spec) bool { return !s.TakesPassword() })
	asks := slices.DeleteFunc(slices.Clone(takes), stores.Spec.HasPassword)
	switch {
	case slices.ContainsFunc(used, stores.Spec.IsZero): // which was reported
	case len(takes) == 0:
		c.fail("store-password-file", "the store "+used[0].String()+" needs no password", "leave it out, or choose another --store")
		return
	case len(asks) == 0:
		c.fail("store-password-file", "the URL of the store contains a password too", "keep one of them")
		return
	case len(asks) > 1: // one would be told the password of the other
		c.fail("store-password-file", "both stores can require a password", "write the password of one store into its URL, and set that URL as "+envName("from")+" or "+envName("to"))
		return
	}
	password := c.secretOf(source, path) // reports mistakes now
	c.storeNeeds.Password = func() (tokens.Secret, error) {
		if info, err := os.Stat(path); err == nil && isPipe(info) {
			return password, nil
		}
		return readSecret(source, path)
	}
}

func (c *checker) storeKeys(path string) {
	if path == "" {
		return
	}
	source := c.source("store-key-file")
	c.warnReadable(source, path)
	text, err := readSecrets(source, path)
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	keys, err := tokens.ParseKeys(text)
	if err != nil {
		// The file may have the key of tokens that are stored: nothing here may overwrite it.
		fix := "correct or remove that line; openssl rand -base64 32 prints a new key"
		if len(bytes.TrimSpace(text)) == 0 {
			fix = "make one with: openssl rand -base64 32 >" + problem.Quote(path)
		}
		c.errs = append(c.errs, problem.WithHint(fmt.Errorf("%s: %s: %w", source, path, err), fix))
		return
	}
	c.storeNeeds.Keys = keys
}

// kubernetes reads --kubernetes-url. Secrets are sent there, so it must follow the same rules as the other
// URLs.
func (c *checker) kubernetes(text string, used []stores.Spec) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	const example = "write it like http://127.0.0.1:8001, where kubectl proxy serves"
	switch {
	case err != nil || !isWeb(u) || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		c.fail("kubernetes-url", "not an http or https URL without user and query", example)
	case u.Scheme == "http" && !listen.IsLoopbackHost(u.Hostname()):
		c.fail("kubernetes-url", "plain http would send tokens unencrypted to "+u.Host, "use https")
	case !slices.ContainsFunc(used, func(s stores.Spec) bool { return s.IsZero() || s.InKubernetes() }):
		c.fail("kubernetes-url", "the store "+used[0].String()+" is not in Kubernetes", "leave it out, or choose --store kubernetes:NAMESPACE/PREFIX")
	}
	c.storeNeeds.KubernetesURL = u
}
