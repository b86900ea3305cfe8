package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/admin/client"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/doctor"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
	"pandadoc-auth-proxy/tokens"
)

type doctorCommand struct {
	Account string `placeholder:"NAME" help:"Check this account only."`
	Refresh bool   `default:"false" help:"Also get new tokens, to prove that a refresh works. Without this flag no refresh token is used."`
	JSON    bool   `name:"json" default:"false" help:"Print JSON."`

	config.Settings `embed:""`
}

// Run prints the findings. The exit status is 0, 1 if something failed, or 3 if an account needs a login.
func (c *doctorCommand) Run(ctx context.Context, p *program) error {
	if err := tokens.CheckAccount(cmp.Or(c.Account, tokens.DefaultAccount)); err != nil {
		return withStatus(err, exitUsage)
	}
	settings, mistakes := p.settings.Serve(&c.Settings)
	in := doctor.Input{Config: settings, Mistakes: problem.Each(mistakes), File: c.Config, Account: c.Account}
	at := settings.Admin
	if at != nil && at.Path == "" && at.Port == 0 {
		at = nil // a proxy with these settings would be anywhere
	}
	search := p.search(settings)
	search.Admin, search.StoreGiven = at, true // check these settings, even if another proxy runs
	in.Proxy, in.ProxyErr = client.Find(ctx, search)
	if errors.Is(in.ProxyErr, client.ErrNoProxy) {
		in.ProxyErr = atAdminPort(ctx, at)
	}
	if in.Proxy != nil {
		defer in.Proxy.Close()
	}
	if c.Refresh {
		in.Refresh = func(ctx context.Context, account string) (admin.Account, error) {
			return p.refreshForDoctor(ctx, in.Proxy, settings, account)
		}
	}
	report := doctor.Run(ctx, in)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var err error
	if c.JSON {
		err = printJSON(p.Stdout, report)
	} else {
		_, err = io.WriteString(p.Stdout, p.withTyped(report.String()))
	}
	return cmp.Or(err, withStatus(nil, doctorStatus(report)))
}

// atAdminPort returns nil if nothing listens at the admin address, and otherwise an error about the listener. A
// proxy of this user would have an admin socket, so the command does not send requests to the listener.
func atAdminPort(ctx context.Context, at *listen.Address) error {
	other, err := client.Dial(ctx, at)
	switch {
	case errors.Is(err, client.ErrNoProxy):
		return nil
	case err != nil:
		return err
	}
	other.Close()
	return problem.Mistake(fmt.Sprintf("found no admin socket of the proxy that listens on %s", at),
		"run the command as the user of the proxy, and without --admin-socket none")
}

// refreshForDoctor gets new tokens through the running proxy, or in this process if none runs.
func (p *program) refreshForDoctor(ctx context.Context, running *client.Client, c *config.Config, account string) (admin.Account, error) {
	if running != nil {
		return (&accounts{Client: running}).act(ctx, http.MethodPost, account, "refresh", nil)
	}
	store, err := c.Store.Open(ctx, c.StoreOptions(func(string) {}))
	if err != nil {
		return admin.Account{}, err
	}
	acc, err := p.ownAccounts(ctx, c, store)
	if err != nil {
		return admin.Account{}, err
	}
	s, err := acc.act(ctx, http.MethodPost, account, "refresh", nil)
	if unsaved := acc.Close(); unsaved != nil {
		err = errors.Join(err, problem.WithHint(unsaved, stores.Fix))
	}
	return s, err
}

// doctorStatus returns the exit status, with the same rule as the command status: an account that needs a login
// counts first.
func doctorStatus(r doctor.Report) int {
	switch {
	case r.Login:
		return exitLoginRequired
	case r.Failed > 0:
		return exitFailed
	}
	return exitOK
}

// explainCommand asks a running proxy what happened to a request. Only the running proxy knows that.
type explainCommand struct {
	RequestID string `arg:"" optional:"" placeholder:"REQUEST_ID" help:"The id from the answer's X-Request-Id header or from the log. Default: the newest request."`
	JSON      bool   `name:"json" default:"false" help:"Print JSON, the same as /api/v1/requests/ID."`

	config.ProxySettings `embed:""`
}

// Run prints what happened in words.
func (c *explainCommand) Run(ctx context.Context, p *program) error {
	settings, err := p.settings.RunningProxy(&c.ProxySettings)
	if err != nil {
		return withStatus(err, exitUsage)
	}
	running, err := client.Find(ctx, p.search(settings))
	if errors.Is(err, client.ErrNoProxy) {
		err = problem.WithHint(withAddress(err, settings.Admin), "only a running proxy knows its requests: start it, or give this command the --admin-listen and --admin-socket of the proxy")
	}
	if err != nil {
		return err
	}
	defer running.Close()
	ctx, cancel := context.WithTimeout(ctx, client.AskTimeout)
	defer cancel()
	r, err := c.ask(ctx, running)
	if err != nil {
		return forPeople(err)
	}
	if c.JSON {
		return printJSON(p.Stdout, r)
	}
	_, err = io.WriteString(p.Stdout, p.withTyped(requestText(r, time.Now())))
	return err
}

// ask gets one request, by its id or the newest.
func (c *explainCommand) ask(ctx context.Context, running *client.Client) (admin.RequestReport, error) {
	if c.RequestID != "" {
		var one admin.RequestReport
		_, err := running.Do(ctx, http.MethodGet, "/api/v1/requests/"+url.PathEscape(c.RequestID), nil, &one)
		return one, err
	}
	var newest admin.Requests
	if _, err := running.Do(ctx, http.MethodGet, "/api/v1/requests?limit=1", nil, &newest); err != nil {
		return admin.RequestReport{}, err
	}
	if len(newest.Requests) == 0 {
		return admin.RequestReport{}, problem.WithHint(errors.New("the proxy has served no request yet"), "send a request first")
	}
	return newest.Requests[0], nil
}

func requestText(r admin.RequestReport, now time.Time) string {
	var text strings.Builder
	fmt.Fprintf(&text, "request %s\n", r.RequestID)
	for _, line := range []struct{ name, value string }{
		{"request", r.Method + " " + r.Route},
		{"at", problem.When(r.Start, now)},
		{"account", r.Account},
	} {
		if line.value != "" {
			fmt.Fprintf(&text, "  %-9s %s\n", line.name+":", line.value)
		}
	}
	fmt.Fprintln(&text)
	for _, sentence := range r.Explanation {
		fmt.Fprintln(&text, sentence)
	}
	return text.String()
}
