package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"pandadoc-auth-proxy/tokens"
)

const (
	workers      = 8
	swapsPerHand = 15
)

// testConcurrentSwaps counts in one record from many goroutines over two handles. A lost update
// shows in the sum, and two winners over one version in the tally.
func testConcurrentSwaps(t *testing.T, s Suite) {
	a, b := s.handles(t)
	start := Sample()
	start.Takeovers = 0
	save(t, a, account, start)

	var mu sync.Mutex // guards wins
	wins := map[string]int{}
	var wg sync.WaitGroup
	for i := range workers {
		store := []tokens.Store{a, b}[i%2]
		wg.Go(func() {
			for range swapsPerHand {
				base, err := increment(t.Context(), store)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				wins[base]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()

	if got, want := load(t, a, account).Takeovers, uint64(workers*swapsPerHand); got != want {
		t.Errorf("%d swaps are left in the record, want %d", got, want)
	}
	for version, n := range wins {
		if n != 1 {
			t.Errorf("version %q was replaced %d times, want once", version, n)
		}
	}
}

// increment swaps the record until it wins and returns the version that it replaced. Whoever loses
// lost to a winner, so that the number of tries is bounded by the number of all swaps.
func increment(ctx context.Context, s tokens.Store) (base string, err error) {
	for range workers*swapsPerHand + 1 {
		rec, err := s.Load(ctx, account)
		if err != nil {
			return "", err
		}
		base = rec.Version
		rec.Takeovers++
		_, err = s.Save(ctx, account, rec)
		if err == nil {
			return base, nil
		}
		if !errors.Is(err, tokens.ErrConflict) {
			return "", err
		}
	}
	return "", errors.New("more conflicts than there are swaps")
}

func testConcurrentCreations(t *testing.T, s Suite) {
	a, b := s.handles(t)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		store := []tokens.Store{a, b}[i%2]
		rec := Sample()
		rec.Generation = uint64(i + 1)
		wg.Go(func() { _, errs[i] = store.Save(t.Context(), account, rec) })
	}
	wg.Wait()

	winner := slices.Index(errs, nil)
	if winner < 0 {
		t.Fatalf("nobody won: %v", errors.Join(errs...))
	}
	for i, err := range errs {
		if i != winner && !errors.Is(err, tokens.ErrConflict) {
			t.Errorf("creation %d beside winner %d: got %v, want ErrConflict", i, winner, err)
		}
	}
	if got, want := load(t, a, account).Generation, uint64(winner+1); got != want {
		t.Errorf("the store holds generation %d, want the winner's, %d", got, want)
	}
}

// A store may finish what it began although its caller is gone. It may not take the caller's
// departure for an answer about the record.
func testCancelled(t *testing.T, s Suite) {
	store := s.Open(t)
	first := save(t, store, account, Sample())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := store.Load(ctx, account)
	wantNilOrCanceled(t, "Load", err)
	saved, err := store.Save(ctx, account, first)
	wantNilOrCanceled(t, "Save", err)

	now := load(t, store, account)
	if err == nil && now.Version != saved.Version {
		t.Errorf("Save said that it wrote version %q, but %q is there", saved.Version, now.Version)
	}
	save(t, store, account, now)
}

func wantNilOrCanceled(t *testing.T, call string, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("%s with a cancelled context: got %v, want nil or context.Canceled", call, err)
	}
}
