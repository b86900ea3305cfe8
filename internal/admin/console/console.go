// Package console is the web console: three pages for people who set the proxy up, watch it, or want to
// try the API. It is static: what it shows comes from the admin listener's own API, asked by the
// browser, so that everything here can be done with curl as well.
//
//	GET /                    the console
//	GET /console/{file}      what it is made of
//
// # Security
//
// Nothing is loaded from anywhere else, and the policy of every answer forbids it: no inline code, no
// frames but for documents that the page itself has received, no forms. The page holds no secret. What
// the API answered is never made into HTML of this origin.
//
// # The catalogue
//
// assets/operations.json describes the operations of PandaDoc's API: what the form and the reference of
// each are made of. Its facts come from PandaDoc's OpenAPI description (MIT, PandaDoc); the words and
// examples are ours. Names under "sdk" are those of pandadoc-node-client 6.2.0.
package console

import (
	"bytes"
	"embed"
	"net/http"
	"path"
	"time"
)

//go:embed assets
var assets embed.FS

// policy allows what the page is made of, and documents and pictures that it shows from memory.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; " +
	"frame-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// mediaTypes are given here and not taken from the system's tables, which may know others or none.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".svg":  "image/svg+xml",
}

// Index serves the console itself.
func Index(w http.ResponseWriter, r *http.Request) { serve(w, r, "index.html") }

// Assets returns the names of the files that the console is made of.
func Assets() []string {
	entries, err := assets.ReadDir("assets")
	if err != nil { // a program error: the directory is embedded
		panic(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Asset returns the handler of one of Assets.
func Asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { serve(w, r, name) }
}

func serve(w http.ResponseWriter, r *http.Request, name string) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("Content-Type", mediaTypes[path.Ext(name)])
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	data, err := assets.ReadFile(path.Join("assets", name))
	if err != nil { // a program error, as above
		panic(err)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}
