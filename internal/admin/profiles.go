package admin

import (
	"net/http"
	"net/http/pprof"

	"github.com/gorilla/mux"
)

// profiles serves what `go tool pprof` reads. Importing net/http/pprof also registers these handlers with
// http.DefaultServeMux, which nothing here serves.
func profiles(r *mux.Router) {
	for name, serve := range map[string]http.HandlerFunc{
		"profile": pprof.Profile, "trace": pprof.Trace, "symbol": pprof.Symbol,
	} {
		route(r, http.MethodGet, "/debug/pprof/"+name, serve)
	}
	// The command line is left out: it is nobody's business. Index serves the list and every named profile.
	for _, name := range []string{"", "allocs", "block", "goroutine", "heap", "mutex", "threadcreate"} {
		route(r, http.MethodGet, "/debug/pprof/"+name, pprof.Index)
	}
}
