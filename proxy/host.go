package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// hostRule decides about the Host of a request. A web page can make a browser resolve any name to a
// loopback address (DNS rebinding), so the name that the browser believes to talk to must be one that
// no stranger can own.
type hostRule struct {
	allowed map[string]bool // lower case; with a port only where the operator gave one
}

// allows says whether host, which came on a connection to local, is one of ours: a loopback name or
// address, the very address that the client connected to, or one that the operator allowed. Ports are
// not compared: a container's published port or a port forwarder makes the client's differ from ours.
func (h hostRule) allows(host string, local net.Addr) bool {
	name, ok := cutHost(host)
	if !ok {
		return false
	}
	if isLoopbackName(name) || h.allowed[name] || h.allowed[strings.ToLower(host)] {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && (ip.IsLoopback() || ip == localIP(local))
}

// cutHost returns the name or address in host, in lower case and without port, brackets and the
// root's dot. It is not ok if host is not exactly a name or address with an optional port.
func cutHost(host string) (name string, ok bool) {
	name = host
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && !strings.HasSuffix(host, "]") {
		if !isPort(host[colon+1:]) {
			return "", false
		}
		name = host[:colon]
	}
	if strings.HasPrefix(name, "[") {
		return cutBrackets(name)
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name, name != "" && !strings.ContainsAny(name, ":/@[]%\\ ")
}

func isPort(s string) bool {
	if s == "" { // RFC 3986 section 3.2.3 allows "host:"
		return true
	}
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil && s[0] != '+'
}

// isLoopbackName knows localhost, and the names below it that choose an account (account.go).
// Browsers and resolvers keep both on this machine (RFC 6761 section 6.3).
func isLoopbackName(name string) bool {
	label, below := strings.CutSuffix(name, ".localhost")
	if below {
		return validLabel(label)
	}
	return name == "localhost"
}

// cutBrackets returns the IPv6 address in "[...]" in its one spelling, as IPv4 if it is that. Zones are
// refused: they name an interface of one machine and have no place in a Host header.
func cutBrackets(s string) (name string, ok bool) {
	inner, closed := strings.CutSuffix(s[1:], "]")
	ip, err := netip.ParseAddr(inner)
	if !closed || err != nil || !ip.Is6() || ip.Zone() != "" {
		return "", false
	}
	return ip.Unmap().String(), true
}

func localIP(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	if ip.IsUnspecified() {
		return netip.Addr{}
	}
	return ip
}

func localAddr(r *http.Request) net.Addr {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return addr
}
