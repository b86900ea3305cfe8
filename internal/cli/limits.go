package cli

import (
	"net/http"

	"pandadoc-auth-proxy/proxy"
)

const (
	// reservedFiles are kept for what is not a client's: the store and its locks, the token endpoint, the
	// admin listener, logs. A proxy that cannot save a rotated token loses a login.
	reservedFiles = 96
	// filesPerConnection: its own, one to the API, and a temporary file for the body.
	filesPerConnection = 3
	leastConnections   = 8
)

// fitConnections returns how many connections of clients may be open, if so many are wanted and the
// process can have so many files open. Zero files means that there is no limit, or none that is known.
func fitConnections(wanted int, files uint64) int {
	if files == 0 || files >= uint64(wanted)*filesPerConnection+reservedFiles {
		return wanted
	}
	if files < reservedFiles+leastConnections*filesPerConnection {
		return leastConnections
	}
	return int(files-reservedFiles) / filesPerConnection
}

// insideProxy is the proxied port for the admin listener's own requests.
type insideProxy struct {
	*proxy.Proxy
	handler http.Handler
}

// ServeHTTP implements http.Handler.
func (p insideProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }
