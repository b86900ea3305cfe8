package listen

import (
	"net"
	"os"
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
	if err := Notify([]string{"NOTIFY_SOCKET=" + path}, "READY=1"); err != nil {
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
	if err := Notify(nil, "READY=1"); err != nil {
		t.Error(err)
	}
	if err := Notify([]string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "gone")}, "READY=1"); err == nil {
		t.Error("a service manager that is gone is not reported")
	}
}

// A child process that has the variables of its parent must not use its own descriptors as sockets.
func TestSocketsOfAnotherProcessAreNotInherited(t *testing.T) {
	for _, environ := range [][]string{
		nil,
		{"LISTEN_PID=1", "LISTEN_FDS=1"},
		{"LISTEN_FDS=1"},
	} {
		if open, err := Inherited(environ, os.Getpid()); err != nil || open != nil {
			t.Errorf("%v: got %d sockets, %v, want none", environ, len(open), err)
		}
	}
}
