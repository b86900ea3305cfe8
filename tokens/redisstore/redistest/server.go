// Package redistest runs real Redis servers for tests, on loopback, each with a directory of its own:
//
//	server := redistest.Start(t, "--appendonly", "yes")
//	server.Kill()
//	server.Restart()
//
// PANDADOC_TEST_REDIS_SERVER can name a program other than redis-server, such as valkey-server. If the program is not
// installed, the test is skipped.
package redistest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// waitLimit limits every wait. It is long, because the machine may be busy.
const waitLimit = time.Minute

// Server is one redis-server. Only one goroutine may call its methods at a time.
type Server struct {
	t    *testing.T
	port string
	dir  string
	args []string // without those that every server has
	// tlsPort and root are empty if the server does not speak TLS.
	tlsPort string
	root    []byte

	process *exec.Cmd
	ended   chan struct{}
}

// Start starts a server with additional arguments, and stops it at the end of the test.
func Start(t *testing.T, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath(program()); err != nil {
		t.Skip(program() + " is not installed")
	}
	logging.Disable() // the library would report every try to reach a server that is not there yet
	return run(t, t.TempDir(), append([]string{"--daemonize", "no", "--save", "", "--repl-diskless-sync-delay", "0"}, args...))
}

func run(t *testing.T, dir string, args []string) *Server {
	t.Helper()
	s := &Server{t: t, port: freePort(t), dir: dir, args: args}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

func program() string { return cmp.Or(os.Getenv("PANDADOC_TEST_REDIS_SERVER"), "redis-server") }

// Watch starts a Sentinel that watches s under the name "tokens", and fails over within seconds.
func (s *Server) Watch() *Server {
	s.t.Helper()
	dir := s.t.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	text := "sentinel monitor tokens 127.0.0.1 " + s.port + " 1\nsentinel down-after-milliseconds tokens 500\nsentinel failover-timeout tokens 3000\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return run(s.t, dir, []string{file, "--sentinel"})
}

// Addr returns host and port.
func (s *Server) Addr() string { return "127.0.0.1:" + s.port }

// URL returns the URL of the server for --store, with a query that may be empty.
func (s *Server) URL(query string) string {
	if query != "" {
		query = "?" + query
	}
	return "redis://" + s.Addr() + "/0" + query
}

// Restart starts the server again, with the same directory and port. It returns when the server answers.
func (s *Server) Restart() {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.process = exec.Command(program(), append(slices.Clone(s.args), "--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir)...)
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("start %s: %v", program(), err)
	}
	process, ended := s.process, make(chan struct{})
	s.ended = ended
	go func() {
		_ = process.Wait() // an error is expected, because the process is killed
		close(ended)
	}()
	deadline := time.Now().Add(waitLimit)
	for !s.answers() {
		select {
		case <-ended:
			s.t.Fatalf("redis-server ended:\n%s", s.log())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("redis-server does not answer:\n%s", s.log())
		}
	}
}

// log returns what the server has printed since it was last started.
func (s *Server) log() []byte {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Error(err)
	}
	return text
}

func (s *Server) answers() bool {
	text, err := s.exchange("INFO", "server")
	return err == nil && strings.Contains(text, fmt.Sprintf("process_id:%d\r", s.process.Process.Pid))
}

// Kill ends the server like a power failure. It does nothing if the server has ended.
func (s *Server) Kill() {
	_ = s.process.Process.Kill() // fails if it has ended
	<-s.ended
}

// Do sends one command and returns the answer. An answer that is an error fails the test.
func (s *Server) Do(words ...string) string {
	s.t.Helper()
	text, err := s.exchange(words...)
	if err != nil {
		s.t.Fatalf("redis %s: %v", words[0], err)
	}
	return text
}

// exchange sends one command, on a connection of its own. No answer is the empty text.
func (s *Server) exchange(words ...string) (string, error) {
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), Protocol: 2, MaxRetries: -1, DialerRetries: 1, ReadTimeout: waitLimit, DisableIdentity: true})
	defer client.Close()
	args := make([]any, len(words))
	for i, w := range words {
		args[i] = w
	}
	answer, err := client.Do(s.t.Context(), args...).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return fmt.Sprint(answer), err
}

// Dump returns all data of the server, in the form that it writes to disk.
func (s *Server) Dump() string {
	s.t.Helper()
	s.Do("CONFIG", "SET", "rdbcompression", "no")
	s.Do("SAVE")
	data, err := os.ReadFile(filepath.Join(s.dir, "dump.rdb"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// freePort returns a port below the range from which the system chooses ports, so that no other program gets the port
// while the server is down. Until the test ends, it listens on the port above it, so that no other test gets the same
// one. The nodes of a cluster also use the port 10,000 above, which nothing else here does.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := 20_000 + 2*rand.IntN(1_000)
		claim, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+1))
		if err != nil {
			continue
		}
		t.Cleanup(func() { claim.Close() })
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			l.Close()
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no free port")
	return ""
}
