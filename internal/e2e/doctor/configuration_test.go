package doctor

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
)

// dead is an address where nobody listens.
const dead = "127.0.0.1:1"

func configurationFaults() []fault {
	return []fault{
		{
			name: "an unknown key in the file",
			plant: func(w *installation) {
				w.signIn()
				w.args = []string{"--config", w.fileIn("pandadoc.yaml", "log-level: info\nlissten: localhost:1\n")}
			},
			check: "configuration", seen: "pandadoc.yaml:2: lissten: unknown name", fix: "write listen:", exit: 1,
		},
		{
			name:  "a duration without a unit",
			plant: func(w *installation) { w.signIn(); w.env["REFRESH_TIMEOUT"] = "20" },
			check: "configuration", seen: `PANDADOC_REFRESH_TIMEOUT: "20" is not a duration`, fix: "30s", exit: 1,
		},
		{
			name:  "a secret file that is not there",
			plant: func(w *installation) { w.signIn(); w.args = []string{"--api-key-file", "/nothing/here"} },
			check: "configuration", seen: "/nothing/here: no such file", fix: "readable for this user", exit: 1,
		},
		{
			name: "a header instead of a token",
			plant: func(w *installation) {
				w.signIn()
				w.env["ACCESS_TOKEN"] = "Bearer " + fakeToken
				w.secrets = append(w.secrets, fakeToken)
			},
			check: "configuration", seen: "PANDADOC_ACCESS_TOKEN: the secret contains a space", fix: "without Bearer", exit: 1,
		},
		{
			name:  "a name in the environment that means nothing",
			plant: func(w *installation) { w.signIn(); w.env["LISSTEN"] = "localhost:1" },
			check: "configuration", seen: "PANDADOC_LISSTEN", fix: "correct their names", exit: 0,
		},
		{
			name:  "no client id",
			plant: func(w *installation) { w.signIn(); w.env["CLIENT_ID"], w.env["CLIENT_SECRET"] = "", "" },
			check: "client", seen: "no client id and secret", fix: "set PANDADOC_CLIENT_ID and PANDADOC_CLIENT_SECRET", exit: 1,
			also: []string{"configuration"},
		},
		{
			name: "client id and secret exchanged",
			plant: func(w *installation) {
				w.signIn()
				w.env["CLIENT_ID"], w.env["CLIENT_SECRET"] = w.env["CLIENT_SECRET"], w.env["CLIENT_ID"]
			},
			check: "client", seen: "as long as a secret", fix: "swap the two", exit: 1,
			also: []string{"token"},
		},
		{
			name: "the API of one region, the token endpoint of the other",
			plant: func(w *installation) {
				w.behindDeadProxy()
				w.args = []string{"--region", "eu", "--token-url", "https://api.pandadoc.com/oauth2/access_token"}
			},
			check: "region", seen: "api api.pandadoc.eu (eu), token api.pandadoc.com (global)", fix: "remove --api-url", exit: 1,
			also: []string{"forward proxy"},
		},
		{
			name: "the consent page's host in the place of the API's",
			plant: func(w *installation) {
				w.behindDeadProxy()
				w.args = []string{"--api-url", "https://app.pandadoc.com"}
			},
			check: "region", seen: "--api-url is app.pandadoc.com, where PandaDoc has its consent page", fix: "remove --api-url", exit: 1,
			also: []string{"forward proxy"},
		},
		{
			name: "a host of PandaDoc's that does not exist",
			plant: func(w *installation) {
				w.behindDeadProxy()
				w.args = []string{"--api-url", "https://api-eu.pandadoc.com"}
			},
			check: "region", seen: "api-eu.pandadoc.com", fix: "--region eu", exit: 1,
			also: []string{"forward proxy"},
		},
		{
			name:  "a redirect URL on another port",
			plant: func(w *installation) { w.signIn(); w.env["REDIRECT_URL"] = "http://localhost:9/oauth2/callback" },
			check: "redirect URL", seen: "http://localhost:9/oauth2/callback, and the admin listener is localhost:", fix: "set --admin-listen to localhost:9", exit: 0,
		},
		{
			name:  "another program on the port",
			plant: func(w *installation) { w.signIn(); w.env["LISTEN"] = w.otherProgram() },
			check: "listener", seen: "--listen: another program listens on 127.0.0.1:", fix: "choose another address, like --listen", exit: 1,
		},
		{
			name:  "another program on the admin port",
			plant: func(w *installation) { w.signIn(); w.env["ADMIN_LISTEN"] = w.otherProgram() },
			check: "proxy", seen: "is not pandadoc-auth-proxy", fix: "--admin-listen", exit: 1,
			also: []string{"listener"},
		},
		{
			name: "an admin key that everybody can read",
			plant: func(w *installation) {
				w.signIn()
				w.env["ADMIN_KEY_FILE"] = w.fileIn("admin-key", strings.Repeat("k", 43))
				w.secrets = append(w.secrets, strings.Repeat("k", 43))
				if err := os.Chmod(w.env["ADMIN_KEY_FILE"], 0o644); err != nil {
					w.Fatal(err)
				}
			},
			check: "admin key", seen: "other users may read the admin key", fix: "remove the file", exit: 1,
		},
		{
			name:  "an admin key in the file that is none",
			plant: func(w *installation) { w.signIn(); w.env["ADMIN_KEY_FILE"] = w.fileIn("admin-key", "secret\n") },
			check: "admin key", seen: "this is not an admin key", fix: "remove the file", exit: 1,
		},
		{
			name: "an admin key in a directory that is missing",
			plant: func(w *installation) {
				w.signIn()
				w.env["ADMIN_KEY_FILE"] = filepath.Join(filepath.Dir(w.dir), "missing", "admin-key")
			},
			check: "admin key", seen: "no such file or directory", fix: "name another file with --admin-key-file", exit: 1,
		},
		{
			name: "an admin key that the state directory does not take",
			plant: func(w *installation) {
				w.signIn()
				w.env["REQUIRE_HEADER"] = "X-Team: 0123456789abcdef"
				w.plain = []string{"XDG_STATE_HOME=/dev/null"}
			},
			check: "admin key", seen: "each start of the proxy creates a new one", fix: "--admin-key-file", exit: 0,
		},
		{
			name: "a proxy that runs with another store",
			plant: func(w *installation) {
				w.signIn()
				w.serve()
				w.env["STORE"] = "file:" + filepath.Join(filepath.Dir(w.dir), "another")
			},
			check: "proxy", seen: "the running proxy uses the store file:", fix: "start the proxy again", exit: 0,
		},
	}
}

// behindDeadProxy makes the installation use the real service's URLs, and keeps every byte on this machine.
func (w *installation) behindDeadProxy() {
	w.plain = []string{"HTTPS_PROXY=http://" + dead}
	for _, name := range []string{"API_URL", "TOKEN_URL", "AUTHORIZE_URL", "REFRESH_TOKEN"} {
		delete(w.env, name)
	}
	w.onlyKey(fakeToken)
}

// otherProgram listens on a port, and is not the proxy. It returns its address.
func (w *installation) otherProgram() string {
	server := httptest.NewServer(http.NotFoundHandler())
	w.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}
