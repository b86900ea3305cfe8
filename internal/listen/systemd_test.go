package listen

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

func TestNotifyTellsTheServiceManager(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := Notify(path, "READY=1"); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 64)
	n, err := conn.Read(got)
	if err != nil || string(got[:n]) != "READY=1" {
		t.Errorf("got %q, %v, want READY=1", got[:n], err)
	}
}

func TestNotifyWithoutAServiceManagerDoesNothing(t *testing.T) {
	if err := Notify("", "READY=1"); err != nil {
		t.Error(err)
	}
	if err := Notify(filepath.Join(t.TempDir(), "gone"), "READY=1"); err == nil {
		t.Error("a service manager that is gone is not reported")
	}
}

// A child process that has the variables of its parent must not use its own descriptors as sockets.
func TestSocketsOfAnotherProcessAreNotInherited(t *testing.T) {
	for _, environ := range []map[string]string{
		nil,
		{"LISTEN_PID": "1", "LISTEN_FDS": "1"},
		{"LISTEN_FDS": "1"},
	} {
		if open, err := Inherited(func(name string) string { return environ[name] }); err != nil || open != nil {
			t.Errorf("%v: got %d sockets, %v, want none", environ, len(open), err)
		}
	}
}
