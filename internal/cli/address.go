package cli

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"pandadoc-auth-proxy/tokens"
)

// address is where a listener is wanted.
type address struct {
	path string // of a unix socket; then the rest is empty
	host string // "localhost", an IP address, another name, or "" for all addresses
	port uint16 // 0 picks a free one
}

// place is an address of the proxied port, which may be for one account only.
type place struct {
	address
	account string // empty: the request chooses
}

// parsePlace reads an address, or NAME= and an address.
func parsePlace(text string) (place, error) {
	account, at, named := strings.Cut(text, "=")
	if !named || strings.ContainsAny(account, ":/") { // a path may hold a "="
		a, err := parseAddress(text)
		return place{address: a}, err
	}
	if err := tokens.CheckAccount(account); err != nil {
		return place{}, err
	}
	a, err := parseAddress(at)
	return place{a, account}, err
}

func addressesOf(places []place) (all []address) {
	for _, p := range places {
		all = append(all, p.address)
	}
	return all
}

// parseAddress reads HOST:PORT or unix:/PATH.
func parseAddress(text string) (address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if !filepath.IsAbs(path) {
			return address{}, errors.New("the path of a unix socket must be absolute")
		}
		return address{path: filepath.Clean(path)}, nil
	}
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return address{}, errors.New("not of the form HOST:PORT")
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return address{}, errors.New("the port is not a number from 0 to 65535")
	}
	if host == "*" {
		host = ""
	}
	return address{host: strings.ToLower(host), port: uint16(port)}, nil
}

func (a address) String() string {
	if a.path != "" {
		return "unix:" + a.path
	}
	return net.JoinHostPort(a.host, strconv.Itoa(int(a.port)))
}

// loopback says whether only processes of this machine can reach the address. A name other than
// localhost may point anywhere, tomorrow if not today.
func (a address) loopback() bool { return a.path != "" || isLoopbackHost(a.host) }

// isLoopbackHost says whether host is localhost or a loopback address, without asking the DNS.
func isLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// reaches says whether a connection to host and port would arrive at a. It looks at names and
// numbers only; what the DNS says is not asked.
func (a address) reaches(host, port string) bool {
	if a.path != "" || strconv.Itoa(int(a.port)) != port {
		return false
	}
	ip, err := netip.ParseAddr(a.host)
	wildcard := a.host == "" || err == nil && ip.IsUnspecified()
	return strings.EqualFold(a.host, host) || isLoopbackHost(host) && (a.loopback() || wildcard)
}
