package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
)

// page is what people see in the browser: three lines, and nothing from anywhere else.
type page struct {
	Title string
	Text  string
	Hint  string // the next thing to try; may be empty
	Next  *link  // nil for none
}

// link leads on.
type link struct{ To, Text string }

const pageStyle = `body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}`

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.Title}} - pandadoc-auth-proxy</title>
<style>` + pageStyle + `</style>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{with .Hint}}<p>{{.}}</p>{{end}}
{{with .Next}}<p><a href="{{.To}}">{{.Text}}</a></p>{{end}}
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
