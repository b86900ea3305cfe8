package delivery

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pandadoc-auth-proxy/internal/e2e/program"
)

// user is the user of the image.
const user = 65532

// In the first image, /state and /tmp belonged to root and had mode 0755, because COPY copies the content of a
// directory and not its mode. An emergency file could not be written in a container. So this test builds the image
// from the Dockerfile, unpacks it and runs it.
func TestTheImage(t *testing.T) {
	need(t, "buildah", "runc", "busybox")
	if os.Getenv("PANDADOC_TEST_IMAGE") == "" {
		t.Skip("builds an image, which takes a minute: set PANDADOC_TEST_IMAGE=1")
	}
	if os.Getuid() != 0 {
		t.Skip("building and running an image without a daemon needs root here")
	}
	b := newBuilder(t)
	image := b.build(t, "one")

	t.Run("is the same when it is built again", func(t *testing.T) {
		one, two := b.inspect(t, image), b.inspect(t, b.build(t, "two"))
		if !slices.Equal(one.OCIv1.RootFS.DiffIDs, two.OCIv1.RootFS.DiffIDs) {
			t.Errorf("got the layers %v, then %v", one.OCIv1.RootFS.DiffIDs, two.OCIv1.RootFS.DiffIDs)
		}
	})
	t.Run("says what it is and how it ends", func(t *testing.T) {
		c := b.inspect(t, image).OCIv1.Config
		if got := c.Labels["org.opencontainers.image.version"]; got != "9.9.9" {
			t.Errorf("got the version label %q, want the build argument", got)
		}
		if got := c.Labels["org.opencontainers.image.licenses"]; got != "MIT" {
			t.Errorf("got the licence %q, want MIT", got)
		}
		if c.StopSignal != "SIGTERM" || c.User != "65532:65532" {
			t.Errorf("got the stop signal %q and the user %q", c.StopSignal, c.User)
		}
	})

	root := b.unpack(t, image)
	t.Run("holds one program and two private places", func(t *testing.T) {
		for path, want := range map[string]struct {
			mode fs.FileMode
			uid  uint32
		}{
			"state":               {fs.ModeDir | 0o700, user},
			"tmp":                 {fs.ModeDir | fs.ModeSticky | 0o777, 0},
			"pandadoc-auth-proxy": {0o755, 0},
		} {
			info, err := os.Lstat(filepath.Join(root, path))
			if err != nil {
				t.Error(err)
				continue
			}
			if got := info.Mode(); got != want.mode {
				t.Errorf("/%s has the mode %v, want %v", path, got, want.mode)
			}
			if got := info.Sys().(*syscall.Stat_t).Uid; got != want.uid {
				t.Errorf("/%s belongs to %d, want %d", path, got, want.uid)
			}
		}
		if size := treeSize(t, root); size > 30<<20 {
			t.Errorf("the image holds %d bytes, more than 30 MiB", size)
		} else {
			t.Logf("%.1f MB", float64(size)/1e6)
		}
	})

	t.Run("answers read-only, without capabilities, as its own user", func(t *testing.T) {
		e := program.Emulate(t)
		c := b.container(t, image, e)
		p := c.serve(t)
		p.Want("/public/v1/documents", http.StatusOK)
		e.Expire()
		p.Want("/public/v1/documents", http.StatusOK)
	})
	t.Run("keeps a rotation that a full volume does not take", func(t *testing.T) { testFullVolume(t, b, image) })
	t.Run("finishes 200 slow requests after SIGTERM", func(t *testing.T) { testDrain(t, b, image) })
}

// testFullVolume refreshes while the volume of the store is full, kills the container, and starts another one with
// the same volumes. The pair must come from the emergency file in /tmp.
func testFullVolume(t *testing.T, b *builder, image string) {
	e := program.Emulate(t)
	c := b.container(t, image, e)
	if err := syscall.Mount("tmpfs", c.state, "tmpfs", 0, fmt.Sprintf("size=64k,mode=0700,uid=%d,gid=%d", user, user)); err != nil {
		t.Skipf("a tmpfs cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(c.state, syscall.MNT_DETACH) })
	p := c.serve(t)
	p.Want("/public/v1/documents", http.StatusOK)

	// The refresh is in progress and its marker is saved when the volume becomes full: the save of the pair must
	// fail.
	e.Manage("POST", "/fault", `{"route":"token","kind":"delay","delay":"3s"}`, nil)
	e.Expire()
	answered := make(chan int, 1)
	go func() {
		status, _ := p.Get("/public/v1/documents")
		answered <- status
	}()
	waitFor(t, "the token call", func() bool { return pendingMarker(c.state) })
	fill(t, c.state)
	if got := <-answered; got != http.StatusOK {
		t.Errorf("the request during the refresh was answered with %d, want 200", got)
	}
	waitFor(t, "the emergency file", func() bool { return len(regularFiles(c.tmp)) > 0 })
	c.kill(t, p)

	if err := os.Remove(filepath.Join(c.state, "ballast")); err != nil {
		t.Fatal(err)
	}
	again := c.serve(t)
	again.Want("/public/v1/documents", http.StatusOK)
	if refreshes, invalid := e.TokenCalls(); invalid != 0 {
		t.Errorf("a spent refresh token was sent: %d refreshes, %d refused", refreshes, invalid)
	}
}

func testDrain(t *testing.T, b *builder, image string) {
	const requests = 200
	e := program.Emulate(t)
	p := b.container(t, image, e).serve(t)
	p.Want("/public/v1/documents", http.StatusOK)
	e.Manage("POST", "/fault", fmt.Sprintf(`{"route":"GET /public/v1/documents","kind":"delay","delay":"8s","count":%d}`, requests), nil)
	var group sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range requests {
		group.Go(func() {
			status, _ := p.Get("/public/v1/documents")
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	waitFor(t, "all requests in flight", func() bool { return inFlight(t, p) >= requests })
	p.Signal(syscall.SIGTERM)
	group.Wait()
	if statuses[http.StatusOK] != requests {
		t.Errorf("got the statuses %v, want %d times 200", statuses, requests)
	}
	if state := p.Wait(); state.ExitCode() != 0 {
		t.Errorf("the container ended with %v, want 0", state)
	}
}

// builder builds images without a daemon, in its own directory.
type builder struct{ dir string }

// The directories of this machine's modules and compiled packages in a build.
const (
	modules  = "/cache/modules"
	compiled = "/cache/compiled"
)

// newBuilder makes the base image for the Dockerfile. A test cannot reach a registry, so this image has the Go
// toolchain and the certificates of this machine.
func newBuilder(t *testing.T) *builder {
	t.Helper()
	dir, err := os.MkdirTemp("", "pandadoc-auth-proxy-image-")
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{dir}
	t.Cleanup(func() {
		_ = exec.Command("buildah", b.args("rm", "--all")...).Run()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("the images could not be removed: %v", err)
		}
	})
	container := b.run(t, "from", "scratch")
	root := b.run(t, "mount", container)
	for _, d := range []string{"bin", "etc/ssl/certs", "usr/local", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	busybox, _ := exec.LookPath("busybox")
	run(t, "", "cp", busybox, filepath.Join(root, "bin/busybox"))
	for _, name := range []string{"sh", "mkdir", "chown", "cp", "find", "touch"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "", "cp", "-L", "/etc/ssl/certs/ca-certificates.crt", filepath.Join(root, "etc/ssl/certs/"))
	goroot, to := run(t, "", "go", "env", "GOROOT"), filepath.Join(root, "usr/local/go")
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"VERSION", "go.env", "bin", "pkg", "src"} { // what a build needs
		run(t, "", "cp", "-a", filepath.Join(goroot, part), to)
	}
	// HOME is / in the build. Without these variables, the build downloaded every module and compiled the standard
	// library twice.
	b.run(t, "config", "--env", "PATH=/usr/local/go/bin:/bin", "--env", "GOMODCACHE="+modules, "--env", "GOCACHE="+compiled,
		"--env", "GOPROXY=off", container)
	b.run(t, "commit", "--quiet", container, "docker.io/library/golang:"+goVersion(t))
	return b
}

// goVersion is the tag of the base image in the Dockerfile.
func goVersion(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top(t), "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), " golang:")
	if !found {
		t.Fatal("the Dockerfile builds from something else than golang")
	}
	return strings.Fields(rest)[0]
}

func (b *builder) args(command string, more ...string) []string {
	return append([]string{"--storage-driver", "vfs", "--root", filepath.Join(b.dir, "root"), "--runroot", filepath.Join(b.dir, "run"), command}, more...)
}

func (b *builder) run(t *testing.T, command string, more ...string) string {
	t.Helper()
	return run(t, top(t), "buildah", b.args(command, more...)...)
}

// build builds the Dockerfile. It uses the modules and the build cache of this machine instead of the network.
func (b *builder) build(t *testing.T, tag string) (image string) {
	t.Helper()
	image = "localhost/pandadoc-auth-proxy:" + tag
	b.run(t, "bud", "--isolation", "chroot", "--pull-never", "--no-cache", "--format", "docker", "--quiet", "--tag", image, "--build-arg", "VERSION=9.9.9",
		"--volume", run(t, "", "go", "env", "GOMODCACHE")+":"+modules, "--volume", run(t, "", "go", "env", "GOCACHE")+":"+compiled, ".")
	return image
}

// inspected has the parts of an image's configuration that the test checks.
type inspected struct {
	OCIv1 struct {
		Config struct {
			User, StopSignal string
			Labels           map[string]string
			Env, Entrypoint  []string
		} `json:"config"`
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
}

func (b *builder) inspect(t *testing.T, image string) (i inspected) {
	t.Helper()
	if err := json.Unmarshal([]byte(b.run(t, "inspect", "--type", "image", image)), &i); err != nil {
		t.Fatal(err)
	}
	return i
}

// unpack returns the root of the image's file system.
func (b *builder) unpack(t *testing.T, image string) string {
	t.Helper()
	return b.run(t, "mount", b.run(t, "from", "--pull-never", image))
}

// container runs an image with a volume for /state and one for /tmp, as the manifests do.
type container struct {
	bundle, state, tmp string
	root               string
	env, entrypoint    []string
	started            int
}

func (b *builder) container(t *testing.T, image string, e program.Emulator) *container {
	t.Helper()
	config := b.inspect(t, image).OCIv1.Config
	c := &container{bundle: t.TempDir(), root: b.unpack(t, image), entrypoint: config.Entrypoint}
	c.state, c.tmp = filepath.Join(c.bundle, "state"), filepath.Join(c.bundle, "tmp")
	for _, dir := range []string{c.state, c.tmp} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, user, user); err != nil {
			t.Fatal(err)
		}
	}
	c.env = append(config.Env,
		"PANDADOC_CLIENT_ID="+e.Info["client_id"], "PANDADOC_CLIENT_SECRET="+e.Info["client_secret"], "PANDADOC_REFRESH_TOKEN="+e.Info["refresh_token"],
		"PANDADOC_API_URL="+e.Info["api"], "PANDADOC_TOKEN_URL="+e.Info["token_url"], "PANDADOC_AUTHORIZE_URL="+e.Info["authorize_url"])
	return c
}

// serve runs the proxy in the container until the end of the test. The process is runc, which forwards signals.
func (c *container) serve(t *testing.T) *program.Process {
	t.Helper()
	c.started++
	args := append(slices.Clone(c.entrypoint), "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "warning")
	c.configure(t, args)
	id := fmt.Sprintf("pandadoc-%d-%d", os.Getpid(), time.Now().UnixNano())
	return program.StartAs(t, func(cmd *exec.Cmd) {
		runc, err := exec.LookPath("runc")
		if err != nil {
			t.Fatal(err)
		}
		cmd.Path, cmd.Args = runc, []string{"runc", "--root", filepath.Join(c.bundle, "runc"), "run", "--bundle", c.bundle, id}
		cmd.Env = os.Environ()
		t.Cleanup(func() {
			_ = exec.Command(runc, "--root", filepath.Join(c.bundle, "runc"), "delete", "--force", id).Run()
		})
	}, nil, "serve")
}

// configure writes config.json of the OCI runtime specification: the image's own settings, the hardening
// of deploy/kubernetes, and the network of this machine.
func (c *container) configure(t *testing.T, args []string) {
	t.Helper()
	bind := func(to, from string) map[string]any {
		return map[string]any{"destination": to, "source": from, "type": "bind", "options": []string{"bind", "rw", "nosuid", "nodev"}}
	}
	config := map[string]any{
		"ociVersion": "1.0.2",
		"root":       map[string]any{"path": c.root, "readonly": true},
		"process": map[string]any{
			"user": map[string]any{"uid": user, "gid": user}, "args": args, "env": c.env, "cwd": "/",
			"noNewPrivileges": true, "capabilities": map[string]any{},
		},
		"mounts": []any{
			map[string]any{"destination": "/proc", "type": "proc", "source": "proc"},
			bind("/state", c.state), bind("/tmp", c.tmp),
		},
		"linux": map[string]any{"namespaces": []any{
			map[string]any{"type": "pid"}, map[string]any{"type": "mount"}, map[string]any{"type": "ipc"},
		}},
	}
	data, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.bundle, "config.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// kill ends everything in the container like a power failure.
func (c *container) kill(t *testing.T, p *program.Process) {
	t.Helper()
	inside := children(p.PID())
	if len(inside) == 0 {
		t.Fatalf("runc, process %d, runs nothing", p.PID())
	}
	for _, pid := range inside {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	p.Wait()
}

// pendingMarker reports whether a record in the store has the marker of a refresh.
func pendingMarker(dir string) bool {
	for _, name := range regularFiles(dir) {
		if data, err := os.ReadFile(name); err == nil && strings.Contains(string(data), `"pending"`) {
			return true
		}
	}
	return false
}

// fill fills dir until there is no room.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return
		}
	}
}

func regularFiles(dir string) (all []string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all = append(all, path)
		}
		return nil
	})
	return all
}

func treeSize(t *testing.T, dir string) (size int64) {
	t.Helper()
	for _, name := range regularFiles(dir) {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	return size
}

// inFlight returns how many requests the proxy is forwarding now.
func inFlight(t *testing.T, p *program.Process) (n int) {
	t.Helper()
	resp, err := http.Get(p.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), "pandadoc_proxy_in_flight_requests "); found {
			_, _ = fmt.Sscan(text, &n)
		}
	}
	return n
}
