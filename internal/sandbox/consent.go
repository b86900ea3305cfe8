package sandbox

import (
	"cmp"
	html "html/template"
	"net/http"
	"net/url"
	"time"
)

// consentRequest is what a consent page asks. The ticket in the page's form is valid once, for the request of that page
// only, so that no other page can send the form.
type consentRequest struct {
	redirect     *url.URL
	state, scope string
}

// serveAuthorize shows the consent page. A wrong client or redirect URL is shown to the person and never
// redirected (RFC 6749 section 4.1.2.1); other mistakes are sent to the client.
func (e *Emulator) serveAuthorize(x *exchange) {
	q := x.r.URL.Query()
	redirectURL := q.Get("redirect_uri")
	if redirectURL == "" && len(e.opts.RedirectURLs) == 1 {
		redirectURL = e.opts.RedirectURLs[0]
	}
	redirect, registered := e.opts.redirect(redirectURL)
	switch {
	case q.Get("client_id") != e.client.id:
		x.consentError("There is no application with this client_id.")
	case !registered:
		x.consentError("The redirect_uri is not the one that the application registered.")
	case q.Get("response_type") != "code":
		x.sendBack(redirect, q.Get("state"), "error", "unsupported_response_type")
	case !knownScope(q.Get("scope")):
		x.sendBack(redirect, q.Get("state"), "error", "invalid_scope")
	default:
		scope := cmp.Or(q.Get("scope"), defaultScope)
		if scope == "read write" { // "read+write", if the client did not escape the plus
			scope = defaultScope
		}
		ask := consentRequest{redirect: redirect, state: q.Get("state"), scope: scope}
		// Chromium also applies form-action to the redirect after the form.
		action := "'self' " + redirect.Scheme + "://" + redirect.Host
		x.showPage(http.StatusOK, action, page{Scope: scope, To: redirectURL, Ticket: e.tickets.put(ask, time.Now())})
	}
}

// serveConsent handles the form that the person has sent.
func (e *Emulator) serveConsent(x *exchange) {
	if err := http.NewCrossOriginProtection().Check(x.r); err != nil {
		x.consentError("This form can be sent from the emulator's own page only.")
		return
	}
	x.r.Body = http.MaxBytesReader(nil, x.r.Body, 64<<10)
	ask, ok := e.tickets.take(x.r.PostFormValue("ticket"), time.Now())
	switch {
	case !ok:
		x.consentError("This page was answered before, or is too old. Start the login again.")
	case x.r.PostFormValue("answer") == "allow":
		x.sendBack(ask.redirect, ask.state, "code", e.grants.codes.put(ask.scope, time.Now()))
	default:
		x.sendBack(ask.redirect, ask.state, "error", "access_denied")
	}
}

// sendBack redirects to the client. As at PandaDoc, the state is empty if none was sent.
func (x *exchange) sendBack(u *url.URL, state, key, value string) {
	q := u.Query()
	q.Set("state", state)
	q.Set(key, value)
	u.RawQuery = q.Encode()
	x.w.Header().Set("Location", u.String())
	x.w.Header().Set("Cache-Control", "no-store")
	x.w.WriteHeader(http.StatusFound)
}

func (x *exchange) consentError(message string) {
	x.showPage(http.StatusBadRequest, "'none'", page{Problem: message})
}

type page struct {
	Problem           string
	Scope, To, Ticket string
}

// showPage writes a consent page. formAction lists where its form may be sent.
func (x *exchange) showPage(status int, formAction string, p page) {
	h := x.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action "+formAction)
	x.w.WriteHeader(status)
	consentPage.Execute(x.w, p)
}

var consentPage = html.Must(html.New("consent").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>PandaDoc emulator: consent</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; color: #1c2b33; background: #fff }
.banner { background: #7a4b00; color: #fff; padding: .5rem 1rem; border-radius: .3rem }
code { overflow-wrap: anywhere }
button { font: inherit; padding: .5rem 1.5rem; margin-right: .5rem; border: 1px solid #1c2b33; border-radius: .3rem; background: #fff; color: inherit; cursor: pointer }
button[value=allow] { background: #0b6b43; border-color: #0b6b43; color: #fff }
:focus-visible { outline: 3px solid #0b6b43; outline-offset: 2px }
@media (prefers-color-scheme: dark) { body { color: #e8eef1; background: #14191c } button { background: #14191c; border-color: #e8eef1 } :focus-visible { outline-color: #58c793 } }
</style>
</head>
<body>
<main>
<p class="banner" role="note">This is an emulator of PandaDoc, not PandaDoc.</p>
{{if .Problem}}<h1>This login cannot go on</h1>
<p id="problem">{{.Problem}}</p>
{{else}}<h1>Allow access?</h1>
<p>The application <strong>Sandbox application</strong> asks for <code>{{.Scope}}</code> on the made-up documents of <strong>Sandbox workspace</strong>.</p>
<p>You will be sent to <code>{{.To}}</code>.</p>
<form method="post" action="/oauth2/authorize/confirm">
<input type="hidden" name="ticket" value="{{.Ticket}}">
<button name="answer" value="allow">Allow</button>
<button name="answer" value="deny">Deny</button>
</form>
{{end}}</main>
</body>
</html>
`))
