package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
	"pandadoc-auth-proxy/tokens"
)

func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.MarshalIndent(body, "", "  ")
	if err != nil { // a program error: our types always marshal
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(data, '\n'))
}

// accountProblem returns the problem of an account, or the zero Problem if it has none.
func accountProblem(s tokens.Status) problem.Problem {
	code := s.Cause
	switch {
	case problem.Known(code):
	case s.State == tokens.LoginRequired:
		code = problem.LoginRequired
	default:
		return problem.Problem{}
	}
	values := about(s.Account)
	if s.StoredIssuer != "" {
		values = append(aboutAccount(s.Account), "stored", s.StoredIssuer, "configured", s.ConfiguredIssuer)
	}
	return problem.Of(code, values...)
}

// accountOf adds the texts for users to a state.
func accountOf(s tokens.Status) Account {
	p := accountProblem(s)
	return Account{Status: s, Title: p.Title, Why: p.Detail, Hint: p.Hint}
}

// about returns the values for the placeholders in texts about an account.
func about(account string) []string {
	return append(aboutAccount(account), "stored", "another API, token endpoint or client id", "configured", "this one")
}

func aboutAccount(account string) []string {
	login := problem.LoginCommand(account)
	if !tokens.ValidAccount(account) {
		login = problem.LoginCommand("") // an account that does not exist must not be in a command to paste
	}
	return []string{"account", account, "login", login}
}

// problemOf turns an error of the Manager into an answer.
func problemOf(account string, err error) problem.Problem {
	code, ok := proxy.TokenCode(err)
	switch {
	case errors.Is(err, tokens.ErrAPIKey):
		code = problem.APIKeyAccount
	case !ok:
		code = problem.Internal
	}
	p := problem.OfCase(code, problem.CaseAction, about(account)...)
	var u *tokens.UnavailableError
	if errors.As(err, &u) {
		if u.RetryAfter > 0 {
			p.RetryAfter = u.RetryAfter
		}
		p.Detail = withCause(p.Detail, account, u.Cause)
	}
	if hint := problem.HintOf(err); hint != "" {
		p.Hint = hint
	}
	return p
}

// withCause adds the cause to the detail of a problem. If the cause has a row in the table, the text of that
// row is used.
func withCause(detail, account string, cause error) string {
	var other *tokens.CauseError
	switch {
	case cause == nil:
		return detail
	case errors.As(cause, &other) && other.Code == problem.OtherIssuer:
		return problem.Of(problem.OtherIssuer, "stored", other.Stored, "configured", other.Configured).Detail
	case problem.Known(problem.Code(cause.Error())):
		return problem.Of(problem.Code(cause.Error()), about(account)...).Detail
	}
	return detail + " " + sentence(cause)
}

// sentence turns an error into a sentence.
func sentence(err error) string {
	text := problem.Line(err.Error())
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// page is a simple page for the browser: three lines, without content from other sites.
type page struct {
	Title string
	Text  string
	Hint  string     // the next thing to try; may be empty
	Links []pageLink // the most useful one first
}

// pageLink is a link on a page.
type pageLink struct{ To, Text string }

const pageStyle = `:root{color-scheme:light dark}` +
	`body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color:light-dark(#16211b,#e6eeea);background:light-dark(#fff,#0f1412)}` +
	`p{overflow-wrap:anywhere}:focus-visible{outline:3px solid light-dark(#0b6b43,#58c793);outline-offset:2px}` +
	`nav a{display:inline-block;margin:.5rem .75rem 0 0;padding:.4rem 1rem;border:1px solid;border-radius:8px;color:inherit;text-decoration:none}` +
	`nav a:first-child{background:#0b6b43;border-color:#0b6b43;color:#fff}`

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.Title}} - pandadoc-auth-proxy</title>
<style>` + pageStyle + `</style>
<main>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{with .Hint}}<p>{{.}}</p>{{end}}
{{with .Links}}<nav aria-label="What to do next">{{range .}}<a href="{{.To}}">{{.Text}}</a>{{end}}</nav>{{end}}
</main>
</html>
`))

func (h *Handler) page(w http.ResponseWriter, status int, p page) {
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, p); err != nil { // a program error: a page always fits its template
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	hash := sha256.Sum256([]byte(pageStyle))
	header := w.Header()
	header.Set("Content-Security-Policy", header.Get("Content-Security-Policy")+
		"; style-src 'sha256-"+base64.StdEncoding.EncodeToString(hash[:])+"'")
	header.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body.Bytes())
}
