package bench

import (
	"runtime"
	"testing"
)

// Allocations that a request may make. A change that needs more must be worth it.
const (
	maxAllocations = 78
	maxBytes       = 10496 // 10.25 KiB
)

// A third of what a request cost was once the collector's work on what it had allocated.
func TestAllocationsOfAGet(t *testing.T) {
	c := newClient(t, startProgram(t), get)
	allocations, bytes := allocated(2000, func() { c.do(t) })
	t.Logf("a get makes %.1f allocations of %.0f bytes", allocations, bytes)
	if allocations > maxAllocations || bytes > maxBytes {
		t.Errorf("a get makes %.1f allocations of %.0f bytes, want at most %d of %d", allocations, bytes, maxAllocations, maxBytes)
	}
}

// allocated returns what the whole process allocates while f runs once. Unlike testing.AllocsPerRun it counts what
// other goroutines do for it, and bytes.
func allocated(runs int, f func()) (allocations, bytes float64) {
	for range runs { // until pools, caches and buffers have their size
		f()
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(runs), float64(after.TotalAlloc-before.TotalAlloc) / float64(runs)
}

func BenchmarkGet(b *testing.B) { benchmarkRequest(b, get) }

func BenchmarkPost(b *testing.B) { benchmarkRequest(b, postRequest()) }

func benchmarkRequest(b *testing.B, request string) {
	c := newClient(b, startProgram(b), request)
	b.ReportAllocs()
	for b.Loop() {
		c.do(b)
	}
}
