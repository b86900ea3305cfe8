package cli

import (
	"cmp"
	"math"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/proxy"
)

const (
	// shareOfLimit is the part of a control group's memory, in percent, that the Go runtime tries to stay
	// within. The rest is for what it does not count: stacks of threads, buffers of the system.
	shareOfLimit = 80
	// shareOfReplay is the part of memory that copies of bodies may take where their files are in memory:
	// one part of four.
	shareOfReplay = 4
)

// boundMemory fits the process to the memory that it may use, unless GOMEMLIMIT did, and returns that
// limit. Zero means that there is none.
func boundMemory() int64 {
	limit := memoryLimit()
	if given := debug.SetMemoryLimit(-1); given < math.MaxInt64 {
		if limit == 0 || given < limit {
			limit = given
		}
		return limit
	}
	if limit > 0 {
		debug.SetMemoryLimit(limit / 100 * shareOfLimit)
	}
	return limit
}

const (
	// relaxedCollector lets the heap grow to five times of what lives in it before it is collected. A proxy's live
	// heap is a few megabytes, and collecting it every few megabytes is a third of a request's cost.
	relaxedCollector = 400
	// roomy is how much memory there must be for that, in bytes.
	roomy = 512 << 20
)

// paceCollector trades memory for processor time where limit, from boundMemory, leaves room. GOGC decides if it is set.
func paceCollector(environ []string, limit int64) {
	given := slices.ContainsFunc(environ, func(entry string) bool { return strings.HasPrefix(entry, "GOGC=") })
	if !given && (limit == 0 || limit >= roomy) {
		debug.SetGCPercent(relaxedCollector)
	}
}

// newBudget returns the budget of all connections.
func (r *running) newBudget() *listen.Budget {
	wanted := r.MaxConnections
	limits := listen.Fit(wanted, openFiles(), r.memory)
	if n := limits.Connections[listen.Proxied]; n < listen.Fit(wanted, 0, r.memory).Connections[listen.Proxied] {
		r.logger.WithFields(logrus.Fields{"connections": n, "files": openFiles()}).
			Warn("this process may open few files: fewer connections are accepted than --max-connections allows")
	}
	return listen.NewBudget(limits)
}

// replayTotal is what copies of bodies may take, with files in dir.
func (r *running) replayTotal(dir string) int64 {
	total := r.Proxy.ReplayTotal
	memory := cmp.Or(r.memory, machineMemory())
	if inMemory(cmp.Or(dir, os.TempDir())) && memory > 0 {
		total = min(total, memory/shareOfReplay)
	}
	return total
}

// insideProxy is the proxied port for the admin listener's own requests.
type insideProxy struct {
	*proxy.Proxy
	handler http.Handler
}

// ServeHTTP implements http.Handler.
func (p insideProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }
