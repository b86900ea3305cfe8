package tokens

import (
	"context"
	"time"
)

// token serves Manager.Token when there is no usable token at hand.
func (a *account) token(ctx context.Context) (Token, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.m.config.RefreshTimeout, errTooLong)
	defer cancel()
	a.change(func() { a.asked = true })
	for {
		if t, ok := a.usable(time.Now()); ok {
			return t, nil
		}
		err := a.noToken(time.Now())
		if err == nil {
			f, mine := a.join(a.obtain)
			if err = a.wait(ctx, f); err == nil && mine {
				err = f.err
			}
			if err == nil && !mine {
				continue
			}
		}
		// A pair that is born expired is used all the same: another would be no older.
		if t, ok := a.lastResort(time.Now()); ok {
			return t, nil
		}
		if err != nil {
			return Token{}, err
		}
	}
}

// force serves Manager.Refresh: it waits for a refresh that was started for its sake.
func (a *account) force(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.m.config.RefreshTimeout, errTooLong)
	defer cancel()
	for {
		f, mine := a.join(func(f *flight) error {
			rec, err := a.look()
			if err != nil {
				return a.storeError(err)
			}
			return a.refresh(f, rec, forPerson)
		})
		if err := a.wait(ctx, f); err != nil {
			return err
		}
		if mine {
			return f.err
		}
	}
}

// load reads the record if the store was not asked yet.
func (a *account) load(ctx context.Context) {
	a.mu.Lock()
	looked := !a.lookedAt.IsZero() || a.keyed
	a.mu.Unlock()
	if looked {
		return
	}
	f, _ := a.join(a.reread)
	_ = f.wait(ctx) // what went wrong is in the status
}

// obtain gets a usable token, from the store if it holds one.
func (a *account) obtain(f *flight) error {
	rec, err := a.look()
	switch {
	case err != nil && !a.works(time.Now()):
		return a.storeError(err)
	case a.works(time.Now()):
		return nil
	}
	return a.refresh(f, rec, forExpiry)
}

func (a *account) noToken(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.noTokenLocked(now)
}
