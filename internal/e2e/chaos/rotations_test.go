//go:build unix

package chaos

import (
	"sync/atomic"
	"testing"
	"time"
)

// Many processes use one store. Each expired access token costs one refresh, by any of them, and no client notices
// it.
func TestManyProcessesManyRotations(t *testing.T) {
	t.Parallel()
	const processes, rotations = 20, 50
	w := newSignedIn(t)
	proxies := make([]*proxy, processes)
	for i := range proxies {
		proxies[i] = w.serve()
	}
	began := time.Now()
	var failed, served atomic.Int64
	for n := 1; n <= rotations; n++ {
		w.refuse()
		asOne(2*processes, func(i int) {
			if got, err := proxies[i/2].get(t.Context()); err != nil || got.status != 200 {
				failed.Add(1)
				t.Errorf("rotation %d: process %d answers %v, %v", n, i/2, got, err)
				return
			}
			served.Add(1)
		})
		live, _ := w.live()
		if c := w.counts(); c.rotations != n || w.saved() != live {
			t.Fatalf("after %d rotations: %d refreshes, pair %d on disk, pair %d live", n, c.rotations, w.saved(), live)
		}
	}
	c := w.counts()
	t.Logf("%d processes, %d rotations in %.1f s: %d refreshes, %d invalid_grant, %d of %d requests failed",
		processes, rotations, time.Since(began).Seconds(), c.rotations, c.invalid, failed.Load(), served.Load()+failed.Load())
	if c.calls != rotations || c.invalid != 0 {
		t.Errorf("token endpoint: %d calls, %d invalid_grant; want %d and 0", c.calls, c.invalid, rotations)
	}
	w.wantNoReuse()
}
