package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/internal/stores"
)

// line is a command line with the commands that settings differ for.
type line struct {
	Serve  struct{ Settings } `cmd:"" default:"withargs"`
	Status struct {
		Account         string
		AccountSettings `embed:""`
	} `cmd:""`
	Sandbox struct {
		TokenTTL        time.Duration `name:"token-ttl" default:"1h"`
		SandboxSettings `embed:""`
	} `cmd:""`
}

// parse reads a command line as the program would.
func parse(t *testing.T, environ []string, args ...string) (*Reader, *line) {
	t.Helper()
	r, l := NewReader(environ, stores.Known()), &line{}
	parser, err := kong.New(l, append(r.Options(), kong.Exit(func(int) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	command, err := parser.Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	r.Parsed(command)
	return r, l
}

// serve checks serve's settings.
func serve(t *testing.T, environ []string, args ...string) (*Config, error) {
	t.Helper()
	r, l := parse(t, environ, append([]string{"serve"}, args...)...)
	return r.Serve(&l.Serve.Settings)
}

// errorTexts returns the errors that were joined, each as it is reported.
func errorTexts(err error) []string {
	var all []string
	for _, e := range problem.Each(err) {
		all = append(all, e.Error())
	}
	return all
}

// check fails unless got is want.
func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

func TestFixesAreNamedForEveryMistake(t *testing.T) {
	for _, row := range []struct {
		name string
		args []string
		want string // part of the only error; empty for none
	}{
		{"defaults", nil, ""},
		{"loopback addresses", []string{"--listen=127.0.0.1:1", "--listen=[::1]:2", "--listen=unix:/s"}, ""},
		{"all addresses", []string{"--listen=:8080"}, `--listen: ":8080" is reachable from other machines`},
		{"all addresses by star", []string{"--listen=*:8080"}, "is reachable from other machines"},
		{"unspecified IPv6", []string{"--listen=[::]:8080"}, "is reachable from other machines"},
		{"name that may point anywhere", []string{"--listen=myhost:8080"}, "is reachable from other machines"},
		{"loopback look-alike", []string{"--listen=localhost.example.com:8080"}, "is reachable from other machines"},
		{"all addresses on purpose", []string{"--listen=:8080", "--allow-unauthenticated"}, ""},
		{"no port", []string{"--listen=localhost"}, "not of the form HOST:PORT"},
		{"port too large", []string{"--listen=localhost:65536"}, "the port is not a number"},
		{"relative socket", []string{"--listen=unix:s"}, "must be absolute"},
		{"the same twice", []string{"--listen=localhost:1", "--listen=localhost:1"}, "is given twice"},
		{"any port twice", []string{"--listen=localhost:0", "--listen=localhost:0"}, ""},
		{"admin on the same port", []string{"--listen=localhost:8081"}, "--admin-listen: localhost:8081 is taken by --listen"},
		{"admin on the same port by number", []string{"--listen=127.0.0.1:8081"}, "is taken by --listen"},
		{"no admin", []string{"--admin-listen=none", "--listen=localhost:8081"}, ""},
		{"host with a port", []string{"--allow-host=a:80"}, ""},
		{"host with a star", []string{"--allow-host=*.example.com"}, "--allow-host: "},
		{"host with a path", []string{"--allow-host=a/b"}, "--allow-host: "},
		{"origin with a path", []string{"--allow-origin=https://a.example/x"}, "--allow-origin: "},
		{"origin null", []string{"--allow-origin=null"}, "--allow-origin: "},
		{"origin", []string{"--allow-origin=https://a.example:8443"}, ""},
		{"unknown region", []string{"--region=us"}, `--region: "us" is not a region`},
		{"plain http", []string{"--api-url=http://api.example.com"}, "--api-url: plain http would send credentials unencrypted"},
		{"plain http to the token endpoint", []string{"--token-url=http://api.example.com/t"}, "--token-url: plain http"},
		{"plain http on purpose", []string{"--api-url=http://api.example.com", "--allow-insecure-upstream"}, ""},
		{"plain http to loopback", []string{"--api-url=http://127.0.0.1:9"}, ""},
		{"another scheme", []string{"--api-url=ftp://api.example.com"}, "not an http or https URL"},
		{"no scheme", []string{"--api-url=api.example.com"}, "not an http or https URL"},
		{"a port that cannot be", []string{"--api-url=https://api.example.com:99999"}, "not an http or https URL"},
		{"a port of the redirect URL that cannot be", []string{"--redirect-url=http://localhost:80810/oauth2/callback"}, "not an http or https URL"},
		{"user in the URL", []string{"--api-url=https://u:p@api.example.com"}, "not an http or https URL without user"},
		{"query in the URL", []string{"--api-url=https://api.example.com?x=1"}, "it must not have a query"},
		{"API at ourselves", []string{"--api-url=http://localhost:8080"}, "is this proxy's own listener"},
		{"API at ourselves by number", []string{"--api-url=http://[::1]:8080"}, "is this proxy's own listener"},
		{"API at our admin listener", []string{"--api-url=http://localhost:8081"}, "is this proxy's own listener"},
		{"tokens at ourselves", []string{"--token-url=http://localhost:8080/oauth2/access_token"}, "is this proxy's own listener"},
		{"redirect without a path", []string{"--redirect-url=http://localhost:8081"}, "--redirect-url: not an http or https URL with a path"},
		{"redirect with a query", []string{"--redirect-url=http://localhost:8081/x?y=1"}, "--redirect-url: not an"},
		{"probe elsewhere", []string{"--probe-path=//evil.example/x"}, "--probe-path: "},
		{"probe off", []string{"--probe-path="}, ""},
		{"nobody waits", []string{"--refresh-timeout=0s"}, "--refresh-timeout: no request could wait"},
		{"no answer in time", []string{"--upstream-header-timeout=0s"}, "--upstream-header-timeout: "},
		{"no such directory", []string{"--temp-dir=" + filepath.Join(t.TempDir(), "missing")}, "--temp-dir: "},
		{"fatal is no level", []string{"--log-level=fatal"}, "--log-level: "},
		{"unknown format", []string{"--log-format=xml"}, "--log-format: "},
		{"unknown store", []string{"--store=etcd:x"}, "--store: etcd: is not a store"},
		{"no kind of store", []string{"--store=/var/lib"}, "does not name a kind of store"},
		{"directory of a memory store", []string{"--store=memory:x"}, "memory: takes nothing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := serve(t, nil, row.args...)
			if row.want == "" {
				check(t, "errors", errorTexts(err), nil)
				return
			}
			got := errorTexts(err)
			if len(got) != 1 || !strings.Contains(got[0], row.want) {
				t.Errorf("got %q, want one error with %q", got, row.want)
			}
			if problem.HintOf(err) == "" {
				t.Errorf("got no hint, want one")
			}
		})
	}
}

func TestRegionsSetAllThreeURLs(t *testing.T) {
	for _, row := range []struct {
		args                  []string
		api, authorize, token string
	}{
		{nil, "https://api.pandadoc.com", "https://app.pandadoc.com/oauth2/authorize", "https://api.pandadoc.com/oauth2/access_token"},
		{[]string{"--region=eu"}, "https://api.pandadoc.eu", "https://app.pandadoc.eu/oauth2/authorize", "https://api.pandadoc.eu/oauth2/access_token"},
		{[]string{"--region=eu", "--api-url=https://gateway.example/pandadoc"}, "https://gateway.example/pandadoc", "https://app.pandadoc.eu/oauth2/authorize", "https://api.pandadoc.eu/oauth2/access_token"},
		{[]string{"--api-url=https://api.pandadoc.com/"}, "https://api.pandadoc.com", "https://app.pandadoc.com/oauth2/authorize", "https://api.pandadoc.com/oauth2/access_token"},
	} {
		a, err := serve(t, nil, row.args...)
		check(t, "error", err, nil)
		check(t, "api", a.Upstream.API.String(), row.api)
		check(t, "authorize", a.Upstream.Authorize.String(), row.authorize)
		check(t, "token", a.Upstream.Token.String(), row.token)
	}
}

func TestRedirectURLFollowsTheAdminPort(t *testing.T) {
	check(t, "default", Login{}.Redirect(1234).String(), "http://localhost:1234/oauth2/callback")
	own := &url.URL{Scheme: "https", Host: "proxy.example", Path: "/back"}
	check(t, "configured", Login{RedirectURL: own}.Redirect(1234), own)
}

func TestSecretsOfOneLayerExcludeEachOther(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	write(t, path, "from-secret-file\n")
	config := filepath.Join(dir, "c.yaml")
	for _, row := range []struct {
		name    string
		environ []string
		file    string
		args    []string
		want    string // the refresh token
		err     string // part of the error
	}{
		{"variable", []string{"PANDADOC_REFRESH_TOKEN=v"}, "", nil, "v", ""},
		{"file of a variable", []string{"PANDADOC_REFRESH_TOKEN_FILE=" + path}, "", nil, "from-secret-file", ""},
		{"flag", nil, "", []string{"--refresh-token-file=" + path}, "from-secret-file", ""},
		{"key", nil, "refresh-token: k", nil, "k", ""},
		{"file of a key", nil, "refresh-token-file: " + path, nil, "from-secret-file", ""},
		{"variable over key", []string{"PANDADOC_REFRESH_TOKEN=v"}, "refresh-token: k", nil, "v", ""},
		{"variable over file of a key", []string{"PANDADOC_REFRESH_TOKEN=v"}, "refresh-token-file: " + path, nil, "v", ""},
		{"flag over key", nil, "refresh-token: k", []string{"--refresh-token-file=" + path}, "from-secret-file", ""},
		{"flag over file of a variable", []string{"PANDADOC_REFRESH_TOKEN_FILE=/nonexistent"}, "", []string{"--refresh-token-file=" + path}, "from-secret-file", ""},
		{"empty variable is none", []string{"PANDADOC_REFRESH_TOKEN="}, "refresh-token: k", nil, "k", ""},
		{"number in the file", nil, "refresh-token: 0012", nil, "0012", ""},
		{"both variables", []string{"PANDADOC_REFRESH_TOKEN=v", "PANDADOC_REFRESH_TOKEN_FILE=" + path}, "", nil, "", "PANDADOC_REFRESH_TOKEN and PANDADOC_REFRESH_TOKEN_FILE are both set"},
		{"variable and flag", []string{"PANDADOC_REFRESH_TOKEN=v"}, "", []string{"--refresh-token-file=" + path}, "", "PANDADOC_REFRESH_TOKEN and --refresh-token-file are both set"},
		{"both keys", nil, "refresh-token: k\nrefresh-token-file: " + path, nil, "", "c.yaml:1: refresh-token and "},
		{"two accounts called default", []string{"PANDADOC_REFRESH_TOKEN=v"}, "accounts:\n  default:\n    api-key: k", nil, "v", `account "default" is configured twice`},
		{"key and token", []string{"PANDADOC_REFRESH_TOKEN=v", "PANDADOC_API_KEY=k"}, "", nil, "v", "has an API key and a token"},
		{"id without secret", []string{"PANDADOC_CLIENT_ID=i"}, "", nil, "", "there is a client id but no client secret"},
		{"secret without id", []string{"PANDADOC_CLIENT_SECRET=s"}, "", nil, "", "there is a client secret but no client id"},
		{"line break inside", []string{"PANDADOC_REFRESH_TOKEN=a\nb"}, "", nil, "", "PANDADOC_REFRESH_TOKEN: the secret contains a space, a line break"},
	} {
		t.Run(row.name, func(t *testing.T) {
			write(t, config, row.file)
			got, err := serve(t, row.environ, append(row.args, "--config="+config)...)
			check(t, "token", got.Tokens.Accounts["default"].RefreshToken.Reveal(), row.want)
			if text := strings.Join(errorTexts(err), "; "); (row.err == "") != (err == nil) || !strings.Contains(text, row.err) {
				t.Errorf("got error %q, want %q", text, row.err)
			}
		})
	}
}

func TestAccountsOfTheFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "acme"), "acme-token")
	config := filepath.Join(dir, "c.yaml")
	write(t, config, "accounts:\n  acme:\n    refresh-token-file: "+dir+"/acme\n  widgets:\n    api-key: |\n      widgets-key\n  later:\nrefresh-token: own\n")
	got, err := serve(t, nil, "--config="+config)
	check(t, "acme", got.Tokens.Accounts["acme"].RefreshToken.Reveal(), "acme-token")
	check(t, "default", got.Tokens.Accounts["default"].RefreshToken.Reveal(), "own")
	check(t, "number of accounts", len(got.Tokens.Accounts), 4)
	// A block keeps its line break, which no key has.
	check(t, "errors", len(problem.Each(err)), 1)
}

func TestBinaryAndHugeSecretFilesAreRefused(t *testing.T) {
	_, err := serve(t, nil, "--access-token-file=/dev/zero")
	if text := strings.Join(errorTexts(err), ""); !strings.Contains(text, "/dev/zero is too large for a secret") {
		t.Errorf("got %q, want a refusal", text)
	}
}

// A device that never ends filled the memory.
func TestFilesHaveABound(t *testing.T) {
	for _, setting := range []string{"config", "ca-file", "store-key-file"} {
		_, err := serve(t, nil, "--"+setting+"=/dev/zero")
		if text := strings.Join(errorTexts(err), ""); !strings.Contains(text, "/dev/zero is too large for") || problem.HintOf(err) == "" {
			t.Errorf("--%s: got %q and the hint %q", setting, text, problem.HintOf(err))
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A list whose entries hold spaces is written in lines in the environment.
func TestRoutesInTheEnvironment(t *testing.T) {
	c, err := serve(t, []string{"PANDADOC_ALLOW_ROUTE=GET /a*\n\nPOST,PATCH /b\n"})
	check(t, "error", err, nil)
	check(t, "routes", fmt.Sprint(c.Proxy.AllowRoutes), "[GET /a* POST,PATCH /b]")
}

func TestPlaces(t *testing.T) {
	for _, row := range []struct {
		text, account, address string
		ok                     bool
	}{
		{"localhost:1", "", "localhost:1", true},
		{"acme=127.0.0.1:1", "acme", "127.0.0.1:1", true},
		{"acme=unix:/run/a=b", "acme", "unix:/run/a=b", true},
		{"unix:/run/a=b", "", "unix:/run/a=b", true},
		{"=127.0.0.1:1", "", "", false},
		{"Acme=127.0.0.1:1", "", "", false},
		{"acme=", "", "", false},
	} {
		p, err := parseListenAddress(row.text)
		if !row.ok {
			check(t, row.text, err != nil, true)
			continue
		}
		check(t, row.text, err, nil)
		check(t, row.text, p.Account+" "+p.String(), row.account+" "+row.address)
	}
}

// Windows has the variable LocalAppData as LOCALAPPDATA, which was not found: without --store nothing could be stored.
func TestStateHome(t *testing.T) {
	for _, row := range []struct {
		name, system string
		env          Environ
		want         string // empty for an error
	}{
		{"home", "linux", Environ{"HOME=/home/u"}, "/home/u/.local/state"},
		{"state home", "linux", Environ{"HOME=/home/u", "XDG_STATE_HOME=/state"}, "/state"},
		{"relative state home is ignored", "linux", Environ{"HOME=/home/u", "XDG_STATE_HOME=state"}, "/home/u/.local/state"},
		{"nothing", "linux", nil, ""},
		{"relative home", "linux", Environ{"HOME=."}, ""},
		{"root created the home of nobody", "linux", Environ{"HOME=/nonexistent"}, ""},
		{"state home without a home", "linux", Environ{"HOME=/nonexistent", "XDG_STATE_HOME=/state"}, "/state"},
		{"macOS", "darwin", Environ{"HOME=/Users/u", "XDG_STATE_HOME=/state"}, "/Users/u/Library/Application Support"},
		{"Windows", "windows", Environ{`LOCALAPPDATA=C:\Users\u\AppData\Local`}, `C:\Users\u\AppData\Local`},
		{"Windows without", "windows", Environ{"HOME=/home/u"}, ""},
	} {
		got, err := row.env.stateHome(row.system, func(dir string) bool { return dir == "/nonexistent" })
		check(t, row.name, got, row.want)
		check(t, row.name+" fails", err != nil, row.want == "")
	}
}
