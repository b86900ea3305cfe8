package storetest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

// waitLimit limits every wait. It is long, because the machine may be busy.
const waitLimit = time.Minute

// Report is one report of a watch: "connected", "broken", or an account that has "changed".
type Report struct{ What, Account, Version string }

// Reports are the reports of a watch, in order.
type Reports <-chan Report

// Follow watches store until the end of the test. The watch must make one report at a time, and must end when its
// context ends.
func Follow(t *testing.T, store tokens.Watcher) Reports {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reports, ended := follow(ctx, t, store)
	t.Cleanup(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(waitLimit):
			t.Error("the watch did not end with its context")
		}
	})
	return reports
}

func follow(ctx context.Context, t *testing.T, store tokens.Watcher) (reports Reports, ended <-chan struct{}) {
	all, done := make(chan Report, 10_000), make(chan struct{})
	var calls atomic.Int32
	report := func(r Report) {
		if calls.Add(1) != 1 {
			t.Error("the watch makes two calls at once")
		}
		all <- r
		calls.Add(-1)
	}
	go func() {
		defer close(done)
		store.Watch(ctx, tokens.Watch{
			Connected: func() { report(Report{What: "connected"}) },
			Broken:    func(error) { report(Report{What: "broken"}) },
			Changed:   func(account, version string) { report(Report{"changed", account, version}) },
		})
	}()
	return all, done
}

// Connected waits for the report "connected", and skips other reports. From then on every change is reported.
func (r Reports) Connected(t *testing.T) { t.Helper(); r.next(t, Report{What: "connected"}) }

// Broken waits for the report "broken", and skips other reports. From then on changes may be missed.
func (r Reports) Broken(t *testing.T) { t.Helper(); r.next(t, Report{What: "broken"}) }

// Changed waits for the report that account has version, or has changed, and skips other reports.
func (r Reports) Changed(t *testing.T, account, version string) {
	t.Helper()
	r.next(t, Report{"changed", account, version})
}

func (r Reports) next(t *testing.T, want Report) {
	t.Helper()
	for deadline := time.After(waitLimit); ; {
		select {
		case got := <-r:
			if got == want || got.What == want.What && got.Account == want.Account && (got.Version == "" || want.Version == "") {
				return
			}
		case <-deadline:
			t.Fatalf("no report %v", want)
		}
	}
}

func testWatch(t *testing.T, p *place) {
	watched, other := p.handles(t)
	before := save(t, other, account, Sample())
	reports := Follow(t, watched.(tokens.Watcher))
	reports.Connected(t)
	saved := save(t, other, account, before)
	reports.Changed(t, account, saved.Version)
	saved = save(t, other, "b-2", Sample()) // it is new
	reports.Changed(t, "b-2", saved.Version)
	saved = save(t, watched, account, load(t, watched, account)) // our own save hides no later change
	saved = save(t, other, account, saved)
	reports.Changed(t, account, saved.Version)
}

func testWatchEnds(t *testing.T, p *place) {
	ctx, cancel := context.WithCancel(t.Context())
	reports, ended := follow(ctx, t, p.open(t).(tokens.Watcher))
	reports.Connected(t)
	cancel()
	select {
	case <-ended:
	case <-time.After(waitLimit):
		t.Error("it goes on")
	}
}

// Changes while the connection was broken need not be reported: the watcher reads everything again.
func testWatchBreaks(t *testing.T, p *place) {
	other := p.open(t)
	rec := save(t, other, account, Sample())
	between := p.between(t)
	watched := p.Open(t, between.addr, p.keys)
	reports := Follow(t, watched.(tokens.Watcher))
	reports.Connected(t)
	for range 2 {
		between.goAway()
		reports.Broken(t)
		rec = save(t, other, account, rec)
		for range 10 { // failed calls must not make the store refuse calls for longer than the server is away
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			_, err := watched.Load(ctx, account)
			cancel()
			wantTrouble(t, "Load", err)
		}
		between.comeBack()
		reports.Connected(t)
		wantRecord(t, load(t, watched, account), rec)
		rec = save(t, other, account, rec)
		reports.Changed(t, account, rec.Version)
	}
}

func testWatchBegins(t *testing.T, p *place) {
	between := p.between(t)
	between.goAway()
	reports := Follow(t, p.Open(t, between.addr, p.keys).(tokens.Watcher))
	reports.Broken(t)
	reports.Broken(t)
	between.comeBack()
	reports.Connected(t)
	saved := save(t, p.open(t), account, Sample())
	reports.Changed(t, account, saved.Version)
}
