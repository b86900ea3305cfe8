package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/admin/client"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/problem"
)

type consoleCommand struct {
	NoBrowser bool `default:"false" help:"Only print the address."`

	config.ProxySettings `embed:""`
}

// Run prints the address of the console of the running proxy, and opens it. Where the console is locked, the address
// holds a code that works once.
func (c *consoleCommand) Run(ctx context.Context, p *program) error {
	settings, err := p.settings.RunningProxy(&c.ProxySettings)
	if err != nil {
		return withStatus(err, exitUsage)
	}
	running, err := client.Find(ctx, p.search(settings))
	if errors.Is(err, client.ErrNoProxy) {
		return problem.Mistake("no proxy of this user is running", "start it, or name its address with --admin-listen")
	}
	if err != nil {
		return err
	}
	defer running.Close()
	ctx, cancel := context.WithTimeout(ctx, client.AskTimeout)
	defer cancel()
	var link admin.Link
	if _, err := running.Do(ctx, http.MethodPost, "/api/v1/links", admin.WantedLink{}, &link); err != nil {
		return forPeople(err)
	}
	if !c.NoBrowser {
		openBrowser(link.URL, p.Environ)
	}
	_, err = fmt.Fprintln(p.Stdout, problem.Line(link.URL))
	return err
}
