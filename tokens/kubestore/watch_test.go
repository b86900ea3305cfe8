package kubestore_test

import (
	"context"
	"testing"
	"time"

	"pandadoc-auth-proxy/tokens"
	"pandadoc-auth-proxy/tokens/kubestore"
	"pandadoc-auth-proxy/tokens/kubestore/kubetest"
	"pandadoc-auth-proxy/tokens/storetest"
)

// watch follows s until the end of the test, and returns what is reported: "connected", "broken", or the name of
// an account that has changed. It returns when the watch is connected.
func watch(t *testing.T, s *kubestore.Store) <-chan string {
	t.Helper()
	reports := make(chan string, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Watch(ctx, tokens.Watch{
			Connected: func() { reports <- "connected" },
			Broken:    func(err error) { t.Log(err); reports <- "broken" },
			Changed:   func(account, _ string) { reports <- account },
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	next(t, reports, "connected")
	return reports
}

// next waits for want, and skips whatever else comes.
func next(t *testing.T, reports <-chan string, want string) {
	t.Helper()
	for deadline := time.After(time.Minute); ; {
		select {
		case got := <-reports:
			if got == want {
				return
			}
		case <-deadline:
			t.Fatalf("no report %q", want)
		}
	}
}

func TestAWatchReportsTheSavesOfOthers(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	reports := watch(t, openAt(t, server))
	save(t, openAt(t, server), storetest.Sample())
	next(t, reports, account)
	server.Delete(name)
	next(t, reports, account)
}

func TestAWatchByNameNeedsNoRightToList(t *testing.T) {
	server := kubetest.Start(t, kubetest.Named(name))
	server.Put(name, func(kubetest.Secret) {})
	s := openAt(t, server)
	reports := watch(t, s)
	_, _ = s.Load(t.Context(), account) // from here on it is in use
	next(t, reports, "connected")
	save(t, openAt(t, server), storetest.Sample())
	next(t, reports, account)
}

// An operator's Secret has no labels, so that the watch over labels does not see it.
func TestAPreparedSecretIsWatchedBesideTheOthers(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	server.Put(name, func(kubetest.Secret) {})
	s := openAt(t, server)
	reports := watch(t, s)
	_, _ = s.Load(t.Context(), account)
	next(t, reports, "connected")
	server.Put(name, func(secret kubetest.Secret) { secret["data"] = map[string]any{"other": "eA=="} })
	next(t, reports, account)
}

func TestAWatchThatIsCutGoesOn(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	other := openAt(t, server)
	rec := save(t, other, storetest.Sample())
	reports := watch(t, openAt(t, server))
	server.GoAway(true)
	next(t, reports, "broken")
	server.GoAway(false)
	next(t, reports, "connected")
	save(t, other, rec)
	next(t, reports, account)
}

func TestAfter410TheListIsReadAgain(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	other := openAt(t, server)
	rec := save(t, other, storetest.Sample())
	reports := watch(t, openAt(t, server))
	server.GoAway(true)
	next(t, reports, "broken")
	server.Forget()
	server.Put(name, func(secret kubetest.Secret) { secret["metadata"].(map[string]any)["generation"] = 2 })
	server.Forget()
	server.GoAway(false)
	next(t, reports, account) // which changed while nobody watched
	next(t, reports, "connected")
	save(t, other, rec)
	next(t, reports, account)
}

func TestAnIdleWatchAsksForNothing(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	watch(t, openAt(t, server))
	before, _ := server.Requests()
	timer := time.NewTimer(3 * time.Second) // bookmarks come, and nothing is asked
	<-timer.C
	if after, byVerb := server.Requests(); after != before {
		t.Errorf("%d requests in three idle seconds: %v", after-before, byVerb)
	}
}

func TestAccountsAreListedByTheirLabels(t *testing.T) {
	server := kubetest.Start(t, kubetest.Everything)
	s := openAt(t, server)
	save(t, s, storetest.Sample())
	save(t, open(t, kubestore.Options{URL: server.URL(), Prefix: "pandadoc-auth-proxy-other"}), storetest.Sample())
	names, err := s.Accounts(t.Context())
	if err != nil || len(names) != 1 || names[0] != account {
		t.Errorf("got %v, %v", names, err)
	}
}
