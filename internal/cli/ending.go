package cli

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// exchangeGrace is how long the process waits for a token exchange in progress and its save, after a second
// signal to end, or before it prints its trace.
const exchangeGrace = 10 * time.Second

// Signals lists the signals that Env.Signals must deliver. If SIGHUP was ignored when the process started, as
// under nohup, it stays ignored. SIGPIPE is in the list so that it does not end the process when the reader of
// standard error is gone. It is not ignored instead, because child processes would inherit that.
func Signals() []os.Signal {
	all := append(programSignals(), os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGPIPE)
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

// ending makes a process end. Every signal is more urgent than the one before: finish running
// requests, give up requests, end at once.
type ending struct {
	// drain ends with the first signal.
	drain context.Context
	// hurry ends with the second: requests are given up, but not a token exchange.
	hurry context.Context
	// now is closed with the third.
	now chan struct{}

	mu      sync.Mutex            // guards the fields below
	settle  func(context.Context) // waits for token exchanges under way; nil for none
	another func(os.Signal)       // gets the signals instead, unless it is nil
}

// forward gives signals to f instead, if that is not nil.
func (e *ending) forward(f func(os.Signal)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.another = f
}

func (e *ending) receiver() func(os.Signal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.another
}

// parentInterval is the time between two checks for the parent of a program that go run has started.
const parentInterval = 500 * time.Millisecond

// startedByGoRun reports whether go run has built and started this program. When go run is killed, nobody else
// ends the program.
func startedByGoRun() bool {
	path, err := os.Executable()
	path = filepath.ToSlash(path)
	return err == nil && strings.Contains(path, "/go-build") && strings.Contains(path, "/exe/")
}

// watchParent calls end when the parent of this process is gone. It returns when stopped is closed.
func watchParent(stopped <-chan struct{}, end func()) {
	tick := time.NewTicker(parentInterval)
	defer tick.Stop()
	for parent := os.Getppid(); ; {
		select {
		case <-stopped:
			return
		case <-tick.C:
			if os.Getppid() != parent {
				end()
				return
			}
		}
	}
}

// newEnding follows signals until stop is called.
func newEnding(ctx context.Context, signals <-chan os.Signal) (e *ending, stop func()) {
	drain, endDrain := context.WithCancel(ctx)
	hurry, endHurry := context.WithCancel(context.WithoutCancel(ctx))
	e = &ending{drain: drain, hurry: hurry, now: make(chan struct{})}
	stopped := make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() { e.follow(signals, stopped, endDrain, endHurry) })
	if startedByGoRun() {
		following.Go(func() { watchParent(stopped, endDrain) })
	}
	return e, func() {
		close(stopped)
		following.Wait()
		endDrain()
		endHurry()
	}
}

func (e *ending) follow(signals <-chan os.Signal, stopped <-chan struct{}, steps ...func()) {
	for {
		select {
		case <-stopped:
			return
		case s := <-signals:
			switch another := e.receiver(); {
			case s == syscall.SIGPIPE:
			case another != nil:
				another(s)
			case slices.Contains(programSignals(), s): // there is no program
			case s == syscall.SIGQUIT:
				e.settleExchanges()
				dieWithTrace()
			case len(steps) > 0:
				steps[0]()
				steps = steps[1:]
			default:
				close(e.now)
				return
			}
		}
	}
}

// beforeTrace sets the function that waits for token exchanges under way. It is called before SIGQUIT ends
// the process.
func (e *ending) beforeTrace(f func(context.Context)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settle = f
}

func (e *ending) settleExchanges() {
	e.mu.Lock()
	settle := e.settle
	e.mu.Unlock()
	if settle != nil {
		ctx, cancel := context.WithTimeout(context.Background(), exchangeGrace)
		defer cancel()
		settle(ctx)
	}
}

// exchange returns a context for the end of token exchanges. It lasts for limit, but after a second signal for
// exchangeGrace at most.
func (e *ending) exchange(limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	stop := context.AfterFunc(e.hurry, func() { time.AfterFunc(exchangeGrace, cancel) })
	return ctx, func() {
		stop()
		cancel()
	}
}
