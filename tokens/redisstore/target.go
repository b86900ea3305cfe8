package redisstore

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

const defaultPrefix = "pandadoc-auth-proxy"

// Form is the form of a URL, for hints.
const Form = "redis://[USER:PASSWORD@]HOST[:PORT][/DB][?prefix=NAME&wait=N]"

// Options configure a store.
type Options struct {
	// URL is redis://USER:PASSWORD@HOST:PORT/DB, or rediss:// for TLS. Its query may have:
	//
	//	prefix=NAME         all keys begin with it; pandadoc-auth-proxy by default
	//	wait=N              a save has succeeded only when N replicas have it; 0 by default
	//	master_name=NAME    the host is a Sentinel, which knows the master of this name
	//	cluster=true        the host is a node of a Redis Cluster
	//	addr=HOST:PORT      one more Sentinel or node; may be given several times
	//	sentinel_auth=true  the Sentinels require the same user and password
	URL string
	// Password returns the password of the user, if the URL has none. It is called for each new connection, because the
	// password can change. Nil means no password.
	Password func() (tokens.Secret, error)
	// RootCAs are trusted for rediss://. Nil means the roots of the system.
	RootCAs *x509.CertPool
	// Codec encrypts the tokens. Nil means that they are not encrypted.
	Codec *tokens.Codec
	// Warn is called with problems that a person should know about but that do not stop the store. Nil is allowed.
	Warn func(text string)
}

// target is a parsed URL.
type target struct {
	name           string // for users; contains no password
	hosts          []string
	user, password string
	db             int
	tls            bool
	prefix         string
	wait           int
	master         string
	cluster        bool
	sentinelAuth   bool
}

// CheckURL returns what is wrong with a URL, with a hint. It never repeats the password.
func CheckURL(text string) error {
	_, err := parse(text)
	return err
}

func parse(text string) (target, error) {
	u, err := url.Parse(text)
	if err != nil { // the error of url.Parse quotes the URL, and the password in it
		return target{}, problem.Mistake("the URL of the store cannot be read",
			"write "+Form+"; in a password, write @ as %40, : as %3A, / as %2F and % as %25")
	}
	if u.Scheme != "redis" && u.Scheme != "rediss" || u.Opaque != "" || u.Hostname() == "" || u.Fragment != "" {
		return target{}, problem.Mistake("the URL of the store has no host", "write "+Form)
	}
	if !validAddress(u.Host) {
		return target{}, problem.Mistake("the URL of the store has no valid host and port", "write "+Form+"; more addresses of Sentinels or of a cluster follow as addr=HOST:PORT")
	}
	t := target{
		name: u.Redacted(), tls: u.Scheme == "rediss", user: u.User.Username(), prefix: defaultPrefix,
	}
	t.password, _ = u.User.Password()
	if db := strings.Trim(u.Path, "/"); db != "" {
		if t.db, err = strconv.Atoi(db); err != nil || t.db < 0 {
			return target{}, problem.Mistake(fmt.Sprintf("%q is not the number of a Redis database", db), "write "+Form)
		}
	}
	if err := t.query(u.RawQuery); err != nil {
		return target{}, err
	}
	port := "6379"
	if t.master != "" {
		port = "26379" // of a Sentinel
	}
	t.hosts = slices.Insert(t.hosts, 0, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)))
	return t, t.check()
}

// validAddress reports whether text is one host, with a port that exists or none.
func validAddress(text string) bool {
	u := url.URL{Host: text}
	port, err := strconv.ParseUint(cmp.Or(u.Port(), "6379"), 10, 16)
	return err == nil && port > 0 && !strings.ContainsAny(u.Hostname(), ", ") && (strings.HasPrefix(text, "[") || !strings.Contains(u.Hostname(), ":"))
}

// query reads the parameters after the question mark. It refuses unknown ones, because they would have no effect.
func (t *target) query(raw string) error {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return problem.Mistake("the query of the store's URL cannot be read", "write "+Form)
	}
	for name, values := range q {
		if len(values) > 1 && name != "addr" {
			return problem.Mistake("the store's URL gives "+name+" twice", "give it once")
		}
		value := values[0]
		ok := true
		switch name {
		case "prefix":
			t.prefix, ok = value, value != "" && !strings.ContainsAny(value, " \t\r\n{}")
		case "wait":
			t.wait, err = strconv.Atoi(value)
			ok = err == nil && t.wait >= 0
		case "master_name":
			t.master, ok = value, value != ""
		case "cluster":
			t.cluster, err = strconv.ParseBool(value)
			ok = err == nil
		case "sentinel_auth":
			t.sentinelAuth, err = strconv.ParseBool(value)
			ok = err == nil
		case "addr":
			t.hosts = append(t.hosts, values...)
			ok = !slices.ContainsFunc(values, func(a string) bool { _, _, err := net.SplitHostPort(a); return err != nil || !validAddress(a) })
		case "password", "username":
			return problem.Mistake("the store's URL gives a "+name+" in its query",
				"write it before the host, as in "+Form+", or use --store-password-file")
		default:
			return problem.Mistake(fmt.Sprintf("the store's URL has a query parameter %q that does not exist", name),
				"use prefix, wait, master_name, cluster, addr or sentinel_auth")
		}
		if !ok {
			return problem.Mistake(fmt.Sprintf("%q is not a valid value for %s in the store's URL", value, name), "write "+Form)
		}
	}
	return nil
}

func (t *target) check() error {
	switch {
	case t.cluster && t.master != "":
		return problem.Mistake("the store's URL selects both Sentinel and a cluster", "give master_name or cluster, not both")
	case t.cluster && t.db != 0:
		return problem.Mistake("a Redis Cluster has only database 0", "leave the number out, and distinguish instances with ?prefix=")
	case len(t.hosts) > 1 && !t.cluster && t.master == "":
		return problem.Mistake("the store's URL gives several addresses of one server", "add master_name=NAME for Sentinel, or cluster=true")
	case t.sentinelAuth && t.master == "":
		return problem.Mistake("sentinel_auth has no effect without Sentinel", "add master_name=NAME, or leave sentinel_auth out")
	}
	return nil
}

// channel contains the number of the database, because all databases of a server share their channels.
func (t target) channel() string { return fmt.Sprintf("%s:changes@%d", t.prefix, t.db) }

func (t target) options(o Options) *redis.UniversalOptions {
	u := &redis.UniversalOptions{
		Addrs: t.hosts, DB: t.db, MasterName: t.master, IsClusterMode: t.cluster, Protocol: 2,
		DialTimeout: dialTimeout, ReadTimeout: callTimeout, WriteTimeout: callTimeout, ContextTimeoutEnabled: true,
		MaxRetries:    -1, // Save must know what was sent
		DialerRetries: 1,
		PoolSize:      8, PipelinePoolSize: -1, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		CredentialsProviderContext: func(context.Context) (string, string, error) {
			if o.Password == nil || t.password != "" {
				return t.user, t.password, nil
			}
			password, err := o.Password()
			return t.user, password.Reveal(), err
		},
	}
	if t.sentinelAuth {
		u.SentinelUsername, u.SentinelPassword = t.user, t.password
		if o.Password != nil {
			password, _ := o.Password() // if it cannot be read, Redis refuses the connection
			u.SentinelPassword = password.Reveal()
		}
	}
	if t.tls {
		u.TLSConfig = &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}
	}
	return u
}

// glob returns prefix as a pattern of SCAN that matches nothing else.
func glob(prefix string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(prefix)
}
