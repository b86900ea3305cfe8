package admin

import (
	"io"
	"net"
	"net/http"
	"strings"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/proxy"
)

// newGuard returns a guard like that of the proxied port for this listener. Pages of other sites may lead the
// browser to the console, and PandaDoc's consent page leads it to the callback.
func newGuard(c Config) (*proxy.Guard, error) {
	return proxy.NewGuard(proxy.GuardConfig{
		AllowHosts:    append([]string{c.Login.RedirectURL.Hostname()}, c.AllowHosts...),
		NavigatePaths: []string{"/", c.Login.RedirectURL.Path},
	})
}

// guarded wraps the whole router.
func (h *Handler) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
			// net/http hides a Content-Length beside it, so what follows could be read in two ways.
			w.Header().Set("Connection", "close")
		}
		if refused := h.guard.Check(r); refused != nil {
			if refused.Code == problem.HostNotAllowed && r.URL.Path == "/livez" && !changes(r.Method) {
				// Probes may use any name. The answer is useless for a page that uses DNS rebinding.
				io.WriteString(w, "ok\n")
				return
			}
			refused.Write(w)
			return
		}
		if refused := checkSource(r); refused != nil {
			refused.Write(w)
			return
		}
		if h.locked() && h.needsKey(r) && !h.hasKey(r) {
			refuseKey(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// trusted wraps the router for connections that only this user can make.
func (h *Handler) trusted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		next.ServeHTTP(w, r)
	})
}

// harden sets the header fields of every answer: no caching, no frames, no access for pages of other origins,
// no guessing of the type.
func harden(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
}

// isProbe reports whether path is for kubelets and scrapers, which use the address of the pod.
func isProbe(path string) bool { return path == "/livez" || path == "/readyz" || path == "/metrics" }

// checkSource returns why the place that r comes from may not send it, or nil: beyond loopback there are only probes,
// and a browser's request that changes something needs RequestHeader.
func checkSource(r *http.Request) *problem.Problem {
	switch {
	case isProbe(r.URL.Path):
	case !arrivedOnLoopback(r):
		return new(problem.Of(problem.LoopbackOnly))
	case changes(r.Method) && mayBeBrowser(r) && len(r.Header.Values(RequestHeader)) == 0:
		return new(problem.Of(problem.AdminHeaderRequired, "header", RequestHeader))
	}
	return nil
}

// arrivedOnLoopback reports whether the connection came in on a loopback address or a unix socket. A request
// without a connection comes from this process.
func arrivedOnLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return true
	}
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// mayBeBrowser reports whether r has a header that every browser sends with a POST, however old the browser is.
// Programs such as curl send none of them.
func mayBeBrowser(r *http.Request) bool {
	for _, name := range []string{"Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Referer", "Cookie", "Accept-Language"} {
		if len(r.Header.Values(name)) > 0 {
			return true
		}
	}
	return strings.Contains(r.UserAgent(), "Mozilla/")
}

func changes(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return true
}
