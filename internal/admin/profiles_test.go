package admin

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"pandadoc-auth-proxy/tokens"
)

func TestProfilesAreServedOnlyWhereAskedFor(t *testing.T) {
	off := newTester(t, account("default", tokens.Ready, ""))
	on := newTesterWith(t, func(c *Config) { c.Pprof = true }, account("default", tokens.Ready, ""))
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=1", "/debug/pprof/symbol"} {
		check(t, "off: "+path, off.send(http.MethodGet, path, "").status, http.StatusNotFound)
		check(t, "on: "+path, on.send(http.MethodGet, path, "").status, http.StatusOK)
	}
	check(t, "command line", on.send(http.MethodGet, "/debug/pprof/cmdline", "").status, http.StatusNotFound)
	far := httptest.NewRequest(http.MethodGet, "/debug/pprof/heap", nil)
	far = far.WithContext(context.WithValue(far.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}))
	w := httptest.NewRecorder()
	on.handler.ServeHTTP(w, far)
	check(t, "from afar", w.Code, http.StatusForbidden)
}
