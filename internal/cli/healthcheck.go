package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/admin/client"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// waitInterval is the time between two requests of wait.
const waitInterval = 200 * time.Millisecond

// healthcheckCommand checks that a proxy is alive, for containers without a shell and curl.
type healthcheckCommand struct {
	Ready bool `default:"false" help:"Check that an account is usable. Without this flag: check that the process answers."`

	config.ProxySettings `embed:""`
}

// Help implements kong.HelpProvider.
func (*healthcheckCommand) Help() string {
	return `Without --ready, the accounts are not checked: a container that waits for a login is alive, and must not be
restarted. The exit status of --ready is 3 if a login is required.`
}

// Run prints one line. The exit status is 0, 1, or 3 if a login is required.
func (c *healthcheckCommand) Run(ctx context.Context, p *program) error {
	settings, err := p.settings.RunningProxy(&c.ProxySettings)
	if err != nil {
		return withStatus(err, exitUsage)
	}
	answer, err := p.health(ctx, settings, c.Ready)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, answer)
	return err
}

// waitCommand is for scripts that start a proxy and then use it.
type waitCommand struct {
	Ready   bool          `default:"false" help:"Wait until an account is usable. Without this flag: until the process answers."`
	Timeout time.Duration `default:"60s" placeholder:"TIME" help:"Give up after this time."`

	config.ProxySettings `embed:""`
}

// Run ends with exit status 0 as soon as the proxy answers. At the time-out it ends with the exit status of
// healthcheck.
func (c *waitCommand) Run(ctx context.Context, p *program) error {
	settings, err := p.settings.RunningProxy(&c.ProxySettings)
	if err != nil {
		return withStatus(err, exitUsage)
	}
	limited, cancel := context.WithTimeout(ctx, max(c.Timeout, waitInterval)) // the first question may always be answered
	defer cancel()
	tick := time.NewTicker(waitInterval)
	defer tick.Stop()
	var last error
	for {
		answer, failed := p.health(limited, settings, c.Ready)
		if failed == nil {
			_, err := fmt.Fprintln(p.Stdout, answer)
			return err
		}
		if last == nil || limited.Err() == nil { // the question that the limit cut short says less than the one before
			last = failed
		}
		select {
		case <-limited.Done():
			return cmp.Or(ctx.Err(), fmt.Errorf("after %v: %w", c.Timeout, last))
		case <-tick.C:
		}
	}
}

// health returns one line about a proxy that is alive or, with ready, about one that has a usable account. Its
// error carries the exit status.
func (p *program) health(ctx context.Context, c *config.Config, ready bool) (string, error) {
	running, err := p.findOrDial(ctx, c)
	switch {
	case err != nil && ready:
		return "", fmt.Errorf("not ready: %w", err)
	case err != nil:
		return "", err
	}
	defer running.Close()
	if !ready {
		return "alive", nil
	}
	ctx, cancel := context.WithTimeout(ctx, client.AskTimeout)
	defer cancel()
	var r admin.Readiness
	status, err := running.Do(ctx, http.MethodGet, "/readyz", nil, &r)
	trouble, hint := firstTrouble(r)
	switch {
	case err != nil:
		return "", fmt.Errorf("not ready: %w", err)
	case status == http.StatusOK && trouble != "":
		return string(r.State) + ": " + trouble, nil
	case status == http.StatusOK:
		return string(r.State), nil
	}
	err = problem.Mistake("not ready: "+cmp.Or(trouble, string(r.State)), hint)
	if r.State == tokens.LoginRequired {
		err = withStatus(err, exitLoginRequired)
	}
	return "", err
}

// findOrDial returns the proxy to ask: through its socket, at which nobody else can answer, or at its address,
// because a probe may run as another user or in another container.
func (p *program) findOrDial(ctx context.Context, c *config.Config) (*client.Client, error) {
	running, err := client.Find(ctx, p.search(c))
	if err != nil && c.Admin != nil {
		running, err = client.Dial(ctx, c.Admin)
	}
	return running, withAddress(err, c.Admin)
}

// withAddress replaces ErrNoProxy by an error that names the address.
func withAddress(err error, at *listen.Address) error {
	if errors.Is(err, client.ErrNoProxy) && at != nil {
		return fmt.Errorf("found no running proxy on %s", at)
	}
	return err
}

// firstTrouble returns the state of the first account that has a problem, and the hint for it.
func firstTrouble(r admin.Readiness) (state, hint string) {
	for _, a := range r.Accounts {
		if a.Hint != "" {
			return fmt.Sprintf("account %s is %s", a.Account, a.State), a.Hint
		}
	}
	return "", ""
}
