//go:build unix

package filestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/filestore"
	"pandadoc-auth-proxy/tokens/storetest"
)

const (
	helperEnv = "FILESTORE_TEST_HELPER"
	nobody    = 65534
)

// TestMain lets the test binary play another process that uses the store: see helper.
func TestMain(m *testing.M) {
	if verb := os.Getenv(helperEnv); verb != "" {
		if err := helper(verb, os.Args[1]); err != nil {
			fmt.Println("error:", err, problem.HintOf(err))
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func helper(verb, dir string) error {
	ctx := context.Background()
	s, err := filestore.Open(filestore.Options{Dir: dir})
	if err != nil {
		return err
	}
	switch verb {
	case "check":
		err := s.Check(ctx, "")
		fmt.Println(s.Dir())
		return err
	case "count":
		return count(ctx, s)
	case "hold":
		_, ok, err := s.TryLock(ctx, "acme")
		fmt.Println(ok)
		if err == nil {
			_, err = os.Stdin.Read(make([]byte, 1)) // until it is killed
		}
		return err
	}
	return errors.New("no such helper")
}

// count counts up in the record for ever and prints each number once it is saved.
func count(ctx context.Context, s *filestore.Store) error {
	rec, err := s.Load(ctx, "acme")
	for err == nil {
		rec.Previous.Generation++
		rec, err = s.Save(ctx, "acme", rec)
		if errors.Is(err, tokens.ErrConflict) {
			rec, err = s.Load(ctx, "acme")
			continue
		}
		fmt.Println(rec.Previous.Generation)
	}
	return err
}

// process is a helper that runs.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func start(t *testing.T, verb, dir string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, dir)
	cmd.Env = append(os.Environ(), helperEnv+"="+verb)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Process.Kill(); cmd.Wait() })
	return &process{t, cmd, bufio.NewScanner(stdout)}
}

func (p *process) line() string {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("the helper ended: %v", p.lines.Err())
	}
	return p.lines.Text()
}

// kill ends the process as kill -9 does, and returns what it had still said.
func (p *process) kill() (rest []string) {
	p.cmd.Process.Kill()
	for p.lines.Scan() {
		rest = append(rest, p.lines.Text())
	}
	p.cmd.Wait()
	return rest
}

// What a process said to be saved is on disk, whole, however the process ended; and nobody
// waits for the dead.
func TestKilledWhileSaving(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	rec := storetest.Sample()
	rec.Scope = strings.Repeat("x", 20_000) // so that there is something to interrupt
	if _, err := s.Save(t.Context(), "acme", rec); err != nil {
		t.Fatal(err)
	}
	kills, leftovers := 40, 0
	if testing.Short() {
		kills = 10
	}
	for range kills {
		p := start(t, "count", dir)
		last := p.line()
		for range rand.IntN(6) {
			last = p.line()
		}
		<-time.After(rand.N(3 * time.Millisecond)) // somewhere in the next saves
		if rest := p.kill(); len(rest) > 0 {
			last = rest[len(rest)-1]
		}
		said, err := strconv.ParseUint(last, 10, 64)
		if err != nil {
			t.Fatalf("the helper said %q", last)
		}
		rec, err := s.Load(t.Context(), "acme")
		if err != nil {
			t.Fatalf("after a kill: %v", err)
		}
		if rec.Previous.Generation != said && rec.Previous.Generation != said+1 {
			t.Fatalf("the record has %d, want %d, or one more that was not told any more", rec.Previous.Generation, said)
		}
		if _, err := s.Save(t.Context(), "acme", rec); err != nil {
			t.Fatalf("Save after a kill: %v", err)
		}
		leftovers += len(temps(t, dir))
		open(t, dir)
		if left := temps(t, dir); len(left) > 0 {
			t.Fatalf("left after Open: %q", left)
		}
	}
	t.Logf("%d kills, %d temporary files left by them and removed", kills, leftovers)
}

func temps(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.tmp-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Loading takes no lock, so a record must be there, whole, at every moment of a save.
func TestReadersSeeWholeRecords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	last := create(t, s, "acme")
	p := start(t, "count", dir)
	changes := 0
	for range 5_000 {
		rec, err := s.Load(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		if rec.Previous.Generation < last.Previous.Generation {
			t.Fatalf("the record went back from %d to %d", last.Previous.Generation, rec.Previous.Generation)
		}
		if rec.Previous.Generation > last.Previous.Generation {
			changes++
		}
		last = rec
	}
	p.kill()
	t.Logf("5000 loads saw %d different records", changes)
}

func TestRefreshLockEndsWithItsHolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	p := start(t, "hold", dir)
	if got := p.line(); got != "true" {
		t.Fatalf("the helper did not get the lock: %q", got)
	}
	if _, ok, err := s.TryLock(t.Context(), "acme"); ok || err != nil {
		t.Fatalf("TryLock while another process holds the lock: got %v, %v", ok, err)
	}
	// Stopped is not dead.
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.TryLock(t.Context(), "acme"); ok || err != nil {
		t.Fatalf("TryLock while the holder is stopped: got %v, %v", ok, err)
	}
	p.kill()
	unlock, ok, err := s.TryLock(t.Context(), "acme")
	if !ok || err != nil {
		t.Fatalf("TryLock after the holder was killed: got %v, %v, want the lock", ok, err)
	}
	unlock()
}

func TestProcessesLoseNoUpdate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	rec := create(t, s, "acme")
	p := start(t, "count", dir)
	won := 0
	for range 200 {
		rec.Generation++
		saved, err := s.Save(t.Context(), "acme", rec)
		switch {
		case err == nil:
			won++
		case errors.Is(err, tokens.ErrConflict):
			saved, err = s.Load(t.Context(), "acme")
		}
		if err != nil {
			t.Fatal(err)
		}
		rec = saved
	}
	p.kill()
	rec, err := s.Load(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := rec.Generation, storetest.Sample().Generation+uint64(won); got != want {
		t.Errorf("generation is %d after %d swaps that won, want %d", got, won, want)
	}
}
