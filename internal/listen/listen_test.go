package listen

import (
	"errors"
	"net"
	"net/http/httptrace"
	"path/filepath"
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

// A container without /etc/hosts does not know the name, and healthcheck runs in there.
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

func TestATakenFamilyIsAnError(t *testing.T) {
	v6, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	defer v6.Close()
	port := uint16(v6.Addr().(*net.TCPAddr).Port)
	open, err := Address{Host: "localhost", Port: port}.Open(t.Context())
	CloseAll(open)
	if !errors.Is(err, ErrAddrInUse) {
		t.Errorf("got %v, want %v: a client that prefers IPv6 would talk to a stranger", err, ErrAddrInUse)
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
