// Package listen opens the addresses that the program serves on: TCP ports, unix sockets that only this
// user can connect to, and TLS with a certificate that is read again when it changes.
//
//	a, err := listen.Parse("localhost:8080")
//	open, err := a.Open(ctx) // one listener for each loopback family
//
// It does not depend on what is served.
package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Address is the address of a listener to open.
type Address struct {
	Path string // of a unix socket; then the rest is empty
	Host string // "localhost", an IP address, another name, or "" for all addresses
	Port uint16 // 0 means a free one
}

// Parse reads HOST:PORT or unix:/PATH.
func Parse(text string) (Address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if !filepath.IsAbs(path) {
			return Address{}, errors.New("the path of a unix socket must be absolute")
		}
		path = filepath.Clean(path)
		if most := maxSocketPath(); len(path) > most {
			return Address{}, fmt.Errorf("the path of a unix socket has at most %d bytes, and this one has %d", most, len(path))
		}
		return Address{Path: path}, nil
	}
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return Address{}, errors.New("not of the form HOST:PORT")
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return Address{}, errors.New("the port is not a number from 0 to 65535")
	}
	if host == "*" {
		host = ""
	}
	return Address{Host: strings.ToLower(host), Port: uint16(port)}, nil
}

// maxSocketPath returns the longest path that fits into the system's socket address, with a zero byte at its
// end.
func maxSocketPath() int {
	if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
		return 107
	}
	return 103
}

func (a Address) String() string {
	if a.Path != "" {
		return "unix:" + a.Path
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
}

// Origin returns the host that requests to the address have.
func (a Address) Origin() string {
	if a.Loopback() && a.Path == "" {
		return "http://" + a.String()
	}
	return "http://localhost"
}

// Loopback reports whether only processes of this machine can reach the address. It is false for names other than
// localhost, because they may resolve to any address, now or later.
func (a Address) Loopback() bool { return a.Path != "" || IsLoopbackHost(a.Host) }

// IsLoopbackHost reports whether host is localhost or a loopback address, without asking the DNS.
func IsLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Reaches reports whether a connection to host and port would arrive at a. It compares names and numbers only,
// and does not use DNS.
func (a Address) Reaches(host, port string) bool {
	if a.Path != "" || strconv.Itoa(int(a.Port)) != port {
		return false
	}
	ip, err := netip.ParseAddr(a.Host)
	wildcard := a.Host == "" || err == nil && ip.IsUnspecified()
	return strings.EqualFold(a.Host, host) || IsLoopbackHost(host) && (a.Loopback() || wildcard)
}
