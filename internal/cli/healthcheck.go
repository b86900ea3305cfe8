package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/admin/client"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/tokens"
)

// healthcheckCommand asks for readiness, for containers that have no shell and no curl.
type healthcheckCommand struct {
	config.ProxySettings `embed:""`
}

// Run prints one line and ends with 0, 1, or 3 if only a login helps.
func (c *healthcheckCommand) Run(ctx context.Context, p *program) error {
	settings, err := p.settings.RunningProxy(&c.ProxySettings)
	if err != nil {
		return withStatus(err, exitUsage)
	}
	running, err := client.Dial(ctx, settings.Admin)
	if err != nil {
		return fmt.Errorf("not ready: %w", named(err, settings.Admin))
	}
	defer running.Close()
	ctx, cancel := context.WithTimeout(ctx, client.AskTimeout)
	defer cancel()
	var ready admin.Readiness
	status, err := running.Do(ctx, http.MethodGet, "/readyz", nil, &ready)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	fmt.Fprintln(p.Stdout, summary(ready))
	switch {
	case status == http.StatusOK:
		return nil
	case ready.State == tokens.LoginRequired:
		return withStatus(nil, exitLoginRequired)
	}
	return withStatus(nil, exitFailed)
}

// named says where nobody was found.
func named(err error, at *listen.Address) error {
	if errors.Is(err, client.ErrNoProxy) {
		return fmt.Errorf("nothing listens on %s", at)
	}
	return err
}

// summary is one line, with the first account that needs something.
func summary(r admin.Readiness) string {
	for _, a := range r.Accounts {
		if a.Hint != "" {
			return fmt.Sprintf("%s: account %s is %s: %s", r.State, a.Account, a.State, a.Hint)
		}
	}
	return string(r.State)
}
