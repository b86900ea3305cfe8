package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

// maxImport is the largest input in bytes, far more than the answer of a token endpoint.
const maxImport = 1 << 20

type importCommand struct {
	config.AccountSettings
	File    string `arg:"" optional:"" placeholder:"FILE" help:"File with the answer of a token endpoint, as JSON, or - for standard input. Default: -."`
	Account string `placeholder:"NAME" help:"The account to import into. With --from: import only this account."`
	From    string `placeholder:"STORE" help:"Take the tokens from this store instead."`
	To      string `placeholder:"STORE" help:"Put them into this store. Default: --store."`
}

// Help implements kong.HelpProvider.
func (*importCommand) Help() string {
	return `The tokens are stored as they are: the refresh token is not used. From then on, only this proxy may use them.
If another program goes on using the same tokens, its next refresh ends the login for both.

  pandadoc-auth-proxy import --account acme answer.json
  pandadoc-auth-proxy import --from file: --to kubernetes:tools/pandadoc-auth-proxy`
}

// Run imports, and prints the result for each account on standard output.
func (c *importCommand) Run(ctx context.Context, p *program) error {
	settings, err := p.settings.Import(&c.AccountSettings, c.From, c.To)
	if c.From != "" && c.File != "" {
		err = errors.Join(err, problem.Mistake("a file and --from are both given", "give one of them"))
	}
	err = errors.Join(err, tokens.CheckAccount(cmp.Or(c.Account, tokens.DefaultAccount)))
	if err != nil {
		return withStatus(err, exitUsage)
	}
	warn := func(text string) { fmt.Fprintln(p.Stderr, "warning:", text) }
	options := settings.StoreOptions(warn)
	records, err := c.records(ctx, p, settings.ImportFrom, options)
	if err != nil {
		return err
	}
	target, err := settings.Store.Open(ctx, options)
	switch {
	case err != nil:
		return err
	case !target.Persistent:
		return withStatus(problem.Mistake("the store "+target.Name+" is lost when this program ends", "name another store with --to or --store"), exitUsage)
	}
	m := managerConfig(settings, target, newLogger(p.log, logrus.WarnLevel, "text", redactor{settings.Secrets}))
	m.SaveTimeout = saveTimeout
	manager, err := tokens.New(m)
	if err != nil {
		return err
	}
	imported := false
	for _, account := range slices.Sorted(maps.Keys(records)) {
		status, e := manager.Import(ctx, account, records[account])
		if e != nil {
			err = errors.Join(err, fmt.Errorf("import %q: %w", account, e))
			continue
		}
		imported = true
		fmt.Fprintf(p.Stdout, "%s: imported into %s (%s)\n", account, target.Name, status.State)
	}
	if imported {
		warn("each refresh invalidates the older tokens: stop every other program that uses these tokens, and remove its copy of them")
	}
	return errors.Join(err, p.finishExchange(manager))
}

// records returns the records to import, by account.
func (c *importCommand) records(ctx context.Context, p *program, source stores.Spec, options stores.Options) (map[string]tokens.Record, error) {
	if source.IsZero() {
		rec, err := interruptible(ctx, func() (tokens.Record, error) { return c.pasted(p) })
		return map[string]tokens.Record{cmp.Or(c.Account, tokens.DefaultAccount): rec}, err
	}
	open, err := source.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	names := []string{c.Account}
	if c.Account == "" {
		names = []string{tokens.DefaultAccount}
		if lister, ok := open.Records.(tokens.Lister); ok {
			if names, err = lister.Accounts(ctx); err != nil {
				return nil, err
			}
		}
	}
	all := map[string]tokens.Record{}
	for _, name := range names {
		rec, err := open.Records.Load(ctx, name)
		switch {
		case errors.Is(err, tokens.ErrNotFound), err == nil && !rec.HasTokens():
			continue
		case err != nil:
			return nil, err
		}
		all[name] = rec
	}
	if len(all) == 0 {
		return nil, problem.Mistake("the store "+open.Name+" has no account with tokens to import", "check --from and --account")
	}
	return all, nil
}

// pasted reads the answer of a token endpoint.
func (c *importCommand) pasted(p *program) (tokens.Record, error) {
	in, name := p.Stdin, "standard input"
	if c.File != "" && c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return tokens.Record{}, problem.WithHint(err, "name a readable file, or paste the answer on standard input")
		}
		defer f.Close()
		in, name = f, c.File
	}
	body, err := io.ReadAll(io.LimitReader(in, maxImport))
	if err != nil {
		return tokens.Record{}, problem.WithHint(fmt.Errorf("%s: %w", name, err), "name a readable file, or paste the answer on standard input")
	}
	pair, err := tokens.ReadAnswer(body)
	if err != nil {
		return tokens.Record{}, fmt.Errorf("%s: %w", name, err)
	}
	rec := tokens.Record{AccessToken: pair.AccessToken, RefreshToken: pair.RefreshToken, TokenType: pair.TokenType, Scope: pair.Scope}
	// Nobody knows how old the answer is. If the expiry is too late, this costs one 401; if it is too early,
	// nothing.
	if pair.ExpiresIn > 0 {
		rec.ObtainedAt = time.Now().UTC().Round(0)
		rec.ExpiresAt = rec.ObtainedAt.Add(pair.ExpiresIn)
	}
	return rec, nil
}

// clientKeyBytes is the length of a client key in bytes. Nobody can guess 256 bits.
const clientKeyBytes = 32

type clientKeyCommand struct {
	Name    string `arg:"" placeholder:"NAME" help:"The name of the client in the log."`
	Account string `placeholder:"NAME" help:"The only account that the key is for. Without this flag, each request chooses its account."`
	KeyFile string `placeholder:"FILE" help:"Write the key to this new file, which only this user can read, instead of showing it."`
}

// Help implements kong.HelpProvider.
func (*clientKeyCommand) Help() string {
	return `The key is shown once, in the lines to add to the configuration file. As soon as one key is configured, every
request must send a key.`
}

// Run prints the lines for the configuration on standard output, and what to do with them on standard error.
func (c *clientKeyCommand) Run(p *program) error {
	key := make([]byte, clientKeyBytes)
	rand.Read(key) // never fails
	text := hex.EncodeToString(key)
	check := []proxy.ClientKey{{Name: c.Name, Key: tokens.NewSecret(text), Account: c.Account}}
	if err := proxy.CheckClientKeys(check); err != nil {
		return withStatus(err, exitUsage)
	}
	if c.Name == "" || strings.ContainsFunc(c.Name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(":#{}[]&*!|>'\"%@`,", r) }) {
		return withStatus(problem.Mistake(fmt.Sprintf("%q cannot be a name in the configuration file", c.Name), "use letters, digits, - and _"), exitUsage)
	}
	line := "key: " + text
	if c.KeyFile != "" {
		path, err := writeKey(c.KeyFile, text)
		if err != nil {
			return problem.WithHint(err, "name a new file in a directory that this user can write to")
		}
		line = "key-file: " + inYAML(path)
	}
	lines := fmt.Sprintf("client-keys:\n  %s:\n    %s\n", c.Name, line)
	if c.Account != "" {
		lines += "    account: " + inYAML(c.Account) + "\n"
	}
	if _, err := io.WriteString(p.Stdout, lines); err != nil { // nobody saw the key
		return err
	}
	where := "The key is not shown again."
	if c.KeyFile != "" {
		where = "The key is in " + c.KeyFile + "."
	}
	_, err := fmt.Fprintf(p.Stderr, `%s Put these lines into the configuration file (--config). If the file already has client-keys:, add
only the lines below it. Then restart the proxy. The client sends the key as %s: KEY, as a bearer token, or as
the password of Basic authentication.
`, where, proxy.KeyHeader)
	return err
}

// inYAML returns a path or an account as YAML reads it. Most need no quotes.
func inYAML(text string) string {
	if text != "null" && regexp.MustCompile(`^([A-Za-z]:)?[\w/\\.-]+$`).MatchString(text) {
		return text
	}
	return strconv.Quote(text)
}

// writeKey creates a file with the key, and returns its absolute path, because a proxy may run in another
// directory.
func writeKey(name, text string) (path string, err error) {
	if path, err = filepath.Abs(name); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text + "\n")
	if err = errors.Join(err, f.Close()); err != nil { // a disk that is full: no half of a key stays there
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}
