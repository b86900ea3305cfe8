package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/admin/client"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/doctor"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

const (
	loginTimeout  = 5 * time.Minute
	loginInterval = 200 * time.Millisecond // between two checks that the login has ended
	pageTimeout   = time.Second            // for the last page to reach the browser
	maxPasted     = 16 << 10
)

type loginCommand struct {
	accountFlag `embed:""`
	Paste       bool `default:"false" help:"For machines without a browser: open the printed address on any machine, sign in, and paste here the address of the last page (even if it does not load), or the code in that address."`
	NoBrowser   bool `default:"false" help:"Only print the address."`

	config.AccountSettings `embed:""`
}

// Run signs in to an account, with a limit of five minutes.
func (c *loginCommand) Run(ctx context.Context, p *program) (err error) {
	if err := tokens.CheckAccount(c.Account); err != nil {
		return withStatus(err, exitUsage)
	}
	acc, err := p.accounts(ctx, &c.AccountSettings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, acc.Close()) }()
	limited, cancel := context.WithTimeoutCause(ctx, loginTimeout, errLoginTimeout)
	defer cancel()
	way := c.byBrowser
	if c.Paste {
		way = c.byHand
	}
	if err := way(limited, p, acc); err != nil {
		return p.withRetryHint(err, c.Account)
	}
	s, err := acc.act(ctx, http.MethodGet, c.Account, "", nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stdout, "account %s is signed in, %s\n", s.Account, problem.Validity(s.ExpiresAt, time.Now()))
	if who := acc.who(ctx, c.Account); who != "" {
		fmt.Fprintf(p.Stdout, "PandaDoc user: %s\n", who)
	}
	next := "the running proxy uses the tokens at once."
	if acc.handler != nil { // the command stands at the end, so that it can be copied with the settings that were typed
		next = p.withTyped("send requests to the proxy instead of PandaDoc. Start it with: " + programName + " serve")
	}
	_, err = fmt.Fprintf(p.Stderr, "Next: %s\n", next)
	return err
}

var errLoginTimeout = problem.Mistake("nobody signed in within 5 minutes", retryLogin)

// Placeholders for the command that the user typed; see withRetryHint.
const (
	retryLogin = "run the command again"
	pasteLogin = "use login --paste"
)

// withRetryHint replaces the hint of a failed login by the command that the user typed, with all its flags.
func (p *program) withRetryHint(err error, account string) error {
	hint := problem.HintOf(err)
	typed := "run: " + programName + " " + problem.Quote(p.Args...)
	switch hint {
	case retryLogin, "run: " + problem.LoginCommand(account):
		return problem.WithHint(err, typed)
	}
	if before, found := strings.CutSuffix(hint, pasteLogin); found {
		return problem.WithHint(err, before+typed+" --paste")
	}
	return err
}

// who asks the API who has signed in. An error here does not matter: the login is done.
func (a *accounts) who(ctx context.Context, account string) string {
	ctx, cancel := context.WithTimeout(ctx, client.AskTimeout)
	defer cancel()
	if a.ask != nil {
		return a.ask(ctx, account)
	}
	var answer admin.TestAnswer
	call := admin.TestCall{Account: account, Method: http.MethodGet, Target: doctor.MemberPath}
	if _, err := a.Do(ctx, http.MethodPost, "/api/v1/test", call, &answer); err != nil || answer.Status != http.StatusOK {
		return ""
	}
	return doctor.MemberName([]byte(answer.Body))
}

// byHand prints the address and reads what the user pastes.
func (c *loginCommand) byHand(ctx context.Context, p *program, acc *accounts) error {
	var begun admin.BegunLogin
	if _, err := acc.Do(ctx, http.MethodPost, "/api/v1/accounts/"+c.Account+"/login", nil, &begun); err != nil {
		return forPeople(err)
	}
	fmt.Fprintf(p.Stderr, "Open this address in a browser and allow the access:\n\n  %s\n\n", begun.AuthorizeURL)
	fmt.Fprintf(p.Stderr, "The browser then goes to a page that may not load. Paste the address of that page here within %.0f minutes, or the code in it:\n", loginTimeout.Minutes())
	text, err := readLine(ctx, p.Stdin)
	if err != nil {
		return err
	}
	end, err := pasted(text, begun.State)
	if err != nil {
		return err
	}
	_, err = acc.act(ctx, http.MethodPost, c.Account, "code", end)
	return err
}

// pasted reads an address with a code, or the code, which belongs to the login with this state.
func pasted(text, state string) (admin.EndLogin, error) {
	_, query, isAddress := strings.Cut(text, "?")
	if !isAddress {
		query = text
	}
	query, _, _ = strings.Cut(query, "#")
	values, err := url.ParseQuery(query)
	switch {
	case err == nil && (values.Get("code") != "" || values.Get("error") != ""):
		if !isAddress {
			values.Set("state", cmp.Or(values.Get("state"), state))
		}
		return admin.EndLogin{State: values.Get("state"), Code: values.Get("code"), Error: values.Get("error")}, nil
	case isAddress || strings.Contains(text, "/"):
		return admin.EndLogin{}, problem.Mistake("the pasted text contains no code", "copy the whole address of the last page, or only the part after code=")
	}
	code, _, _ := strings.Cut(text, "&")
	return admin.EndLogin{State: state, Code: code}, nil
}

// readLine returns the first line that is not empty, from a terminal or a pipe.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	return interruptible(ctx, func() (string, error) {
		lines := bufio.NewScanner(io.LimitReader(r, maxPasted))
		for lines.Scan() {
			if text := strings.TrimSpace(lines.Text()); text != "" {
				return text, nil
			}
		}
		return "", errors.Join(lines.Err(), problem.Mistake("nothing was pasted", "paste the address, or send it through a pipe"))
	})
}

// interruptible returns the result of read, or the cause of ctx's end. A read from a terminal or a pipe cannot be
// cancelled: it ends with the process.
func interruptible[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// byBrowser prints the address, tries to open it, and waits until the login in the browser has ended.
func (c *loginCommand) byBrowser(ctx context.Context, p *program, acc *accounts) error {
	stop := func() {}
	if acc.handler != nil { // no proxy runs, so this process serves the pages
		var err error
		if stop, err = acc.serveLogin(ctx); err != nil {
			return err
		}
	}
	defer stop()
	before, err := acc.lastLogin(ctx, c.Account)
	if err != nil {
		return err
	}
	var start admin.Link
	if _, err := acc.Do(ctx, http.MethodPost, "/api/v1/links", admin.WantedLink{Account: c.Account}, &start); err != nil {
		return forPeople(err)
	}
	fmt.Fprintf(p.Stderr, "Open this address in a browser on this machine to sign in account %s:\n\n  %s\n\n", c.Account, problem.Line(start.URL))
	if !c.NoBrowser {
		openBrowser(start.URL, p.Environ)
	}
	fmt.Fprintf(p.Stderr, "Waiting for the login in the browser, at most %.0f minutes. Press Ctrl-C to cancel.\n", loginTimeout.Minutes())
	return acc.await(ctx, c.Account, before)
}

// serveLogin serves the pages of a login, as a proxy would, until stop is called.
func (a *accounts) serveLogin(ctx context.Context) (stop func(), err error) {
	at, err := listen.Parse(net.JoinHostPort(a.redirect.Hostname(), listen.PortOf(a.redirect)))
	if err != nil || !at.Loopback() || a.redirect.Scheme != "http" {
		return nil, problem.Mistake("PandaDoc sends the browser to "+a.redirect.String()+", which is not on this machine", pasteLogin)
	}
	open, err := at.Open(ctx)
	if err != nil {
		if errors.Is(err, listen.ErrAddrInUse) {
			err = fmt.Errorf("another login or another program listens on %s, the address of the redirect URL", at)
			return nil, problem.WithHint(err, "finish the other login, stop that program, or "+pasteLogin)
		}
		return nil, problem.WithHint(fmt.Errorf("listen on %s, the address of the redirect URL: %w", at, err), pasteLogin)
	}
	server := newAdminServer(a.handler, nil)
	memory, _ := boundMemory()
	budget := listen.NewBudget(listen.FitLimits(0, openFiles(), memory)) // any user of the machine can connect
	budget.Watch(server)
	var serving sync.WaitGroup
	for _, l := range open {
		serving.Go(func() { server.Serve(budget.Listen(l, listen.Admin)) }) // always ends with an error, here that of Shutdown
	}
	return func() {
		// The last page may still be on its way to the browser. Shutdown would also wait 5 s for connections on
		// which a browser has sent nothing yet; do not wait that long.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), pageTimeout)
		defer cancel()
		if server.Shutdown(last) != nil {
			server.Close()
		}
		serving.Wait()
	}, nil
}

// lastLogin returns the result of an account's last login, or nil if there was none.
func (a *accounts) lastLogin(ctx context.Context, account string) (*admin.LoginResult, error) {
	var out admin.LastLogin
	_, err := a.Do(ctx, http.MethodGet, "/api/v1/accounts/"+account+"/login-result", nil, &out)
	return out.LastLogin, forPeople(err)
}

// await waits until a login has ended that is not the one in before.
func (a *accounts) await(ctx context.Context, account string, before *admin.LoginResult) error {
	tick := time.NewTicker(loginInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		now, err := a.lastLogin(ctx, account)
		switch {
		case err != nil && ctx.Err() == nil:
			return err
		case now == nil, before != nil && now.At.Equal(before.At):
		case now.Result == admin.LoginDone:
			return nil
		default:
			return problem.WithHint(errors.New(now.Detail), retryLogin)
		}
	}
}

// openBrowser tries to open an address and does not wait: the address was printed too. It uses no shell, so no
// part of the address can run as a command.
func openBrowser(address string, environ config.Environ) {
	var command *exec.Cmd
	switch {
	case runtime.GOOS == "darwin":
		command = exec.Command("open", address)
	case runtime.GOOS == "windows":
		command = exec.Command("rundll32", "url.dll,FileProtocolHandler", address)
	case environ.Get("DISPLAY") != "" || environ.Get("WAYLAND_DISPLAY") != "":
		command = exec.Command("xdg-open", address)
	default:
		return // without a screen, only a browser in the terminal could open
	}
	command.Env = withoutOurs(environ)
	if command.Start() == nil {
		go command.Wait() // avoids a zombie process; a browser may run for days
	}
}

// withoutOurs returns the environment for another program. It leaves out our settings, because some of them are
// secrets, or URLs that may contain one.
func withoutOurs(environ config.Environ) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		return strings.HasPrefix(strings.ToUpper(entry), "PANDADOC_")
	})
}

type consoleCommand struct {
	NoBrowser bool `default:"false" help:"Only print the address."`

	config.ProxySettings `embed:""`
}

// Run prints the address of the running proxy's console, and opens it. If the console is locked, the address
// has a code that works once.
func (c *consoleCommand) Run(ctx context.Context, p *program) error {
	settings, err := p.settings.RunningProxy(&c.ProxySettings)
	if err != nil {
		return withStatus(err, exitUsage)
	}
	running, err := client.Find(ctx, p.search(settings))
	if errors.Is(err, client.ErrNoProxy) {
		return problem.Mistake("found no running proxy of this user", "start it, or give this command the --admin-listen and --admin-socket of the proxy")
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
