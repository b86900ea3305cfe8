package listen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"pandadoc-auth-proxy/internal/problem"
)

// portTries limits the search for a port that is free in both loopback families.
const portTries = 20

// OpenFor opens the address that --flag names. Its error has a hint.
func (a Address) OpenFor(ctx context.Context, flag string) ([]net.Listener, error) {
	open, err := a.Open(ctx)
	if err != nil {
		return nil, problem.WithHint(fmt.Errorf("listen on %s: %w", a, err), Hint(flag, err))
	}
	return open, nil
}

// CloseAll closes listeners.
func CloseAll(open []net.Listener) {
	for _, l := range open {
		l.Close()
	}
}

// Hint returns what to do about an error of Open for the address that --flag names.
func Hint(flag string, err error) string {
	switch {
	case errors.Is(err, ErrAddrInUse):
		return fmt.Sprintf("another process listens there: stop it, or choose another address, like --%s 127.0.0.1:0 for any free port", flag)
	case errors.Is(err, errAccess):
		return fmt.Sprintf("this user may not listen there: choose a port above 1023 or another directory with --%s", flag)
	}
	return fmt.Sprintf("choose another address with --%s", flag)
}

// Open returns one listener, or two for localhost: programs disagree about whether the name means
// 127.0.0.1 or ::1.
func (a Address) Open(ctx context.Context) ([]net.Listener, error) {
	switch {
	case a.Path != "":
		return single(openSocket(ctx, a.Path))
	case a.Host == "localhost":
		return a.openLoopback(ctx)
	}
	return single(openTCP(ctx, a.Host, a.Port))
}

// single returns l as a list.
func single(l net.Listener, err error) ([]net.Listener, error) {
	if err != nil {
		return nil, err
	}
	return []net.Listener{l}, nil
}

// openLoopback opens the same port in both families; a family that the machine does not have is left out.
func (a Address) openLoopback(ctx context.Context) ([]net.Listener, error) {
	var err error
	for range portTries {
		var v4, v6 net.Listener
		port := a.Port
		if v4, err = openTCP(ctx, "127.0.0.1", port); err != nil && !noSuchFamily(err) {
			return nil, err
		}
		if v4 != nil {
			port = uint16(v4.Addr().(*net.TCPAddr).Port)
		}
		v6, errV6 := openTCP(ctx, "::1", port)
		switch {
		case v4 != nil && v6 != nil:
			return []net.Listener{v4, v6}, nil
		case v6 != nil:
			return []net.Listener{v6}, nil
		case v4 != nil && noSuchFamily(errV6):
			return []net.Listener{v4}, nil
		}
		if v4 != nil {
			v4.Close()
		}
		if err = errV6; a.Port != 0 || !errors.Is(err, ErrAddrInUse) {
			return nil, err
		}
	}
	return nil, err
}

// noSuchFamily reports whether an error means that the machine lacks IPv4 or IPv6.
func noSuchFamily(err error) bool {
	return errors.Is(err, errAddrNotAvailable) || errors.Is(err, errFamily) ||
		errors.Is(err, errProtocol)
}

// openTCP listens only in the family of host if that is an address: otherwise Go would serve 0.0.0.0 on IPv6 too.
func openTCP(ctx context.Context, host string, port uint16) (net.Listener, error) {
	network := "tcp"
	ip, err := netip.ParseAddr(host)
	if err == nil && ip.Is4() {
		network = "tcp4"
	}
	l, err := new(net.ListenConfig).Listen(ctx, network, net.JoinHostPort(host, strconv.Itoa(int(port))))
	if err != nil {
		return nil, WithoutAddress(err)
	}
	if l.Addr().(*net.TCPAddr).IP.IsLoopback() {
		l = loopbackOnly{l}
	}
	return l, nil
}

// loopbackOnly refuses peers that are not on loopback. A router or a container network can be configured to forward
// their packets to a loopback address, but the listener there trusts every client.
type loopbackOnly struct{ net.Listener }

func (l loopbackOnly) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if peer, ok := conn.RemoteAddr().(*net.TCPAddr); ok && peer.IP.IsLoopback() {
			return conn, nil
		}
		conn.Close()
	}
}

// WithoutAddress removes the address from an error, because the caller adds it as the user wrote it.
func WithoutAddress(err error) error {
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		return sys.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// openSocket makes a unix socket that only this user can connect to. A socket file on which nothing answers is
// left over from a killed process, and is replaced.
func openSocket(ctx context.Context, path string) (net.Listener, error) {
	if err := checkStale(ctx, path); err != nil {
		return nil, err
	}
	// If the socket were made at its final path, others could connect until its mode is set.
	private, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	temporary := filepath.Join(private, "s")
	l, err := bind(ctx, private, temporary)
	if err != nil {
		return nil, WithoutAddress(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(temporary, 0o600), os.Rename(temporary, path)); err != nil {
		l.Close()
		return nil, err
	}
	made, err := os.Lstat(path)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &socket{Listener: l, path: path, made: made}, nil
}

// bind creates the socket name in dir. If the path is too long for the system, it uses a shorter path to the
// same directory on Linux.
func bind(ctx context.Context, dir, name string) (net.Listener, error) {
	if len(name) > maxSocketPath() {
		open, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		defer open.Close()
		name = fmt.Sprintf("/proc/self/fd/%d/%s", open.Fd(), filepath.Base(name))
	}
	return new(net.ListenConfig).Listen(ctx, "unix", name)
}

// checkStale returns an error unless path is free or a socket on which nothing answers.
func checkStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&os.ModeSocket == 0:
		return errors.New("the file exists and is not a socket; it was not changed")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		conn.Close()
		return ErrAddrInUse
	}
	if !errors.Is(err, ErrRefused) {
		return fmt.Errorf("there is a socket, which may be in use: %w", WithoutAddress(err))
	}
	return nil
}

// TryOpen opens the listener for a moment. For a Unix socket it only checks the path, because opening would
// create a file.
func (a Address) TryOpen(ctx context.Context) error {
	if a.Path != "" {
		return checkStale(ctx, a.Path)
	}
	open, err := a.Open(ctx)
	CloseAll(open)
	return err
}

// socket removes its file when it is closed, unless another process has put its own there.
type socket struct {
	net.Listener
	path string
	made os.FileInfo
}

func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.made) {
		os.Remove(s.path)
	}
	return s.Listener.Close()
}

// Addr returns the address with the path that the user wrote.
func (s *socket) Addr() net.Addr { return &net.UnixAddr{Name: s.path, Net: "unix"} }

// Dial connects to the address, and ignores the address of the request. If the address means all addresses, it
// connects to loopback.
func (a Address) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if a.Path != "" {
		return new(net.Dialer).DialContext(ctx, "unix", a.Path)
	}
	hosts := []string{a.Host}
	if ip := net.ParseIP(a.Host); a.Host == "localhost" || a.Host == "" || ip != nil && ip.IsUnspecified() {
		hosts = []string{"127.0.0.1", "::1"} // needs no resolver: a container may have none
	}
	var first error
	for _, host := range hosts {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(a.Port))))
		if err == nil {
			return conn, nil
		}
		first = cmp.Or(first, err)
	}
	return nil, first
}

// LeadsTo reports whether conn, which this process has opened, leads to one of its own listeners. A listener on all
// addresses can be reached at each address of the machine; a connection to it then also has that address as its
// source.
func LeadsTo(conn net.Conn, listeners ...net.Listener) bool {
	remote, ok := addrPort(conn.RemoteAddr())
	if !ok {
		return false
	}
	local, _ := addrPort(conn.LocalAddr())
	here := remote.Addr().IsLoopback() || remote.Addr() == local.Addr()
	return slices.ContainsFunc(listeners, func(l net.Listener) bool {
		at, ok := addrPort(l.Addr())
		return ok && at.Port() == remote.Port() && (at.Addr() == remote.Addr() || at.Addr().IsUnspecified() && here)
	})
}

// addrPort returns a TCP address. It returns an IPv4 address inside an IPv6 address as IPv4.
func addrPort(a net.Addr) (netip.AddrPort, bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, false
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port()), true
}

// BaseURL returns the base URL of a listener for clients.
func BaseURL(l net.Listener) string {
	served, _ := l.(*Listener)
	switch {
	case l.Addr().Network() == "unix":
		return "unix:" + l.Addr().String()
	case served != nil && served.Secure:
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// PortOf returns the port of u, or the default port of its scheme.
func PortOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
