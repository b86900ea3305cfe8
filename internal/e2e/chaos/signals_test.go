//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A process gets signals to end, at many moments of a refresh. With every signal, and with two of them, the
// exchange in progress is finished and its pair is saved.
func TestSignalInTheMiddleOfARefresh(t *testing.T) {
	t.Parallel()
	moments, room := size(6, 24), newRoom(16)
	var ended, midway atomic.Int64
	t.Run("signals", func(t *testing.T) {
		for _, signals := range [][]syscall.Signal{
			{syscall.SIGHUP}, {syscall.SIGINT}, {syscall.SIGTERM}, {syscall.SIGQUIT},
			{syscall.SIGHUP, syscall.SIGHUP}, {syscall.SIGINT, syscall.SIGINT}, {syscall.SIGTERM, syscall.SIGTERM},
			{syscall.SIGTERM, syscall.SIGINT}, {syscall.SIGTERM, syscall.SIGQUIT}, {syscall.SIGQUIT, syscall.SIGTERM},
		} {
			for moment := range moments {
				t.Run(fmt.Sprintf("%v at %d of %d", signals, moment+1, moments), func(t *testing.T) {
					t.Parallel()
					defer room.enter()()
					w := newSignedIn(t)
					if w.endDuring(signals, float64(moment)/float64(moments)) {
						midway.Add(1)
					}
					ended.Add(1)
				})
			}
		}
	})
	t.Logf("%d processes ended, %d of them while their token call was under way: every pair saved", ended.Load(), midway.Load())
	if midway.Load() == 0 {
		t.Error("no signal met a token call under way")
	}
}

// endDuring sends signals to a process at a moment of its refresh (0 is the start, 1 the end), and checks the
// record. It reports whether the token call was in progress.
func (w *testbed) endDuring(signals []syscall.Signal, moment float64) (midway bool) {
	w.t.Helper()
	const phase = 30 * time.Millisecond
	p := w.serve()
	asked, arrived, committed, answered := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	w.plan(always(plan{
		before: func() { close(arrived); pause(phase) },
		after:  func() { close(committed); pause(phase); close(answered) },
	}))
	w.refuse()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		close(asked)
		_, _ = p.get(context.Background()) // a second signal cancels the request
	}()
	// A quarter of the moments begin at each of these events: the request, the arrival of the token call, its
	// commit, its answer. So they are at the intended places on a busy machine, too.
	from := []chan struct{}{asked, arrived, committed, answered}[int(moment*4)]
	<-from
	pause(time.Duration((moment*4 - float64(int(moment*4))) * float64(phase)))
	midway = isClosed(arrived) && !isClosed(answered)
	for _, s := range signals {
		p.signal(s)
		pause(5 * time.Millisecond)
	}
	state := p.Wait()
	<-gone
	w.rest()
	if signals[0] != syscall.SIGQUIT && len(signals) == 1 && state.ExitCode() != 0 {
		w.t.Errorf("ended with %v, want 0", state)
	}
	if live, alive := w.live(); w.saved() != live || !alive {
		w.t.Errorf("pair %d is on disk, pair %d is live (grant alive: %t)", w.saved(), live, alive)
	}
	w.wantNoReuse()
	return midway
}

// The command refreshes without a proxy. If its exchange takes longer than it may wait, or if Ctrl-C comes in the
// middle, the exchange and its save are finished all the same.
func TestRefreshCommandFinishesItsExchange(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		signal bool
		env    []string
	}{
		{"slower than --refresh-timeout", false, []string{"PANDADOC_REFRESH_TIMEOUT=200ms"}},
		{"Ctrl-C", true, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newSignedIn(t)
			arrived := make(chan struct{})
			w.plan(always(plan{before: func() { close(arrived) }, after: func() { pause(2 * time.Second) }}))
			p := w.command(row.env, "refresh")
			until(t, "call the token endpoint", func() error {
				if !isClosed(arrived) {
					return errors.New(p.Log())
				}
				return nil
			})
			if row.signal {
				pause(100 * time.Millisecond)
				p.signal(syscall.SIGINT)
			}
			state := p.Wait()
			w.rest()
			if live, _ := w.live(); w.saved() != live || live != 2 {
				t.Errorf("pair %d is on disk, pair %d is live, want pair 2", w.saved(), live)
			}
			t.Logf("exit status %d: %s", state.ExitCode(), p.Log())
			if !row.signal && state.ExitCode() != 0 {
				t.Errorf("exit status %d, want 0", state.ExitCode())
			}
			w.wantOneRotation()
		})
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
