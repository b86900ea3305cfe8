package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
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
	l, err := Offer(t.Context(), filepath.Join(dir, "admin.sock"), nil, []string{"127.0.0.1:1"}, nil)
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
