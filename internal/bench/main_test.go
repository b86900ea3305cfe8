// Package bench measures the time and the allocations of a request under realistic conditions: the whole
// program with its default settings, an API in another process, and a client that allocates nothing.
//
//	go test ./internal/bench -run '^$' -bench .
//
// docs/performance.md explains the figures.
package bench

import (
	"bufio"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/cli"
)

// asAPI makes this test binary run the API, so that the cost of the API does not count as a cost of the proxy.
const asAPI = "PANDADOC_AUTH_PROXY_BENCH_API"

func TestMain(m *testing.M) {
	if file := os.Getenv(asAPI); file != "" {
		serveAPI(file)
		return
	}
	os.Exit(m.Run())
}

// listing is what the API answers: a list of documents of about a kilobyte.
var listing = []byte(`{"results":[` + strings.Repeat(`{"id":"xxxx","name":"Document 1","status":"document.draft","version":"2"},`, 12) + `{}]}`)

// serveAPI serves over HTTP/2 until its standard input ends. It writes its certificate to file and its address to
// standard output.
func serveAPI(file string) {
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for name, value := range map[string]string{
			"Content-Type": "application/json", "Content-Length": strconv.Itoa(len(listing)), "Server": "nginx/1.22.1",
			"Last-Modified": "Fri, 27 Nov 2026 00:00:00 GMT", "ETag": `"6927a5c0-3a5"`, "Accept-Ranges": "bytes",
		} {
			w.Header().Set(name, value)
		}
		w.Write(listing)
	}))
	api.EnableHTTP2 = true
	api.StartTLS()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(api.URL)
	io.Copy(io.Discard, os.Stdin)
}

// startAPI runs the API in another process until the test ends.
func startAPI(tb testing.TB) (url, certificate string) {
	tb.Helper()
	certificate = filepath.Join(tb.TempDir(), "api.pem")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asAPI+"="+certificate)
	cmd.Stderr = os.Stderr
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil || err1 != nil || err2 != nil {
		tb.Fatal(err, err1, err2)
	}
	tb.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(url), certificate
}

// startProgram runs the whole program in this process, in front of an API in another one, until the test ends, and
// returns the address of its proxied port. Settings are the defaults, the access log included.
func startProgram(tb testing.TB) (address string) {
	tb.Helper()
	api, certificate := startAPI(tb)
	ctx, cancel := context.WithCancel(tb.Context())
	log, stderr := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, cli.Env{
			Args: []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--admin-socket", "none", "--store", "memory:",
				"--api-url", api, "--token-url", api + "/oauth2/access_token", "--ca-file", certificate},
			Environ: []string{"HOME=" + tb.TempDir(), "PANDADOC_CLIENT_ID=id", "PANDADOC_CLIENT_SECRET=a-secret-of-a-client",
				"PANDADOC_ACCESS_TOKEN=an-access-token-of-usual-length-", "PANDADOC_REFRESH_TOKEN=a-refresh-token-of-usual-length-"},
			Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: stderr,
		})
		stderr.Close()
	}()
	found := make(chan string, 1)
	var said strings.Builder
	go readLog(log, &said, found)
	tb.Cleanup(func() {
		cancel()
		if status := <-ended; status != 0 {
			tb.Errorf("the program ended with status %d", status)
		}
	})
	if address = <-found; address == "" {
		tb.Fatalf("the program has ended before it was ready:\n%s", &said)
	}
	return address
}

// readLog finds the address of the proxied port, and then reads on at no cost that would be counted. said is the
// text before that address.
func readLog(log io.Reader, said *strings.Builder, found chan<- string) {
	defer close(found)
	ready := regexp.MustCompile(`^listening on http://(\S+) -> `)
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		said.WriteString(line)
		if m := ready.FindStringSubmatch(line); m != nil {
			found <- m[1]
			break
		}
	}
	buffer := make([]byte, 64<<10)
	for {
		if _, err := lines.Read(buffer); err != nil {
			return
		}
	}
}

// client sends the same request again and again on one connection, and allocates nothing for it.
type client struct {
	conn     net.Conn
	request  []byte
	answer   []byte // as long as the first answer
	received int
}

func newClient(tb testing.TB, address, request string) *client {
	tb.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	c := &client{conn: conn, request: []byte(request)}
	if _, err := conn.Write(c.request); err != nil {
		tb.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, (*counter)(&c.received))), nil)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		tb.Fatalf("got status %d, error %v", res.StatusCode, err)
	}
	c.answer = make([]byte, c.received)
	return c
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// do sends the request once more. All answers have the same length.
func (c *client) do(tb testing.TB) {
	if _, err := c.conn.Write(c.request); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.ReadFull(c.conn, c.answer); err != nil {
		tb.Fatal(err)
	}
	if string(c.answer[:15]) != "HTTP/1.1 200 OK" {
		tb.Fatalf("got %q", c.answer[:100])
	}
}

const (
	get  = "GET /public/v1/documents HTTP/1.1\r\nHost: localhost\r\n\r\n"
	post = "POST /public/v1/documents HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
)

// postRequest has a body of 2 KiB.
func postRequest() string { return post + "2048\r\n\r\n" + strings.Repeat("x", 2048) }
