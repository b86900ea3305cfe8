//go:build unix

package listen

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// After a change of the certificate, every handshake waited for somebody to write to the pipe, as with
// --tls-key <(pass show key).
func TestAKeyFromAPipeIsReadOnce(t *testing.T) {
	c := &Certificate{}
	c.CertFile, c.KeyFile = writePair(t, t.TempDir(), 1)
	key, err := os.ReadFile(c.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	c.KeyFile = filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(c.KeyFile, 0o600); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(c.KeyFile, key, 0)
	if err := c.Load(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(c.CertFile, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	c.checked = time.Time{}
	served := make(chan bool)
	go func() {
		c.current(nil)
		close(served)
	}()
	select {
	case <-served:
	case <-time.After(10 * time.Second):
		t.Error("a handshake waits for the pipe")
		os.WriteFile(c.KeyFile, nil, 0) // ends it
		<-served
	}
}
