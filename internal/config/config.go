// Package config turns flags, environment variables, the configuration file and secrets into the configurations
// of the program's packages.
//
//	r := config.NewReader(environ, stores.Known())
//	parser, err := kong.New(&line, r.Options()...)
//	command, err := parser.Parse(args)
//	r.Parsed(command)
//	c, err := r.Serve(&line.Settings)
//
// A field in settings.go gives a setting its flag, its name in the environment, its key in the file, its
// default and its help. A flag overrides the environment, the environment overrides the file, and the file
// overrides the default. Each value is converted from text only once. All mistakes are reported
// together, each with its fix. An unknown name in the file is a mistake too; an unknown variable that begins
// with PANDADOC_ is only a warning.
//
// # Secrets
//
// Secrets cannot be flags, because other users of the machine can read the process list. They come from the
// environment, from files that flags name, or from the configuration file. Files that others can change are
// refused.
//
// # Accounts
//
// The client id and the client secret are for all accounts. The tokens and the API key outside of "accounts:"
// belong to the account "default". Below "accounts:", the file has those of other accounts:
//
//	client-id-file: /run/secrets/client-id
//	client-secret-file: /run/secrets/client-secret
//	accounts:
//	  acme:
//	    refresh-token-file: /run/secrets/acme
//	  widgets:
//	    api-key-file: /run/secrets/widgets
package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// Config is the configuration of one run of the program. Each command fills in the parts that it uses.
type Config struct {
	Environ Environ
	Listen  []ListenAddress
	// AllowUnauthenticated allows listeners beyond loopback without client keys.
	AllowUnauthenticated bool
	Admin                *listen.Address // nil for none
	// AdminSocket is the path of the admin socket, or "none". Empty means the default path.
	AdminSocket string
	// AdminKeyFile is the file with the admin key. Empty means admin-key in the state directory.
	AdminKeyFile string
	Certificate  *listen.Certificate
	Upstream     Upstream
	Store        stores.Spec
	ImportFrom   stores.Spec    // the zero Spec for none
	storeNeeds   stores.Options // what configuration gives of them; see StoreOptions
	Login        Login
	// Tokens is complete except for what is made at the start: the store, the transport, the probe and the
	// observer.
	Tokens tokens.Config
	// ProbePath is the path to which a refused token is sent as a test. Empty turns this probe off.
	ProbePath string
	// Proxy is complete except for what is made at the start: the token source, the transport, the log and the
	// observer.
	Proxy proxy.Config
	// MaxConnections is how many connections the proxied port may have at once, if files and memory allow.
	MaxConnections int
	// UpstreamHeaderTimeout is how long the API may take to begin its answer.
	UpstreamHeaderTimeout time.Duration
	DrainMin              time.Duration
	DrainTimeout          time.Duration
	LogLevel              logrus.Level
	LogFormat             string // "text" or "json"
	Pprof                 bool
	// Secrets are all secret values, which the log must never show.
	Secrets []tokens.Secret
	// Files are read again while the program runs.
	Files *SecretFiles
	// Warnings are problems that do not stop the program, each with its hint.
	Warnings []error
}

// Login is the authorization request.
type Login struct {
	RedirectURL *url.URL // nil follows from the admin listener
	Scope       string
}

// DefaultAdminPort is the default port of --admin-listen.
const DefaultAdminPort = 8081

// Redirect returns the redirect URL that must be registered at PandaDoc: the configured one, or that of an
// admin listener on adminPort.
func (l Login) Redirect(adminPort int) *url.URL {
	if l.RedirectURL != nil {
		return l.RedirectURL
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort("localhost", strconv.Itoa(adminPort)), Path: "/oauth2/callback"}
}

// AdminPort returns the port of the admin listener, as far as the configuration determines it.
func (c *Config) AdminPort() int {
	if c.Admin != nil && c.Admin.Port != 0 {
		return int(c.Admin.Port)
	}
	return DefaultAdminPort
}

// ClientLooksExchanged reports whether client id and secret seem to be swapped: at PandaDoc, a secret has 40
// hex digits and an id 20.
func (c *Config) ClientLooksExchanged() bool {
	return len(c.Tokens.Endpoint.ClientID) == 40 && len(c.Tokens.Endpoint.ClientSecret.Reveal()) == 20
}

// CallerHeaders returns the header fields that clients must send.
func (c *Config) CallerHeaders() (names []string) {
	if len(c.Proxy.ClientKeys) > 0 {
		names = append(names, proxy.KeyHeader)
	}
	if c.Proxy.RequireHeader.Name != "" {
		names = append(names, c.Proxy.RequireHeader.Name)
	}
	return names
}

// AsksForAuthentication reports whether every way to the proxied port requires authentication: a client key, a
// required header, or the right to open a Unix socket. The admin listener must then require authentication too.
func (c *Config) AsksForAuthentication() bool {
	onlySockets := !slices.ContainsFunc(c.Listen, func(p ListenAddress) bool { return p.Path == "" })
	return len(c.Listen) > 0 && onlySockets || len(c.CallerHeaders()) > 0 || !c.Proxy.RequireHeader.Value.IsZero() || c.AdminKeyFile != ""
}

// checker fills in a Config and collects the mistakes in the settings.
type checker struct {
	*Reader
	Config
	errs []error
}

// checker returns a checker that already has the mistakes in single settings.
func (r *Reader) checker() *checker {
	return &checker{
		Reader: r, errs: r.errs,
		Config: Config{Environ: r.environ, Tokens: tokens.DefaultConfig(), Proxy: proxy.DefaultConfig(),
			Warnings: problem.Each(r.UnknownVariables),
			Files:    &SecretFiles{Changed: func(string, error) {}, apiKeys: map[string]*watchedFile[tokens.Secret]{}}},
	}
}

// fail adds a mistake in a setting. The message names the setting as the user wrote it: as a flag, a variable
// or a line of the file.
func (c *checker) fail(flag, what, fix string) { c.mistake(c.source(flag)+": "+what, fix) }

func (c *checker) mistake(what, fix string) {
	c.errs = append(c.errs, problem.Mistake(what, fix))
}

func (c *checker) warn(what, fix string) {
	c.Warnings = append(c.Warnings, problem.Mistake(what, fix))
}

func (c *checker) done() (*Config, error) {
	dirs := []string{os.TempDir()} // the best one first
	if c.Proxy.TempDir != "" {
		dirs = slices.Insert(dirs, 0, c.Proxy.TempDir)
	}
	if state, err := c.environ.StateDir(); err == nil {
		dirs = slices.Insert(dirs, 0, state)
	}
	c.Tokens.EmergencyDirs = dirs
	return &c.Config, errors.Join(c.errs...)
}

// Serve checks the settings of serve. If there are mistakes, the other parts of the Config can still be used.
func (r *Reader) Serve(s *Settings) (*Config, error) {
	c := r.checker()
	c.secrets(&s.SecretSettings)
	c.listen(&s.ListenSettings)
	c.admin(&s.AdminSettings)
	c.upstream(&s.UpstreamSettings)
	c.listeners()
	c.store(&s.StoreSettings)
	c.tokens(&s.TokenSettings)
	c.login(&s.LoginSettings)
	c.traffic(&s.TrafficSettings)
	c.log(&s.LogSettings)
	return c.done()
}

// Accounts checks the settings of the commands that manage accounts.
func (r *Reader) Accounts(s *AccountSettings) (*Config, error) {
	c := r.accounts(s)
	c.store(&s.StoreSettings)
	return c.done()
}

// Import checks the settings of the import command. It takes tokens from a store if from is not empty, and puts them
// into the store to, or --store if that is empty.
func (r *Reader) Import(s *AccountSettings, from, to string) (*Config, error) {
	c := r.accounts(s)
	if to == "" {
		c.Store = c.spec("store", s.Store)
	} else {
		c.Store = c.spec("to", to)
	}
	used := []stores.Spec{c.Store}
	if from != "" {
		c.ImportFrom = c.spec("from", from)
		used = append(used, c.ImportFrom)
	}
	c.needs(&s.StoreSettings, used...)
	return c.done()
}

// accounts reads all settings but those of the store.
func (r *Reader) accounts(s *AccountSettings) *checker {
	c := r.checker()
	c.secrets(&s.SecretSettings)
	c.admin(&s.AdminSettings)
	c.upstream(&s.UpstreamSettings)
	c.login(&s.LoginSettings)
	return c
}

// RunningProxy checks the settings of the commands that only talk to a running proxy.
func (r *Reader) RunningProxy(s *ProxySettings) (*Config, error) {
	c := r.checker()
	c.admin(&s.AdminSettings)
	if len(c.errs) == 0 && c.Admin == nil && c.AdminSocket == noListener {
		c.fail("admin-listen", "there is neither an admin listener nor an admin socket to ask", "give its address with --admin-listen, or leave --admin-socket out")
	}
	return c.done()
}

// Sandbox checks the settings of the sandbox. The client keys of the file are used, its other secrets are not.
func (r *Reader) Sandbox(s *SandboxSettings) (*Config, error) {
	c := r.checker()
	c.readClientKeys()
	c.listen(&s.ListenSettings)
	c.admin(&s.AdminSettings)
	c.listeners()
	c.tokens(&s.TokenSettings)
	c.login(&s.LoginSettings)
	c.traffic(&s.TrafficSettings)
	c.log(&s.LogSettings)
	c.ignoreReal()
	return c.done()
}

// ignoreReal warns that settings of a real account are ignored, because some people always have them in their
// environment. It shows the names, never the values.
func (c *checker) ignoreReal() {
	var found []string
	for _, name := range []string{
		"client-id", "client-secret", "refresh-token", "access-token", "api-key", "store",
		"region", "api-url", "authorize-url", "token-url", accountsKey,
	} {
		for _, n := range []string{name, name + "-file"} {
			if c.env[envName(n)] != "" {
				found = append(found, envName(n))
			}
			if where := c.file.where(n); where != "" {
				found = append(found, where)
			}
		}
	}
	if len(found) > 0 {
		c.warn("the sandbox uses no real account and ignores "+strings.Join(found, ", "), "nothing to do")
	}
}

func (c *checker) tokens(s *TokenSettings) {
	c.Tokens.RefreshBefore, c.Tokens.RefreshTimeout = s.RefreshBefore, s.RefreshTimeout
	c.Tokens.MaxAccounts, c.ProbePath = s.MaxAccounts, s.ProbePath
	c.positive("refresh-timeout", s.RefreshTimeout, "no request could wait for a refresh", "20s")
	if p := s.ProbePath; p != "" && (!strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//")) {
		c.fail("probe-path", fmt.Sprintf("%q is not a path of the API", p), "begin it with a single /, or give an empty text to turn the probe off")
	}
}

// positive adds a mistake if a duration is zero, unless its text was already refused.
func (c *checker) positive(flag string, d time.Duration, what, example string) {
	if d == 0 && c.mistakes[flag] == nil {
		c.fail(flag, what, "give more than 0s, like "+example)
	}
}

func (c *checker) traffic(s *TrafficSettings) {
	p := &c.Proxy
	p.ReplayMemory, p.ReplayDisk, p.ReplayTotal, p.TempDir = s.ReplayMemory, s.ReplayDisk, s.ReplayTotal, s.TempDir
	p.MaxInFlight, c.MaxConnections = s.MaxInFlight, s.MaxConnections
	p.HeaderTimeout, p.BodyTimeout = s.ClientHeaderTimeout, s.ClientBodyTimeout
	c.UpstreamHeaderTimeout, c.DrainMin, c.DrainTimeout = s.UpstreamHeaderTimeout, s.DrainMin, s.DrainTimeout
	c.positive("upstream-header-timeout", s.UpstreamHeaderTimeout, "the API could never answer in time", "120s")
	c.positive("client-header-timeout", s.ClientHeaderTimeout, "no request could come in time", "10s")
	c.positive("client-body-timeout", s.ClientBodyTimeout, "no request could come in time", "60s")
	if s.TempDir == "" {
		return
	}
	if info, err := os.Stat(s.TempDir); err != nil {
		c.fail("temp-dir", err.Error(), "name a directory that exists")
	} else if !info.IsDir() {
		c.fail("temp-dir", s.TempDir+" is not a directory", "name a directory")
	}
}

func (c *checker) log(s *LogSettings) {
	c.LogFormat, c.Pprof = s.LogFormat, s.Pprof
	if s.LogFormat != "text" && s.LogFormat != "json" {
		c.fail("log-format", fmt.Sprintf("%q is not a format", s.LogFormat), "write text or json")
	}
	level, err := logrus.ParseLevel(s.LogLevel)
	if err != nil || level < logrus.ErrorLevel {
		c.fail("log-level", fmt.Sprintf("%q is not a level", s.LogLevel), "write error, warning, info, debug or trace")
	}
	c.LogLevel = level
}
