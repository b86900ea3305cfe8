// Package console is the web console: three pages for people who set the proxy up, watch it, or want to try the
// API. It is static: the browser gets all data from the admin listener's API, so everything can also be done
// with curl.
//
//	GET /                    the console
//	GET /console/{file}      its scripts, styles and pictures
//
// # Security
//
// Nothing is loaded from other sites. The Content-Security-Policy of every answer forbids that. It also forbids
// inline code, forms and frames; only a document that the page itself has received may be shown in a frame. The
// page contains no secret. Answers of the API never become HTML of this origin.
//
// # The catalogue
//
// assets/operations.json describes the operations of PandaDoc's API, for the form and the reference of each.
// Its facts come from PandaDoc's OpenAPI description (MIT, PandaDoc); the texts and examples are ours. Names
// under "sdk" are those of pandadoc-node-client 6.2.0.
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

// mediaTypes are fixed here, because the system's tables may have other types or none.
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
