package hazards

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// apiName is the host name that is built into the application.
const apiName = "api.pandadoc.com"

// certificates are made by the command of the page: one for the proxy, and one for the API.
type certificates struct{ cert, key, apiCert, apiKey string }

func makeCertificates(t *testing.T) certificates {
	t.Helper()
	page, err := os.ReadFile("../../../docs/hard-coded-url.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?s)openssl req .*?\n` + "```").Find(page)
	if command == nil {
		t.Fatal("the page has no openssl command")
	}
	dir := t.TempDir()
	for _, of := range []string{"ours", "theirs"} {
		at := filepath.Join(dir, of)
		if err := os.Mkdir(at, 0o700); err != nil {
			t.Fatal(err)
		}
		sh := exec.Command("sh", "-c", strings.TrimSuffix(string(command), "```"))
		sh.Dir = at
		if out, err := sh.CombinedOutput(); err != nil {
			t.Fatalf("openssl: %v\n%s", err, out)
		}
	}
	ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
	return certificates{ours + "/api.crt", ours + "/api.key", theirs + "/api.crt", theirs + "/api.key"}
}

// hardCoded starts a proxy that serves https under the API's name. If hosts is not empty, it becomes the hosts
// file of the proxy, which gives an address of this machine for that name.
func hardCoded(t *testing.T, c certificates, at, hosts string, args ...string) *program.Process {
	t.Helper()
	prepare := func(*exec.Cmd) {}
	if hosts != "" {
		file := write(t, "hosts", hosts)
		prepare = func(cmd *exec.Cmd) {
			throughShell("mount --bind " + file + " /etc/hosts")(cmd)
			cmd.Args = append([]string{"unshare", "--mount"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
			cmd.Path = "/usr/bin/unshare"
		}
	}
	_, port, _ := net.SplitHostPort(at)
	api := "https://" + apiName + ":" + port
	return program.StartAs(t, prepare, signedIn(), append([]string{
		"serve", "--store", "memory:", "--listen", at, "--admin-listen", "127.0.0.1:0",
		"--api-url", api, "--token-url", api + "/oauth2/access_token", "--authorize-url", api + "/oauth2/authorize",
		"--tls-cert", c.cert, "--tls-key", c.key, "--allow-host", apiName,
	}, args...)...)
}

// ask sends a request like the application, which trusts only the proxy's certificate.
func ask(t *testing.T, p *program.Process, c certificates) (status int, body string) {
	t.Helper()
	pem, err := os.ReadFile(c.cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: apiName}}
	defer transport.CloseIdleConnections()
	request, _ := http.NewRequest("GET", p.URL+"/public/v1/documents", nil)
	request.Host = apiName
	answer, err := (&http.Client{Transport: transport, Timeout: waitLimit}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

// realAPI serves under the API's name, at an address that only --api-address names.
func realAPI(t *testing.T, c certificates) *recorder {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.apiCert, c.apiKey)
	if err != nil {
		t.Fatal(err)
	}
	r := newRecorder(nil)
	r.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	r.StartTLS()
	t.Cleanup(r.Close)
	return r
}

// U13: one request of curl became 1,024 requests of the proxy to itself.
func TestTheHostsFileLeadsTheAPIToUs(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("this machine gives no name space of mounts: %s", out)
	}
	c := makeCertificates(t)
	for _, hosts := range []string{"127.0.0.1 " + apiName, "::ffff:127.0.0.1 " + apiName} {
		p := hardCoded(t, c, addr(nobodyListens(t)), hosts+"\n127.0.0.1 localhost\n")
		status, body := ask(t, p, c)
		if status != http.StatusLoopDetected || !strings.Contains(body, "loop-detected") || !strings.Contains(body, "--api-address") {
			t.Errorf("%s: got %d %s, want 508 loop-detected with the way out", hosts, status, body)
		}
		_, port, _ := net.SplitHostPort(addr(p.URL))
		sh := exec.Command("sh", "-c", `mount --bind "$1" /etc/hosts && shift && exec "$@"`, "sh", write(t, "hosts", hosts+"\n127.0.0.1 localhost\n"),
			program.Binary(), "doctor", "--store", "memory:", "--listen", addr(p.URL), "--admin-listen", "none", "--tls-cert", c.cert, "--tls-key", c.key,
			"--api-url", "https://"+apiName+":"+port)
		doctor := exec.Command("unshare", append([]string{"--mount"}, sh.Args...)...)
		doctor.Env = append(signedIn(), "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH"))
		if out, _ := doctor.CombinedOutput(); !strings.Contains(string(out), "leads back to this proxy") || !strings.Contains(string(out), "--api-address") {
			t.Errorf("%s: doctor says %s", hosts, out)
		}
		if n := strings.Count(p.Log(), "msg=request"); n > 1 {
			t.Errorf("%s: the proxy served %d requests, want the client's alone", hosts, n)
		}
	}
}

// U13: the whole recipe of docs/hard-coded-url.md.
func TestTheAPIIsFoundAtItsAddress(t *testing.T) {
	t.Parallel()
	c := makeCertificates(t)
	api := realAPI(t, c)
	p := hardCoded(t, c, addr(nobodyListens(t)), "", "--api-address", addr(api.URL), "--ca-file", c.apiCert)
	if status, body := ask(t, p, c); status != 200 {
		t.Fatalf("got %d %s, want the API's answer", status, body)
	}
	seen := api.arrived()
	if len(seen) != 1 || seen[0].Header.Get("Authorization") != "Bearer "+accessToken || !strings.HasPrefix(seen[0].Host, apiName) {
		t.Errorf("the API saw %+v, want one request under its own name, signed in", seen)
	}
}

// U13: behind a router that leads the name back to us, the address is another one, but the certificate is ours.
func TestARouterLeadsTheAPIBackToUs(t *testing.T) {
	t.Parallel()
	c := makeCertificates(t)
	for name, roots := range map[string]string{"trusted": c.cert, "not trusted": c.apiCert} {
		t.Run(name, func(t *testing.T) {
			at := addr(nobodyListens(t))
			p := hardCoded(t, c, at, "", "--ca-file", roots, "--api-address", relay(t, at))
			if status, body := ask(t, p, c); status != http.StatusLoopDetected || !strings.Contains(body, "loop-detected") {
				t.Errorf("got %d %s, want 508 loop-detected", status, body)
			}
		})
	}
}

// A proxy whose --api-address is its own address refuses to start.
func TestOurOwnAddressIsNotTheAPIs(t *testing.T) {
	c := makeCertificates(t)
	out, status := command(t, "serve", "--listen", "127.0.0.1:18443", "--admin-listen", "none", "--tls-cert", c.cert, "--tls-key", c.key,
		"--allow-host", apiName, "--api-address", "127.0.0.1:18443")
	if status != 2 || !strings.Contains(out, "own listener") {
		t.Errorf("got exit status %d and %s, want 2", status, out)
	}
}

// relay forwards connections.
func relay(t *testing.T, to string) (at string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
	}()
	return l.Addr().String()
}
