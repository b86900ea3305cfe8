package config

import (
	"errors"
	"fmt"
	"net/url"

	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

// store reads --store. Errors do not show its value, which may contain a password.
func (c *checker) store(s *StoreSettings) {
	spec, err := c.stores.Parse(s.Store)
	switch {
	case err != nil:
		c.fail("store", err.Error(), problem.HintOf(err))
		spec = stores.Spec{}
	case c.given["store"] && spec.HasPassword():
		c.fail("store", "it contains a password, which other users of the machine can read in the process list",
			"set the URL as PANDADOC_STORE or in the configuration file, or use --store-password-file")
		spec = stores.Spec{}
	}
	c.Store = spec
	if password := spec.Password(); !password.IsZero() {
		c.Secrets = append(c.Secrets, password)
	}
	c.storePassword(s.StorePasswordFile)
	c.storeKeys(s.StoreKeyFile)
	c.kubernetes(s.KubernetesURL)
}

// ReadStore reads a store from another flag than --store. Errors do not show its value.
func (r *Reader) ReadStore(flag, text string) (stores.Spec, error) {
	spec, err := r.stores.Parse(text)
	switch {
	case err != nil:
		return stores.Spec{}, problem.WithHint(fmt.Errorf("%s: %w", r.source(flag), err), problem.HintOf(err))
	case r.given[flag] && spec.HasPassword():
		return stores.Spec{}, problem.Mistake(r.source(flag)+": it contains a password, which other users of the machine can read in the process list",
			"set the URL as "+envName(flag)+", or use --store-password-file")
	}
	return spec, nil
}

// storePassword makes the store read the password again for each connection, because it may change while the
// program runs.
func (c *checker) storePassword(path string) {
	if path == "" {
		return
	}
	source := c.source("store-password-file")
	switch {
	case c.Store.IsZero(): // which was reported
	case !c.Store.TakesPassword():
		c.fail("store-password-file", "the store "+c.Store.String()+" asks for no password", "leave it out, or choose another --store")
		return
	case c.Store.HasPassword():
		c.fail("store-password-file", "the URL of the store contains a password too", "keep one of them")
		return
	}
	c.readSecret(source, path) // reports mistakes now
	c.storeNeeds.Password = func() (tokens.Secret, error) {
		again := &checker{Reader: c.Reader}
		secret := again.readSecret(source, path)
		return secret, errors.Join(again.errs...)
	}
}

func (c *checker) storeKeys(path string) {
	if path == "" {
		return
	}
	source := c.source("store-key-file")
	text, err := c.readPrivate(source, path)
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	keys, err := tokens.ParseKeys(text)
	if err != nil {
		c.errs = append(c.errs, problem.WithHint(fmt.Errorf("%s: %s: %w", source, path, err), "make one with: openssl rand -base64 32 >"+path))
		return
	}
	c.storeNeeds.Keys = keys
}

// kubernetes reads --kubernetes-url. Secrets are sent there, so it must follow the same rules as the other
// URLs.
func (c *checker) kubernetes(text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	const example = "write it like http://127.0.0.1:8001, where kubectl proxy serves"
	switch {
	case err != nil || !isWeb(u) || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		c.fail("kubernetes-url", "not an http or https URL without user and query", example)
	case u.Scheme == "http" && !listen.IsLoopbackHost(u.Hostname()):
		c.fail("kubernetes-url", "plain http would send tokens in clear to "+u.Host, "use https")
	case !c.Store.IsZero() && !c.Store.InKubernetes():
		c.fail("kubernetes-url", "the store "+c.Store.String()+" is not in Kubernetes", "leave it out, or choose --store kubernetes:NAMESPACE/PREFIX")
	}
	c.storeNeeds.KubernetesURL = u
}
