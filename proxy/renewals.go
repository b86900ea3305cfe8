package proxy

import (
	"context"
	"sync"

	"pandadoc-auth-proxy/tokens"
)

// renewals are the token renewals that no request waits for. The zero value must be started.
type renewals struct {
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	mu      sync.Mutex // guards the fields below
	stopped bool
	running map[string]bool // by account
}

func (r *renewals) start() {
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.running = make(map[string]bool)
}

// inBackground renews a refused token although its request cannot be repeated, so that the client's own
// next try works. One renewal for an account at a time is enough: its token is for all.
func (r *renewals) inBackground(source TokenSource, account string, refusal tokens.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || r.running[account] {
		return
	}
	r.running[account] = true
	r.wg.Go(func() {
		defer r.finished(account)
		// Nobody waits for the token, and the token source tells its own story of errors.
		_, _ = source.Renew(r.ctx, account, refusal)
	})
}

func (r *renewals) finished(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, account)
}

// stop lets nothing new begin and waits for what runs; when ctx ends first, it cancels that.
func (r *renewals) stop(ctx context.Context) error {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	defer r.cancel()
	done := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		r.cancel()
		<-done
		return ctx.Err()
	}
}
