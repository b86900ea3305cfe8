package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/config"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// configuration returns every mistake in the settings, each with its fix.
func (x *examination) configuration(context.Context) (found []Finding) {
	for _, err := range x.Mistakes {
		found = append(found, failingAs(err, "see \""+problem.Program+" serve --help\""))
	}
	for _, w := range x.Config.Warnings {
		found = append(found, warningAs(w))
	}
	if len(found) > 0 {
		return found
	}
	if x.File != "" {
		return []Finding{fine("flags, environment and " + x.File + " are in order")}
	}
	return []Finding{fine("flags and environment are in order; there is no file")}
}

// clientCredentials checks that there are a client id and secret. Only a refresh can show if they are right.
func (x *examination) clientCredentials(context.Context) []Finding {
	id, secret := x.Config.Tokens.Endpoint.ClientID, x.Config.Tokens.Endpoint.ClientSecret
	switch {
	case id == "" && x.keysOnly():
		return []Finding{fine("none, and none is needed: API keys are not refreshed")}
	case id == "" || secret.IsZero():
		return []Finding{failing("there is no client id and secret: nobody can sign in, and no token can be refreshed",
			"register an application at PandaDoc with the redirect URL "+x.redirect().String()+
				", and set PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET (or --client-id-file and --client-secret-file)")}
	case x.Config.ClientLooksExchanged():
		return []Finding{failing("the client id is as long as a secret, and the secret is as long as an id", "swap the two")}
	}
	return []Finding{fine("there is a client id and a secret; --refresh shows whether PandaDoc accepts them")}
}

// keysOnly reports whether every configured account has an API key.
func (x *examination) keysOnly() bool {
	for _, a := range x.Config.Tokens.Accounts {
		if a.APIKey.IsZero() {
			return false
		}
	}
	return len(x.Config.Tokens.Accounts) > 0
}

// role is the region of a PandaDoc host, and what it serves.
type role struct{ region, serves string }

func knownHosts() map[string]role {
	all := map[string]role{}
	for _, r := range config.Regions() {
		for serves, text := range map[string]string{"API": r.API, "consent page": r.Authorize} {
			if u, err := url.Parse(text); err == nil {
				all[u.Hostname()] = role{r.Name, serves}
			}
		}
	}
	return all
}

// region finds URLs that do not belong together: a token of one does not work with the others.
func (x *examination) region(context.Context) (found []Finding) {
	hosts, seen := knownHosts(), map[string]bool{}
	var places []string
	for _, u := range x.endpoints() {
		r, known := hosts[u.Hostname()]
		switch {
		case known && r.serves != u.needs:
			found = append(found, failing(fmt.Sprintf("%s is %s, where PandaDoc has its %s", u.flag, u.Host, r.serves),
				"remove "+u.flag+": --region sets it"))
		case !known && (strings.HasSuffix(u.Hostname(), ".pandadoc.com") || strings.HasSuffix(u.Hostname(), ".pandadoc.eu")):
			found = append(found, failing(fmt.Sprintf("%s is %s, which is not a known host of PandaDoc", u.flag, u.Host),
				"use --region global or --region eu instead of "+u.flag))
		}
		seen[r.region] = true // "" for a host that is not PandaDoc's
		place := strings.TrimSuffix(strings.TrimPrefix(u.flag, "--"), "-url") + " " + u.Host
		if known {
			place += " (" + r.region + ")"
		}
		places = append(places, place)
	}
	text := strings.Join(places, ", ")
	switch {
	case len(found) > 0:
		return found
	case len(seen) > 1:
		return []Finding{failing("the URLs do not belong together: "+text+": a token of one does not work with the others",
			"set --region to that of the account, and remove --api-url, --authorize-url and --token-url; or set all three")}
	}
	return []Finding{fine(text)}
}

// endpoint is one of PandaDoc's URLs.
type endpoint struct {
	*url.URL
	flag  string
	needs string // what its host must serve
}

// endpoints leaves out those that could not be read.
func (x *examination) endpoints() []endpoint {
	var all []endpoint
	for _, e := range []endpoint{
		{x.Config.Upstream.API, "--api-url", "API"},
		{x.Config.Upstream.Token, "--token-url", "API"},
		{x.Config.Upstream.Authorize, "--authorize-url", "consent page"},
	} {
		if e.Host != "" {
			all = append(all, e)
		}
	}
	return all
}

// redirect returns the URL to which PandaDoc sends browsers.
func (x *examination) redirect() *url.URL {
	return x.Config.Login.Redirect(x.Config.AdminPort())
}

// redirectURL checks that a browser that comes back from PandaDoc finds the proxy.
func (x *examination) redirectURL(context.Context) []Finding {
	u, at := x.redirect(), x.Config.Admin
	register := u.String() + " must be exactly the one registered at PandaDoc"
	switch {
	case at == nil || at.Path != "":
		return []Finding{warning("no proxy listens where "+u.String()+" points", "sign in while no proxy runs, or with login --paste")}
	case at.Port == 0 && x.Config.Login.RedirectURL == nil:
		return []Finding{warning("--admin-listen chooses another port at every start, and that changes the redirect URL",
			"give --admin-listen a fixed port, or sign in with login --paste")}
	case listen.IsLoopbackHost(u.Hostname()) && !at.Reaches(u.Hostname(), listen.PortOf(u)):
		return []Finding{warning(fmt.Sprintf("PandaDoc sends browsers to %s, and the admin listener is %s", u, at),
			"set --admin-listen to "+u.Hostname()+":"+listen.PortOf(u)+", or register "+config.Login{}.Redirect(int(at.Port)).String()+
				" at PandaDoc and set --redirect-url to it; login --paste works in any case")}
	case !listen.IsLoopbackHost(u.Hostname()):
		return []Finding{fine(register + ", and lead to the admin listener " + at.String())}
	}
	return []Finding{fine(register)}
}

// runningProxy compares a running proxy with these settings.
func (x *examination) runningProxy(context.Context) []Finding {
	at := "an admin socket"
	if x.Config.Admin != nil {
		at = x.Config.Admin.String()
	}
	switch {
	case x.Proxy == nil && x.Config.Admin == nil:
		return []Finding{skipped("there is no admin listener to ask")}
	case x.Proxy == nil && x.ProxyErr == nil:
		return []Finding{fine("none is running on " + at)}
	case x.ProxyErr != nil:
		return []Finding{failingAs(x.ProxyErr, "stop what listens on "+at+", or choose another address with --admin-listen")}
	}
	found := []Finding{fine(fmt.Sprintf("version %s runs on %s since %s", x.overview.Version, at, x.overview.StartedAt.Local().Format("2006-01-02 15:04:05")))}
	for _, d := range []struct{ what, runs, here string }{
		{"PandaDoc at", x.overview.Upstream, x.Config.Upstream.API.String()},
		{"the store", x.overview.Store, x.store.Name},
		{"the redirect URL", x.overview.RedirectURL, x.redirect().String()},
	} {
		if d.runs != d.here && d.here != "" {
			found = append(found, warning(fmt.Sprintf("the running proxy uses %s %s, and these settings say %s", d.what, d.runs, d.here),
				"give doctor the settings of the proxy, or start the proxy again with these"))
		}
	}
	return append(found, x.troubles()...)
}

// troubles returns the problems that the running proxy reports about its accounts.
func (x *examination) troubles() (found []Finding) {
	for _, a := range x.overview.Accounts {
		if x.Account != "" && a.Account != x.Account {
			continue
		}
		seen := fmt.Sprintf("the running proxy reports account %s: %s (%s) %s", a.Account, a.State, a.Cause, a.Detail)
		if a.Cause == problem.StoreUnavailable { // of which the hint is this command
			a.Hint = "see the checks of the store below; if they are ok, run doctor with the settings of the running proxy"
		}
		switch a.State {
		case tokens.LoginRequired:
			found = append(found, needsLogin(seen, a.Hint))
		case tokens.Unavailable:
			found = append(found, failing(seen, a.Hint))
		case tokens.Degraded:
			found = append(found, warning(seen, a.Hint))
		}
	}
	return found
}

// adminKey reports whether the admin listener has its key, or can create one. It creates nothing itself.
func (x *examination) adminKey(context.Context) []Finding {
	if !x.Config.AsksForAuthentication() {
		return []Finding{fine("not required: the proxied port requires no authentication either")}
	}
	path, err := x.Config.AdminKeyPath()
	if err == nil {
		_, err = admin.ReadKey(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err = x.keyCreatable(path); err == nil {
			return []Finding{fine(path + " will be created at the first start")}
		}
	}
	switch {
	case err == nil:
		return []Finding{fine(path + " has a key")}
	case x.Config.AdminKeyFile == "" && problem.HintOf(err) == "": // the proxy can start
		return []Finding{warning("the admin key cannot be saved: "+err.Error()+"; each start of the proxy creates a new one",
			"if programs need the key, set --admin-key-file to a file that this user can write")}
	}
	return []Finding{failingAs(fmt.Errorf("the proxy cannot start with this admin key: %w", err), "name another file with --admin-key-file")}
}

// keyCreatable returns an error if no admin key can be created at path. The proxy creates the state directory, but no
// other directory.
func (x *examination) keyCreatable(path string) error {
	dir := filepath.Dir(path)
	for x.Config.AdminKeyFile == "" {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		dir = filepath.Dir(dir)
	}
	return tryWrite(dir)
}

// listeners reports whether a proxy can listen, or listens already.
func (x *examination) listeners(ctx context.Context) (found []Finding) {
	for _, a := range x.Config.Listen {
		found = append(found, x.listener(ctx, "listen", a.Address))
	}
	if at := x.Config.Admin; at != nil && x.Proxy == nil {
		found = append(found, x.listener(ctx, "admin-listen", *at))
	}
	if len(found) == 0 {
		return []Finding{skipped("no address could be read")}
	}
	return found
}

func (x *examination) listener(ctx context.Context, flag string, a listen.Address) Finding {
	err := a.TryOpen(ctx)
	switch {
	case err == nil && a.Path == "" && a.Port == 0:
		return fine("--" + flag + ": a free port is chosen")
	case err == nil:
		return fine(fmt.Sprintf("--%s: %s is free", flag, a))
	case errors.Is(err, listen.ErrAddrInUse) && x.servedByProxy(a):
		return fine(fmt.Sprintf("--%s: the running proxy serves %s", flag, a))
	case errors.Is(err, listen.ErrAddrInUse):
		return failing(fmt.Sprintf("--%s: another program listens on %s", flag, a), listen.Hint(flag, err))
	}
	return failing(fmt.Sprintf("--%s: cannot listen on %s: %v", flag, a, err), listen.Hint(flag, err))
}

func (x *examination) servedByProxy(a listen.Address) bool {
	return slices.ContainsFunc(x.overview.Listeners, func(base string) bool {
		if _, at, found := strings.Cut(base, "://"); found {
			base = at
		}
		served, err := listen.Parse(base)
		return err == nil && (served == a || served.Path == "" && a.Reaches(served.Host, fmt.Sprint(served.Port)))
	})
}
