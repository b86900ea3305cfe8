package delivery

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// A start-up probe that failed while a login was required prevented the application from starting, and restarted
// the container with the sign-in page. So this test runs the whole life of a pod with the manifest's own probes:
// the container's process is the built program, and the test does the work of the kubelet.
func TestAPodLivesWhileALoginIsDue(t *testing.T) {
	t.Parallel()
	for _, manifest := range []string{"sidecar", "classic-sidecar"} {
		for name, signIn := range map[string]func(*pod){
			"login --paste through exec":    (*pod).loginThroughExec,
			"the console through a forward": (*pod).loginThroughForward,
		} {
			t.Run(manifest+", "+name, func(t *testing.T) {
				t.Parallel()
				p := newPod(t, filepath.Join(top(t), "deploy/kubernetes", manifest, "statefulset.yaml"))
				p.start()
				if n := p.until(p.container.StartupProbe); n > 0 {
					t.Logf("started after %d failed probes: the application starts", n)
				}
				p.wantApplication(http.StatusBadGateway, "login-required")
				if err := p.probe(p.container.ReadinessProbe); err == nil {
					t.Error("the pod is ready, and no request can be signed in")
				}
				for range 5 { // more than every failureThreshold
					if err := p.probe(p.container.LivenessProbe); err != nil {
						t.Errorf("the kubelet would restart the container: %v", err)
					}
				}
				signIn(p)
				p.until(p.container.ReadinessProbe)
				p.wantApplication(http.StatusOK, "ada@sandbox.example")
				p.wantEnd()
			})
		}
	}
}

// workload has the parts of a manifest that the test uses.
type workload struct {
	Spec struct {
		Template struct {
			Spec struct {
				TerminationGracePeriodSeconds int            `yaml:"terminationGracePeriodSeconds"`
				InitContainers                []podContainer `yaml:"initContainers"`
				Containers                    []podContainer
			}
		}
	}
}

type podContainer struct {
	Name      string
	Args      []string
	Env       []struct{ Name, Value string }
	Lifecycle struct {
		PostStart struct{ Exec execAction } `yaml:"postStart"`
	}
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	StartupProbe   probe `yaml:"startupProbe"`
	LivenessProbe  probe `yaml:"livenessProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
}

type execAction struct{ Command []string }

type probe struct {
	Exec    execAction
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	// Without a value, FailureThreshold is 3 in Kubernetes.
	FailureThreshold int `yaml:"failureThreshold"`
}

// pod is a container of a manifest with the program in it. Its paths are in a directory of the test, and its ports
// are free ports.
type pod struct {
	*testing.T
	container podContainer
	grace     time.Duration
	dir       string
	env       []string
	listen    string // replaces localhost:8080
	admin     string // the port that replaces 8081
	address   string // address of the pod, as the kubelet knows it
	process   *program.Process
}

func newPod(t *testing.T, manifest string) *pod {
	t.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	var w workload
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	spec := w.Spec.Template.Spec
	all := slices.Concat(spec.InitContainers, spec.Containers)
	i := slices.IndexFunc(all, func(c podContainer) bool { return c.Name == "pandadoc" })
	if i < 0 || len(all) != 2 {
		t.Fatalf("%s has no container pandadoc beside an application", manifest)
	}
	p := &pod{T: t, container: all[i], grace: time.Duration(spec.TerminationGracePeriodSeconds) * time.Second, dir: shortDir(t)}
	p.listen, p.admin, p.address = "127.0.0.1:"+program.FreePort(t), program.FreePort(t), addressOfThisMachine()
	for _, name := range []string{"state", "tmp", "secrets"} {
		if err := os.Mkdir(filepath.Join(p.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	e := program.Emulate(t)
	for name, value := range map[string]string{"client-id": e.Info["client_id"], "client-secret": e.Info["client_secret"]} {
		if err := os.WriteFile(filepath.Join(p.dir, "secrets", name), []byte(value), 0o440); err != nil {
			t.Fatal(err)
		}
	}
	p.env = []string{
		"PANDADOC_API_URL=" + e.Info["api"], "PANDADOC_TOKEN_URL=" + e.Info["token_url"], "PANDADOC_AUTHORIZE_URL=" + e.Info["authorize_url"],
		"PANDADOC_LISTEN=" + p.listen, "PANDADOC_ADMIN_LISTEN=localhost:" + p.admin, "TMPDIR=" + filepath.Join(p.dir, "tmp"),
	}
	for _, v := range p.container.Env {
		p.env = append(p.env, v.Name+"="+p.here(v.Value))
	}
	return p
}

// here replaces the pod's paths and ports by those of the test.
func (p *pod) here(text string) string {
	text = regexp.MustCompile(`/(state|tmp|secrets)\b`).ReplaceAllString(text, p.dir+"/$1")
	return strings.ReplaceAll(text, ":8081", ":"+p.admin)
}

// addressOfThisMachine returns an address that is not loopback, like that of a pod. If there is none, it returns a
// loopback address.
func addressOfThisMachine() string {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

func (p *pod) start() {
	p.Helper()
	args := make([]string, len(p.container.Args))
	for i, a := range p.container.Args {
		args[i] = p.here(a)
	}
	p.process = program.StartAs(p.T, func(c *exec.Cmd) { c.Env = p.env }, nil, args...)
	if hook := p.container.Lifecycle.PostStart.Exec; len(hook.Command) > 0 {
		if err := p.exec(hook, nil); err != nil {
			p.Errorf("postStart: %v", err)
		}
	}
}

// exec runs a command in the container.
func (p *pod) exec(a execAction, prepare func(*exec.Cmd)) error {
	c := exec.CommandContext(p.Context(), program.Binary(), a.Command[1:]...)
	if a.Command[0] != "/pandadoc-auth-proxy" {
		return fmt.Errorf("%s is not in the image", a.Command[0])
	}
	c.Env = p.env
	if prepare != nil {
		prepare(c)
		return c.Run()
	}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %s", a.Command, err, bytes.TrimSpace(out))
	}
	return nil
}

// probe runs one probe, as the kubelet does: a command in the container, or an HTTP request to the pod's address.
func (p *pod) probe(of probe) error {
	if len(of.Exec.Command) > 0 {
		return p.exec(of.Exec, nil)
	}
	port := of.HTTPGet.Port
	for _, named := range p.container.Ports {
		if named.Name == port {
			port = strconv.Itoa(named.ContainerPort)
		}
	}
	if port != "8081" || of.HTTPGet.Path == "" {
		return fmt.Errorf("no probe asks port %q for %q", port, of.HTTPGet.Path)
	}
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + net.JoinHostPort(p.address, p.admin) + of.HTTPGet.Path)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode >= 400 {
		return fmt.Errorf("%s: %s", of.HTTPGet.Path, answer.Status)
	}
	return nil
}

// until repeats a probe until it succeeds, and returns how often it failed.
func (p *pod) until(of probe) (failed int) {
	p.Helper()
	most := max(of.FailureThreshold, 3)
	for tick := time.NewTicker(time.Second); ; <-tick.C {
		err := p.probe(of)
		if err == nil {
			return failed
		}
		if failed++; failed >= most {
			p.Fatalf("%d probes failed: %v", failed, err)
		}
	}
}

// wantApplication sends a request like the application in the pod.
func (p *pod) wantApplication(status int, text string) {
	p.Helper()
	got, body := p.process.Get("/public/v1/members/current")
	if got != status || !strings.Contains(string(body), text) {
		p.Errorf("the application got %d %s, want %d with %q", got, body, status, text)
	}
}

// loginThroughExec is kubectl exec -it POD -c pandadoc -- /pandadoc-auth-proxy login --paste.
func (p *pod) loginThroughExec() {
	p.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		p.Fatal(err)
	}
	defer r.Close()
	shown := &firstAddress{found: make(chan string, 1)}
	go func() {
		defer w.Close()
		if at, ok := <-shown.found; ok {
			fmt.Fprintln(w, p.allow(&http.Client{}, at))
		}
	}()
	var out strings.Builder
	err = p.exec(execAction{[]string{"/pandadoc-auth-proxy", "login", "--paste"}}, func(c *exec.Cmd) { c.Stdin, c.Stdout, c.Stderr = r, &out, shown })
	close(shown.found)
	if err != nil || !strings.Contains(out.String(), "account default is signed in") {
		p.Errorf("login --paste: %v\n%s%s", err, out.String(), shown.text.String())
	}
}

// firstAddress finds the address of the consent page in the output of login.
type firstAddress struct {
	text  strings.Builder
	found chan string
	seen  bool
}

func (f *firstAddress) Write(data []byte) (int, error) {
	f.text.Write(data)
	if at := regexp.MustCompile(`http://\S+/oauth2/authorize\S+\n`).FindString(f.text.String()); at != "" && !f.seen {
		f.seen = true
		f.found <- strings.TrimSpace(at)
	}
	return len(data), nil
}

// loginThroughForward is kubectl port-forward POD 8081, and a browser at http://localhost:8081.
func (p *pod) loginThroughForward() {
	p.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	back := p.allow(browser, "http://localhost:"+p.admin+"/connect/default")
	answer, err := browser.Get(back)
	if err != nil {
		p.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		p.Errorf("the page at the end of the login: %s", answer.Status)
	}
}

// allow presses "Allow" on the consent page, and returns the address to which that leads.
func (p *pod) allow(browser *http.Client, at string) string {
	page, err := browser.Get(at)
	if err != nil {
		p.Error(err)
		return ""
	}
	defer page.Body.Close()
	var body bytes.Buffer
	_, _ = body.ReadFrom(page.Body)
	ticket := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindSubmatch(body.Bytes())
	if ticket == nil {
		p.Errorf("no consent page at %s: %s %s", at, page.Status, body.Bytes())
		return ""
	}
	confirm := page.Request.URL.JoinPath("confirm")
	confirm.RawQuery = ""
	stay := *browser
	stay.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := stay.PostForm(confirm.String(), url.Values{"ticket": {string(ticket[1])}, "answer": {"allow"}})
	if err != nil {
		p.Error(err)
		return ""
	}
	answer.Body.Close()
	return answer.Header.Get("Location")
}

// wantEnd ends the pod. After the manifest's grace period, the kubelet would kill it.
func (p *pod) wantEnd() {
	p.Helper()
	begun := time.Now()
	p.process.Signal(syscall.SIGTERM)
	if state := p.process.Wait(); state.ExitCode() != 0 {
		p.Errorf("the container ended with %v, want 0", state)
	}
	if took := time.Since(begun); took > p.grace {
		p.Errorf("the container took %v to end, and is killed after %v", took, p.grace)
	}
}
