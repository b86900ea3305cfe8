package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	e2e "pandadoc-auth-proxy/internal/e2e/program"
)

// The scripts in testdata/script run the program as its users do. Besides testscript's own commands
// they have:
//
//	fails N PROGRAM ARGS…   the program must end with status N
//	start NAME ARGS…        run the program until terminate; sets $NAME_URL, $NAME_ADDR, $NAME_ADMIN, and
//	                        of a sandbox $NAME_API, $NAME_MANAGE and so on; its output is in NAME.out, NAME.err
//	terminate NAME          send SIGTERM; the program must end with status 0
//	free VAR                set VAR to 127.0.0.1:PORT with a port that nobody uses
//	get [-post] URL         print status and body
//	consent URL             follow a login through the emulator's consent page and print the last page
//	allow FILE              print the address that the emulator sends the browser to, for the consent
//	                        address in FILE, without going there

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		programName: func() {
			signals := make(chan os.Signal, 8)
			signal.Notify(signals, Signals()...)
			os.Exit(Run(context.Background(), Env{
				Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals,
			}))
		},
		"get":     exitOnError(get),
		"consent": exitOnError(consent),
		"allow":   exitOnError(allow),
	})
}

// leakChecked fails a run that leaves goroutines behind.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("TMPDIR", e.WorkDir)
			return os.Mkdir(filepath.Join(e.WorkDir, "home"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails": fails, "start": start, "terminate": terminate,
			"free": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Setenv(args[0], "127.0.0.1:"+e2e.FreePort(t))
			},
		},
	})
}

func fails(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != want {
		ts.Fatalf("got %v, want exit status %d", err, want)
	}
}

// process is a program that start started.
type process struct {
	command *exec.Cmd
	ready   chan struct{}  // closed when it has said everything that is awaited
	read    sync.WaitGroup // readers of its output
	mu      sync.Mutex     // guards the fields below
	awaited map[string]bool
	vars    map[string]string
}

// awaitedOf says what a command prints when it is ready: a proxy that it has started, the emulator the
// credentials.
func awaitedOf(args []string) map[string]bool {
	box := args[0] == "sandbox"
	if args[0] == "run" { // its program prints a line of JSON
		return map[string]bool{"info": true}
	}
	return map[string]bool{"info": box, "started": !box || !slices.Contains(args, "--emulator-only")}
}

// saw closes ready when nothing more is awaited.
func (p *process) saw(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.awaited[what] {
		return
	}
	p.awaited[what] = false
	if !p.awaited["info"] && !p.awaited["started"] {
		close(p.ready)
	}
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	name := args[0]
	p := &process{ready: make(chan struct{}), awaited: awaitedOf(args[1:]), vars: map[string]string{}}
	program, err := exec.LookPath(filepath.Join(binDir(ts), programName))
	ts.Check(err)
	p.command = exec.Command(program, args[1:]...)
	p.command.Dir = ts.MkAbs(".")
	p.command.Env = environ(ts)
	stdout, err := p.command.StdoutPipe()
	ts.Check(err)
	stderr, err := p.command.StderrPipe()
	ts.Check(err)
	ts.Check(p.command.Start())
	p.read.Go(func() { p.watch(stdout, ts.MkAbs(name+".out"), p.readOut) })
	p.read.Go(func() { p.watch(stderr, ts.MkAbs(name+".err"), p.readErr) })
	ts.Defer(func() {
		p.command.Process.Kill() // no matter if terminate has ended it
		p.read.Wait()
		p.command.Wait()
	})
	ended := make(chan struct{})
	go func() {
		p.read.Wait()
		close(ended)
	}()
	select {
	case <-p.ready:
	case <-ended:
		ts.Fatalf("%s ended at once: %s", name, ts.ReadFile(name+".err"))
	case <-time.After(30 * time.Second):
		ts.Fatalf("%s is not ready: %s", name, ts.ReadFile(name+".err"))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, value := range p.vars {
		ts.Setenv(name+"_"+key, value)
	}
	ts.Setenv(name+"_PID", strconv.Itoa(p.command.Process.Pid))
	processes.Store(ts.MkAbs(name), p)
}

// processes holds them by their name and their script's directory.
var processes sync.Map

func terminate(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := processes.LoadAndDelete(ts.MkAbs(args[0]))
	if !ok {
		ts.Fatalf("%s was not started", args[0])
	}
	p := v.(*process)
	ts.Check(p.command.Process.Signal(syscall.SIGTERM))
	p.read.Wait()
	ts.Check(p.command.Wait())
}

// watch copies output into a file, line by line.
func (p *process) watch(r io.Reader, path string, line func(string)) {
	file, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fmt.Fprintln(file, lines.Text())
		line(lines.Text())
	}
}

func (p *process) set(key, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, first := p.vars[key]; !first {
		p.vars[key] = value
	}
}

func (p *process) readErr(line string) {
	if base, ok := strings.CutPrefix(line, "listening on "); ok {
		base, _, _ = strings.Cut(base, " ")
		p.set("URL", base)
		p.set("ADDR", strings.TrimPrefix(base, "http://"))
	}
	if base, ok := strings.CutPrefix(line, "admin on "); ok {
		p.set("ADMIN", strings.TrimPrefix(base, "http://"))
	}
	if strings.Contains(line, "started") {
		p.saw("started")
	}
}

func (p *process) readOut(line string) {
	var info map[string]string
	if json.Unmarshal([]byte(line), &info) != nil {
		return
	}
	for key, value := range info {
		p.set(strings.ToUpper(key), value)
	}
	p.saw("info")
}

// binDir is where testscript has put the commands of TestMain.
func binDir(ts *testscript.TestScript) string {
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if _, err := os.Stat(filepath.Join(dir, programName)); err == nil {
			return dir
		}
	}
	ts.Fatalf("%s is not in PATH", programName)
	return ""
}

// environ returns the script's variables that the program may read.
func environ(ts *testscript.TestScript) []string {
	var all []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "XDG_STATE_HOME"} {
		all = append(all, name+"="+ts.Getenv(name))
	}
	for _, name := range append(variables(), "PANDADOC_AUTH_PROXY_PORT_8080_TCP", "PANDADOC_LISTENN", "PANDADOC_STROE") {
		if value := ts.Getenv(name); value != "" {
			all = append(all, name+"="+value)
		}
	}
	return all
}

func exitOnError(do func(args []string) error) func() {
	return func() {
		if err := do(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func get(args []string) error {
	if args[0] == "-post" {
		return show(http.Post(args[1], "", nil))
	}
	return show(http.Get(args[0]))
}

func show(answer *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Printf("%d\n%s\n", answer.StatusCode, body)
	return err
}

// consent signs in as a person with a browser would.
func consent(args []string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar}
	back, err := agree(browser, args[0])
	if err != nil {
		return err
	}
	return show(browser.Get(back))
}

func allow(args []string) error {
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	back, err := agree(&http.Client{}, regexp.MustCompile(`http://\S+/oauth2/authorize\S+`).FindString(string(text)))
	fmt.Println(back)
	return err
}

// agree presses "Allow" on the consent page, and returns where that leads.
func agree(browser *http.Client, start string) (string, error) {
	page, err := browser.Get(start)
	if err != nil {
		return "", err
	}
	defer page.Body.Close()
	body, err := io.ReadAll(page.Body)
	if err != nil {
		return "", err
	}
	ticket := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindSubmatch(body)
	if ticket == nil {
		return "", fmt.Errorf("no consent page: %d %s", page.StatusCode, body)
	}
	stay := *browser
	stay.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	confirm := page.Request.URL.JoinPath("confirm")
	confirm.RawQuery = ""
	answer, err := stay.PostForm(confirm.String(), url.Values{"ticket": {string(ticket[1])}, "answer": {"allow"}})
	if err != nil {
		return "", err
	}
	answer.Body.Close()
	return answer.Header.Get("Location"), nil
}
