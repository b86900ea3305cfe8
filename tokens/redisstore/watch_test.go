package redisstore_test

import (
	"context"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/redisstore"
	"pandadoc-auth-proxy/tokens/redisstore/redistest"
	"pandadoc-auth-proxy/tokens/storetest"
)

// report is one call that a watch made.
type report struct{ what, account, version string }

// watch follows s until the end of the test. It returns when the watch is connected.
func watch(t *testing.T, s *redisstore.Store) <-chan report {
	t.Helper()
	reports := make(chan report, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Watch(ctx, tokens.Watch{
			Connected: func() { reports <- report{what: "connected"} },
			Broken:    func(error) { reports <- report{what: "broken"} },
			Changed:   func(account, version string) { reports <- report{"changed", account, version} },
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	next(t, reports, report{what: "connected"})
	return reports
}

// next waits for want, and skips whatever else comes.
func next(t *testing.T, reports <-chan report, want report) {
	t.Helper()
	for deadline := time.After(time.Minute); ; {
		select {
		case got := <-reports:
			if got == want {
				return
			}
		case <-deadline:
			t.Fatalf("no report %v", want)
		}
	}
}

func TestAWatchReportsTheSavesOfOthers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	reports := watch(t, openURL(t, server.URL("")))
	saved := save(t, openURL(t, server.URL("")), storetest.Sample())
	next(t, reports, report{"changed", account, saved.Version})
}

func TestAWatchConnectsAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	reports := watch(t, openURL(t, server.URL("")))
	server.Do("CLIENT", "KILL", "TYPE", "pubsub")
	next(t, reports, report{what: "broken"})
	next(t, reports, report{what: "connected"})
	server.Kill()
	next(t, reports, report{what: "broken"})
	server.Restart()
	next(t, reports, report{what: "connected"})
	saved := save(t, openURL(t, server.URL("")), storetest.Sample())
	next(t, reports, report{"changed", account, saved.Version})
}

func TestAWatchThatBeginsBeforeTheServerConnects(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	s := openURL(t, server.URL(""))
	reports := make(chan report, 1000)
	go s.Watch(t.Context(), tokens.Watch{
		Connected: func() { reports <- report{what: "connected"} },
		Broken:    func(err error) { t.Log(err); reports <- report{what: "broken"} },
		Changed:   func(string, string) {},
	})
	next(t, reports, report{what: "broken"})
	next(t, reports, report{what: "broken"})
	server.Restart()
	next(t, reports, report{what: "connected"})
}
