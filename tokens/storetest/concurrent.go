package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

const (
	workers      = 8
	swapsPerHand = 15
)

// testConcurrentSwaps increments a number in one record, from many goroutines and over two handles. If an update is
// lost, the sum is wrong; if two swaps replace the same version, wins shows it.
func testConcurrentSwaps(t *testing.T, p *place) {
	a, b := p.handles(t)
	start := save(t, a, account, Sample()).Generation

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

	if got, want := load(t, a, account).Generation-start, uint64(workers*swapsPerHand); got != want {
		t.Errorf("%d swaps are left in the record, want %d", got, want)
	}
	for version, n := range wins {
		if n != 1 {
			t.Errorf("version %q was replaced %d times, want once", version, n)
		}
	}
}

// increment repeats a swap until it succeeds, and returns the version that it replaced. A swap fails only if another
// one has succeeded, so the number of tries is limited by the number of all swaps.
func increment(ctx context.Context, s tokens.Store) (base string, err error) {
	for range workers*swapsPerHand + 1 {
		rec, err := s.Load(ctx, account)
		if err != nil {
			return "", err
		}
		base = rec.Version
		rec.Generation++
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

func testConcurrentCreations(t *testing.T, p *place) {
	a, b := p.handles(t)
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

// A store may finish an operation after its context has ended. But the end of the context must not be reported as
// a result about the record.
func testCancelled(t *testing.T, p *place) {
	store := p.open(t)
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

// testTakeovers: an owner renews its marker while another process takes it over. The second one gets a conflict, and so
// does the owner when it saves its pair.
func testTakeovers(t *testing.T, p *place) {
	a, b := p.handles(t)
	rec := save(t, a, account, Sample())
	for range 20 {
		marked := load(t, b, account)
		wantRecord(t, marked, rec)
		var saved [2]tokens.Record
		var errs [2]error
		var wg sync.WaitGroup
		for i, store := range []tokens.Store{a, b} {
			next := marked.Clone()
			next.Pending.Owner = []string{"renewed", "taken over"}[i]
			wg.Go(func() { saved[i], errs[i] = store.Save(t.Context(), account, next) })
		}
		wg.Wait()
		winner := slices.Index(errs[:], nil)
		if winner < 0 || !errors.Is(errs[1-winner], tokens.ErrConflict) {
			t.Fatalf("got %v, want one success and one conflict", errs)
		}
		wantConflict(t, a, marked) // the owner has lost its marker, or does not know that it was renewed
		rec = saved[winner]
	}
	wantRecord(t, load(t, a, account), rec)
}

// testClocks: two machines whose clocks differ by 5 s, in both directions, swap one record. The store keeps their dates
// to the nanosecond, and only versions decide the order.
func testClocks(t *testing.T, p *place) {
	a, b := p.handles(t)
	rec := save(t, a, account, Sample())
	now := time.Date(2031, 2, 3, 4, 5, 6, 123_456_789, time.UTC)
	for i, clock := range []time.Time{now.Add(5 * time.Second), now, now.Add(-5 * time.Second), now.Add(-10 * time.Second), now.Add(time.Hour)} {
		store, stale := []tokens.Store{a, b}[i%2], rec
		rec.Pending = &tokens.Pending{Owner: "owner", StartedAt: clock, Until: clock.Add(30 * time.Second)}
		rec.ObtainedAt, rec.ExpiresAt, rec.Lineage.BornAt = clock, clock.Add(-time.Hour), clock
		rec = save(t, store, account, rec)
		wantRecord(t, load(t, b, account), rec)
		wantRecord(t, load(t, a, account), rec)
		stale.ObtainedAt = clock.Add(24 * time.Hour)
		wantConflict(t, a, stale)
	}
}
