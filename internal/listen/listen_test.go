package listen

import (
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestLocalhostIsOnePortInBothFamilies(t *testing.T) {
	open, err := Address{Host: "localhost"}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer CloseAll(open)
	ports := map[int]bool{}
	for _, l := range open {
		addr := l.Addr().(*net.TCPAddr)
		ports[addr.Port] = true
		if !addr.IP.IsLoopback() {
			t.Errorf("got listener on %s, want loopback only", addr)
		}
	}
	if len(ports) != 1 {
		t.Errorf("got ports %v, want one", ports)
	}
}

// healthcheck also runs in containers without /etc/hosts, which cannot resolve localhost.
func TestLocalhostIsReachedWithoutAResolver(t *testing.T) {
	for _, family := range []string{"127.0.0.1", "::1"} {
		open, err := Address{Host: family}.Open(t.Context())
		if noSuchFamily(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer CloseAll(open)
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			DNSStart: func(i httptrace.DNSStartInfo) { t.Errorf("a resolver is asked for %q", i.Host) },
		})
		at := Address{Host: "localhost", Port: uint16(open[0].Addr().(*net.TCPAddr).Port)}
		conn, err := at.Dial(ctx, "tcp", "example.com:1") // whatever a request names
		if err != nil {
			t.Fatalf("%s: %v", family, err)
		}
		conn.Close()
	}
}

// An address that was given as IPv4 must not be reachable over IPv6, because nobody expects that.
func TestAnIPv4AddressIsServedOnIPv4Only(t *testing.T) {
	open, err := Address{Host: "0.0.0.0"}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer CloseAll(open)
	_, port, _ := net.SplitHostPort(open[0].Addr().String())
	if conn, err := net.Dial("tcp4", "127.0.0.1:"+port); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	if conn, err := net.Dial("tcp6", "[::1]:"+port); err == nil {
		conn.Close()
		t.Error("got an answer on [::1], want none")
	}
}

// A host with route_localnet, or a container network, delivers packets of other machines to 127.0.0.1.
func TestALoopbackListenerRefusesOtherPeers(t *testing.T) {
	open, err := Address{Host: "127.0.0.1"}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer CloseAll(open)
	go func() {
		for {
			conn, err := open[0].Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("served"))
			conn.Close()
		}
	}()
	ask := func(from net.IP) string {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
		conn, err := d.Dial("tcp4", open[0].Addr().String())
		if err != nil {
			return ""
		}
		defer conn.Close()
		answer, _ := io.ReadAll(conn)
		return string(answer)
	}
	if got := ask(net.IPv4(127, 0, 0, 2)); got != "served" {
		t.Errorf("got %q from 127.0.0.2, want an answer", got)
	}
	for _, ip := range otherAddresses(t) {
		if got := ask(ip); got != "" {
			t.Errorf("got %q from %s, want none", got, ip)
		}
	}
}

// otherAddresses returns the IPv4 addresses of this machine that are not on loopback.
func otherAddresses(t *testing.T) (all []net.IP) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			all = append(all, n.IP)
		}
	}
	return all
}

func TestALongSocketPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 40))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	longest := filepath.Join(dir, strings.Repeat("s", maxSocketPath()-len(dir)-1))
	if _, err := Parse("unix:" + longest + "s"); err == nil || !strings.Contains(err.Error(), "108") && !strings.Contains(err.Error(), "104") {
		t.Errorf("got %v for a path that is one byte too long, want an error that names its length", err)
	}
	paths := []string{longest}
	if runtime.GOOS == "linux" { // elsewhere the way round needs a shorter directory
		paths = append(paths, deep(t, maxSocketPath()-2)+"/s")
	}
	for _, path := range paths {
		a, err := Parse("unix:" + path)
		if err != nil {
			t.Fatal(err)
		}
		open, err := a.Open(t.Context())
		if err != nil {
			t.Errorf("%d bytes: %v", len(path), err)
			continue
		}
		go open[0].Accept()
		if conn, err := net.Dial("unix", path); err != nil {
			t.Error(err)
		} else {
			conn.Close()
		}
		CloseAll(open)
	}
}

// deep returns a directory whose name has n bytes.
func deep(t *testing.T, n int) string {
	dir, err := os.MkdirTemp("/tmp", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	dir = filepath.Join(dir, strings.Repeat("d", n-len(dir)-1))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAPortThatIsTakenInOneFamilyIsAnError(t *testing.T) {
	v6, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	defer v6.Close()
	port := uint16(v6.Addr().(*net.TCPAddr).Port)
	open, err := Address{Host: "localhost", Port: port}.Open(t.Context())
	CloseAll(open)
	if !errors.Is(err, ErrAddrInUse) {
		t.Errorf("got %v, want %v: a client that prefers IPv6 would reach another program", err, ErrAddrInUse)
	}
}

func TestAStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	first, err := openSocket(t.Context(), path)
	if err != nil {
		t.Fatalf("got %v, want the dead socket replaced", err)
	}
	if _, err := openSocket(t.Context(), path); !errors.Is(err, ErrAddrInUse) {
		t.Errorf("got %v, want %v for one that answers", err, ErrAddrInUse)
	}
	if got := first.Addr().String(); got != path {
		t.Errorf("got name %q, want %q", got, path)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(path + "*"); files != nil {
		t.Errorf("got %q left, want nothing", files)
	}
}
