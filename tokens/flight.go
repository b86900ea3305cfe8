package tokens

import (
	"context"
	"errors"
	"time"
)

var errClosed = errors.New("the program is shutting down")

// need is what a flight is started for.
type need struct {
	rejected Token  // the token that the API refused; zero if none was
	force    bool   // refresh whatever the age of the token
	due      uint64 // the generation whose background refresh is due; zero if none is
	look     bool   // only see what the store holds
}

// flight is one piece of work on an account. There is at most one at a time; it belongs to the Manager,
// so that a caller who leaves never cancels it.
type flight struct {
	done chan struct{}
	err  error // why the need was not met; read after done
}

// wait waits for the end of the flight, not for its success.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// join returns the flight under way, or starts one for n and says so.
func (k *keeper) join(n need) (f *flight, mine bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight != nil {
		return k.flight, false
	}
	f = &flight{done: make(chan struct{})}
	k.flight = f
	if !k.m.begin(func() { k.fly(f, n) }) {
		f.err = k.unavailable(ErrRefreshUnavailable, errClosed)
		k.flight = nil
		close(f.done)
	}
	return f, true
}

func (k *keeper) fly(f *flight, n need) {
	err := k.meet(n)
	f.err = err
	k.change(func() {
		k.flight = nil
		k.schedule(time.Now())
	})
	close(f.done)
	k.m.wake()
}

// meet does what n asks for.
func (k *keeper) meet(n need) error {
	rec, err := k.look()
	switch {
	case n.look:
		return err
	case !n.rejected.Access.IsZero():
		return k.diagnose(rec, err, n.rejected)
	case err != nil:
		return k.storeError(err)
	case n.due != 0 && n.due != rec.Generation:
		return nil // another process was quicker
	case n.due == 0 && !n.force && k.works(time.Now()):
		return nil
	}
	return k.refresh(rec.Generation)
}
