package client

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/admin"
	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
)

// After "apt install" and "systemctl start", root ran status and was told that no proxy runs: the service has its
// socket in a directory of its own user.
func TestRootFindsTheSocketOfTheService(t *testing.T) {
	dir, err := os.MkdirTemp("", "socket-") // its path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // as it would be for another user: not a directory of this user alone
		t.Fatal(err)
	}
	l, err := Socket{Path: filepath.Join(dir, "admin.sock"), Admin: []string{"127.0.0.1:1"}, Store: "file:/store"}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(admin.Liveness{Program: problem.Program})
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })

	for _, row := range []struct {
		name  string
		in    Search
		found bool
	}{
		{"a directory that others can enter", Search{Dirs: []string{dir}}, false},
		{"the directory of the service", Search{Service: dir}, true},
		{"the service, with another admin port", Search{Service: dir, Admin: &listen.Address{Host: "localhost", Port: 9}}, false},
	} {
		if row.in.Admin == nil {
			row.in.Admin = &listen.Address{Host: "localhost", Port: 1}
		}
		c, err := Find(t.Context(), row.in)
		if got := c != nil; got != row.found || !row.found && !errors.Is(err, ErrNoProxy) {
			t.Errorf("%s: got %v, %v", row.name, got, err)
		}
	}
}

// Two proxies of one user had no admin port: a command for one of them reached the other, and login signed in there.
func TestProxiesWithoutAnAdminPortAreToldApartByTheirStores(t *testing.T) {
	dir, err := os.MkdirTemp("", "socket-") // its path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	private := filepath.Join(dir, "run")
	for _, store := range []string{"file:/a", "file:/b"} {
		l, err := Socket{Dirs: []string{private}, Proxied: []string{store}, Store: store}.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/livez" {
				json.NewEncoder(w).Encode(admin.Liveness{Program: problem.Program})
				return
			}
			json.NewEncoder(w).Encode(store)
		})}
		go server.Serve(l)
		t.Cleanup(func() { server.Close() })
	}
	for _, row := range []struct {
		name, want string
		in         Search
	}{
		{"the first store", "file:/a", Search{Store: "file:/a", StoreGiven: true}},
		{"the second store", "file:/b", Search{Store: "file:/b", StoreGiven: true}},
		{"the second store, as the default", "file:/b", Search{Store: "file:/b"}},
		{"a store of no proxy", "", Search{Store: "file:/c", StoreGiven: true}},
		{"a default that no proxy uses", "", Search{Store: "file:/c"}}, // login signed in at the proxy of another HOME
		{"no store at all", "file:/a or file:/b", Search{}},
	} {
		row.in.Dirs = []string{private}
		var got string
		c, err := Find(t.Context(), row.in)
		if err == nil {
			_, err = c.Do(t.Context(), http.MethodGet, "/store", nil, &got)
		}
		if row.want == "" && err == nil || row.want != "" && (got == "" || !strings.Contains(row.want, got)) {
			t.Errorf("%s: reached the proxy of %q (%v), want %q", row.name, got, err, row.want)
		}
		// What the user chose is clear. A default may be a mistake, so the error names both stores.
		if row.want == "" && errors.Is(err, ErrNoProxy) != row.in.StoreGiven {
			t.Errorf("%s: got %v", row.name, err)
		}
	}
}

// Each killed proxy left a socket in the temporary directory, for as long as the machine ran.
func TestAStartRemovesDeadSockets(t *testing.T) {
	base, err := os.MkdirTemp("", "[socket-") // its path must be short, and a home may have any name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	dirs := []string{filepath.Join(base, "run"), filepath.Join(base, "tmp")}
	offer := func(dirs []string, at string) net.Listener {
		l, err := Socket{Dirs: dirs, Proxied: []string{at}, Store: "file:/" + at}.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	kill := func(l net.Listener) { // and nobody removes its files
		for _, path := range []string{l.Addr().String(), infoPath(l.Addr().String())} {
			if err := os.Link(path, path+".kept"); err != nil {
				t.Fatal(err)
			}
			defer os.Rename(path+".kept", path)
		}
		l.Close()
	}
	alive := offer(dirs, "alive")
	defer alive.Close()
	kill(offer(dirs, "dead"))
	kill(offer(dirs[1:], "dead elsewhere"))
	others := filepath.Join(dirs[0], "admin-other.json")
	if err := os.WriteFile(others, []byte(`{"host":"another"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	offer(dirs, "next").Close()
	for i, want := range []int{3, 0} { // socket and description of the living, the description of the other machine
		left, err := os.ReadDir(dirs[i])
		if err != nil || len(left) != want {
			t.Errorf("%s: left are %v (%v), want %d files", dirs[i], left, err, want)
		}
	}
	if _, err := os.Stat(others); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("unix", alive.Addr().String()); err != nil {
		t.Errorf("the socket of the living proxy: %v", err)
	} else {
		c.Close()
	}
}
