package cli

import (
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
	"pandadoc-auth-proxy/internal/problem"
)

// explainCommand asks a running proxy what happened to a request: only that one remembers it.
type explainCommand struct {
	RequestID string `arg:"" optional:"" placeholder:"REQUEST_ID" help:"From the X-Request-Id of the answer, or from the log. Without one: the newest request."`
	JSON      bool   `name:"json" default:"false" help:"Print JSON, as /api/v1/requests gives it."`

	config.ProxySettings `embed:""`
}

// Run prints what happened in words.
func (c *explainCommand) Run(ctx context.Context, p *program) error {
	settings, err := p.settings.RunningProxy(&c.ProxySettings)
	if err != nil {
		return withStatus(err, exitUsage)
	}
	running, err := client.Find(ctx, p.search(settings))
	if err != nil {
		return problem.WithHint(named(err, settings.Admin), "only a running proxy remembers its requests: name its address with --admin-listen")
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
	return printRequest(p.Stdout, r, time.Now())
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
		return admin.RequestReport{}, problem.WithHint(errors.New("the proxy has served no request yet"), "send one first")
	}
	return newest.Requests[0], nil
}

func printRequest(w io.Writer, r admin.RequestReport, now time.Time) error {
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
	_, err := io.WriteString(w, text.String())
	return err
}
