package repotest

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// doors lists which of our packages a package may import. A package that others import must know nothing of them.
var doors = map[string]struct {
	may    []string
	reason string
}{
	".":                           {[]string{"internal/cli"}, "main is a signal context, a call and an exit status: all wiring has one place"},
	"internal/cli":                {[]string{"internal/admin", "internal/admin/client", "internal/config", "internal/doctor", "internal/listen", "internal/logqueue", "internal/stores", "internal/sandbox", "proxy", "tokens"}, "cli wires everything together, and is wired by main alone"},
	"internal/config":             {[]string{"internal/admin", "internal/listen", "internal/stores", "proxy", "tokens"}, "config fills the configurations of others and runs nothing"},
	"internal/doctor":             {[]string{"internal/admin", "internal/admin/client", "internal/config", "internal/listen", "internal/stores", "proxy", "tokens"}, "doctor examines what the program would use"},
	"internal/stores":             {[]string{"tokens", "tokens/filestore", "tokens/redisstore", "tokens/kubestore"}, "this table is the one place that knows every store"},
	"internal/listen":             {nil, "sockets and certificates know nothing of what is served on them"},
	"internal/problem":            {nil, "the table of words knows nobody who uses it"},
	"internal/admin":              {[]string{"internal/admin/console", "internal/listen", "proxy", "tokens"}, "the admin side shows accounts and traffic and cannot reach into stores"},
	"internal/admin/client":       {[]string{"internal/admin", "internal/listen", "tokens"}, "the client knows the answers of the admin listener and nothing behind it"},
	"internal/sandbox":            {[]string{"internal/sandbox/workspace"}, "the emulator imports nothing else of ours: it must not share our misunderstandings of the API"},
	"internal/sandbox/workspace":  {nil, "the emulator imports nothing else of ours: it must not share our misunderstandings of the API"},
	"internal/repotest":           {nil, "the rules look at source and do not run it"},
	"internal/bench":              {[]string{"proxy", "proxy/spool", "tokens", "tokens/filestore"}, "benchmarks stand beside the program"},
	"proxy":                       {[]string{"proxy/spool", "tokens"}, "the request path asks a TokenSource and knows neither stores nor OAuth"},
	"proxy/spool":                 {nil, "kept bodies know nothing of requests and tokens"},
	"tokens":                      {nil, "the life cycle is the innermost: it can be understood, tested and used by itself"},
	"tokens/filestore":            {[]string{"tokens"}, "a store knows records, and no other store"},
	"tokens/redisstore":           {[]string{"tokens"}, "a store knows records, and no other store"},
	"tokens/kubestore":            {[]string{"tokens"}, "a store knows records, and no other store"},
	"tokens/redisstore/redistest": {nil, "it runs a Redis server, and knows nothing of what is kept there"},
	"tokens/kubestore/kubetest":   {nil, "it is an API server, and knows nothing of what is kept there"},
	"tokens/storetest":            {[]string{"tokens"}, "the suite knows what a store promises, and no store"},
	"internal/e2e/program":        {nil, "it runs the built program from outside"},
	"internal/e2e/browser":        {nil, "it starts a browser and knows nothing of what is looked at"},
	"internal/e2e/login":          {nil, "it signs in to the built program as people do, from outside"},
	"internal/e2e/doctor":         {nil, "it breaks the surroundings of the built program, from outside"},
	"internal/e2e/hazards":        {nil, "it attacks the built program from outside, and knows nothing of its inside"},
	"internal/e2e/console":        {nil, "it uses the console of the built program from outside, in a browser"},
	"internal/e2e/delivery":       {nil, "it tests what is shipped, where it is shipped to"},
	"internal/e2e/clients":        {nil, "it sends what real clients send, from outside"},
	"internal/e2e/chaos":          {[]string{"tokens", "tokens/filestore", "tokens/redisstore", "tokens/kubestore", "tokens/storetest", "internal/e2e/chaos/model"}, "the harness stands beside the program, over the life cycle and its stores"},
	"internal/e2e/chaos/model":    {[]string{"tokens"}, "the model restates the protocol and nothing else"},

	"internal/logqueue": {nil, "a queue of lines knows nothing of what is in them"},

	"internal/sandbox/specification": {nil, "it makes files from a specification and runs nothing"},

	"internal/admin/console": {nil, "the console is static: what it shows, the browser asks the admin listener for"},
}

// testDoors lists what all tests may import in addition: the suite of stores, the test servers, and the emulator.
var testDoors = []string{"tokens/storetest", "tokens/redisstore/redistest", "tokens/kubestore/kubetest", "internal/e2e/program", "internal/e2e/browser", "internal/sandbox"}

// testMay lists what the tests of one package may import in addition.
var testMay = map[string]string{
	"internal/stores": "internal/cli", // a store is tested through the whole program
	"internal/bench":  "internal/cli", // the cost of a request is its cost in the whole program
}

// words is the package with all messages to users. Every package except the emulator may use it.
const words = "internal/problem"

// testPackages are packages that tests share. The program contains none of them.
var testPackages = []string{"tokens/storetest", "tokens/redisstore/redistest", "tokens/kubestore/kubetest", "internal/e2e/program", "internal/e2e/browser"}

// forTests reports whether the source is no part of the program.
func (s source) forTests() bool { return s.isTest() || slices.Contains(testPackages, s.dir()) }

func throughTheDoors(s source) (findings []string) {
	d, ok := doors[s.dir()]
	if !ok {
		return []string{fmt.Sprintf("%s: package %s has no rule about its imports", s.path, s.dir())}
	}
	for _, i := range s.imports() {
		to, ours := strings.CutPrefix(i, module+"/")
		if !ours || slices.Contains(d.may, to) || to == words && !strings.HasPrefix(s.dir(), "internal/sandbox") || s.isTest() && (to == s.dir() || to == testMay[s.dir()] || slices.Contains(testDoors, to)) {
			continue
		}
		findings = append(findings, fmt.Sprintf("%s: imports %s: %s", s.path, to, d.reason))
	}
	return findings
}

// libraries lists where other people's libraries may be imported, so that each can be replaced in one place.
var libraries = []struct {
	prefix string
	in     []string // packages; "test" means tests everywhere
	reason string
}{
	{"github.com/gorilla/mux", []string{"internal/admin"}, "the proxied port is a plain handler, so that no router bends its paths"},
	{"github.com/sirupsen/logrus", []string{"proxy", "internal/admin", "internal/cli", "internal/config", "test"}, "the life cycle reports events and does not log"},
	{"github.com/hashicorp/golang-lru/v2", []string{"tokens"}, "one cache decides which account leaves"},
	{"github.com/alecthomas/kong", []string{"internal/cli", "internal/config"}, "the command line has one place"},
	{"github.com/goccy/go-yaml", []string{"internal/config", "internal/cli", "test"}, "the configuration file has one reader"},
	{"golang.org/x/oauth2", []string{"internal/admin", "internal/cli", "internal/doctor"}, "it makes the authorization request; its token call would drop pairs"},
	{"github.com/gofrs/flock", []string{"tokens/filestore"}, "file locks belong to the file store"},
	{"golang.org/x/sys", []string{"tokens/filestore", "tokens", "internal/cli", "internal/listen", "internal/doctor", "proxy", "test"}, "system calls stay where they are needed"},
	{"github.com/redis/go-redis", []string{"tokens/redisstore", "tokens/redisstore/redistest", "test"}, "Redis belongs to its store"},
	{"github.com/prometheus", []string{"internal/admin", "internal/cli", "proxy", "test"}, "the life cycle reports events and does not count"},
	{"github.com/google/go-cmp", []string{"tokens/storetest", "test"}, "it panics where it is unsure: for tests only"},
	{"golang.org/x/net", []string{"test"}, "for tests only: a server that speaks HTTP/2 frame by frame"},
	{"github.com/rogpeppe/go-internal", []string{"test"}, "for tests only"},
	{"github.com/getkin/kin-openapi/openapi3", []string{"test"}, "for tests only: the emulator is held to PandaDoc's specification"},
	{"go.uber.org/goleak", []string{"test"}, "for tests only"},
	{"github.com/chromedp", []string{"internal/e2e/browser", "test"}, "for tests only"},
}

func whereLibrariesMay(s source) (findings []string) {
	for _, i := range s.imports() {
		first, _, _ := strings.Cut(i, "/")
		if !strings.Contains(first, ".") {
			continue // the standard library, or ours
		}
		at := slices.IndexFunc(libraries, func(l struct {
			prefix string
			in     []string
			reason string
		}) bool {
			return i == l.prefix || strings.HasPrefix(i, l.prefix+"/")
		})
		switch {
		case at < 0:
			findings = append(findings, fmt.Sprintf("%s: imports %s, which no rule knows", s.path, i))
		case !slices.Contains(libraries[at].in, s.dir()) && !(s.isTest() && slices.Contains(libraries[at].in, "test")):
			findings = append(findings, fmt.Sprintf("%s: imports %s: %s", s.path, i, libraries[at].reason))
		}
	}
	return findings
}

// testOnly are packages that must not become part of the program.
var testOnly = []string{"testing", "net/http/httptest", module + "/tokens/storetest", module + "/tokens/redisstore/redistest", module + "/tokens/kubestore/kubetest", module + "/internal/e2e/program", module + "/internal/e2e/browser"}

func outsideOfTests(s source) (findings []string) {
	for _, i := range s.imports() {
		if !s.forTests() && slices.Contains(testOnly, i) {
			findings = append(findings, fmt.Sprintf("%s: imports %s", s.path, i))
		}
	}
	return findings
}

// ownBlock finds our packages in a block of imports with others: gofmt sorts them among the standard library,
// because their paths have no dot.
func ownBlock(s source) (findings []string) {
	for i, one := range s.file.Imports {
		if i == 0 {
			continue
		}
		before := s.file.Imports[i-1]
		adjacent := s.fset.Position(one.Pos()).Line == s.fset.Position(before.End()).Line+1
		if adjacent && isOurs(one) != isOurs(before) {
			findings = append(findings, s.at(one)+": is in one block with packages of another kind")
		}
	}
	return findings
}

func isOurs(i *ast.ImportSpec) bool { return strings.HasPrefix(i.Path.Value, `"`+module+`/`) }

// noServer finds uses of HTTP servers in tokens, which only calls one server, as a client.
func noServer(s source) (findings []string) {
	if s.dir() != "tokens" || s.isTest() {
		return nil
	}
	server := []string{"Handler", "HandlerFunc", "Handle", "HandleFunc", "Server", "ServeMux", "ResponseWriter", "ListenAndServe", "Serve", "Error"}
	selectors(s, func(n ast.Node, pkg, name string) {
		if pkg == "net/http" && slices.Contains(server, name) {
			findings = append(findings, fmt.Sprintf("%s: uses http.%s", s.at(n), name))
		}
	})
	return findings
}

// typesOnly finds uses of tokens in the proxy other than types and errors.
func typesOnly(s source) (findings []string) {
	if s.dir() != "proxy" || s.isTest() {
		return nil
	}
	inner := []string{"New", "Manager", "Config", "Store", "Record", "Memory", "NewMemory", "Codec", "Pair", "Endpoint"}
	selectors(s, func(n ast.Node, pkg, name string) {
		if pkg == module+"/tokens" && slices.Contains(inner, name) {
			findings = append(findings, fmt.Sprintf("%s: uses tokens.%s", s.at(n), name))
		}
	})
	return findings
}

func TestImports(t *testing.T) {
	check(t,
		rule{
			"packages meet at their doors", "imports go main -> internal/cli -> the rest, proxy -> tokens, stores -> tokens",
			each(throughTheDoors),
			"-- proxy/x.go --\npackage proxy\nimport _ \"pandadoc-auth-proxy/tokens/filestore\"\n",
			"-- proxy/x_test.go --\npackage proxy_test\nimport _ \"pandadoc-auth-proxy/internal/sandbox\"\n",
		},
		rule{
			"our packages have a block of their own", "a reader sees what a file needs of us",
			each(ownBlock),
			"-- proxy/x.go --\npackage proxy\nimport (\n\t\"net/url\"\n\t\"pandadoc-auth-proxy/tokens\"\n)\n",
			"-- proxy/x.go --\npackage proxy\nimport (\n\t\"net/url\"\n\n\t\"pandadoc-auth-proxy/tokens\"\n)\n",
		},
		rule{
			"every package has a rule", "a new package must be thought about",
			each(throughTheDoors),
			"-- internal/new/x.go --\npackage new\n",
			"-- tokens/x.go --\npackage tokens\n",
		},
		rule{
			"libraries stay in their place", "each library is one decision, in one place",
			each(whereLibrariesMay),
			"-- proxy/x.go --\npackage proxy\nimport _ \"github.com/gorilla/mux\"\n",
			"-- tokens/filestore/x.go --\npackage filestore\nimport _ \"github.com/gofrs/flock\"\n",
		},
		rule{
			"every library has a rule", "a new dependency must be thought about",
			each(whereLibrariesMay),
			"-- proxy/x.go --\npackage proxy\nimport _ \"example.com/new\"\n",
			"-- proxy/x.go --\npackage proxy\nimport _ \"net/http/httputil\"\n",
		},
		rule{
			"the emulator uses the standard library only", "others build on it, and it must not share our misunderstandings",
			each(func(s source) []string {
				if !strings.HasPrefix(s.dir(), "internal/sandbox") || s.isTest() {
					return nil
				}
				return foreign(s)
			}),
			"-- internal/sandbox/x.go --\npackage sandbox\nimport _ \"github.com/sirupsen/logrus\"\n",
			"-- internal/sandbox/x.go --\npackage sandbox\nimport _ \"net/http\"\n",
		},
		rule{
			"test helpers stay out of the program", "they bring flags and panics with them",
			each(outsideOfTests),
			"-- proxy/x.go --\npackage proxy\nimport _ \"net/http/httptest\"\n",
			"-- proxy/x_test.go --\npackage proxy\nimport _ \"net/http/httptest\"\n",
		},
		rule{
			"tokens serves nobody", "the life cycle knows nothing of HTTP servers",
			each(noServer),
			"-- tokens/x.go --\npackage tokens\nimport \"net/http\"\nvar _ http.Handler\n",
			"-- tokens/x.go --\npackage tokens\nimport \"net/http\"\nvar _ http.RoundTripper\n",
		},
		rule{
			"the proxy uses types and errors of tokens only", "it works with any TokenSource",
			each(typesOnly),
			"-- proxy/x.go --\npackage proxy\nimport \"pandadoc-auth-proxy/tokens\"\nvar _ tokens.Store\n",
			"-- proxy/x.go --\npackage proxy\nimport \"pandadoc-auth-proxy/tokens\"\nvar _ tokens.Token\n",
		},
	)
}

// foreign returns the imports that are not of the standard library.
func foreign(s source) (findings []string) {
	for _, i := range s.imports() {
		first, _, _ := strings.Cut(i, "/")
		if strings.Contains(first, ".") || first == module && !strings.HasPrefix(i, module+"/internal/sandbox/") {
			findings = append(findings, fmt.Sprintf("%s: imports %s", s.path, i))
		}
	}
	return findings
}
