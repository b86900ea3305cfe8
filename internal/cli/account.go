package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/admin/client"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/doctor"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

const (
	// exchangeTimeout is how long a command waits at its end for a token call that was sent, and for the save of
	// its pair. It is a little longer than the Manager waits for the answer.
	exchangeTimeout = 130 * time.Second
	// saveTimeout is how long it waits for the save alone, of a pair that is in an emergency file too.
	saveTimeout = 5 * time.Second
	// noticeDelay is how long a command waits before it tells the user why.
	noticeDelay = 300 * time.Millisecond
)

// accountFlag chooses an account.
type accountFlag struct {
	Account string `default:"default" placeholder:"NAME" help:"The account to use."`
}

// accounts gives access to the accounts of a running proxy or, if none runs, to those in the store.
type accounts struct {
	*client.Client
	// handler is set if no proxy runs. It serves the same as the admin listener of a proxy.
	handler http.Handler
	// redirect is the redirect URL of a login.
	redirect *url.URL
	// ask asks the API who an account is, without a proxy. Nil if one runs.
	ask func(ctx context.Context, account string) string
}

// serviceDir is where the systemd service has its admin socket. The directory belongs to the user of the service.
const serviceDir = "/run/" + programName

// search returns where a running proxy with these settings can be found.
func (p *program) search(c *config.Config) client.Search {
	place, isDefault := c.StoreLocation()
	s := client.Search{Socket: c.AdminSocket, Dirs: p.Environ.SocketDirs(), Admin: c.Admin, Store: place, StoreGiven: !isDefault}
	if os.Geteuid() == 0 {
		s.Service = serviceDir
	}
	return s
}

// accounts checks the settings and finds out if a running proxy has the accounts.
func (p *program) accounts(ctx context.Context, s *config.AccountSettings) (*accounts, error) {
	c, err := p.settings.Accounts(s)
	if err != nil {
		return nil, withStatus(err, exitUsage)
	}
	running, err := client.Find(ctx, p.search(c))
	switch {
	case err == nil:
		return &accounts{Client: running}, nil
	case !errors.Is(err, client.ErrNoProxy):
		return nil, err
	}
	store, err := c.Store.Open(ctx, c.StoreOptions(func(text string) { fmt.Fprintln(p.Stderr, "warning:", text) }))
	switch {
	case err != nil:
		return nil, err
	case !store.Persistent:
		return nil, problem.Mistake(fmt.Sprintf("found no running proxy with --admin-listen %s, and the store %s is lost when its proxy ends", s.AdminListen, store.Name),
			"start the proxy first, or give this command the --admin-listen and --admin-socket of the proxy")
	}
	return p.ownAccounts(ctx, c, store)
}

// ownAccounts is used when no proxy runs: it has the same handlers, with a Manager in this process.
func (p *program) ownAccounts(ctx context.Context, c *config.Config, store stores.Store) (*accounts, error) {
	m := managerConfig(c, store, newLogger(p.log, logrus.WarnLevel, "text", redactor{c.Secrets}))
	m.Observe = onlyLosses(m.Observe)
	m.SaveTimeout = saveTimeout
	manager, err := tokens.New(m)
	if err != nil {
		return nil, err
	}
	if err := manager.LoadAll(ctx); err != nil {
		return nil, problem.WithHint(err, cmp.Or(problem.HintOf(err), stores.Fix))
	}
	login := loginConfig(c, c.AdminPort())
	handler, err := admin.New(admin.Config{
		Manager: manager, Login: login,
		// A browser on the login page may do nothing else.
		Key: admin.NewKey(), Address: &url.URL{Scheme: login.RedirectURL.Scheme, Host: login.RedirectURL.Host},
		Info: admin.Info{
			Version: buildVersion(p.Version), Listeners: []string{}, Upstream: "", Store: store.Name,
		},
	})
	if err != nil {
		return nil, err
	}
	p.ending.beforeTrace(func(ctx context.Context) { manager.Close(ctx) })
	end := func() error { return p.finishExchange(manager) }
	ask := func(ctx context.Context, account string) string {
		t, err := manager.Token(ctx, account)
		if err != nil {
			return ""
		}
		return doctor.AskMember(ctx, c.Upstream, t)
	}
	return &accounts{Client: client.Local(handler.Socket(), end), handler: handler, redirect: login.RedirectURL, ask: ask}, nil
}

// finishExchange waits for a token exchange in progress and its save. To stop it could cost a login.
func (p *program) finishExchange(m *tokens.Manager) error {
	ctx, cancel := p.ending.exchange(exchangeTimeout)
	defer cancel()
	told := time.AfterFunc(noticeDelay, func() {
		fmt.Fprintln(p.Stderr, "waiting until a token exchange is finished: stopping it now could lose the login (after another interrupt, the wait is at most 10 s)")
	})
	defer told.Stop()
	return m.Close(ctx)
}

// onlyLosses passes on only the events about tokens that could be lost. Everything else is in the output of the
// command.
func onlyLosses(observe func(tokens.Event)) func(tokens.Event) {
	return func(e tokens.Event) {
		switch e.Kind {
		case tokens.EventUnsaved, tokens.EventEmergency, tokens.EventTakeover:
			observe(e)
		}
	}
}

// act sends a request about one account and reads its new state.
func (a *accounts) act(ctx context.Context, method, account, verb string, in any) (admin.Account, error) {
	var out admin.Account
	if err := tokens.CheckAccount(account); err != nil {
		return out, withStatus(err, exitUsage)
	}
	path := "/api/v1/accounts/" + url.PathEscape(account)
	if verb != "" {
		path += "/" + verb
	}
	_, err := a.Do(ctx, method, path, in, &out)
	return out, forPeople(err)
}

// forPeople adds the hint and the exit status of a problem to err.
func forPeople(err error) error {
	var p *client.ProblemError
	if !errors.As(err, &p) {
		return err
	}
	if p.Code == string(problem.LoginRequired) {
		return withStatus(problem.WithHint(err, p.Hint), exitLoginRequired)
	}
	return problem.WithHint(err, p.Hint)
}

type refreshCommand struct {
	accountFlag            `embed:""`
	config.AccountSettings `embed:""`
}

// Run gets a new pair, however old the current one is.
func (c *refreshCommand) Run(ctx context.Context, p *program) (err error) {
	acc, err := p.accounts(ctx, &c.AccountSettings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, acc.Close()) }()
	s, err := acc.act(ctx, http.MethodPost, c.Account, "refresh", nil)
	if err != nil && ctx.Err() != nil {
		fmt.Fprintln(p.Stderr, "A token exchange in progress is finished, and its tokens are saved, before this command ends.")
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Stdout, "account %s has new tokens (generation %d), %s\n", s.Account, s.Generation, problem.Validity(s.ExpiresAt, time.Now()))
	return err
}

type logoutCommand struct {
	accountFlag `embed:""`
	Forget      bool `default:"false" help:"Also remove the account from the list of accounts, unless the configuration names it."`

	config.AccountSettings `embed:""`
}

// Run deletes the tokens of the account.
func (c *logoutCommand) Run(ctx context.Context, p *program) (err error) {
	acc, err := p.accounts(ctx, &c.AccountSettings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, acc.Close()) }()
	verb, done := "logout", "logged out"
	if c.Forget {
		verb, done = "forget", "forgotten"
	}
	if _, err := acc.act(ctx, http.MethodPost, c.Account, verb, nil); err != nil {
		return err
	}
	fmt.Fprintln(p.Stderr, "PandaDoc has no way to revoke a token: copies of the token stay valid until they expire.")
	_, err = fmt.Fprintf(p.Stdout, "account %s is %s\n", c.Account, done)
	return err
}

type statusCommand struct {
	Account string `placeholder:"NAME" help:"Show this account only."`
	JSON    bool   `name:"json" default:"false" help:"Print JSON, the same as /api/v1/status. With --account, the same as /api/v1/accounts/NAME."`

	config.AccountSettings `embed:""`
}

// Run prints the state of the accounts; those with problems come first.
func (c *statusCommand) Run(ctx context.Context, p *program) (err error) {
	acc, err := p.accounts(ctx, &c.AccountSettings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, acc.Close()) }()
	var all admin.Overview
	if _, err := acc.Do(ctx, http.MethodGet, "/api/v1/status", nil, &all); err != nil {
		return forPeople(err)
	}
	if c.Account != "" {
		one, err := acc.act(ctx, http.MethodGet, c.Account, "", nil)
		if err != nil {
			return err
		}
		all.Accounts = []admin.Account{one}
	}
	if acc.handler != nil {
		for i := range all.Accounts {
			all.Accounts[i].Since = time.Time{} // when this command has read the store
		}
	}
	switch {
	case c.JSON && c.Account != "":
		err = printJSON(p.Stdout, all.Accounts[0])
	case c.JSON:
		err = printJSON(p.Stdout, all)
	default:
		_, err = io.WriteString(p.Stdout, p.withTyped(statusText(acc, all)))
	}
	return cmp.Or(err, withStatus(nil, statusOf(all.Accounts)))
}

func printJSON(w io.Writer, value any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(value)
}

// statusOf returns the exit status: 3 if an account needs a login, else 1 if an account is not usable.
func statusOf(accounts []admin.Account) int {
	status := exitOK
	for _, a := range accounts {
		switch a.State {
		case tokens.LoginRequired:
			return exitLoginRequired
		case tokens.Unavailable:
			status = exitFailed
		}
	}
	return status
}

// statusText returns the accounts as text, problems first.
func statusText(acc *accounts, all admin.Overview) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, store %s\n", acc.Where, all.Store)
	accounts := slices.SortedStableFunc(slices.Values(all.Accounts), func(a, b admin.Account) int {
		return cmp.Compare(urgency(a.State), urgency(b.State))
	})
	for _, a := range accounts {
		writeAccount(&text, a, time.Now())
	}
	return text.String()
}

func urgency(s tokens.State) int {
	return slices.Index([]tokens.State{
		tokens.LoginRequired, tokens.Unavailable, tokens.Degraded, tokens.Unknown, tokens.Ready,
	}, s)
}

func writeAccount(w io.Writer, a admin.Account, now time.Time) {
	state := string(a.State)
	if a.Cause != "" {
		state += " (" + string(a.Cause) + ")"
	}
	fmt.Fprintf(w, "\naccount %s: %s\n", a.Account, state)
	if a.State == tokens.LoginRequired || a.Scheme == tokens.Bearer && a.Generation == 0 && a.ExpiresAt.IsZero() {
		a.Scheme = "" // nothing is known about it
	}
	obtained := "last new token"
	if a.Cause == problem.LoggedOut {
		obtained = "logged out" // the record of a logout has its time here
	}
	// Tokens live a year, so people should know early that a refresh works.
	proven := problem.When(a.ProvenAt, now)
	if a.ProvenAt.IsZero() && a.Scheme == tokens.Bearer {
		proven = "never; \"" + programName + " refresh\" tries it"
	}
	for _, line := range []struct{ name, value string }{
		{"since", problem.When(a.Since, now)},
		{"detail", a.Detail},
		{"signed in with", a.Scheme},
		{"token expires", problem.When(a.ExpiresAt, now)},
		{obtained, problem.When(a.ObtainedAt, now)},
		{"last refresh", proven},
		{"next", a.Hint},
	} {
		if line.value != "" {
			fmt.Fprintf(w, "  %-15s %s\n", line.name+":", line.value)
		}
	}
}
