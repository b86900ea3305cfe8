package tokens_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
)

func TestBackgroundRefreshComesInTheFirstHalfOfTheWindow(t *testing.T) {
	for _, row := range []struct {
		life, before  time.Duration
		first, latest time.Duration // of the refresh, after the login
	}{
		{1000 * time.Hour, 24 * time.Hour, 976 * time.Hour, 988 * time.Hour},
		{time.Hour, 24 * time.Hour, 54 * time.Minute, 57 * time.Minute}, // a tenth of its life
		{10 * time.Second, 24 * time.Hour, 9 * time.Second, 9500 * time.Millisecond},
	} {
		t.Run(row.life.String(), func(t *testing.T) {
			inTestbed(t, func(t *testing.T, w *testbed) {
				w.server.life = int(row.life.Seconds())
				m := w.signedIn(func(c *tokens.Config) { c.RefreshBefore = row.before })
				time.Sleep(row.first - time.Millisecond)
				w.wantCalls(0, 0, 0)
				time.Sleep(row.latest - row.first + time.Second)
				w.wantCalls(1, 1, 0)
				wantState(t, m, "ready")
			})
		})
	}
}

func TestRequestsDoNotWaitForTheBackgroundRefresh(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.server.life = 3600
		m := w.signedIn()
		w.server.next(takes(time.Minute))
		begin := time.Now()
		for time.Since(begin) < time.Hour-time.Minute {
			asked := time.Now()
			token(t, m)
			if waited := time.Since(asked); waited > 0 {
				t.Fatalf("waited %s", waited)
			}
			time.Sleep(10 * time.Second)
		}
		w.wantCalls(1, 1, 0)
	})
}

func TestUnknownLifetimeIsLeftAlone(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.server.life = nil
		m := w.signedIn()
		time.Sleep(24 * time.Hour)
		token(t, m)
		w.wantCalls(0, 0, 0)
	})
}

func TestYearLongTokenIsRefreshedOnItsLastDay(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		// A token that expires in a year less two days.
		m := w.manager()
		p := w.server.pair()
		if _, err := m.Login(t.Context(), tokens.DefaultAccount, p); err != nil {
			t.Fatal(err)
		}
		w.put(func(rec *tokens.Record) {
			rec.ObtainedAt = rec.ObtainedAt.Add(48*time.Hour - p.ExpiresIn)
			rec.ExpiresAt = rec.ObtainedAt.Add(p.ExpiresIn)
		})
		m = w.manager()
		time.Sleep(24 * time.Hour)
		w.wantCalls(0, 0, 0)
		time.Sleep(12*time.Hour + time.Minute)
		w.wantCalls(1, 1, 0)
		wantState(t, m, "ready")
	})
}

func TestAccountsThatExpireTogetherAreSpread(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.server.life = 3600
		m := w.manager()
		for i := range 200 {
			if _, err := m.Login(t.Context(), fmt.Sprintf("a%d", i), w.server.pair()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(54 * time.Minute) // the window of six minutes begins
		var perStep []int
		last := 0
		for range 18 {
			time.Sleep(10 * time.Second)
			calls, _, _ := w.server.counts()
			perStep = append(perStep, calls-last)
			last = calls
		}
		if last != 200 {
			t.Errorf("%d refreshed in the first half of the window, want 200", last)
		}
		if most := slices.Max(perStep); most > 40 {
			t.Errorf("%d in ten seconds, want about 11: %v", most, perStep)
		}
	})
}

func TestReplicasRefreshOncePerWindow(t *testing.T) {
	inTestbed(t, func(t *testing.T, w *testbed) {
		w.server.life = 100 // all are due within five seconds, which is less than the time until the next re-read
		m := w.signedIn()
		for range 19 {
			w.manager()
		}
		time.Sleep(99 * time.Second)
		w.wantCalls(1, 1, 0)
		wantState(t, m, "ready")
	})
}
