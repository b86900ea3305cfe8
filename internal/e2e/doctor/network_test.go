package doctor

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

func networkFaults() []fault {
	return []fault{
		{
			name:  "a forward proxy that is not there",
			plant: func(w *installation) { w.behindDeadProxy() },
			check: "forward proxy", seen: "api.pandadoc.com is reached through 127.0.0.1:1 (HTTPS_PROXY), which does not answer", fix: "correct HTTPS_PROXY, or add api.pandadoc.com to NO_PROXY", exit: 1,
		},
		{
			name: "a forward proxy that is no URL",
			plant: func(w *installation) {
				w.behindDeadProxy()
				w.plain = []string{"HTTPS_PROXY=user:hunter2@%zz"}
				w.secrets = append(w.secrets, "hunter2")
			},
			check: "forward proxy", seen: "not a valid address of a forward proxy", fix: "write HTTPS_PROXY like", exit: 1, also: []string{"configuration"},
		},
		{
			name:  "a host name that does not exist",
			plant: func(w *installation) { w.onlyKey(fakeToken); w.env["API_URL"] = "https://pandadoc-api.invalid" },
			check: "dns", seen: "pandadoc-api.invalid cannot be found", fix: "resolver", exit: 1,
		},
		{
			name:  "nobody listens there",
			plant: func(w *installation) { w.onlyKey(fakeToken); w.env["API_URL"] = "http://" + dead },
			check: "connection", seen: dead + " cannot be reached: connection refused", fix: "firewall", exit: 1,
		},
		{
			name: "https to a server without TLS",
			plant: func(w *installation) {
				w.onlyKey(fakeToken)
				w.env["API_URL"] = strings.Replace(w.env["API_URL"], "http:", "https:", 1)
			},
			check: "connection", seen: "gives no answer over https", fix: "scheme (http or https)", exit: 1,
		},
		{
			name: "a certificate by an authority that nobody knows",
			plant: func(w *installation) {
				w.onlyKey(fakeToken)
				w.env["API_URL"] = w.tlsServer()
			},
			check: "tls", seen: "certificate signed by unknown authority", fix: "--ca-file", exit: 1,
		},
		{
			name:  "a clock that is an hour behind",
			plant: func(w *installation) { w.onlyKey(fakeToken); w.use(fakeAPI{key: fakeToken, clock: time.Hour}) },
			check: "clock", seen: "59 minutes behind that of", fix: "set the clock", exit: 1,
		},
		{
			name:  "a clock that is a minute ahead",
			plant: func(w *installation) { w.onlyKey(fakeToken); w.use(fakeAPI{key: fakeToken, clock: -time.Minute}) },
			check: "clock", seen: "seconds ahead of that of", fix: "set the clock", exit: 0,
		},
	}
}

// tlsServer is a server whose certificate is from an unknown authority.
func (w *installation) tlsServer() string {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it is told of every handshake that fails
	server.StartTLS()
	w.Cleanup(server.Close)
	return server.URL
}
