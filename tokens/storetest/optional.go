package storetest

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pandadoc-auth-proxy/internal/problem"
	"pandadoc-auth-proxy/tokens"
)

// testAbilities compares the abilities of the store with those that its test declares. Otherwise, a method that was
// renamed by mistake would not be tested at all.
func (s Suite) testAbilities(t *testing.T, p *place) {
	store := p.open(t)
	_, lists := store.(tokens.Lister)
	_, locks := store.(tokens.Locker)
	_, checks := store.(tokens.Checker)
	_, watches := store.(tokens.Watcher)
	forgetful, forgets := store.(tokens.Forgetful)
	got, want := [...]bool{lists, locks, checks, watches, forgets}, [...]bool{s.Lists, s.Locks, s.Checks, s.Watches, s.Forgets}
	if got != want {
		t.Errorf("%T: lists, locks, checks, watches, forgets: got %v, want %v", store, got, want)
	}
	if forgets && (forgetful.Settle() <= 0 || forgetful.Settle() > 10*time.Second) {
		t.Errorf("others get %v to answer, want some seconds", forgetful.Settle())
	}
}

func testLists(t *testing.T, p *place) {
	store, other := p.handles(t)
	lister := other.(tokens.Lister)
	wantAccounts(t, lister)
	want := []string{"acme", "default", "zulu-2"}
	for _, name := range want {
		save(t, store, name, Sample())
	}
	lock(t, store, "not-stored")
	wantAccounts(t, lister, want...)

	tombstone := tokens.Record{Version: load(t, store, "acme").Version, Generation: 8}
	save(t, store, "acme", tombstone)
	wantAccounts(t, lister, want...)
}

func wantAccounts(t *testing.T, l tokens.Lister, want ...string) {
	t.Helper()
	got, err := l.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("Accounts (-want +got):\n%s", d)
	}
}

// testCheck: a check proves that records can be read and written, with and without an existing record, and leaves
// nothing behind.
func testCheck(t *testing.T, p *place) {
	store := p.open(t)
	check := func() {
		t.Helper()
		if err := store.(tokens.Checker).Check(t.Context(), ""); err != nil {
			t.Errorf("%v (%s)", err, problem.HintOf(err))
		}
	}
	check()
	wantAbsent(t, store, tokens.DefaultAccount)
	if lister, ok := store.(tokens.Lister); ok {
		wantAccounts(t, lister)
	}
	rec := save(t, store, tokens.DefaultAccount, Sample())
	check()
	wantRecord(t, load(t, store, tokens.DefaultAccount), rec)
}

func testLocks(t *testing.T, p *place) {
	t.Run("one holder at a time", func(t *testing.T) {
		a, b := p.handles(t)
		unlock := lock(t, a, account)
		wantHeld(t, a, account)
		wantHeld(t, b, account)
		unlock()
		lock(t, b, account)
		wantHeld(t, a, account)
	})
	t.Run("a second unlock does not free the next holder", func(t *testing.T) {
		a, b := p.handles(t)
		unlock := lock(t, a, account)
		unlock()
		lock(t, b, account)
		unlock()
		wantHeld(t, a, account)
	})
	t.Run("accounts are independent", func(t *testing.T) {
		a, b := p.handles(t)
		lock(t, a, account)
		lock(t, b, "other")
	})
	t.Run("records can be saved and loaded meanwhile", func(t *testing.T) {
		a, b := p.handles(t)
		lock(t, a, account)
		rec := save(t, b, account, Sample())
		wantRecord(t, load(t, a, account), rec)
	})
	t.Run("concurrent attempts have one winner", func(t *testing.T) { testLockRace(t, p) })
}

func testLockRace(t *testing.T, p *place) {
	a, b := p.handles(t)
	var wins atomic.Int32
	var wg sync.WaitGroup
	for i := range workers {
		locker := []tokens.Store{a, b}[i%2].(tokens.Locker)
		wg.Go(func() {
			unlock, ok, err := locker.TryLock(t.Context(), account)
			if err != nil {
				t.Error(err)
			}
			if ok {
				wins.Add(1)
				t.Cleanup(unlock)
			}
		})
	}
	wg.Wait()
	if got := wins.Load(); got != 1 {
		t.Errorf("%d hold the lock, want 1", got)
	}
}

// lock takes the refresh lock of account, if the store has one, until the end of the test.
func lock(t *testing.T, s tokens.Store, account string) (unlock func()) {
	t.Helper()
	locker, ok := s.(tokens.Locker)
	if !ok {
		return func() {}
	}
	unlock, ok, err := locker.TryLock(t.Context(), account)
	if err != nil || !ok {
		t.Fatalf("TryLock(%q): got %v, %v, want the lock", account, ok, err)
	}
	t.Cleanup(unlock)
	return unlock
}

func wantHeld(t *testing.T, s tokens.Store, account string) {
	t.Helper()
	unlock, ok, err := s.(tokens.Locker).TryLock(t.Context(), account)
	if err != nil {
		t.Fatalf("TryLock(%q): %v", account, err)
	}
	if ok {
		unlock()
		t.Errorf("TryLock(%q) gave the lock that another holds", account)
	}
}
