package hazards

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// nginx starts a real nginx with HTTP/2 in front of api. It ends every connection after 50 requests. The function
// returns its URL, its certificate and its log up to now.
func nginx(t *testing.T, api string) (url, cert string, log func() string) {
	t.Helper()
	c := makeCertificates(t)
	dir := t.TempDir()
	at := addr(nobodyListens(t))
	config := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error warn;
events { worker_connections 512; }
http {
	log_format short "$request $status";
	access_log %[1]s/access short;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server {
		listen %[2]s ssl http2; keepalive_requests 50;
		ssl_certificate %[3]s; ssl_certificate_key %[4]s;
		location / { proxy_pass %[5]s; }
	}
}
`, dir, at, c.apiCert, c.apiKey, api)
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx" // Debian's place for it, which is not in everybody's PATH
	}
	cmd := exec.Command(path, "-p", dir, "-e", dir+"/error", "-c", write(t, "nginx.conf", config))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("nginx: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx wrote %s", &out)
		}
	})
	await(t, "nginx", func() bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return "https://" + apiName + ":" + portOf("http://"+at), c.apiCert, func() string {
		text, _ := os.ReadFile(filepath.Join(dir, "access"))
		return string(text)
	}
}

// N8: 49 of these requests were answered with 502, although nginx had reported that it did not process them.
func TestConnectionsThatNginxEndsCostNoRequest(t *testing.T) {
	t.Parallel()
	const clients, each = 8, 100
	api := record(t)
	url, cert, log := nginx(t, api.URL)
	p := serve(t, url, "--ca-file", cert, "--api-address", "127.0.0.1:"+portOf(url), "--log-level", "warning")
	var sending sync.WaitGroup
	var mu sync.Mutex
	statuses := map[string]int{}
	for client := range clients {
		sending.Go(func() {
			for i := range each {
				answer, err := http.Post(fmt.Sprintf("%s/public/v1/documents/%d-%d", p.URL, client, i), "application/json", strings.NewReader(`{"name":"x"}`))
				status := fmt.Sprint(err)
				if err == nil {
					status = answer.Status
					if answer.StatusCode != 200 {
						text, _ := io.ReadAll(answer.Body)
						status += " " + string(text)
					}
					answer.Body.Close()
				}
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	if len(statuses) != 1 || statuses["200 OK"] != clients*each {
		t.Errorf("got %v, want %d of 200", statuses, clients*each)
	}
	await(t, "nginx's log", func() bool { return strings.Count(log(), "\n") >= clients*each })
	if got := strings.Count(log(), "POST /public/v1/documents/"); got != clients*each {
		t.Errorf("nginx counts %d POSTs, want %d", got, clients*each)
	}
	seen := map[string]bool{}
	for _, r := range api.arrived() {
		seen[r.Target] = true
	}
	if len(seen) != clients*each || len(api.arrived()) != clients*each {
		t.Errorf("behind nginx %d requests arrived, %d different ones, want %d", len(api.arrived()), len(seen), clients*each)
	}
	t.Logf("N8: %v through nginx with keepalive_requests 50; nginx counts %d", statuses, strings.Count(log(), "POST "))
}
