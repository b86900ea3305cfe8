package delivery

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// composition has the parts of the Compose specification that deploy/compose.yaml may use.
type composition struct {
	Services map[string]composedService
	Volumes  map[string]any
}

type composedService struct {
	Build, Image, Restart string
	Command               []string
	ReadOnly              bool     `yaml:"read_only"`
	CapDrop               []string `yaml:"cap_drop"`
	SecurityOpt           []string `yaml:"security_opt"`
	Tmpfs                 []string
	StopGracePeriod       string `yaml:"stop_grace_period"`
	Ports, Volumes        []string
	Logging               struct{ Driver string }
}

// This machine has no Docker. So the test reads the file strictly, checks that every file that it names exists,
// and runs the program with its settings.
func TestTheCompositionAsksForAKey(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top(t), "deploy/compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file composition
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	s, ok := file.Services["proxy"]
	if !ok || len(file.Services) != 1 {
		t.Fatalf("got the services %v, want proxy", file.Services)
	}
	if _, err := os.Stat(filepath.Join(top(t), "deploy", s.Build, "Dockerfile")); err != nil {
		t.Error(err)
	}
	if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("the container may do more than it needs: %+v", s)
	}
	mounted, config, target := map[string]bool{}, "", ""
	for _, v := range s.Volumes {
		parts := strings.Split(v, ":")
		mounted[parts[1]] = true
		if _, declared := file.Volumes[parts[0]]; !declared && !strings.HasPrefix(parts[0], ".") {
			t.Errorf("the volume %q is not declared", v)
		}
		if !strings.HasSuffix(parts[0], ".yaml") {
			continue
		}
		// Compose copies the text of configs: into the container. Docker refuses that if the container is
		// read-only.
		text, err := os.ReadFile(filepath.Join(top(t), "deploy", parts[0]))
		if err != nil {
			t.Fatal(err)
		}
		config, target = string(text), parts[1]
	}
	if config == "" || !slices.Contains(s.Command, "--config="+target) {
		t.Fatalf("the command %q does not read the configuration at %q", s.Command, target)
	}
	// The secrets are beside the sources, but neither in the image's layers nor in the repository.
	for _, name := range []string{".dockerignore", ".gitignore"} {
		ignored, err := os.ReadFile(filepath.Join(top(t), name))
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`(?m)^/?secrets/?$`).Match(ignored) {
			t.Errorf("%s does not name the secrets", name)
		}
	}
	// Git makes files that the group can write, where the umask is 002 as in Ubuntu. The proxy refused such a config.
	workdir := t.TempDir()
	if err := os.Mkdir(filepath.Join(workdir, "deploy"), 0o755); err != nil {
		t.Fatal(err)
	}
	checkout := filepath.Join(workdir, "deploy/pandadoc.yaml")
	if err := os.WriteFile(checkout, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(checkout, 0o664); err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^#\t(chmod [^#\n]* deploy/\S+)`).FindAllStringSubmatch(string(text), -1) {
		run(t, workdir, "sh", "-c", m[1])
	}
	if info, err := os.Stat(checkout); err != nil || info.Mode().Perm()&0o022 != 0 {
		t.Errorf("after the commands at the top of compose.yaml, others can write to deploy/pandadoc.yaml: %v %v", info.Mode(), err)
	}
	if s.Logging.Driver != "local" {
		t.Errorf("the log driver %q may fill the disk", s.Logging.Driver)
	}
	if !mounted["/state"] { // where the image keeps tokens
		t.Error("the tokens end with the container")
	}

	e := program.Emulate(t)
	dir, key, port := shortDir(t), "0123456789abcdef0123456789abcdef", program.FreePort(t)
	for name, value := range map[string]string{"client-id": e.Info["client_id"], "client-secret": e.Info["client_secret"], "reports-key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !mounted["/secrets"] || !strings.Contains(config, "/secrets/reports-key") {
		t.Errorf("the secrets are not where the config looks for them:\n%s", config)
	}
	settings := strings.ReplaceAll(config, "/secrets/", dir+"/")
	inside := regexp.MustCompile(`listen: \[0\.0\.0\.0:(\d+)\]`).FindStringSubmatch(settings)
	if inside == nil || !slices.Equal(s.Ports, []string{fmt.Sprintf("127.0.0.1:8080:%s", inside[1])}) {
		t.Fatalf("the ports %q do not lead to where the proxy listens:\n%s", s.Ports, settings)
	}
	settings = strings.Replace(settings, ":"+inside[1]+"]", ":"+port+"]", 1)
	at := filepath.Join(dir, "pandadoc.yaml")
	if err := os.WriteFile(at, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, a := range s.Command {
		args = append(args, strings.ReplaceAll(a, target, at))
	}
	program.StartAs(t, func(c *exec.Cmd) {
		c.Env = []string{
			"PANDADOC_STORE=file:" + filepath.Join(dir, "state"), "PANDADOC_ADMIN_LISTEN=localhost:" + program.FreePort(t), "TMPDIR=" + dir,
			"PANDADOC_API_URL=" + e.Info["api"], "PANDADOC_TOKEN_URL=" + e.Info["token_url"], "PANDADOC_AUTHORIZE_URL=" + e.Info["authorize_url"],
			"PANDADOC_REFRESH_TOKEN=" + e.Info["refresh_token"], // instead of a login
		}
	}, nil, args...)
	for given, want := range map[string]int{key: http.StatusOK, "": http.StatusUnauthorized, key + "x": http.StatusUnauthorized} {
		r, err := http.NewRequest("GET", "http://127.0.0.1:"+port+"/public/v1/members/current", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Proxy-Key", given)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("with the key %q: got %d, want %d", given, answer.StatusCode, want)
		}
	}
}
