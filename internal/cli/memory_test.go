package cli

import (
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// With GOMEMLIMIT=512, for 512MiB, the proxy collected all the time and nobody was told.
func TestALimitThatForgetsItsUnitIsIgnored(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for _, row := range []struct {
		name  string
		given int64
		want  string // in the warning
	}{
		{"bytes", 512, "GOMEMLIMIT is 512 bytes"},
		{"a unit", 512 << 20, ""},
		{"none", math.MaxInt64, ""},
	} {
		debug.SetMemoryLimit(row.given)
		limit, warning := boundMemory()
		check(t, row.name+": warns", warning != nil, row.want != "")
		if warning != nil && !strings.Contains(warning.Error(), row.want) {
			t.Errorf("%s: got %v", row.name, warning)
		}
		if now := debug.SetMemoryLimit(-1); now < leastLimit || limit == row.given && row.want != "" {
			t.Errorf("%s: the limit is %d, and %d for the runtime", row.name, limit, now)
		}
	}
}

func TestTheCollectorKeepsToItsGoal(t *testing.T) {
	percent := func() int64 { return measure("/gc/gogc:percent")[0] }
	for _, tt := range []struct {
		name    string
		environ []string
		limit   int64
		live    int // bytes
		want    int64
	}{
		{"a small heap may grow to the goal", nil, 0, 0, 100 * heapGoal / smallestHeap},
		{"a small container sets a smaller goal", nil, 64 << 20, 0, 100 * (64 << 20) / shareOfHeap / smallestHeap},
		{"a tiny one changes nothing", nil, 16 << 20, 0, doubled},
		{"a heap above the goal may double", nil, 0, 2 * heapGoal, doubled},
		{"GOGC decides", []string{"GOGC=33"}, 0, 0, 33},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer debug.SetGCPercent(debug.SetGCPercent(33))
			stop := paceCollector(tt.environ, tt.limit)
			defer stop()
			live := make([]byte, tt.live)
			for end := time.Now().Add(time.Minute); percent() != tt.want; {
				if time.Now().After(end) {
					t.Fatalf("the heap may grow by %d %%, want %d", percent(), tt.want)
				}
				runtime.GC() // its end is told to the collector by a goroutine
				runtime.Gosched()
			}
			runtime.KeepAlive(live)
			stop()
			if got := percent(); tt.environ == nil && got != 33 {
				t.Errorf("%d %% after the end, want what it was: 33", got)
			}
		})
	}
}
