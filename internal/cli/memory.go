package cli

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"pandadoc-auth-proxy/internal/listen"
	"pandadoc-auth-proxy/internal/problem"
)

const (
	// shareOfLimit is the memory limit for the Go runtime, in percent of the control group's limit. The rest is
	// for memory that the runtime does not count: stacks of threads, buffers of the system.
	shareOfLimit = 80
	// leastLimit is the least limit for the runtime, in bytes, that somebody can have meant. With less the collector never
	// rests.
	leastLimit = 8 << 20
	// shareOfReplay limits copies of bodies to one part in four of the memory, if their files are in memory.
	shareOfReplay = 4
	// shareOfHeap limits the goal for the heap to one part in eight of the memory.
	shareOfHeap = 8
)

// boundMemory sets the Go runtime's memory limit, unless GOMEMLIMIT did, and returns how much memory the
// process may use. Zero means that there is no limit.
func boundMemory() (limit int64, warning error) {
	limit = memoryLimit()
	given := debug.SetMemoryLimit(-1)
	if given < leastLimit {
		warning = problem.Mistake(fmt.Sprintf("GOMEMLIMIT is %d bytes, less than the program needs, and is ignored", given), "write a unit, like GOMEMLIMIT=512MiB")
		given = math.MaxInt64
		debug.SetMemoryLimit(given)
	}
	if given < math.MaxInt64 {
		if limit == 0 || given < limit {
			limit = given
		}
		return limit, warning
	}
	if limit > 0 {
		debug.SetMemoryLimit(limit / 100 * shareOfLimit)
	}
	return limit, warning
}

const (
	// heapGoal is how large the heap may become, in bytes, before it is collected. A proxy's live heap is two or
	// three megabytes. To collect it each time that it doubles would be an eighth of the cost of a request.
	heapGoal = 22 << 20
	// smallestHeap is the runtime's smallest goal at 100 %. The runtime multiplies it by the percentage.
	smallestHeap = 4 << 20
	// doubled is Go's default percentage: the heap may double.
	doubled = 100
)

// collector makes the runtime collect the heap when it reaches a goal, or twice its live size if that is more.
type collector struct {
	goal int64

	mu      sync.Mutex // guards the fields below
	percent int
	stopped bool
}

// paceCollector makes the collector use more memory to save processor time, until stop is called. limit is the
// result of boundMemory. If GOGC is set, it changes nothing.
func paceCollector(environ []string, limit int64) (stop func()) {
	if slices.ContainsFunc(environ, func(entry string) bool { return strings.HasPrefix(entry, "GOGC=") }) {
		return func() {}
	}
	c := &collector{goal: heapGoal}
	if limit > 0 {
		c.goal = min(c.goal, limit/shareOfHeap)
	}
	before := debug.SetGCPercent(doubled)
	c.percent = doubled
	c.follow(struct{}{})
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stopped = true
		debug.SetGCPercent(before)
	}
}

// follow adapts the percentage to the live heap now, and again after each collection, for as long as c is not stopped.
func (c *collector) follow(struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	if wanted := c.wanted(); wanted != c.percent {
		c.percent = wanted
		debug.SetGCPercent(wanted)
	}
	runtime.AddCleanup(new([64]byte), c.follow, struct{}{}) // called when the next collection finds it
}

// wanted returns the percentage by which the heap may grow. The runtime counts stacks and globals as parts of it.
func (c *collector) wanted() int {
	m := measure("/gc/heap/live:bytes", "/gc/scan/stack:bytes", "/gc/scan/globals:bytes")
	room := (c.goal - m[0]) * 100 / max(1, m[0]+m[1]+m[2])
	return int(max(doubled, min(room, c.goal*100/smallestHeap)))
}

// measure reads metrics of the runtime.
func measure(names ...string) []int64 {
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	values := make([]int64, len(names))
	for i, s := range samples {
		values[i] = int64(s.Value.Uint64())
	}
	return values
}

// quietInterval is how often releaseUnused checks that the process is quiet.
const quietInterval = 10 * time.Second

// releaseUnused returns unused memory to the system until ctx ends: first what only the start needed, later what a
// busy time left. By itself, the runtime collects an idle heap after two minutes, and then returns its memory slowly.
// Idle connections free memory when they end, without any allocation, so a large process collects at each check.
func releaseUnused(ctx context.Context) {
	tick := time.NewTicker(quietInterval)
	defer tick.Stop()
	enough := int64(0)
	for allocated := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := measure("/memory/classes/total:bytes", "/memory/classes/heap/released:bytes", "/gc/heap/allocs:bytes")
		quiet := now[2]-allocated < heapGoal
		allocated = now[2]
		if quiet && now[0]-now[1] > enough {
			release()
			enough = 2 * heapGoal
		}
	}
}

// newBudget returns the budget for all connections.
func (r *running) newBudget() *listen.Budget {
	wanted := r.MaxConnections
	limits := listen.FitLimits(wanted, openFiles(), r.memory)
	if n := limits.Connections[listen.Proxied]; n < listen.FitLimits(wanted, 0, r.memory).Connections[listen.Proxied] {
		r.logger.WithFields(logrus.Fields{"connections": n, "files": openFiles()}).
			Warn("this process may open few files: fewer connections are accepted than --max-connections allows")
	}
	return listen.NewBudget(limits)
}

// replayTotal returns how many bytes the copies of bodies may take, with files in dir.
func (r *running) replayTotal(dir string) int64 {
	total := r.Proxy.ReplayTotal
	memory := cmp.Or(r.memory, machineMemory())
	if inMemory(cmp.Or(dir, os.TempDir())) && memory > 0 {
		total = min(total, memory/shareOfReplay)
	}
	return total
}
