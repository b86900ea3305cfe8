package admin

import (
	"net"
	"net/http"
	"slices"
)

// guard stands around the whole router. What it adds to Config.Guard is this listener's own: probes pass,
// other requests must come from this machine, and changes must be meant.
func (h *Handler) guard(next http.Handler) http.Handler {
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, refused := refusal(r); refused {
			writeProblem(w, p)
			return
		}
		next.ServeHTTP(w, r)
	})
	shared := h.config.Guard(own)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		shared.ServeHTTP(w, r)
	})
}

// ProbePaths are served on every address and under every Host: kubelets and scrapers use the pod's, and
// learn nothing that is worth protecting.
func ProbePaths() []string { return []string{"/livez", "/readyz", "/metrics"} }

// harden sets what every answer carries. No answer is kept by a cache, shown in a frame, read by a page
// of another origin, or taken for another type than it says.
func harden(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
}

// refusal says why a request is not served.
func refusal(r *http.Request) (problem, bool) {
	switch {
	case slices.Contains(ProbePaths(), r.URL.Path):
	case !arrivedOnLoopback(r):
		return problem{
			Status: http.StatusForbidden, Code: "route-not-allowed",
			Detail: "Beyond loopback only /livez, /readyz and /metrics are served.",
			Hint:   "Use the admin listener from the machine or container that the proxy runs in.",
		}, true
	case changes(r.Method) && len(r.Header.Values(RequestHeader)) == 0:
		return problem{
			Status: http.StatusForbidden, Code: "header-required",
			Detail: "A request that changes something needs the header " + RequestHeader + ".",
			Hint:   "Send " + RequestHeader + ": 1.",
		}, true
	}
	return problem{}, false
}

// arrivedOnLoopback says whether the connection came in on a loopback address or a unix socket. A
// request without a connection was made inside of this process.
func arrivedOnLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return true
	}
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

func changes(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return true
}
