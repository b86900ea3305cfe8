package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

// maxImport is far above what an answer of a token endpoint needs.
const maxImport = 1 << 20

type importCommand struct {
	config.AccountSettings
	File    string `arg:"" optional:"" placeholder:"FILE" help:"File with the answer of a token endpoint, as JSON. Without it, or as -, standard input."`
	Account string `placeholder:"NAME" help:"The account that the tokens become. With --from, the only one that is taken."`
	From    string `placeholder:"STORE" help:"Take the tokens from this store instead."`
	To      string `placeholder:"STORE" help:"Put them into this store. Default: --store."`
}

// Help implements kong.HelpProvider.
func (*importCommand) Help() string {
	return `The tokens are adopted as they are: the refresh token is not spent. Afterwards they belong to the new place.
A program that still uses the old one would end the login for both at its next refresh.

  pandadoc-auth-proxy import --account acme answer.json
  pandadoc-auth-proxy import --from file: --to kubernetes:tools/pandadoc-auth-proxy`
}

// Run imports, and tells what became of each account on standard output.
func (c *importCommand) Run(ctx context.Context, p *program) error {
	settings, err := p.settings.Accounts(&c.AccountSettings)
	if c.To != "" {
		var e error
		settings.Store, e = p.settings.ReadStore("to", c.To)
		err = errors.Join(err, e)
	}
	var source stores.Spec
	if c.From != "" {
		var e error
		source, e = p.settings.ReadStore("from", c.From)
		err = errors.Join(err, e)
	}
	if c.From != "" && c.File != "" {
		err = errors.Join(err, problem.Mistake("a file and --from are both given", "give one of them"))
	}
	if err != nil {
		return withStatus(err, exitUsage)
	}
	warn := func(text string) { fmt.Fprintln(p.Stderr, "warning:", text) }
	options := settings.StoreOptions(p.Environ, warn)
	records, err := c.records(ctx, p, source, options)
	if err != nil {
		return err
	}
	target, err := settings.Store.Open(ctx, options)
	switch {
	case err != nil:
		return err
	case !target.Persistent:
		return withStatus(problem.Mistake("the store "+target.Name+" ends with its program", "name another with --to or --store"), exitUsage)
	}
	manager, err := tokens.New(managerConfig(settings, target, newLogger(p.log, logrus.WarnLevel, "text", newRedactor(settings.Secrets))))
	if err != nil {
		return err
	}
	for _, r := range records {
		status, e := manager.Import(ctx, r.account, r.record)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("import %q: %w", r.account, e))
			continue
		}
		fmt.Fprintf(p.Stdout, "%s: imported into %s (%s)\n", r.account, target.Name, status.State)
	}
	warn("each refresh ends the tokens before it: end every other program that uses these, and remove its copy of them")
	return errors.Join(err, p.finishExchange(manager))
}

type importRecord struct {
	account string
	record  tokens.Record
}

// records returns what is to be imported.
func (c *importCommand) records(ctx context.Context, p *program, source stores.Spec, options stores.Options) ([]importRecord, error) {
	if source.IsZero() {
		rec, err := c.pasted(p)
		return []importRecord{{cmp.Or(c.Account, tokens.DefaultAccount), rec}}, err
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
			slices.Sort(names)
		}
	}
	var all []importRecord
	for _, name := range names {
		rec, err := open.Records.Load(ctx, name)
		switch {
		case errors.Is(err, tokens.ErrNotFound), err == nil && !rec.HasTokens():
			continue
		case err != nil:
			return nil, err
		}
		all = append(all, importRecord{name, rec})
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
		return tokens.Record{}, fmt.Errorf("read %s: %w", name, err)
	}
	pair, err := tokens.ReadAnswer(body)
	if err != nil {
		return tokens.Record{}, fmt.Errorf("%s: %w", name, err)
	}
	rec := tokens.Record{AccessToken: pair.AccessToken, RefreshToken: pair.RefreshToken, TokenType: pair.TokenType, Scope: pair.Scope}
	// How old the answer is, nobody knows: an expiry that is too late costs one refusal, one that is too early none.
	if pair.ExpiresIn > 0 {
		rec.ObtainedAt = time.Now().UTC().Round(0)
		rec.ExpiresAt = rec.ObtainedAt.Add(pair.ExpiresIn)
	}
	return rec, nil
}
