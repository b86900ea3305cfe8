package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard stands around the whole router. Probes pass first: kubelets and scrapers use the pod's address
// for a host name, and learn nothing that is worth protecting.
func (h *Handler) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		harden(w.Header())
		if !isProbe(r.URL.Path) {
			if p, refused := h.refusal(r); refused {
				writeProblem(w, p)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func isProbe(path string) bool { return path == "/livez" || path == "/readyz" }

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

// refusal says why a request that is no probe is not served.
func (h *Handler) refusal(r *http.Request) (problem, bool) {
	switch {
	case !arrivedOnLoopback(r):
		return problem{
			Status: http.StatusForbidden, Code: "route-not-allowed",
			Detail: "Beyond loopback only /livez and /readyz are served.",
			Hint:   "Use the admin listener from the machine or container that the proxy runs in.",
		}, true
	case h.config.AllowHost != nil && !h.config.AllowHost(r):
		return problem{
			Status: http.StatusForbidden, Code: "host-not-allowed",
			Detail: "The Host header is none of this listener's names.",
			Hint:   "Use localhost, or allow the name with --allow-host.",
		}, true
	case !h.fromHere(r):
		return problem{
			Status: http.StatusForbidden, Code: "origin-not-allowed",
			Detail: "Requests that pages of another origin make are not served.",
			Hint:   "Open the address yourself.",
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

// fromHere refuses what a browser does on behalf of a page of another origin (Fetch Metadata, and
// Origin for browsers without it). Clients that are no browsers send neither header. Coming back from
// PandaDoc's consent page is a cross-site navigation too; it may reach the callback and nothing else.
func (h *Handler) fromHere(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && !sameOrigin(origin, r) {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" &&
		r.Header.Get("Sec-Fetch-Dest") == "document" && r.URL.Path == h.config.Login.RedirectURL.Path
}

// sameOrigin compares with the host that the request was sent to, which AllowHost has checked.
func sameOrigin(origin string, r *http.Request) bool {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return strings.EqualFold(origin, scheme+r.Host)
}

func changes(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return true
}

// LoopbackHost says whether a Host header names this machine by a loopback name or address, or by the
// very address that the connection arrived on. It is the default of Config.AllowHost.
func LoopbackHost(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
